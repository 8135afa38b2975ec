"""Events as a source gives them, some at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Chunk:
    """Some events of one sample, in the order of their file.

    Args:
        values: (events, n_values), one column for each of the front end's: physical values, or
            hardware values with `is_hardware`.
        parents: (events,) integers: events of equal parent must stay on one side of a split; None
            where each has its own.
        labels: (events,) integers, what they are, where that is known.
        weights: (events,), where the file has them.
        condition: (events, condition_dim), where the source has one of its own.
        classes: (events, slots of all collections), the number of the front end's collection, from
            1 on, that the file says an object is of; 0 where it says nothing.
        observables: what one would cut on without a network, by name, (events,).
    """

    values: np.ndarray
    is_hardware: bool = False
    parents: np.ndarray | None = None
    labels: np.ndarray | None = None
    weights: np.ndarray | None = None
    condition: np.ndarray | None = None
    classes: np.ndarray | None = None
    observables: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)
