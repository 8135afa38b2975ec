"""What one would cut on without a network: numbers of an event that its front end holds.

Of collections of several slots: `n_objects`, how many slots are filled, whichever collections hold
the same deposit, and `leading_pt`, the largest transverse momentum. Of the collections that are
called so: `n_leptons`, the filled slots of `electron` or `egamma`, and of `muon`; `ht`, the scalar
sum of the transverse momenta of `jet`; and `met`, that of the missing transverse momentum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from keras_ae.front_end.front_end import Column, FrontEnd

_PT = "pt"


@dataclass(frozen=True)
class Observable:
    """The `count` of some columns that are above zero, their `sum`, or the `largest` of them."""

    kind: Literal["count", "sum", "largest"]
    columns: tuple[Column, ...]

    def of(self, hardware: np.ndarray) -> np.ndarray:
        """(events,) of hardware values (events, n_values); sums in the units of their fields."""
        values = hardware[:, [column.index for column in self.columns]]
        if self.kind == "count":
            return np.asarray((values > 0).sum(axis=1))
        momenta = values * np.array([column.field.last_bit.value for column in self.columns])
        return np.asarray(momenta.sum(axis=1) if self.kind == "sum" else momenta.max(axis=1))


def observables_of(front_end: FrontEnd) -> dict[str, Observable]:
    """Those that a front end has, by name."""
    kinds = front_end.collections
    several = [name for name, kind in kinds.items() if kind.slots > 1]
    counted = [name for name in several if kinds[name].empty]
    leptons = [name for name in counted if name in ("electron", "egamma", "muon")]

    def chosen(names: list[str], is_one: Callable[[Column], bool]) -> tuple[Column, ...]:
        return tuple(c for c in front_end.columns if c.collection in names and is_one(c))

    def is_pt(column: Column) -> bool:
        return column.field_name == _PT

    def is_guard(column: Column) -> bool:
        return column.guard == column.index

    found = {
        "n_objects": Observable("count", chosen(counted, is_guard)),
        "n_leptons": Observable("count", chosen(leptons, is_guard)),
        "leading_pt": Observable("largest", chosen(several, is_pt)),
        "ht": Observable("sum", chosen(["jet"], is_pt)),
        "met": Observable("sum", chosen(["met"], is_pt)),
    }
    return {name: observable for name, observable in found.items() if observable.columns}


def observables(front_end: FrontEnd, hardware: np.ndarray) -> dict[str, np.ndarray]:
    """Of hardware values (events, n_values), those of `observables_of` by name, (events,)."""
    return {name: found.of(hardware) for name, found in observables_of(front_end).items()}
