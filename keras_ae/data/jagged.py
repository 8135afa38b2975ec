"""Lists of different lengths: one number for each object of each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Jagged:
    """`counts` (events,) objects of each event, and their `values`, event after event."""

    counts: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def events(self) -> np.ndarray:
        """(objects,) the event of each."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def lead(
    event: np.ndarray, key: np.ndarray | None, n_slots: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first objects of each event, largest `key` first, or as they stand.

    Objects of equal key stay in their order. One whose key is NaN comes first: it must not be cut
    off before somebody sees it.

    Args:
        event: (objects,) in which event each is, ascending.
        key: (objects,) by what they are ordered.
        n_slots: how many of an event are kept.

    Returns:
        Of those that are kept: index among the objects, event, and slot.
    """
    index = np.arange(len(event))
    if key is not None:
        index = np.lexsort((np.where(np.isnan(key), -np.inf, -key), event))
    event = event[index]
    slot = np.arange(len(event)) - np.searchsorted(event, event)
    kept = slot < n_slots
    return index[kept], event[kept], slot[kept]


def inside(
    values: Mapping[str, np.ndarray], cuts: Mapping[str, tuple[float | None, float | None]]
) -> np.ndarray:
    """(objects,) which of them lie within [low, high] in every field; NaN does, to be seen."""
    n_objects = len(next(iter(values.values())))
    kept = np.ones(n_objects, bool)
    for name, (low, high) in cuts.items():
        if low is not None:
            kept &= ~(values[name] < low)
        if high is not None:
            kept &= ~(values[name] > high)
    return kept
