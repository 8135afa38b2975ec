"""The exact reference: a trigger graph in NumPy, without a rounding that it does not state.

Every number in a trigger graph is a fixed-point number. float64 holds it, and every partial sum on
the way to it, as long as these stay within 2^53 units of their last bit: `ExactGraph` proves that
before it evaluates, and takes float32, which is faster, where 2^24 units are enough. Weights are
quantized here, from the formats alone; neither Keras nor hls4ml has a part in it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from threadpoolctl import threadpool_limits

from hls.grid import Grid
from hls.layers import LogicLayer
from keras_ae.errors import InputError
from keras_ae.precision import quantizer_format

#: float64 and float32 hold every integer up to here.
EXACT_FLOAT64 = 2.0**53
EXACT_FLOAT32 = 2.0**24

#: Numbers of the widest tensor that are evaluated at once: they stay in the cache.
_CHUNK_NUMBERS = 2**17


@dataclass(frozen=True)
class TriggerOutput:
    """Scores by name, (events,) float64, the deciding one first; and `trigger` (events,) bool."""

    scores: dict[str, np.ndarray]
    trigger: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The one that decides."""
        return next(iter(self.scores.values()))

    @classmethod
    def of(cls, outputs: dict[str, np.ndarray]) -> TriggerOutput:
        """Of the outputs of a trigger graph by name, (events, 1) each, the last the decision."""
        *scores, trigger = (values.ravel() for values in outputs.values())
        names = list(outputs)[:-1]
        return cls(
            {name: np.asarray(s, np.float64) for name, s in zip(names, scores, strict=True)},
            trigger > 0.5,
        )

    def take(self, index: np.ndarray) -> TriggerOutput:
        """The events at `index`."""
        scores = {name: values[index] for name, values in self.scores.items()}
        return TriggerOutput(scores, self.trigger[index])


@dataclass(frozen=True)
class Operation:
    """One layer in exact arithmetic: its function on arrays (events, ...), and on grids.

    `in_float32`: Keras computes it in float32. `dtype`: what `exact` is given here.
    """

    exact: Callable[..., np.ndarray]
    grid: Callable[..., Grid]
    in_float32: bool = True
    name: str = ""
    inputs: tuple[str, ...] = ()
    dtype: type = np.float64


class ExactGraph:
    """A trigger graph, evaluated exactly.

    Raises:
        InputError: a layer without an exact form, or sums too wide for float64.
    """

    def __init__(self, graph: keras.Model) -> None:
        layers = [layer for layer in graph.layers if not isinstance(layer, keras.layers.InputLayer)]
        self._operations: list[Operation] = []
        #: Names of the layers that give the graph's inputs and outputs.
        self.input_names = producers(graph.inputs)
        self.output_names = producers(graph.outputs)
        #: Which values each layer can give, by name.
        self.grids: dict[str, Grid] = {}
        for name in self.input_names:
            layer = graph.get_layer(name)
            self.grids[name] = Grid.of(layer.input_format, tuple(layer.output.shape[1:]))
        for operation in map(_operation, layers):
            inputs = [self.grids[name] for name in operation.inputs]
            grid = operation.grid(*inputs)
            if grid.units > EXACT_FLOAT64:
                raise InputError(
                    f"sums in layer '{operation.name}' must stay within 2^53 units of their last "
                    f"bit, got {grid.units:.3g}: use narrower formats"
                )
            self.grids[operation.name] = grid
            narrow = max(grid.units, *(x.units for x in inputs)) <= EXACT_FLOAT32
            self._operations.append(replace(operation, dtype=np.float32) if narrow else operation)

    @property
    def inexact_in_float32(self) -> tuple[str, ...]:
        """Layers whose numbers, or sums on the way to them, Keras' float32 may round."""
        return tuple(
            operation.name
            for operation in self._operations
            if operation.in_float32 and self.grids[operation.name].units > EXACT_FLOAT32
        )

    def evaluate(self, *inputs: np.ndarray, n_threads: int | None = None) -> TriggerOutput:
        """Scores and trigger bits of values of the graph's inputs, (events, ...) each.

        Args:
            inputs: in the order of the graph's.
            n_threads: by default one for each core.
        """
        return TriggerOutput.of(self.outputs(*inputs, n_threads=n_threads))

    def outputs(self, *inputs: np.ndarray, n_threads: int | None = None) -> dict[str, np.ndarray]:
        """The graph's outputs by name, (events, ...) each."""
        values = self._map(self.output_names, inputs, n_threads)
        return dict(zip(self.output_names, values, strict=True))

    def trace(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The output of every layer by name, (events, ...) each."""
        names = [operation.name for operation in self._operations]
        return dict(zip(names, self._map(names, inputs, None), strict=True))

    def _map(
        self, names: Sequence[str], inputs: Sequence[np.ndarray], n_threads: int | None
    ) -> list[np.ndarray]:
        n_events = len(inputs[0])
        size = max(1, _CHUNK_NUMBERS // max(int(np.prod(g.shape)) for g in self.grids.values()))
        # One at least, so that the results of no events have their shape.
        starts = range(0, max(n_events, 1), size)
        with (
            # One thread for each chunk instead of several for each product.
            threadpool_limits(1, "blas"),
            ThreadPoolExecutor(n_threads or os.cpu_count()) as pool,
        ):
            chunks = list(
                pool.map(
                    lambda first: self._evaluate(
                        names, [part[first : first + size] for part in inputs]
                    ),
                    starts,
                )
            )
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]

    def _evaluate(self, names: Sequence[str], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        values = dict(zip(self.input_names, inputs, strict=True))
        for operation in self._operations:
            arrays: list[np.ndarray] = [
                np.asarray(values[name], operation.dtype) for name in operation.inputs
            ]
            values[operation.name] = operation.exact(*arrays)
        return [values[name] for name in names]


def producers(tensors: Any) -> tuple[str, ...]:
    """Names of the layers that give a Keras tensor, or each of several."""
    parts = tensors if isinstance(tensors, list | tuple) else [tensors]
    return tuple(str(tensor._keras_history.operation.name) for tensor in parts)


def _operation(layer: keras.Layer) -> Operation:
    """A layer in exact arithmetic, with its place in the graph."""
    if isinstance(layer, LogicLayer):
        operation = Operation(layer.exact, layer.grid, layer.in_float32)
    elif type(layer).__name__ in _OPERATIONS:
        operation = _OPERATIONS[type(layer).__name__](layer)
    else:
        raise InputError(
            f"layer '{layer.name}' must be one of {', '.join(_OPERATIONS)} or of the trigger's own "
            f"logic, got {type(layer).__name__}"
        )
    return replace(operation, name=layer.name, inputs=producers(layer.input))


@dataclass(frozen=True)
class QuantizedWeights:
    """Kernel, bias (zero where there is none) and the last bit of either, in float64."""

    kernel: np.ndarray
    bias: np.ndarray
    kernel_step: float
    bias_step: float = math.inf

    @classmethod
    def of(cls, layer: keras.Layer) -> QuantizedWeights:
        """Of a layer of QKeras, from its formats alone."""
        kernel_format = quantizer_format(layer.kernel_quantizer_internal)
        kernel = kernel_format.quantize(np.asarray(layer.kernel))
        if not layer.use_bias:
            return cls(kernel, np.zeros(kernel.shape[-1]), kernel_format.step)
        bias_format = quantizer_format(layer.bias_quantizer_internal)
        bias = bias_format.quantize(np.asarray(layer.bias))
        return cls(kernel, bias, kernel_format.step, bias_format.step)

    def sum_grid(
        self, step: np.ndarray, low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]
    ) -> Grid:
        """Of sum_k x_k kernel_kj + bias_j, with x_k (terms,) between low and high, in `shape`."""
        matrix = self.kernel.reshape(-1, self.kernel.shape[-1])  # (terms, outputs)
        positive, negative = np.maximum(matrix, 0), np.minimum(matrix, 0)
        lowest = low @ positive + high @ negative + self.bias
        highest = high @ positive + low @ negative + self.bias
        largest = np.maximum(-low, high) @ np.abs(matrix) + np.abs(self.bias)
        last_bit = min(float(np.min(step)) * self.kernel_step, self.bias_step)
        return Grid(
            np.full(shape, last_bit),
            np.broadcast_to(lowest, shape),
            np.broadcast_to(highest, shape),
            float(largest.max()),
        )


def _dense(layer: keras.Layer) -> Operation:
    weights, shape = QuantizedWeights.of(layer), tuple(layer.output.shape[1:])

    def exact(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = x @ weights.kernel.astype(x.dtype)
        y += weights.bias.astype(x.dtype)
        return y

    return Operation(exact, lambda x: weights.sum_grid(x.step, x.low, x.high, shape))


def _convolution(layer: keras.Layer) -> Operation:
    """Stride 1, channels last; padded to the same size, or not.

    Raises:
        InputError: strides, dilation or groups.
    """
    options = (*layer.strides, *layer.dilation_rate, layer.groups)
    if set(options) != {1} or layer.data_format != "channels_last":
        raise InputError(
            f"layer '{layer.name}' must have strides, dilation and groups of 1 and its channels "
            f"last, got {layer.strides}, {layer.dilation_rate}, {layer.groups}, {layer.data_format}"
        )
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

    return Operation(exact, grid)


def _quantizer(layer: keras.Layer) -> Operation:
    form = quantizer_format(layer.activation)
    low, high = form.low / form.step, form.high / form.step

    def exact(x: np.ndarray) -> np.ndarray:
        y = x * (1 / form.step)
        np.rint(y, out=y)
        np.clip(y, low, high, out=y)
        y *= form.step
        return y

    return Operation(exact, lambda x: x.take(form))


def _reshape(layer: keras.Layer) -> Operation:
    shape = tuple(layer.output.shape[1:])
    return Operation(
        lambda x: x.reshape(len(x), *shape), lambda x: x.map(lambda part: part.reshape(shape))
    )


def _concatenate(layer: keras.Layer) -> Operation:
    def grid(*parts: Grid) -> Grid:
        step, low, high = (
            np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("step", "low", "high")
        )
        return Grid(step, low, high)

    return Operation(lambda *parts: np.concatenate(parts, axis=-1), grid)


def _max_pooling(layer: keras.Layer) -> Operation:
    pool = _pool(layer)
    return Operation(
        lambda x: x.reshape(_tiled(x.shape, pool)).max(axis=(2, 4)),
        lambda x: _tile_grid(x, pool),
    )


def _average_pooling(layer: keras.Layer) -> Operation:
    """Raises InputError for a mean that binary fractions do not hold."""
    pool = _pool(layer)
    area = pool[0] * pool[1]
    if area.bit_count() != 1:
        raise InputError(
            f"layer '{layer.name}' must average over 2, 4, 8, ... pixels for means that fixed "
            f"point holds, got {area} in pools of {pool}"
        )

    def grid(x: Grid) -> Grid:
        tiled = _tile_grid(x, pool)
        largest = area * max(float(-tiled.low.min()), float(tiled.high.max()))
        return replace(tiled, step=tiled.step / area, largest_sum=largest / area)

    return Operation(lambda x: x.reshape(_tiled(x.shape, pool)).mean(axis=(2, 4)), grid)


def _upsampling(layer: keras.Layer) -> Operation:
    height, width = layer.size

    def repeat(x: np.ndarray) -> np.ndarray:
        return x.repeat(height, axis=-3).repeat(width, axis=-2)

    return Operation(repeat, lambda x: x.map(repeat))


def _zero_padding(layer: keras.Layer) -> Operation:
    padding = [*layer.padding, (0, 0)]

    def grid(x: Grid) -> Grid:
        step = np.pad(x.step, padding, constant_values=float(x.step.max()))
        return Grid(step, np.pad(x.low, padding), np.pad(x.high, padding), x.largest_sum)

    return Operation(lambda x: np.pad(x, [(0, 0), *padding]), grid)


def _pool(layer: keras.Layer) -> tuple[int, int]:
    """Height and width of the pool.

    Raises:
        InputError: pools that overlap, or leave pixels over.
    """
    height, width = layer.pool_size
    rows, columns = layer.input.shape[1:3]
    if tuple(layer.strides) != (height, width) or rows % height or columns % width:
        raise InputError(
            f"layer '{layer.name}' must have pools side by side that cover the image, got pool "
            f"{(height, width)} with strides {tuple(layer.strides)} on {(rows, columns)}"
        )
    return height, width


def _tiled(shape: tuple[int, ...], pool: tuple[int, int]) -> tuple[int, ...]:
    """(events, rows, columns, channels) with an axis for the place in the pool after each."""
    events, rows, columns, channels = shape
    return events, rows // pool[0], pool[0], columns // pool[1], pool[1], channels


def _tile_grid(x: Grid, pool: tuple[int, int]) -> Grid:
    """What a pool can hold: the widest of its pixels."""
    tiled = x.map(lambda part: part.reshape(_tiled((1, *x.shape), pool)))
    axes = (0, 2, 4)
    step, low, high = tiled.step.min(axis=axes), tiled.low.min(axis=axes), tiled.high.max(axis=axes)
    return Grid(step, low, high, x.largest_sum)


_OPERATIONS: dict[str, Callable[[keras.Layer], Operation]] = {
    "QDense": _dense,
    "QConv2D": _convolution,
    "QActivation": _quantizer,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Concatenate": _concatenate,
    "MaxPooling2D": _max_pooling,
    "AveragePooling2D": _average_pooling,
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": _zero_padding,
}
