"""Trigger events in the ADC2021 layout as a source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from keras_ae.data.chunk import Chunk
from keras_ae.data.l1 import (
    COLUMN_NAMES,
    OBJECT_CLASSES,
    L1Events,
    iterate_l1_events,
)
from keras_ae.data.source import FileSource, check_columns, fill
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.input_view import Counts
from keras_ae.front_end.presets import load_front_end

_CLASSES = {kind.name: kind for kind in OBJECT_CLASSES}
_FIELDS = tuple(name.lower() for name in COLUMN_NAMES[:3])


class Adc2021(FileSource):
    """Trigger events in the ADC2021 layout, see `data.l1`: physical pt, eta, phi by slot.

    A front end takes those that it names among met, electron, muon and jet. Parents, and the
    process as label, where the file has them; the number of other collisions as the observable
    `pile_up`.
    """

    kind: Literal["adc2021"] = "adc2021"

    aliases: ClassVar[tuple[str, ...]] = ("l1",)
    #: By powers of two, so that they are exact in fixed point.
    counts: ClassVar[Counts | None] = Counts(shifts={"electron": 2, "muon": 2, "jet": 3})

    def default_front_end(self) -> FrontEnd | None:
        return load_front_end("adc2021")

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError unless the layout has every number of the front end."""
        check_columns(
            front_end,
            {name: kind.n_slots for name, kind in _CLASSES.items()},
            dict.fromkeys(_CLASSES, _FIELDS),
        )

    def read_file(self, path: Path, front_end: FrontEnd, n_events: int) -> Iterator[Chunk]:
        for events in iterate_l1_events(path, n_events):
            yield _to_chunk(events, front_end)


def _to_chunk(events: L1Events, front_end: FrontEnd) -> Chunk:
    values = fill(
        front_end,
        len(events),
        lambda column: events.objects[
            :,
            _CLASSES[column.collection].first_slot + column.slot,
            _FIELDS.index(column.field_name),
        ],
    )
    return Chunk(
        values,
        parents=events.parents,
        labels=events.process,
        classes=_classes(events, front_end),
        observables={} if events.pile_up is None else {"pile_up": events.pile_up},
    )


def _classes(events: L1Events, front_end: FrontEnd) -> np.ndarray:
    """(events, slots of the front end) what the file says each object is; see `Chunk`."""
    numbers = np.zeros(len(OBJECT_CLASSES) + 1, int)
    for kind in OBJECT_CLASSES:
        # A class that the front end has not is no number of its collections.
        names = list(front_end.objects)
        known = kind.name in names
        numbers[kind.class_id] = names.index(kind.name) + 1 if known else len(names) + 1
    rows = [
        _CLASSES[name].first_slot + slot
        for name, kind in front_end.objects.items()
        for slot in range(kind.slots)
    ]
    ids = events.objects[:, rows, 3]
    is_known = np.isin(ids, np.arange(len(numbers)))
    return np.where(is_known, numbers[np.where(is_known, ids, 0).astype(int)], len(numbers))
