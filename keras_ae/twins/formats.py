"""Formats of a model that is made of a plain Keras model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat, LayerFormats, check_format
from keras_ae.yaml_files import validate_settings

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
        own = self.own(layer, kind)
        chosen: FixedPointFormat = getattr(self, kind)
        return chosen if own is None else own

    def own(
        self, layer: str, kind: Literal["weight", "bias", "activation"]
    ) -> FixedPointFormat | None:
        """A format that the layer of that name has for itself."""
        found: FixedPointFormat | None = getattr(self.layers.get(layer), kind, None)
        return found


#: As they may be given.
Formats: TypeAlias = TwinFormats | Mapping[str, Any] | None


def twin_formats(given: Formats) -> TwinFormats:
    """None is all defaults, a mapping has the names of the fields.

    Raises:
        InputError: the first mistake in a mapping, or something else.
    """
    if isinstance(given, TwinFormats):
        return given
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"formats must be TwinFormats or a mapping, got {type(given).__name__}")
    return validate_settings(TwinFormats, dict(given or {}), "formats")
