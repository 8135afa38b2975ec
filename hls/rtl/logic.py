"""Layers and graphs traced into combinational logic; the one room where da4ml traces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import localcontext
from typing import Any

import keras
import numpy as np
from da4ml.cmvm.types import minimal_kif
from da4ml.trace import FixedVariableArray, HWConfig, comb_trace

from hls.graph.exact import ExactGraph
from hls.graph.logic_layers import LogicLayer


def trace_logic(layer: LogicLayer, *shapes: Sequence[int]) -> Any:
    """The function of `layer` as da4ml CombLogic, of its inputs of `shapes` one after the other."""
    sizes = [math.prod(shape) for shape in shapes]
    bits = [
        [np.full(size, value) for value in form.kif]
        for form, size in zip(layer.input_formats, sizes, strict=True)
    ]
    inputs = FixedVariableArray.from_kif(
        *(np.concatenate(parts) for parts in zip(*bits, strict=True))
    )
    ends = np.cumsum(sizes)
    parts = [inputs[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    return comb_trace(inputs, layer.trace(*parts))


def trace_graph(graph: keras.Model) -> Any:
    """A trigger graph as da4ml CombLogic, of the values of its inputs one after the other."""
    # Scales of variables are powers of two, which decimals hold in as many digits.
    with localcontext(prec=1000):
        return _trace(graph, HWConfig(1, -1, -1))


def _trace(graph: keras.Model, hardware: HWConfig) -> Any:
    exact = ExactGraph(graph)
    values = {}
    for name in exact.input_names:
        port = graph.get_layer(name)
        bits = [np.full(port.output.shape[1:], number) for number in port.input_format.kif]
        values[name] = FixedVariableArray.from_kif(*bits, hwconf=hardware)
    inputs = [variable for name in exact.input_names for variable in values[name].ravel()]
    for operation in exact.operations:
        values[operation.name] = operation.trace(*(values[name] for name in operation.inputs))
    outputs = [variable for name in exact.output_names for variable in values[name].ravel()]
    return comb_trace(inputs, outputs, keep_dead_inputs=True)


def width_of(interval: Any) -> int:
    """Bits of a port of da4ml's logic; none where it is always zero."""
    return int(sum(minimal_kif(interval)))


def fractional_of(interval: Any) -> int:
    """Bits behind the point of a port of da4ml's logic."""
    return int(minimal_kif(interval).fractional)
