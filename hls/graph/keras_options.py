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


def weights_of(
    layer: keras.Layer,
) -> tuple[np.ndarray, FixedPointFormat, np.ndarray | None, FixedPointFormat | None]:
    """Kernel, its format, bias and its format of a layer of QKeras; None without a bias.

    Raises:
        Refusal: a quantizer without an exact form, an activation inside the layer, or weights that
            training does not leave there: no numbers, or beyond their format.
    """
    if getattr(layer.activation, "__name__", None) != "linear":
        raise Refusal(
            layer.name,
            "activation must be none",
            f"'{getattr(layer.activation, '__name__', layer.activation)}'",
            "let a QActivation follow",
        )
    kernel = exact_format(layer, "kernel", layer.kernel_quantizer_internal)
    values = _in_range(layer, "kernel", kernel)
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
