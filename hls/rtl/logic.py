"""Layers and graphs traced into combinational logic; the one room where da4ml traces."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import localcontext
from typing import Any

import numpy as np
from da4ml.cmvm.types import minimal_kif
from da4ml.trace import FixedVariableArray, HWConfig, comb_trace

from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.logic_layer import LogicLayer
from keras_ae.fixed_point import FixedPointFormat

#: Adders are weighed by their bits, and may be of any size.
_HARDWARE = HWConfig(1, -1, -1)


def trace_logic(layer: LogicLayer, *shapes: Sequence[int]) -> Any:
    """The function of `layer` as da4ml CombLogic, of its inputs of `shapes` one after the other."""
    inputs = [
        _variables(form, tuple(shape))
        for form, shape in zip(layer.input_formats, shapes, strict=True)
    ]
    outputs = layer.trace(*inputs)
    return comb_trace(_joined(inputs), _joined([outputs]))


def trace_graph(graph: LayerGraph) -> Any:
    """A trigger graph as da4ml CombLogic, of the values of its inputs one after the other."""
    # Scales of variables are powers of two, which decimals hold in as many digits.
    with localcontext(prec=1000):
        values: dict[str, Any] = {}
        for node in graph.nodes:
            if isinstance(node.layer, GraphInput):
                values[node.name] = _variables(node.layer.form, node.layer.shape)
            else:
                values[node.name] = node.layer.trace(*(values[name] for name in node.inputs))
        inputs, outputs = (
            _joined([values[name] for name in names])
            for names in (graph.input_names, graph.output_names)
        )
        return comb_trace(inputs, outputs, keep_dead_inputs=True)


def _variables(form: FixedPointFormat, shape: tuple[int, ...]) -> Any:
    """Symbolic numbers of a format, in the shape of one event."""
    bits = [np.full(shape, number) for number in form.kif]
    return FixedVariableArray.from_kif(*bits, hwconf=_HARDWARE)


def _joined(arrays: Sequence[Any]) -> list[Any]:
    """All their symbolic numbers, one after the other."""
    return [variable for array in arrays for variable in array.ravel()]


def width_of(interval: Any) -> int:
    """Bits of a port of da4ml's logic; none where it is always zero."""
    return int(sum(minimal_kif(interval)))


def fractional_of(interval: Any) -> int:
    """Bits behind the point of a port of da4ml's logic."""
    return int(minimal_kif(interval).fractional)
