"""How numbers are represented: layer factories for float and for fixed point.

Both factories give layers of the same names in the same order, so that weights move by name and
graphs compare layer by layer. The one importer of qkeras.
"""

from __future__ import annotations

from typing import Literal, Protocol

import keras
import qkeras
from pydantic import BaseModel, ConfigDict, model_validator

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

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


class Float(BaseModel):
    """Floating point: stock Keras layers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def dense(self, units: int, name: str) -> keras.Layer:
        return keras.layers.Dense(units, kernel_initializer="he_normal", name=name)

    def relu(self, name: str) -> keras.Layer:
        return keras.layers.Activation("relu", name=name)

    def identity(self, role: Role, name: str) -> keras.Layer:
        return keras.layers.Activation("linear", name=name)


class FixedPoint(BaseModel):
    """Fixed point: QKeras layers, quantized in the forward pass, with straight-through gradients.

    Raises:
        InputError: a format that QKeras or the firmware cannot represent exactly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: FixedPointFormat = FixedPointFormat(8, 4)
    weight: FixedPointFormat = FixedPointFormat(8, 2)
    bias: FixedPointFormat = FixedPointFormat(8, 3)
    activation: FixedPointFormat = FixedPointFormat(8, 4, signed=False)
    latent: FixedPointFormat = FixedPointFormat(8, 4)
    reconstruction: FixedPointFormat = FixedPointFormat(8, 4)

    @model_validator(mode="after")
    def _check_formats(self) -> FixedPoint:
        for name in type(self).model_fields:
            chosen: FixedPointFormat = getattr(self, name)
            if chosen.signed == (name == "activation"):
                kind = "ufixed (it follows a ReLU)" if name == "activation" else "fixed"
                raise InputError(f"format of {name} must be {kind}, got {chosen}")
            if chosen.fractional < 1:
                # quantized_bits(bits, integer) with bits <= integer + 1 rounds to another grid.
                raise InputError(
                    f"format of {name} must have at least one bit behind the point, got {chosen}"
                )
        return self

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


def quantizer_format(quantizer: object) -> FixedPointFormat:
    """The format that a QKeras quantizer of this package rounds to.

    Raises:
        InputError: another quantizer, or options that have no exact fixed-point form.
    """
    if isinstance(quantizer, qkeras.quantized_relu) and not quantizer.negative_slope:
        return FixedPointFormat(quantizer.bits, quantizer.integer, signed=False)
    if isinstance(quantizer, qkeras.quantized_bits):
        exact = quantizer.keep_negative and not quantizer.symmetric and quantizer.alpha == 1
        if exact:
            return FixedPointFormat(int(quantizer.bits), int(quantizer.integer) + 1)
    raise InputError(
        f"quantizer must be quantized_bits(alpha=1, symmetric=0, keep_negative=True) or "
        f"quantized_relu, got {quantizer}"
    )
