"""Weights of QKeras' layers, quantized from their formats alone, and the sums they take part in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from hls.graph.grid import Grid
from hls.graph.refusal import Refusal
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.precision import EXACT_QUANTIZERS, quantizer_format


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
        kernel_format = exact_format(layer, "kernel", layer.kernel_quantizer_internal)
        kernel = kernel_format.quantize(np.asarray(layer.kernel))
        if not layer.use_bias:
            return cls(kernel, np.zeros(kernel.shape[-1]), kernel_format.step)
        bias_format = exact_format(layer, "bias", layer.bias_quantizer_internal)
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
