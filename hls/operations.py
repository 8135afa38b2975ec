"""Layers of Keras and QKeras in exact arithmetic, and the rules that make them exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from hls.grid import Grid
from hls.layers import LogicLayer
from hls.refusal import Refusal
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.precision import EXACT_QUANTIZERS, quantizer_format


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


def producers(tensors: Any) -> tuple[str, ...]:
    """Names of the layers that give a Keras tensor, or each of several."""
    parts = tensors if isinstance(tensors, list | tuple) else [tensors]
    return tuple(str(tensor._keras_history.operation.name) for tensor in parts)


def exact_operation(layer: keras.Layer) -> Operation:
    """A layer in exact arithmetic, with its place in the graph.

    Raises:
        Refusal: a layer, or an option of one, without an exact form.
    """
    kind = type(layer).__name__
    for option, expected in _OPTIONS.get(kind, {}).items():
        if getattr(layer, option) != expected:
            found = repr(getattr(layer, option))
            raise Refusal(layer.name, f"{option} must be {expected!r}", found, "set it so")
    if isinstance(layer, LogicLayer):
        operation = Operation(layer.exact, _declared_grid(layer), layer.in_float32)
    elif kind in _OPERATIONS:
        operation = _OPERATIONS[kind](layer)
    else:
        choices = ", ".join(_OPERATIONS)
        remedy = _REMEDIES.get(kind, "build it of these")
        raise Refusal(layer.name, f"kind must be one of {choices}", kind, remedy)
    return replace(operation, name=layer.name, inputs=producers(layer.input))


def _declared_grid(layer: LogicLayer) -> Callable[..., Grid]:
    """Of all values of the layer's input formats, as for its C++: both give the same port."""

    def grid(*inputs: Grid) -> Grid:
        return layer.grid(
            *(Grid.of(form, x.shape) for form, x in zip(layer.input_formats, inputs, strict=True))
        )

    return grid


@dataclass(frozen=True)
class QuantizedWeights:
    """Kernel, bias (zero where there is none) and the last bit of either, in float64."""

    kernel: np.ndarray
    bias: np.ndarray
    kernel_step: float
    bias_step: float = math.inf

    @classmethod
    def of(cls, layer: keras.Layer) -> QuantizedWeights:
        """Of a layer of QKeras, from its formats alone.

        Raises:
            Refusal: a quantizer without an exact form, or an activation inside the layer.
        """
        if getattr(layer.activation, "__name__", None) != "linear":
            raise Refusal(
                layer.name,
                "activation must be none",
                f"'{getattr(layer.activation, '__name__', layer.activation)}'",
                "let a QActivation follow",
            )
        kernel_format = _exact_format(layer, "kernel", layer.kernel_quantizer_internal)
        kernel = kernel_format.quantize(np.asarray(layer.kernel))
        if not layer.use_bias:
            return cls(kernel, np.zeros(kernel.shape[-1]), kernel_format.step)
        bias_format = _exact_format(layer, "bias", layer.bias_quantizer_internal)
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


def _exact_format(layer: keras.Layer, role: str, quantizer: Any) -> FixedPointFormat:
    """Of a layer's quantizer, that of its output or of its weights."""
    try:
        return quantizer_format(quantizer)
    except InputError:
        raise Refusal(
            layer.name,
            f"quantizer of its {role} must be {EXACT_QUANTIZERS}",
            quantizer,
            "use quantized_bits(bits, integer, alpha=1)",
        ) from None


def _dense(layer: keras.Layer) -> Operation:
    weights, shape = QuantizedWeights.of(layer), tuple(layer.output.shape[1:])

    def exact(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = x @ weights.kernel.astype(x.dtype)
        y += weights.bias.astype(x.dtype)
        return y

    return Operation(exact, lambda x: weights.sum_grid(x.step, x.low, x.high, shape))


def _convolution(layer: keras.Layer) -> Operation:
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

    return Operation(exact, grid)


def _quantizer(layer: keras.Layer) -> Operation:
    form = _exact_format(layer, "output", layer.activation)
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

_LAST: dict[str, object] = {"data_format": "channels_last"}

#: Options of Keras' layers that the reference takes for granted.
_OPTIONS: dict[str, dict[str, object]] = {
    "Flatten": _LAST,
    "MaxPooling2D": _LAST,
    "AveragePooling2D": _LAST,
    "ZeroPadding2D": _LAST,
    "UpSampling2D": {"interpolation": "nearest", **_LAST},
    "Concatenate": {"axis": -1},
    "QConv2D": {"groups": 1, "dilation_rate": (1, 1), **_LAST},
}

#: What stands for a layer that has no exact form, by its kind.
_REMEDIES = {
    "BatchNormalization": "fold it into the layer before",
    "Conv2DTranspose": "hls4ml has no transposed convolution: use upsampling 'upsample'",
    "QConv2DTranspose": "hls4ml has no transposed convolution: use upsampling 'upsample'",
    "Dense": "quantize the model first",
    "Conv2D": "quantize the model first",
    "Activation": "quantize the model first",
}
