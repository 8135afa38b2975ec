"""Constant matrices as trees of shifted additions: digits of weights, intervals, sharing."""

from __future__ import annotations

import math
from dataclasses import replace

import keras
import numpy as np

from hls.graph.exact import ExactGraph
from hls.graph.grid import Grid
from hls.graph.quantized_weights import QuantizedWeights

#: Of the trees, what is left when da4ml has shared terms between outputs: a factor, and exponents
#: of digits per weight, outputs and bits of the widest weight; and how many levels more than the
#: shallowest tree the sharing costs, for each level. By
#: `python benchmarks/cost_model.py sharing`.
SHARING = (0.656, -0.096, -0.063, 0.121)
EXTRA_LEVELS = 0.125


def canonical_parts(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers as differences of two without a common bit, of as few bits as there can be.

    The canonical signed digit form: the bits of the first are digits 1, those of the second -1.
    """
    units = np.rint(units).astype(np.int64)
    magnitude = np.abs(units)
    half, sum_ = magnitude >> 1, magnitude + (magnitude >> 1)
    digits = half ^ sum_
    parts = sum_ & digits, half & digits
    negative = units < 0
    return np.where(negative, parts[1], parts[0]), np.where(negative, parts[0], parts[1])


def signed_digits(units: np.ndarray) -> np.ndarray:
    """How many digits 1 or -1 integers have in canonical form."""
    plus, minus = canonical_parts(units)
    return np.bitwise_count(plus | minus).astype(np.int64)


def enclosed_bits(units: np.ndarray) -> np.ndarray:
    """Bits of integers from the highest to the lowest that is set; 0 of zero."""
    magnitude = np.abs(units).astype(np.int64)
    return (np.frexp(magnitude)[1] - np.frexp(magnitude & -magnitude)[1] + (magnitude > 0)).astype(
        np.int64
    )


def shared_fraction(digits: np.ndarray, units: np.ndarray) -> float:
    """Of the tree of a matrix (inputs, outputs), what is left when terms are shared."""
    n_outputs = np.count_nonzero(digits.sum(axis=0))
    if not n_outputs:
        return 1.0
    factor, *exponents = SHARING
    width = math.log2(np.abs(units).max()) + 1
    sizes = digits.sum() / (n_outputs * len(digits)), n_outputs, width
    return min(1.0, factor * math.prod(s**e for s, e in zip(sizes, exponents, strict=True)))


def patches(x: np.ndarray, layer: keras.Layer, shape: tuple[int, ...]) -> np.ndarray:
    """The terms of each sum, (places, terms), of values in the shape of one event."""
    if x.ndim < 3:
        return x[None]
    sizes = shape[:2]
    same = layer.padding == "same"
    padding = [((size - 1) // 2, size // 2) if same else (0, 0) for size in sizes]
    padded = np.pad(x, [*padding, (0, 0)])
    # (rows, columns, channels, height, width) of the kernel's
    windows = np.lib.stride_tricks.sliding_window_view(padded, sizes, (0, 1))
    return windows.transpose(0, 1, 3, 4, 2).reshape(-1, math.prod(shape[:3]))


def traced_grids(exact: ExactGraph, graph: keras.Model) -> dict[str, Grid]:
    """By layer, which values da4ml takes for possible: more than there are.

    It adds the intervals of digits, those of 8 x and -x for 7 x; a neuron that is always negative
    may not be known to be.
    """
    grids = {name: exact.grids[name] for name in exact.input_names}
    for operation in exact.operations:
        inputs = [grids[name] for name in operation.inputs]
        grid, layer = operation.grid(*inputs), graph.get_layer(operation.name)
        if hasattr(layer, "kernel"):
            weights = QuantizedWeights.of(layer)
            matrix = weights.kernel.reshape(-1, weights.kernel.shape[-1])
            plus, minus = (
                part * weights.kernel_step for part in canonical_parts(matrix / weights.kernel_step)
            )
            low, high = (
                patches(part, layer, weights.kernel.shape)
                for part in (inputs[0].low, inputs[0].high)
            )
            lowest = low @ plus - high @ minus + weights.bias
            highest = high @ plus - low @ minus + weights.bias
            shape = grid.shape
            grid = replace(grid, low=lowest.reshape(shape), high=highest.reshape(shape))
        grids[operation.name] = grid
    return grids
