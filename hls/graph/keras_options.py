"""What a layer of Keras must be like, so that it has an exact form; and its weights and formats."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from hls.graph.refusal import Refusal
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.precision import EXACT_QUANTIZERS, quantizer_format


def require_options(layer: keras.Layer, **expected: object) -> None:
    """Raise Refusal unless the layer has these options, which its exact form takes for granted."""
    for option, value in expected.items():
        if getattr(layer, option) != value:
            found = repr(getattr(layer, option))
            raise Refusal(layer.name, f"{option} must be {value!r}", found, "set it so")


def require_last_axis(layer: keras.Layer) -> None:
    """Raise Refusal unless the axis that a layer or operation works along is the last."""
    n_axes = len(layer.output.shape)
    if layer.axis not in (-1, n_axes - 1):
        raise Refusal(layer.name, "axis must be -1, the last", layer.axis, "set it so")


def operands_of(layer: Any) -> list[Any]:
    """What a layer or an operation of Keras is called with: tensors, and constants of operators."""
    node = layer._inbound_nodes[0]
    if isinstance(layer, keras.Layer):
        return list(node.input_tensors)
    by_name = node.arguments.kwargs
    return [*node.arguments.args, *(by_name[name] for name in ("x", "x1", "x2") if name in by_name)]


def constant_of(layer: Any, value: Any) -> np.ndarray | None:
    """An operand as Keras computes with it, in float32 or float64; None for a tensor.

    Raises:
        Refusal: no numbers, numbers of another type, or as many as make another shape of a tensor.
    """
    if isinstance(value, keras.KerasTensor):
        return None
    kind = keras.backend.standardize_dtype(layer.output.dtype)
    if kind not in ("float32", "float64"):
        rule, remedy = (
            "numbers must be float32 or float64",
            "set keras.config.set_floatx('float32')",
        )
        raise Refusal(layer.name, rule, kind, remedy)
    try:
        with np.errstate(over="ignore"):
            constant = np.asarray(keras.ops.convert_to_numpy(value)).astype(kind)
    except (TypeError, ValueError):
        found = type(value).__name__
        raise Refusal(layer.name, "a constant must hold numbers", found, "give numbers") from None
    if any(
        tuple(x.shape) != tuple(layer.output.shape) for x in layer._inbound_nodes[0].input_tensors
    ):
        rule, remedy = "a constant must leave the tensor's shape", "give one for each channel"
        raise Refusal(layer.name, rule, constant.shape, remedy)
    return constant


def weights_of(
    layer: keras.Layer, role: str = "kernel"
) -> tuple[np.ndarray, FixedPointFormat, np.ndarray | None, FixedPointFormat | None]:
    """Kernel, its format, bias and its format of a layer of QKeras; None without a bias.

    Raises:
        Refusal: a quantizer without an exact form, or weights that training does not leave there:
            no numbers, or beyond their format.
    """
    kernel = exact_format(layer, "kernel", getattr(layer, f"{role}_quantizer_internal"))
    values = _in_range(layer, "kernel" if role == "kernel" else f"{role}_kernel", kernel)
    if not layer.use_bias:
        return values, kernel, None, None
    bias = exact_format(layer, "bias", layer.bias_quantizer_internal)
    return values, kernel, _in_range(layer, "bias", bias), bias


def _in_range(layer: keras.Layer, role: str, form: FixedPointFormat) -> np.ndarray:
    """Kernel or bias, none of which lies farther out than QKeras clips weights of that format."""
    values = np.array(getattr(layer, role))
    end = max(1.0, form.high + form.step)
    beyond = values[~(np.abs(values) <= end)]
    if beyond.size:
        found = f"{float(beyond[0]):g}"
        numbers = bool(np.isfinite(beyond[0]))
        raise Refusal(
            layer.name,
            f"{role} in {form} must be numbers from {-end:g} to {end:g}",
            found,
            "use more integer bits or clip the weights" if numbers else "train it again",
        )
    return values


def exact_format(layer: keras.Layer, role: str, quantizer: Any) -> FixedPointFormat:
    """Of a layer's quantizer, that of its output or of its weights.

    Raises:
        Refusal: a quantizer without an exact form.
    """
    try:
        return quantizer_format(quantizer)
    except InputError:
        raise Refusal(
            layer.name,
            f"quantizer of its {role} must be {EXACT_QUANTIZERS}",
            quantizer,
            "use quantized_bits(bits, integer, alpha=1) or fixed_point('fixed<W,I>')",
        ) from None
