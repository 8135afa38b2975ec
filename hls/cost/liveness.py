"""Which values of a trigger graph its outputs depend on: no logic is made for the others.

Pruning leaves neurons whose weights in the next layer are all zero.
"""

from __future__ import annotations

import math

import keras
import numpy as np

from hls.graph.exact import ExactGraph
from hls.graph.grid import Grid
from hls.graph.logic_layers import AboveThreshold, LogicLayer, LookupTable, ScaleObjects
from hls.graph.operation import Operation
from hls.graph.quantized_weights import QuantizedWeights


def live_values(
    exact: ExactGraph, graph: keras.Model, grids: dict[str, Grid]
) -> dict[str, np.ndarray]:
    """Of each layer by name, a mask in the shape of one event; constants are not live.

    A value that another is added to or compared with counts, even where the other decides alone.
    """
    live = {name: np.zeros(grid.shape, bool) for name, grid in grids.items()}
    for name in exact.output_names:
        live[name] |= True
    for operation in reversed(exact.operations):
        shapes = [grids[name].shape for name in operation.inputs]
        layer = graph.get_layer(operation.name)
        found = _inputs(layer, operation, live[operation.name], shapes)
        for name, mask in zip(operation.inputs, found, strict=True):
            live[name] |= mask & (grids[name].low < grids[name].high)
    return live


def _inputs(
    layer: keras.Layer, operation: Operation, out: np.ndarray, shapes: list[tuple[int, ...]]
) -> list[np.ndarray]:
    """Which values of its inputs the live ones of a layer's output are made of."""
    if hasattr(layer, "kernel"):
        return [_terms(layer, out, shapes[0])]
    if type(layer).__name__ in ("MaxPooling2D", "AveragePooling2D"):
        height, width = layer.pool_size
        return [out.repeat(height, axis=0).repeat(width, axis=1)]
    if isinstance(layer, LogicLayer):
        if isinstance(layer, LookupTable | ScaleObjects | AboveThreshold):
            return [out for _ in shapes]
        # Scores.
        return [np.full(shape, out.any()) for shape in shapes]
    # What moves values, moves their numbers; zero stands for padding.
    ends = np.cumsum([0, *map(math.prod, shapes)])
    numbers = [
        np.arange(start, start + math.prod(shape), dtype=float).reshape(1, *shape) + 1
        for start, shape in zip(ends[:-1], shapes, strict=True)
    ]
    kept = np.zeros(ends[-1] + 1, bool)
    moved = numbers[0] if type(layer).__name__ == "QActivation" else operation.exact(*numbers)
    kept[moved[0][out].astype(int)] = True
    return [kept[part[0].astype(int)] for part in numbers]


def _terms(layer: keras.Layer, out: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Of a dense layer or a convolution, inputs with a weight that is not zero."""
    used = QuantizedWeights.of(layer).kernel != 0
    if used.ndim == 2:
        return used @ out > 0
    height, width = used.shape[:2]
    rows, columns = out.shape[:2]
    padded = np.zeros((rows + height - 1, columns + width - 1, shape[2]), bool)
    for i in range(height):
        for j in range(width):
            padded[i : i + rows, j : j + columns] |= out @ used[i, j].T
    # Keras pads less before than behind.
    top, left = ((height - 1) // 2, (width - 1) // 2) if layer.padding == "same" else (0, 0)
    return padded[top : top + shape[0], left : left + shape[1]]
