"""What stands on the wires of a trigger: fields, and collections of objects that have them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.last_bit import LastBit
from keras_ae.section import Section

#: Of collections and fields: also what firmware calls them.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: Of a field: float64 holds its values, and so do C++'s double and numpy.
MAX_FIELD_WIDTH = 53
_EMPTY = re.compile(r"\s*([A-Za-z]\w*)\s*==\s*(\S+)\s*")


def check_name(kind: str, name: str) -> None:
    """Raise InputError unless a collection or field can be called so."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"name of a {kind} must be letters, digits and '_', first a letter, got {name!r}"
        )


class WireField(Section):
    """A number on the wires: hardware value = physical value / last bit, rounded to `format`.

    `format` is `fixed<W,I>` or `ufixed<W,I>`, of an integer where W = I, with rounding and overflow
    of values between and beyond; null where the wires carry what the network's input does.
    `last_bit` is what a hardware value of 1 is worth in `unit`. `turn` is how many last bits are a
    full angle, which in a format without a sign comes back to 0. `low_bit` is the lowest bit of the
    field in the word of its object. `always_zero` says that its place is kept and nothing is ever
    in it.
    """

    format: FixedPointFormat | None = None
    last_bit: LastBit = LastBit("1")
    unit: str = ""
    turn: int | None = Field(None, ge=2)
    low_bit: int | None = Field(None, ge=0)
    always_zero: bool = False

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.format is not None and self.format.width > MAX_FIELD_WIDTH:
            raise InputError(
                f"format of a field must have at most {MAX_FIELD_WIDTH} bits, got {self.format}"
            )
        if self.low_bit is not None and (self.format is None or self.format.fractional):
            raise InputError(
                f"format of a field with low_bit must be of integers, got {self.format}"
            )
        if self.goes_round and self.format is not None and self.turn is not None:
            most = self.format.high + self.format.step
            if self.turn > most:
                raise InputError(f"turn must be <= {most:g} in {self.format}, got {self.turn}")
        return self

    @property
    def goes_round(self) -> bool:
        """Whether an angle beyond the range comes back at the other end, as one turn more or less.

        So it is where the format has no sign: values are from 0 to below `turn`.
        """
        return self.turn is not None and self.format is not None and not self.format.signed

    def to_hardware(self, values: np.ndarray) -> np.ndarray:
        """Finite physical values as hardware values in float64, unrounded where there is no format.

        What leaves float64 in the division saturates like every large number, and wraps to zero: so
        large a number is a multiple of every range.
        """
        # What inputs.h does in firmware's C++, in the same order.
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.asarray(values, np.float64) / self.last_bit.value
            form = self.format
            if form is None:
                return scaled
            if self.goes_round and self.turn is not None:
                rounded = form.rounded(scaled)
                return np.mod(np.where(np.isfinite(rounded), rounded, 0.0), self.turn)
            if form.overflow == "WRAP":
                multiple = np.abs(scaled) >= 2.0 ** (form.integer + MAX_FIELD_WIDTH)
                scaled = np.where(multiple, 0.0, scaled)
            return form.quantize(scaled)


@dataclass(frozen=True)
class EmptyRule:
    """What says that a slot holds no object: the value that a field of it then has."""

    field: str
    value: float

    @classmethod
    def parse(cls, text: str) -> EmptyRule:
        """Of `pt == 0`.

        Raises:
            InputError: another form.
        """
        match = _EMPTY.fullmatch(text) if isinstance(text, str) else None
        try:
            if match is None:
                raise ValueError
            return cls(match[1], float(match[2]))
        except ValueError:
            raise InputError(
                f"empty must be a field and its value, such as 'pt == 0', got {text!r}"
            ) from None

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Where physical values of the field are that of an empty slot."""
        return np.isnan(values) if math.isnan(self.value) else values == self.value


class ObjectCollection(Section):
    """`slots` objects of one kind, each with the same fields, in their order on the wires.

    An empty slot is zero in all its hardware values: `empty` names the field and the physical
    value, such as `pt == 0` or `pt == -999`, by which data say so; a slot in which that field
    rounds to zero or below is empty, too. Within an event filled slots come first, ordered by the
    field `order`, the largest first. `word_bits` is the size of the word that carries an object.
    """

    slots: int = Field(1, ge=1)
    fields: dict[str, WireField] = Field(min_length=1)
    empty: str | None = None
    order: str | None = None
    word_bits: int | None = Field(None, ge=1, le=64)

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for name in self.fields:
            check_name("field", name)
        rule = self.empty_rule
        named = {"empty": None if rule is None else rule.field, "order": self.order}
        for key, field_name in named.items():
            if field_name is not None and field_name not in self.fields:
                choices = ", ".join(self.fields)
                raise InputError(f"{key} must name one of {choices}, got {field_name!r}")
        if rule is not None and self.fields[rule.field].turn is not None:
            raise InputError(f"empty must not name an angle, got {self.empty!r}")
        if self.word_bits is not None:
            self._check_word(self.word_bits)
        return self

    def _check_word(self, word_bits: int) -> None:
        """Raise InputError where fields lie over each other or beyond the word."""
        taken: dict[int, str] = {}
        for name, field in self.fields.items():
            if field.low_bit is None or field.format is None:
                raise InputError(f"low_bit of field '{name}' must be given with word_bits")
            for bit in range(field.low_bit, field.low_bit + field.format.width):
                if bit >= word_bits:
                    raise InputError(f"field '{name}' must end within {word_bits} bits, got {bit}")
                if bit in taken:
                    raise InputError(
                        f"fields must not share bits, got bit {bit} in '{taken[bit]}' and '{name}'"
                    )
                taken[bit] = name

    @property
    def empty_rule(self) -> EmptyRule | None:
        """What says that a slot is empty; None where every slot holds something."""
        return None if self.empty is None else EmptyRule.parse(self.empty)
