"""Lists of objects, in the slots of a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_ae.data.jagged import Jagged, inside, lead
from keras_ae.errors import InputError
from keras_ae.front_end.fields import ObjectCollection

#: Of some events by name: (events,) numbers, or lists.
Columns = Mapping[str, np.ndarray | Jagged]


@dataclass(frozen=True)
class ObjectChoice:
    """Which objects of a file go into the slots of a collection.

    Args:
        name: of the collection.
        kind: what it is.
        places: by field its column, or a number for all objects.
        scales: by field the factor that makes the front end's unit of the file's.
        where: columns, and the value of each that an object must have.
        cuts: by field, lowest and highest value, in the front end's unit.
    """

    name: str
    kind: ObjectCollection
    places: Mapping[str, str | float]
    scales: Mapping[str, float]
    where: Mapping[str, float]
    cuts: Mapping[str, tuple[float | None, float | None]]


def fill_slots(path: Path, choice: ObjectChoice, columns: Columns, first: int) -> np.ndarray:
    """Physical values (events, slots * fields), the first slot first.

    Args:
        path: what errors name.
        choice: which objects.
        columns: of some events.
        first: number of the first event, for errors.

    Raises:
        InputError: lists of different lengths in one collection, numbers where there must be lists,
            or too few objects for a collection that is never empty.
    """
    kind = choice.kind
    n_events = len(next(iter(columns.values())))
    event, values, kept = _objects(path, choice, columns, first)
    event = event[kept]
    values = {label: array[kept] for label, array in values.items()}
    key = None if kind.order is None else values[kind.order]
    index, event, slot = lead(event, key, kind.slots)
    found = np.empty((n_events, kind.slots, len(kind.fields)), np.float64)
    found[:] = _padding(path, choice, np.bincount(event, minlength=n_events), first)
    for position, label in enumerate(kind.fields):
        found[event, slot, position] = values[label][index]
    return found.reshape(n_events, -1)


def _objects(
    path: Path, choice: ObjectChoice, columns: Columns, first: int
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Of all objects: the event of each, its numbers by field, and whether it is kept."""
    lists = {
        name: _as_lists(path, choice, name, columns[name])
        for name in dict.fromkeys([*choice.places.values(), *choice.where])
        if isinstance(name, str)
    }
    n_events = len(next(iter(columns.values())))
    # Numbers for all fields: there is an object in each slot.
    counts = np.full(n_events, choice.kind.slots)
    for number, (name, column) in enumerate(lists.items()):
        counts = counts if number else column.counts
        if not np.array_equal(counts, column.counts):
            event = int(np.flatnonzero(counts != column.counts)[0])
            raise InputError(
                f"{path}: '{name}' must hold as many objects as '{next(iter(lists))}', got "
                f"{column.counts[event]} and {counts[event]} in event {first + event}"
            )
    event_of = np.repeat(np.arange(n_events), counts)
    values = {}
    for label, place in ((name, choice.places[name]) for name in choice.kind.fields):
        if isinstance(place, str):
            values[label] = lists[place].values.astype(np.float64) * choice.scales[label]
        else:
            values[label] = np.full(len(event_of), place, np.float64)
    kept = inside(values, choice.cuts)
    for name, value in choice.where.items():
        kept &= lists[name].values == value
    return event_of, values, kept


def _as_lists(path: Path, choice: ObjectChoice, name: str, column: np.ndarray | Jagged) -> Jagged:
    """A column; of one number an event, as lists of one object."""
    if isinstance(column, Jagged):
        return column
    if choice.kind.slots > 1:
        raise InputError(
            f"{path}: '{name}' must hold lists for the {choice.kind.slots} slots of {choice.name}, "
            "got one number an event"
        )
    return Jagged(np.ones(len(column), int), column)


def _padding(path: Path, choice: ObjectChoice, counts: np.ndarray, first: int) -> np.ndarray:
    """(fields,) what stands in slots without an object."""
    kind = choice.kind
    rule = kind.empty_rule
    if rule is None and (counts < kind.slots).any():
        event = int(np.flatnonzero(counts < kind.slots)[0])
        raise InputError(
            f"{path}: {choice.name} must have {kind.slots} objects in every event unless the front "
            f"end says what is empty, got {counts[event]} in event {first + event}"
        )
    return np.array(
        [rule.value if rule is not None and label == rule.field else 0.0 for label in kind.fields]
    )
