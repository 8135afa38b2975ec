"""Formats of a model that is made of a plain Keras model."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from keras_ae.fixed_point import FixedPointFormat, LayerFormats, check_format

#: Of numbers that have a format each.
TwinKind = Literal["input", "weight", "bias", "activation", "output"]


class TwinFormats(BaseModel):
    """Format of each kind of number in a fixed-point twin.

    `activation` is what a ReLU gives, `output` what a linear layer gives, the model's outputs among
    them. `inputs` and `layers` are formats of single inputs and layers by name, in place of those
    of all; `activation` of a layer is of what that layer gives, rectified or not.

    Raises:
        ValueError: a format that QKeras or the firmware cannot represent exactly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: FixedPointFormat = FixedPointFormat(8, 4)
    weight: FixedPointFormat = FixedPointFormat(8, 2)
    bias: FixedPointFormat = FixedPointFormat(8, 2)
    activation: FixedPointFormat = FixedPointFormat(8, 4, signed=False)
    output: FixedPointFormat = FixedPointFormat(8, 4)
    inputs: dict[str, FixedPointFormat] = {}
    layers: dict[str, LayerFormats] = {}

    @model_validator(mode="after")
    def _check_formats(self) -> Self:
        for name in ("input", "weight", "bias", "activation", "output"):
            check_format(name, getattr(self, name), either_sign=name in ("input", "activation"))
        for name, chosen in self.inputs.items():
            check_format(f"input '{name}'", chosen, either_sign=True)
        return self

    def of_input(self, name: str) -> FixedPointFormat:
        """The format of the input of that name."""
        return self.inputs.get(name, self.input)

    def of_weights(self, layer: str, kind: Literal["weight", "bias"]) -> FixedPointFormat:
        """The format of the weights or biases of the layer of that name."""
        own: FixedPointFormat | None = getattr(self.layers.get(layer), kind, None)
        chosen: FixedPointFormat = getattr(self, kind)
        return chosen if own is None else own

    def own_activation(self, layer: str) -> FixedPointFormat | None:
        """The format of what the layer of that name gives, where it has one of its own."""
        formats = self.layers.get(layer)
        return None if formats is None else formats.activation
