"""What is counted in the events of a sample, and a part of them that is kept."""

from __future__ import annotations

import numpy as np

from keras_ae.audit.counts import Count
from keras_ae.audit.fields import AuditedCollection
from keras_ae.audit.hashing import EMPTY_EVENT, hashes
from keras_ae.audit.values import FieldTally

#: Numbers of a sample that are kept, from which quantiles and shapes are taken.
KEPT_NUMBERS = 2**24


class CollectionTally:
    """Counts of a collection in the events of a sample."""

    def __init__(self, collection: AuditedCollection) -> None:
        self.collection = collection
        self.fields = [FieldTally(field) for field in collection.fields]
        self.n_filled = self.n_without = 0
        self.off_order, self.gaps, self.other_class = Count(), Count(), Count()

    def filled(self, hardware: np.ndarray) -> np.ndarray:
        """Which slots (events, slots) of hardware values (events, n_values) hold something."""
        guard = self.collection.guard
        if guard is None:
            return np.ones((len(hardware), self.collection.kind.slots), bool)
        return np.asarray(hardware[:, guard] > 0)

    def add(self, hardware: np.ndarray, first_event: int) -> None:
        """Count hardware values (events, n_values)."""
        filled = self.filled(hardware)
        self.n_filled += int(np.count_nonzero(filled))
        self.n_without += int(np.count_nonzero(~filled.any(axis=1)))
        for tally in self.fields:
            tally.add_filled(hardware[:, tally.field.columns], filled)
        if self.collection.kind.slots == 1 or self.collection.momentum is None:
            return
        momentum = self.collection.momentum
        values = hardware[:, momentum.columns] * momentum.field.last_bit.value
        self.gaps.add(filled[:, 1:] & ~filled[:, :-1], values[:, 1:], first_event)
        if self.collection.order is not None:
            rises = filled[:, 1:] & filled[:, :-1] & (values[:, 1:] > values[:, :-1])
            self.off_order.add(rises, values[:, 1:], first_event)


class SampleTally:
    """All that is counted in a sample, and some of its hardware values (events, n_values).

    Those that are kept are chosen by their hashes, so that they do not depend on chunks or order.
    """

    def __init__(self, collections: tuple[AuditedCollection, ...]) -> None:
        self.collections = [CollectionTally(collection) for collection in collections]
        self.n_events = 0
        self._hashes: list[np.ndarray] = []
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, hardware: np.ndarray, given: np.ndarray) -> None:
        """Count hardware values, and the `given` ones of which they are made, both (events, n)."""
        for tally in self.collections:
            tally.add(hardware, self.n_events)
        found = hashes(given)
        found[~hardware.any(axis=1)] = EMPTY_EVENT
        self._hashes.append(found)
        self._kept.append((hashes(hardware), hardware))
        # Not at each of many small chunks.
        if sum(len(numbers) for numbers, _ in self._kept) > 2 * self._most_kept:
            self._choose_kept()
        self.n_events += len(hardware)

    @property
    def _most_kept(self) -> int:
        n_values = sum(len(tally.field.columns) for tally in self.fields)
        return max(KEPT_NUMBERS // n_values, 1)

    def _choose_kept(self) -> None:
        numbers = np.concatenate([numbers for numbers, _ in self._kept])
        hardware = np.concatenate([hardware for _, hardware in self._kept])
        if len(numbers) > self._most_kept:
            chosen = np.sort(np.argsort(numbers, kind="stable")[: self._most_kept])
            numbers, hardware = numbers[chosen], hardware[chosen]
        self._kept = [(numbers, hardware)]

    @property
    def fields(self) -> list[FieldTally]:
        """Of all collections."""
        return [tally for collection in self.collections for tally in collection.fields]

    @property
    def kept(self) -> np.ndarray:
        """Hardware values (events, n_values) of some events, of all where they are few."""
        if not self._kept:
            return np.zeros((0, 0))
        if len(self._kept) > 1:
            self._choose_kept()
        return self._kept[0][1]

    @property
    def event_hashes(self) -> np.ndarray:
        """(events,) uint64, EMPTY_EVENT of empty ones."""
        return np.concatenate([np.zeros(0, np.uint64), *self._hashes])

    def kept_values(self, tally: FieldTally, only_first: bool = False) -> np.ndarray:
        """Hardware values (n,) of a field in the filled slots of kept events, or in the first."""
        kept = self.kept
        if not len(kept):
            return np.zeros(0)
        collection = next(each for each in self.collections if tally in each.fields)
        filled, values = collection.filled(kept), kept[:, tally.field.columns]
        if only_first:
            filled, values = filled[:, :1], values[:, :1]
        return np.asarray(values[filled], np.float64)
