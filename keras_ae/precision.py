"""How numbers are represented: layer factories for float and for fixed point.

Both factories give layers of the same names in the same order, so that weights move by name and
graphs compare layer by layer. The one importer of qkeras.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import keras
import qkeras

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat, FixedPointFormats

#: What a linear activation is there for: it decides its fixed-point format.
Role = Literal["input", "latent", "reconstruction"]


class Precision(Protocol):
    """A factory of layers."""

    def dense(self, units: int, name: str) -> keras.Layer:
        """Dense layer without activation: (batch, n) -> (batch, units)."""

    def relu(self, name: str) -> keras.Layer:
        """Rectifier."""

    def identity(self, role: Role, name: str) -> keras.Layer:
        """Nothing in float, a quantizer in fixed point."""


class Float:
    """Floating point: stock Keras layers."""

    def dense(self, units: int, name: str) -> keras.Layer:
        return keras.layers.Dense(units, kernel_initializer="he_normal", name=name)

    def relu(self, name: str) -> keras.Layer:
        return keras.layers.Activation("relu", name=name)

    def identity(self, role: Role, name: str) -> keras.Layer:
        return keras.layers.Activation("linear", name=name)


class FixedPoint(FixedPointFormats):
    """Fixed point: QKeras layers, quantized in the forward pass, straight-through gradients."""

    def dense(self, units: int, name: str) -> keras.Layer:
        return qkeras.QDense(
            units,
            kernel_initializer="he_normal",
            kernel_quantizer=_signed_quantizer(self.weight),
            bias_quantizer=_signed_quantizer(self.bias),
            name=name,
        )

    def relu(self, name: str) -> keras.Layer:
        chosen = self.activation
        return qkeras.QActivation(qkeras.quantized_relu(chosen.width, chosen.integer), name=name)

    def identity(self, role: Role, name: str) -> keras.Layer:
        return qkeras.QActivation(_signed_quantizer(getattr(self, role)), name=name)


def _signed_quantizer(chosen: FixedPointFormat) -> object:
    # QKeras counts the integer bits without the sign. alpha=1: no scale beside the format's own.
    return qkeras.quantized_bits(chosen.width, chosen.integer - 1, keep_negative=True, alpha=1)


def quantizer_format(quantizer: Any) -> FixedPointFormat:
    """The format that a QKeras quantizer of this package rounds to.

    Raises:
        InputError: another quantizer, or options that have no exact fixed-point form.
    """
    always = ("use_stochastic_rounding", False), ("qnoise_factor", 1.0)
    exact: dict[type, tuple[tuple[str, object], ...]] = {
        qkeras.quantized_bits: (("alpha", 1), ("symmetric", 0), ("keep_negative", 1), *always),
        qkeras.quantized_relu: (
            ("negative_slope", 0),
            ("use_sigmoid", 0),
            ("relu_upper_bound", None),
            *always,
        ),
    }
    options = exact.get(type(quantizer))
    if options is None or any(getattr(quantizer, name) != value for name, value in options):
        raise InputError(
            "quantizer must be quantized_bits(alpha=1, symmetric=0, keep_negative=True) or "
            f"quantized_relu without further options, got {quantizer}"
        )
    signed = type(quantizer) is qkeras.quantized_bits
    return FixedPointFormat(int(quantizer.bits), int(quantizer.integer) + signed, signed)
