"""The front end: which values the wires of a trigger carry, in which order and format."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from keras_ae.arrays import as_numbers, check_finite
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.fields import ObjectCollection, WireField, check_name
from keras_ae.section import Section, as_tuple

#: Of which hardware values are made at once, so that they stay in the cache.
_CHUNK_NUMBERS = 2**17

#: The collection of fields that belong to the event itself.
EVENT = ""


@dataclass(frozen=True)
class Column:
    """A number of an event: a field of a slot of a collection, at `index` among all numbers.

    `guard` is the index of the number that is above zero where the slot is filled; None where no
    slot is ever empty.
    """

    index: int
    collection: str
    slot: int
    n_slots: int
    field_name: str
    field: WireField
    guard: int | None

    @property
    def group(self) -> str:
        """Collection and field: what all slots share."""
        return f"{self.collection}.{self.field_name}" if self.collection else self.field_name

    @property
    def name(self) -> str:
        """Such as `jet.pt[0]`, `met.pt` or `a`."""
        return f"{self.group}[{self.slot}]" if self.n_slots > 1 else self.group


def _as_fields(content: Any) -> Any:
    """With features that are a number or a list of names as a mapping from names to fields.

    `format`, `last_bit` and `unit` beside them are those of each that does not say its own.
    """
    if not isinstance(content, dict) or "features" not in content:
        return content
    names = content["features"]
    if isinstance(names, int) and not isinstance(names, bool) and names >= 1:
        names = [f"x{number}" for number in range(names)]
    if not isinstance(names, list | tuple | dict) or not all(isinstance(n, str) for n in names):
        raise InputError(
            "features must be a number of them from 1 on, a list of names, or a mapping from names "
            f"to fields, got {names!r}"
        )
    listed = list(names)
    repeated = [name for index, name in enumerate(listed) if name in listed[:index]]
    if repeated:
        raise InputError(f"features must have different names, got {repeated[0]!r} twice")
    shared = {key: content[key] for key in ("format", "last_bit", "unit") if key in content}
    others = {key: value for key, value in content.items() if key not in shared}
    fields = names if isinstance(names, dict) else {name: {} for name in listed}
    return {**others, "features": {name: _with(shared, own) for name, own in fields.items()}}


def _with(shared: dict[str, Any], own: Any) -> Any:
    """A field of a mapping, which may be one already, with what is shared and not its own."""
    return {**shared, **own} if isinstance(own, dict) else own


def _stated(field: WireField, form: FixedPointFormat) -> WireField:
    """The field, in a format in any case."""
    given = {name: getattr(field, name) for name in WireField.model_fields}
    return field if field.format is not None else WireField(**{**given, "format": form})


_Size = Annotated[int, Field(ge=1)]


class ImageWires(Section):
    """Pixels (height, width, channels), each a number of the same kind."""

    shape: Annotated[
        tuple[_Size, _Size, _Size],
        BeforeValidator(as_tuple),
    ]
    pixel: WireField = WireField()


class FrontEnd(Section):
    """What the wires of a trigger carry.

    One of three: `objects`, collections by name; `features`, a mapping from names to fields, or how
    many there are, or their names, all with the `format`, `last_bit` and `unit` beside them; or an
    `image`. With `packed`, firmware takes each object as a word of bits.
    """

    objects: dict[str, ObjectCollection] = Field(default={})
    features: dict[str, WireField] = Field(default={})
    image: ImageWires | None = None
    packed: bool = False

    _spread = model_validator(mode="before")(_as_fields)

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        given = [name for name in ("objects", "features", "image") if getattr(self, name)]
        if len(given) != 1:
            raise InputError(
                "front_end must have one of objects, features and image, got "
                f"{' and '.join(given) or 'none'}"
            )
        for name in self.objects:
            check_name("collection", name)
        if self.packed:
            self._check_packed()
        # Refuses what columns cannot be made of.
        _ = self.columns
        return self

    def _check_packed(self) -> None:
        """Raise InputError where there are no words."""
        without = [name for name, kind in self.objects.items() if kind.word_bits is None]
        if without or not self.objects:
            raise InputError(
                "packed must be false unless every collection has word_bits and its fields low_bit,"
                f" got none in {', '.join(without) or 'features'}"
            )

    @cached_property
    def collections(self) -> dict[str, ObjectCollection]:
        """Collections by name; features and pixels are those of one collection, `EVENT`."""
        if self.objects:
            return dict(self.objects)
        if self.image is not None:
            n_pixels = math.prod(self.image.shape)
            return {EVENT: ObjectCollection(slots=n_pixels, fields={"pixel": self.image.pixel})}
        return {EVENT: ObjectCollection(fields=self.features)}

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All numbers of an event in their order: collection by collection, slot by slot."""
        found: list[Column] = []
        for name, kind in self.collections.items():
            fields = list(kind.fields)
            rule = kind.empty_rule
            for slot in range(kind.slots):
                first = len(found)
                guard = None if rule is None else first + fields.index(rule.field)
                found += [
                    Column(first + i, name, slot, kind.slots, label, kind.fields[label], guard)
                    for i, label in enumerate(fields)
                ]
        return tuple(found)

    @property
    def n_values(self) -> int:
        """Numbers of an event."""
        return len(self.columns)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Of one event as a source gives it: flat, but for images."""
        return (self.n_values,) if self.image is None else self.image.shape

    @property
    def names(self) -> tuple[str, ...]:
        """Of all numbers, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def is_hardware(self) -> bool:
        """Whether the wires have a format of their own, instead of that of the network's input."""
        return all(column.field.format is not None for column in self.columns)

    @cached_property
    def port_format(self) -> FixedPointFormat:
        """A format that holds the values of every field: that of the firmware's port.

        Raises:
            InputError: the front end states no formats.
        """
        formats = [column.field.format for column in self.columns]
        stated = [form for form in formats if form is not None]
        if len(stated) < len(formats):
            raise InputError("front_end must state the format of every field, got none of some")
        fractional = max(form.fractional for form in stated)
        signed = any(form.signed for form in stated)
        integer = max(form.integer + (signed and not form.signed) for form in stated)
        return FixedPointFormat(integer + fractional, integer, signed)

    def with_formats(self, form: FixedPointFormat) -> FrontEnd:
        """The same where fields that state no format have this one."""

        def stated(fields: dict[str, WireField]) -> dict[str, WireField]:
            return {name: _stated(field, form) for name, field in fields.items()}

        image = self.image
        return FrontEnd(
            objects={
                name: kind.model_copy(update={"fields": stated(kind.fields)})
                for name, kind in self.objects.items()
            },
            features=stated(self.features),
            image=image and ImageWires(shape=image.shape, pixel=_stated(image.pixel, form)),
            packed=self.packed,
        )

    def choose(self, patterns: Iterable[str], subject: str) -> list[Column]:
        """Columns that patterns name, in the order of the patterns, each once.

        A pattern is a column `jet.pt[0]`, a field of all slots `jet.pt`, or either with `*` or `?`
        for any text or character.

        Raises:
            InputError: a pattern that names none; named after `subject`.
        """
        found: dict[int, Column] = {}
        for pattern in patterns:
            # A slot's brackets are no choice of characters.
            safe = pattern.replace("[", "[[]")
            named = [
                column
                for column in self.columns
                if any(fnmatch.fnmatchcase(name, safe) for name in (column.group, column.name))
            ]
            if not named:
                groups = ", ".join(dict.fromkeys(column.group for column in self.columns))
                raise InputError(f"{subject} must name some of {groups}, got {pattern!r}")
            found |= {column.index: column for column in named}
        return list(found.values())

    def to_hardware(self, values: np.ndarray) -> np.ndarray:
        """Hardware values (events, n_values) of physical ones, int32 where all are integers.

        Each is divided by the last bit in float64 and rounded to its format. A slot is zero in all
        its numbers where the data say that it is empty, and where what says so rounds to zero or
        below.

        Raises:
            InputError: another shape, or values of filled slots that are not finite.
        """
        values = self.checked(values)
        found = np.empty(values.shape, self.dtype)
        rows = max(1, _CHUNK_NUMBERS // self.n_values)
        for first in range(0, len(values), rows):
            part = values[first : first + rows]
            known = np.where(self.is_empty(part), 0.0, part)
            if not np.isfinite(known).all():
                # Names the event by its number among all.
                check_finite(np.where(self.is_empty(values), 0.0, values), "events")
            found[first : first + rows] = self._rounded(known)
        return found

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        """Hardware values in float64 of physical ones, which are zero in empty slots."""
        found = np.empty(values.shape, np.float64)
        for name, kind in self.collections.items():
            for label, field in kind.fields.items():
                columns = self._slots(name, label)
                found[:, columns] = field.to_hardware(values[:, columns])
        found[~self.is_filled(found)] = 0.0
        return found

    def is_empty(self, values: np.ndarray) -> np.ndarray:
        """Of physical values (events, n_values), those of slots that the data declare empty."""
        empty = np.zeros(values.shape, bool)
        for name, kind in self.collections.items():
            rule = kind.empty_rule
            if rule is not None:
                held = rule.holds(values[:, self._slots(name, rule.field)])
                for label in kind.fields:
                    empty[:, self._slots(name, label)] = held
        return empty

    def is_filled(self, hardware: np.ndarray) -> np.ndarray:
        """Of hardware values (events, n_values), those of slots that hold something."""
        filled = np.ones(hardware.shape, bool)
        for name, kind in self.collections.items():
            rule = kind.empty_rule
            if rule is not None:
                held = hardware[:, self._slots(name, rule.field)] > 0
                for label in kind.fields:
                    filled[:, self._slots(name, label)] = held
        return filled

    def n_filled(self, hardware: np.ndarray, collection: str) -> np.ndarray:
        """How many slots of a collection hold something, (events,)."""
        rule = self.collections[collection].empty_rule
        if rule is None:
            return np.full(len(hardware), self.collections[collection].slots)
        held = hardware[:, self._slots(collection, rule.field)] > 0
        return np.asarray(held.sum(axis=1))

    @property
    def dtype(self) -> type[np.int32] | type[np.float64]:
        """Of hardware values: int32 holds them, or else float64."""
        if not self.is_hardware:
            return np.float64
        form = self.port_format
        fits = form.fractional <= 0 and form.integer <= (32 if form.signed else 31)
        return np.int32 if fits else np.float64

    def _slots(self, collection: str, field: str) -> slice:
        """The columns of a field in all slots of a collection."""
        return self._slices[collection, field]

    @cached_property
    def _slices(self) -> dict[tuple[str, str], slice]:
        found: dict[tuple[str, str], slice] = {}
        first = 0
        for name, kind in self.collections.items():
            stride, n_values = len(kind.fields), len(kind.fields) * kind.slots
            for place, label in enumerate(kind.fields):
                found[name, label] = slice(first + place, first + n_values, stride)
            first += n_values
        return found

    def checked(self, values: Any) -> np.ndarray:
        """Values as an array (events, n_values) of numbers.

        Raises:
            InputError: another shape, or no numbers; see `as_numbers`.
        """
        array = as_numbers(values, "events")
        if array.ndim != 2 or array.shape[1] != self.n_values:
            raise InputError(
                f"events must be numbers of shape (events, {self.n_values}), got {array.dtype} of "
                f"{array.shape}"
            )
        return array
