"""Layers traced into combinational logic; the one room where da4ml traces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from da4ml.trace import FixedVariableArray, comb_trace

from hls.layers import LogicLayer


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
