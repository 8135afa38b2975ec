"""Changes to events of a front end: augmentations of an embedding, and steps of outlier exposure.

Events are hardware values (events, n_values). Whatever is done to them, within a collection filled
slots come first, in order, empty ones are zero, and every number stays within the range of its
field. Numbers that an event has beside its objects, such as sums, are not made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, model_validator

from keras_ae.errors import InputError
from keras_ae.front_end.front_end import EVENT, Column, FrontEnd
from keras_ae.section import Section, as_tuple

Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class _Augmentation(Section):
    """Something that is done to events, to each with `probability`."""

    kind: str
    probability: float = Field(1.0, gt=0, le=1)

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError for what the front end has not."""

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        """Events (events, n_values), each changed; `background` is what others are taken from."""
        raise NotImplementedError


class Exchanged(_Augmentation):
    """Each of some `collections`, or features, is that of another event with probability `rate`.

    By default all that the front end has.
    """

    kind: Literal["exchanged"] = "exchanged"
    collections: Names = ()
    rate: float = Field(0.5, gt=0, le=1)

    def check(self, front_end: FrontEnd) -> None:
        _check_names("exchanged", self.collections, _groups(front_end))

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        groups = _groups(front_end)
        events = events.copy()
        for name in self.collections or groups:
            chosen = np.flatnonzero(rng.random(len(events)) < self.rate)
            partners = rng.integers(len(background), size=len(chosen))
            events[np.ix_(chosen, groups[name])] = background[np.ix_(partners, groups[name])]
        return events


class _OfObjects(_Augmentation):
    """`collections` of several slots that may be empty; by default all of those."""

    collections: Names = ()

    def check(self, front_end: FrontEnd) -> None:
        choices = _of_objects(front_end)
        if not choices:
            raise InputError(
                f"augmentation '{self.kind}' must be of a front end with a collection of several "
                "slots that may be empty, got one without"
            )
        _check_names(self.kind, self.collections, choices)

    def _slots(self, front_end: FrontEnd) -> dict[str, np.ndarray]:
        """Columns (slots, fields) of each collection."""
        choices = _of_objects(front_end)
        return {name: choices[name] for name in self.collections or choices}


class _Joining(_OfObjects):
    """Objects of another event come to each of some collections with probability `rate`."""

    rate: float = Field(0.5, gt=0, le=1)

    def _donors(self, n_filled: np.ndarray) -> np.ndarray:
        """Numbers of the background events that objects are taken from, by what they have."""
        raise NotImplementedError

    def _given(self, objects: np.ndarray, n_filled: np.ndarray, rng: Any) -> np.ndarray:
        """What of the objects (events, slots, fields) of others is taken."""
        raise NotImplementedError

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        events = events.copy()
        for name, slots in self._slots(front_end).items():
            n_filled = front_end.n_filled(background, name)
            donors = self._donors(n_filled)
            if not len(donors):
                continue
            chosen = np.flatnonzero(rng.random(len(events)) < self.rate)
            partners = donors[rng.integers(len(donors), size=len(chosen))]
            given = self._given(background[partners][:, slots], n_filled[partners], rng)
            objects = np.concatenate([events[chosen][:, slots], given], axis=1)
            events[np.ix_(chosen, slots.ravel())] = _first(front_end, name, objects, len(slots))
        return events


class Merged(_Joining):
    """The objects of each of some collections, and those of another event, with probability `rate`.

    Where they are more than there are slots, the last ones go.
    """

    kind: Literal["merged"] = "merged"

    def _donors(self, n_filled: np.ndarray) -> np.ndarray:
        return np.arange(len(n_filled))

    def _given(self, objects: np.ndarray, n_filled: np.ndarray, rng: Any) -> np.ndarray:
        return objects


class Added(_Joining):
    """One object of another event to each of some collections, with probability `rate`."""

    kind: Literal["added"] = "added"

    def _donors(self, n_filled: np.ndarray) -> np.ndarray:
        return np.flatnonzero(n_filled)

    def _given(self, objects: np.ndarray, n_filled: np.ndarray, rng: Any) -> np.ndarray:
        place = (rng.random(len(objects)) * n_filled).astype(int)
        return objects[np.arange(len(objects)), place][:, np.newaxis]


class Removed(_OfObjects):
    """Each object of some collections is gone with probability `rate`."""

    kind: Literal["removed"] = "removed"
    rate: float = Field(0.3, gt=0, le=1)

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        events = events.copy()
        for name, slots in self._slots(front_end).items():
            objects = events[:, slots]
            objects[rng.random(objects.shape[:2]) < self.rate] = 0
            events[:, slots.ravel()] = _first(front_end, name, objects, len(slots))
        return events


class _OfFields(_Augmentation):
    """`fields` of filled slots; by default those called `pt` and those that say what is filled."""

    fields: Names = ()

    def check(self, front_end: FrontEnd) -> None:
        self._require_columns(
            front_end,
            f"augmentation '{self.kind}' must name its fields for a front end without slots "
            "that may be empty, got none; choices: "
            + ", ".join(dict.fromkeys(column.group for column in front_end.columns)),
        )

    def _require_columns(self, front_end: FrontEnd, none_by_default: str) -> list[Column]:
        """Those that it changes; raises InputError, with a message where no fields are named."""
        columns = self._columns(front_end)
        if not columns and self.fields:
            raise InputError(
                f"fields of the augmentation '{self.kind}' must be some that are not always zero, "
                f"got {', '.join(self.fields)}"
            )
        if not columns:
            raise InputError(none_by_default)
        return columns

    def _columns(self, front_end: FrontEnd) -> list[Column]:
        if self.fields:
            named = front_end.choose(self.fields, f"fields of the augmentation '{self.kind}'")
            return [column for column in named if not column.field.always_zero]
        return [
            column
            for column in front_end.columns
            if column.guard == column.index or column.field_name == "pt"
        ]


class Scaled(_OfFields):
    """All `fields` of an event times exp(`deviation` x N(0, 1)), rounded."""

    kind: Literal["scaled"] = "scaled"
    deviation: float = Field(0.5, gt=0, le=10)

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        events = events.copy()
        factor = np.exp(self.deviation * rng.standard_normal(len(events)))
        for column in self._columns(front_end):
            events[:, column.index] = _in_range(column, factor * events[:, column.index])
        return _tidy(front_end, events)


class Smeared(_OfFields):
    """Each of `fields` by itself, x (1 + `relative` x N(0, 1)) + `absolute` x N(0, 1), rounded.

    `absolute` is in the unit of the field: a resolution of 0.1 rad, or of 2 GeV. An object may fall
    below what its front end sees.
    """

    kind: Literal["smeared"] = "smeared"
    relative: float = Field(0.0, ge=0, le=10)
    absolute: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if self.relative == self.absolute == 0:
            raise InputError("relative or absolute of 'smeared' must be > 0, got 0 for both")
        return self

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        events, filled = events.copy(), front_end.is_filled(events)
        for column in self._columns(front_end):
            values = events[:, column.index]
            noise = rng.standard_normal((2, len(events)))
            width = self.absolute / column.field.last_bit.value
            smeared = values * (1 + self.relative * noise[0]) + width * noise[1]
            smeared = _turned(column, smeared, background)
            events[:, column.index] = np.where(filled[:, column.index], smeared, 0)
        return _tidy(front_end, events)


class Masked(_OfFields):
    """Each of `fields`, all by default, is zero with probability `rate`.

    A slot is empty where what says so is zero.
    """

    kind: Literal["masked"] = "masked"
    fields: Names = ("*",)
    rate: float = Field(0.1, gt=0, lt=1)

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        columns = [column.index for column in self._columns(front_end)]
        hidden = np.zeros(events.shape, bool)
        hidden[:, columns] = rng.random((len(events), len(columns))) < self.rate
        return _tidy(front_end, np.where(hidden, 0, events))


class Rotated(_OfFields):
    """All objects of an event by one angle, uniform over the turn: `fields`, by default all angles.

    An angle is a field with a `turn`.
    """

    kind: Literal["rotated"] = "rotated"

    def check(self, front_end: FrontEnd) -> None:
        columns = self._require_columns(
            front_end,
            "augmentation 'rotated' must be of a front end with a field that has a turn, got one "
            "without",
        )
        for column in columns:
            if column.field.turn is None:
                raise InputError(
                    "fields of the augmentation 'rotated' must be angles, with a turn, got "
                    f"'{column.group}'"
                )

    def _columns(self, front_end: FrontEnd) -> list[Column]:
        if self.fields:
            return super()._columns(front_end)
        return [column for column in front_end.columns if column.field.turn is not None]

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        events, filled = events.copy(), front_end.is_filled(events)
        angle = rng.random(len(events))
        for column in self._columns(front_end):
            turned = events[:, column.index] + angle * (column.field.turn or 0)
            turned = _turned(column, turned, background)
            events[:, column.index] = np.where(filled[:, column.index], turned, 0)
        return events


class Uniform(_Augmentation):
    """Numbers drawn uniformly from the range that background has in `fields`, all by default.

    Where what says whether a slot is filled is drawn, the objects are as many as in another event,
    from which fields that are not drawn come along.
    """

    kind: Literal["uniform"] = "uniform"
    fields: Names = ("*",)

    def check(self, front_end: FrontEnd) -> None:
        front_end.choose(self.fields, "fields of the augmentation 'uniform'")

    def changed(
        self, events: np.ndarray, background: np.ndarray, front_end: FrontEnd, rng: Any
    ) -> np.ndarray:
        others = background[rng.integers(len(background), size=len(events))]
        columns = front_end.choose(self.fields, "fields")
        drawn_ones = {column.index for column in columns}
        of_others = [column.index for column in front_end.columns if column.guard in drawn_ones]
        events = events.copy()
        events[:, of_others] = others[:, of_others]
        filled, known = front_end.is_filled(events), front_end.is_filled(background)
        for column in columns:
            found = background[known[:, column.index], column.index]
            if len(found):
                drawn = rng.uniform(found.min(), found.max(), len(events))
                values = np.where(filled[:, column.index], drawn, 0)
                events[:, column.index] = _in_range(column, values)
        return _tidy(front_end, events)


Augmentation = Annotated[
    Exchanged | Merged | Added | Removed | Scaled | Smeared | Masked | Rotated | Uniform,
    Discriminator("kind"),
]


def check_steps(steps: Sequence[Augmentation], front_end: FrontEnd, path: str) -> None:
    """Raise InputError for what the front end has not, by the path of the steps and number."""
    for number, step in enumerate(steps):
        try:
            step.check(front_end)
        except InputError as error:
            raise InputError(f"{path}.{number}: {error}") from error


def augmented(
    front_end: FrontEnd,
    events: np.ndarray,
    background: np.ndarray,
    steps: Sequence[Augmentation],
    rng: np.random.Generator,
) -> np.ndarray:
    """Events (events, n_values) to which all steps are done, one after the other.

    Args:
        front_end: whose hardware values they are.
        events: each is changed by a step with its probability.
        background: (events, n_values) that objects of others are taken from.
        steps: what is done.
        rng: decides which and how.
    """
    events = events.copy()
    for step in steps:
        chosen = np.flatnonzero(rng.random(len(events)) < step.probability)
        events[chosen] = step.changed(events[chosen], background, front_end, rng)
    return events


def _check_names(kind: str, names: Iterable[str], choices: Iterable[str]) -> None:
    for name in names:
        if name not in choices:
            raise InputError(
                f"collections of the augmentation '{kind}' must be some of {', '.join(choices)}, "
                f"got {name!r}"
            )


def _groups(front_end: FrontEnd) -> dict[str, np.ndarray]:
    """Columns that belong together: those of a collection, or one feature."""
    groups: dict[str, list[int]] = {}
    for column in front_end.columns:
        name = column.name if column.collection == EVENT else column.collection
        groups.setdefault(name, []).append(column.index)
    return {name: np.array(columns) for name, columns in groups.items()}


def _of_objects(front_end: FrontEnd) -> dict[str, np.ndarray]:
    """Columns (slots, fields) of collections of several slots that may be empty."""
    groups = _groups(front_end)
    return {
        name: np.reshape(groups[name], (kind.slots, len(kind.fields)))
        for name, kind in front_end.collections.items()
        if kind.empty and kind.slots > 1
    }


def _first(front_end: FrontEnd, name: str, objects: np.ndarray, n_slots: int) -> np.ndarray:
    """The first objects in order, (events, n_slots * fields), of (events, objects, fields)."""
    kind = front_end.collections[name]
    fields, rule = list(kind.fields), kind.empty_rule
    if rule is not None:
        empty = objects[:, :, fields.index(rule.field)] <= 0
        objects = np.where(empty[:, :, np.newaxis], 0, objects)
        key = empty if kind.order is None else -objects[:, :, fields.index(kind.order)]
        # Stable: what is equal stays as it was.
        order = np.lexsort((key, empty), axis=1)
        objects = np.take_along_axis(objects, order[:, :, np.newaxis], axis=1)
    return objects[:, :n_slots].reshape(len(objects), n_slots * len(fields))


def _tidy(front_end: FrontEnd, events: np.ndarray) -> np.ndarray:
    """With objects in order again, and empty slots at zero."""
    events = np.where(front_end.is_filled(events), events, 0)
    for name, slots in _of_objects(front_end).items():
        events[:, slots.ravel()] = _first(front_end, name, events[:, slots], len(slots))
    return events


def _in_range(column: Column, values: np.ndarray) -> np.ndarray:
    """Rounded to the format of a field, at its ends where beyond."""
    form = column.field.format
    if form is None:
        return values
    steps = np.rint(values / form.step)
    return np.clip(steps * form.step, form.low, form.high)


def _turned(column: Column, values: np.ndarray, background: np.ndarray) -> np.ndarray:
    """`_in_range`; an angle beyond one end of a turn comes back at the other.

    Turns begin at zero where background has no negative angle, as it may also be in a format with
    a sign, and otherwise half a turn before.
    """
    turn = column.field.turn
    if turn is None:
        return _in_range(column, values)
    lowest = 0.0 if background[:, column.index].min() >= 0 else -turn / 2
    step = 0.0 if column.field.format is None else column.field.format.step
    rounded = np.rint(values / step) * step if step else values
    return _in_range(column, np.mod(rounded - lowest, turn) + lowest)
