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
        Refusal: a quantizer without an exact form, or an activation inside the layer.
    """
    if getattr(layer.activation, "__name__", None) != "linear":
        raise Refusal(
            layer.name,
            "activation must be none",
            f"'{getattr(layer.activation, '__name__', layer.activation)}'",
            "let a QActivation follow",
        )
    kernel = exact_format(layer, "kernel", layer.kernel_quantizer_internal)
    if not layer.use_bias:
        return np.array(layer.kernel), kernel, None, None
    bias = exact_format(layer, "bias", layer.bias_quantizer_internal)
    return np.array(layer.kernel), kernel, np.array(layer.bias), bias


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
            "use quantized_bits(bits, integer, alpha=1)",
        ) from None
