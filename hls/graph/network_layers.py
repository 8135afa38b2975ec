"""Which layers have an exact form, and that form: Keras', QKeras' and the trigger's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from hls.graph.grid import Grid
from hls.graph.image_layers import (
    average_pooling,
    convolution,
    max_pooling,
    upsampling,
    zero_padding,
)
from hls.graph.logic_layers import LogicLayer
from hls.graph.operation import Operation, producers
from hls.graph.quantized_weights import QuantizedWeights, exact_format
from hls.graph.refusal import Refusal
from hls.graph.symbolic import rounded


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
        operation = Operation(
            layer.exact, _declared_grid(layer), _flat_trace(layer), layer.in_float32
        )
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


def _flat_trace(layer: LogicLayer) -> Callable[..., Any]:
    shape = tuple(layer.output.shape[1:])
    return lambda *inputs: layer.trace(*(x.ravel() for x in inputs)).reshape(shape)


def _dense(layer: keras.Layer) -> Operation:
    weights, shape = QuantizedWeights.of(layer), tuple(layer.output.shape[1:])

    def exact(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = x @ weights.kernel.astype(x.dtype)
        y += weights.bias.astype(x.dtype)
        return y

    return Operation(
        exact,
        lambda x: weights.sum_grid(x.step, x.low, x.high, shape),
        lambda x: x @ weights.kernel + weights.bias,
    )


def _quantizer(layer: keras.Layer) -> Operation:
    form = exact_format(layer, "output", layer.activation)
    low, high = form.low / form.step, form.high / form.step

    def exact(x: np.ndarray) -> np.ndarray:
        y = x * (1 / form.step)
        np.rint(y, out=y)
        np.clip(y, low, high, out=y)
        y *= form.step
        return y

    def trace(x: Any) -> Any:
        return type(x)(np.array([rounded(v, form) for v in x.ravel()]).reshape(x.shape))

    return Operation(exact, lambda x: x.take(form), trace)


def _reshape(layer: keras.Layer) -> Operation:
    shape = tuple(layer.output.shape[1:])
    return Operation(
        lambda x: x.reshape(len(x), *shape),
        lambda x: x.map(lambda part: part.reshape(shape)),
        lambda x: x.reshape(shape),
    )


def _concatenate(layer: keras.Layer) -> Operation:
    def grid(*parts: Grid) -> Grid:
        step, low, high = (
            np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("step", "low", "high")
        )
        return Grid(step, low, high)

    def join(*parts: Any) -> Any:
        return np.concatenate(parts, axis=-1)

    return Operation(join, grid, join)


_OPERATIONS: dict[str, Callable[[keras.Layer], Operation]] = {
    "QDense": _dense,
    "QConv2D": convolution,
    "QActivation": _quantizer,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Concatenate": _concatenate,
    "MaxPooling2D": max_pooling,
    "AveragePooling2D": average_pooling,
    "UpSampling2D": upsampling,
    "ZeroPadding2D": zero_padding,
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
