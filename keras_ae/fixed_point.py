"""Fixed-point formats, written as hls4ml users write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from keras_ae.errors import InputError

_PATTERN = re.compile(r"(u?)fixed<\s*(-?\d+)\s*,\s*(-?\d+)\s*(?:,\s*(\w+)\s*)?(?:,\s*(\w+)\s*)?>")
#: As hls4ml calls them: half to even, half up, down; and at the nearest end, or modulo the range.
ROUNDINGS = ("RND_CONV", "RND", "TRN")
OVERFLOWS = ("SAT", "WRAP")
#: int64 holds it.
MAX_WIDTH = 63
#: Of numbers that QKeras rounds, in float32.
MAX_QUANTIZER_WIDTH = 32
#: Of numbers that have a format each.
KINDS = ("input", "weight", "bias", "activation", "embedding", "latent", "reconstruction")


@dataclass(frozen=True)
class FixedPointFormat:
    """`fixed<width, integer, rounding, overflow>`, or `ufixed<...>` without a sign.

    `width` bits in all, of which `integer` stand before the point *including* the sign of a signed
    format. What is between two values becomes one of them by `rounding`: RND_CONV (half to even),
    RND (half up) or TRN (the lower one). What is beyond becomes one by `overflow`: SAT (the nearest
    end) or WRAP (modulo the range). RND_CONV and SAT, as QKeras has them, need not be written.

    Raises:
        InputError: width outside 1 to 63, integer bits outside -63 to 63, or other modes.
    """

    width: int
    integer: int
    signed: bool = True
    rounding: str = ROUNDINGS[0]
    overflow: str = OVERFLOWS[0]

    def __post_init__(self) -> None:
        for name in ("width", "integer"):
            if not isinstance(getattr(self, name), int):
                raise InputError(
                    f"{name} of a format must be an integer, got {getattr(self, name)!r}"
                )
        if not 1 <= self.width <= MAX_WIDTH:
            raise InputError(f"width of {self} must be 1 to {MAX_WIDTH} bits, got {self.width}")
        if abs(self.integer) > MAX_WIDTH:
            raise InputError(
                f"integer bits of {self} must be {-MAX_WIDTH} to {MAX_WIDTH}, got {self.integer}"
            )
        for mode, choices in (("rounding", ROUNDINGS), ("overflow", OVERFLOWS)):
            if getattr(self, mode) not in choices:
                raise InputError(
                    f"{mode} of a format must be one of {', '.join(choices)}, got "
                    f"{getattr(self, mode)!r}"
                )

    @classmethod
    def parse(cls, text: str) -> FixedPointFormat:
        """Read `fixed<W,I>` or `ufixed<W,I>`, perhaps with modes: `fixed<W,I,TRN,WRAP>`.

        Raises:
            InputError: another form, an impossible width, or other modes.
        """
        match = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise InputError(
                "precision must be 'fixed<W,I>' or 'ufixed<W,I>', with rounding and overflow "
                f"'fixed<W,I,TRN,WRAP>', got {text!r}"
            )
        modes = match[4] or ROUNDINGS[0], match[5] or OVERFLOWS[0]
        return cls(int(match[2]), int(match[3]), not match[1], *modes)

    def __str__(self) -> str:
        modes = [self.rounding, self.overflow]
        for default in (OVERFLOWS[0], ROUNDINGS[0]):
            if modes[-1:] == [default]:
                modes.pop()
        parts = ",".join(map(str, (self.width, self.integer, *modes)))
        return f"{'' if self.signed else 'u'}fixed<{parts}>"

    @property
    def values(self) -> FixedPointFormat:
        """The format of the same values without modes, as a port or a range of values has it."""
        return FixedPointFormat(self.width, self.integer, self.signed)

    @property
    def has_modes(self) -> bool:
        """Whether it rounds or overflows otherwise than QKeras does."""
        return self != self.values

    @property
    def fractional(self) -> int:
        """Bits behind the point."""
        return self.width - self.integer

    @property
    def step(self) -> float:
        """Distance of neighbouring values."""
        return 2.0**-self.fractional

    @property
    def low(self) -> float:
        """Smallest value."""
        return -(2.0 ** (self.integer - 1)) if self.signed else 0.0

    @property
    def high(self) -> float:
        """Largest value."""
        return 2.0 ** (self.integer - self.signed) - self.step

    @property
    def kif(self) -> tuple[int, int, int]:
        """Sign bit, integer bits without the sign, fractional bits: da4ml's description."""
        return int(self.signed), self.integer - int(self.signed), self.fractional

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """The representable values that others become, in float64."""
        rounded: np.ndarray = self.quantized(np, np.asarray(values, np.float64))
        return rounded

    def quantized(self, xp: Any, values: Any) -> Any:
        """The same by `numpy` or `keras.ops`, of the type of `values`, float32 or float64.

        Nothing on the way rounds, where the type holds the values and those that they become.
        """
        steps = self._rounded(xp, values * (1 / self.step))
        # In a type of its own, a number may have fewer bits.
        low, high, turn = (
            xp.array(number, dtype=steps.dtype)
            for number in (self.low / self.step, self.high / self.step, 2.0**self.width)
        )
        if self.overflow == "SAT":
            return xp.clip(steps, low, high) * self.step
        # Smaller than a turn, of the sign of the number: a remainder is exact, as is one turn more.
        steps = steps - xp.trunc(steps / turn) * turn
        steps = xp.where(steps < low, steps + turn, steps)
        return xp.where(steps > high, steps - turn, steps) * self.step

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Multiples of the step, in float64, also beyond the range."""
        steps = np.asarray(values, np.float64) * (1 / self.step)
        return np.asarray(self._rounded(np, steps) * self.step)

    def _rounded(self, xp: Any, steps: Any) -> Any:
        if self.rounding == "RND_CONV":
            return xp.round(steps)
        below = xp.floor(steps)
        if self.rounding == "TRN":
            return below
        # Not the floor of a sum with 0.5, which may round up.
        return xp.where(steps - below >= 0.5, below + 1, below)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In YAML a format is its text."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


class LayerFormats(BaseModel):
    """Formats of one layer's own; None where it has those of all layers.

    `weight` and `bias` are of a layer with weights, `activation` of what a layer gives.

    Raises:
        ValueError: a format that QKeras or the firmware cannot represent exactly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: FixedPointFormat | None = None
    bias: FixedPointFormat | None = None
    activation: FixedPointFormat | None = None

    @model_validator(mode="after")
    def _check_formats(self) -> Self:
        for name in self.given:
            check_format(name, getattr(self, name), either_sign=name == "activation")
        return self

    @property
    def given(self) -> tuple[str, ...]:
        """Names of those that are not None."""
        return tuple(name for name in LayerFormats.model_fields if getattr(self, name) is not None)


def _check_rectified(formats: LayerFormats) -> LayerFormats:
    """In an autoencoder of this package an activation of its own is a ReLU's."""
    if formats.activation is not None:
        check_format("activation", formats.activation)
    return formats


class FixedPointFormats(BaseModel):
    """Format of each kind of number in a quantized autoencoder.

    `layers` are formats of single layers by the layer's name, in place of those of all. Inputs,
    embeddings, codes and reconstructions, where networks meet each other and the score, have one
    format each.

    Raises:
        ValueError: a format that QKeras or the firmware cannot represent exactly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: FixedPointFormat = FixedPointFormat(8, 4)
    weight: FixedPointFormat = FixedPointFormat(8, 2)
    bias: FixedPointFormat = FixedPointFormat(8, 2)
    activation: FixedPointFormat = FixedPointFormat(8, 4, signed=False)
    embedding: FixedPointFormat = FixedPointFormat(8, 4)
    latent: FixedPointFormat = FixedPointFormat(8, 4)
    reconstruction: FixedPointFormat = FixedPointFormat(8, 4)
    layers: dict[str, Annotated[LayerFormats, AfterValidator(_check_rectified)]] = {}

    @model_validator(mode="after")
    def _check_formats(self) -> Self:
        for name in KINDS:
            check_format(name, getattr(self, name))
        return self

    def of_layer(self, layer: str, name: str) -> FixedPointFormat:
        """The format `name`, one of those of `LayerFormats`, of the layer of that name."""
        own: FixedPointFormat | None = getattr(self.layers.get(layer), name, None)
        chosen: FixedPointFormat = getattr(self, name)
        return chosen if own is None else own


def check_format(name: str, chosen: FixedPointFormat, either_sign: bool = False) -> None:
    """Raise InputError where numbers called `name` cannot be in a format, its sign among others."""
    if name == "activation" and not either_sign:
        if chosen.signed:
            raise InputError(f"format of {name} must be ufixed (it follows a ReLU), got {chosen}")
        if chosen.overflow != "SAT":
            # Saturation at zero is the ReLU.
            raise InputError(f"overflow of {name} must be SAT (it is the ReLU), got {chosen}")
    if not chosen.signed and name in ("embedding", "latent", "reconstruction"):
        raise InputError(f"format of {name} must be fixed, got {chosen}")
    if chosen.width > MAX_QUANTIZER_WIDTH:
        raise InputError(
            f"format of {name} must have at most {MAX_QUANTIZER_WIDTH} bits, got {chosen}"
        )
    if chosen.signed and chosen.width < 2:
        # QKeras takes one bit with a sign for -1 or 1.
        raise InputError(f"format of {name} must have at least 2 bits, got {chosen}")
