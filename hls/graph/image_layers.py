"""Layers of images in exact arithmetic: convolution, pooling, upsampling, padding.

Arrays are (events, rows, columns, channels).
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from hls.graph.grid import Grid
from hls.graph.operation import Operation
from hls.graph.quantized_weights import QuantizedWeights
from hls.graph.refusal import Refusal


def convolution(layer: keras.Layer) -> Operation:
    """Stride 1, channels last; padded to the same size, or not."""
    if tuple(layer.strides) != (1, 1):
        found = repr(tuple(layer.strides))
        raise Refusal(layer.name, "strides must be (1, 1)", found, "let a pooling layer follow")
    weights, shape = QuantizedWeights.of(layer), tuple(layer.output.shape[1:])
    height, width, _, n_filters = weights.kernel.shape
    rows, columns, _ = shape
    padding = [(0, 0)] * 4
    if layer.padding == "same":
        # Keras pads less before than behind.
        padding[1:3] = [((size - 1) // 2, size // 2) for size in (height, width)]

    def exact(x: np.ndarray) -> np.ndarray:
        kernel, padded = weights.kernel.astype(x.dtype), np.pad(x, padding)
        y = np.broadcast_to(weights.bias.astype(x.dtype), (len(x), rows, columns, n_filters)).copy()
        for i in range(height):
            for j in range(width):
                y += padded[:, i : i + rows, j : j + columns] @ kernel[i, j]
        return y

    def grid(x: Grid) -> Grid:
        # By channel; the padding is zero.
        low, high = np.minimum(x.low, 0).min(axis=(0, 1)), np.maximum(x.high, 0).max(axis=(0, 1))
        n_taps = height * width
        return weights.sum_grid(x.step, np.tile(low, n_taps), np.tile(high, n_taps), shape)

    def trace(x: Any) -> Any:
        padded = np.pad(x, padding[1:])
        patches = [
            padded[i : i + height, j : j + width].ravel()
            for i in range(rows)
            for j in range(columns)
        ]
        matrix = weights.kernel.reshape(-1, n_filters)
        return (np.stack(patches) @ matrix + weights.bias).reshape(shape)

    return Operation(exact, grid, trace)


def max_pooling(layer: keras.Layer) -> Operation:
    pool = _pool(layer)
    return Operation(
        lambda x: x.reshape(_tiled(x.shape, pool)).max(axis=(2, 4)),
        lambda x: _tile_grid(x, pool),
        lambda x: functools.reduce(np.maximum, _places(x, pool)),
    )


def average_pooling(layer: keras.Layer) -> Operation:
    pool = _pool(layer)
    area = pool[0] * pool[1]
    if area.bit_count() != 1:
        raise Refusal(
            layer.name,
            "means must be over 2, 4, 8, ... pixels",
            f"{area} in pools of {pool}",
            "others are no binary fractions: choose another pool size",
        )

    def grid(x: Grid) -> Grid:
        tiled = _tile_grid(x, pool)
        # In units of the mean's step, as large as the sum of the pixels in units of theirs.
        largest = max(float(-tiled.low.min()), float(tiled.high.max()))
        return replace(tiled, step=tiled.step / area, largest_sum=largest)

    return Operation(
        lambda x: x.reshape(_tiled(x.shape, pool)).mean(axis=(2, 4)),
        grid,
        lambda x: sum(_places(x, pool)) * (1 / area),
    )


def upsampling(layer: keras.Layer) -> Operation:
    height, width = layer.size

    def repeat(x: Any) -> Any:
        return np.repeat(np.repeat(x, height, axis=-3), width, axis=-2)

    return Operation(repeat, lambda x: x.map(repeat), repeat)


def zero_padding(layer: keras.Layer) -> Operation:
    padding = [*layer.padding, (0, 0)]

    def grid(x: Grid) -> Grid:
        step = np.pad(x.step, padding, constant_values=float(x.step.max()))
        return Grid(step, np.pad(x.low, padding), np.pad(x.high, padding), x.largest_sum)

    return Operation(lambda x: np.pad(x, [(0, 0), *padding]), grid, lambda x: np.pad(x, padding))


def _pool(layer: keras.Layer) -> tuple[int, int]:
    """Height and width of the pool.

    Raises:
        Refusal: pools that overlap, or leave pixels over.
    """
    height, width = layer.pool_size
    rows, columns = layer.input.shape[1:3]
    if tuple(layer.strides) != (height, width) or rows % height or columns % width:
        raise Refusal(
            layer.name,
            "pools must lie side by side and cover the image",
            f"pool {(height, width)} with strides {tuple(layer.strides)} on {(rows, columns)}",
            "choose a pool size that divides it",
        )
    return height, width


def _tiled(shape: tuple[int, ...], pool: tuple[int, int]) -> tuple[int, ...]:
    """(events, rows, columns, channels) with an axis for the place in the pool after each."""
    events, rows, columns, channels = shape
    return events, rows // pool[0], pool[0], columns // pool[1], pool[1], channels


def _places(x: Any, pool: tuple[int, int]) -> list[Any]:
    """Of one event, the pixels at each place of their pools."""
    height, width = pool
    return [x[i::height, j::width] for i in range(height) for j in range(width)]


def _tile_grid(x: Grid, pool: tuple[int, int]) -> Grid:
    """What a pool can hold: the widest of its pixels."""
    tiled = x.map(lambda part: part.reshape(_tiled((1, *x.shape), pool)))
    axes = (0, 2, 4)
    step, low, high = tiled.step.min(axis=axes), tiled.low.min(axis=axes), tiled.high.max(axis=axes)
    return Grid(step, low, high, x.largest_sum)
