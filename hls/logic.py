"""Layers traced into combinational logic; the one room where da4ml traces."""

from __future__ import annotations

from typing import Any

import numpy as np
from da4ml.trace import FixedVariableArray, comb_trace

from hls.layers import LogicLayer
from keras_ae.fixed_point import FixedPointFormat


def trace_logic(layer: LogicLayer, n_inputs: int) -> Any:
    """The function of `layer` on `n_inputs` values of its input format, as da4ml CombLogic."""
    inputs = FixedVariableArray.from_kif(
        *(np.full(n_inputs, value) for value in layer.input_format.kif)
    )
    return comb_trace(inputs, layer.trace(inputs))


def output_format(layer: LogicLayer, n_inputs: int) -> FixedPointFormat:
    """The narrowest format that holds every output of `layer`."""
    signed, integer, fractional = (
        int(np.max(bits)) for bits in trace_logic(layer, n_inputs).out_kifs
    )
    return FixedPointFormat(signed + integer + fractional, signed + integer, bool(signed))
