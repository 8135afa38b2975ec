"""What one would cut on without a network: numbers of an event that its front end holds.

Of collections of several slots: `n_objects`, how many slots are filled, and `leading_pt`, the
largest transverse momentum. Of the collections that are called so: `n_leptons`, the filled slots of
`electron` and `muon`; `ht`, the scalar sum of the transverse momenta of `jet`; and `met`, that of
the missing transverse momentum.
"""

from __future__ import annotations

import numpy as np

from keras_ae.front_end.front_end import Column, FrontEnd

_PT = "pt"


def observables(front_end: FrontEnd, hardware: np.ndarray) -> dict[str, np.ndarray]:
    """Those that a front end has, by name, (events,).

    Args:
        front_end: what the wires carry.
        hardware: values (events, n_values). Momenta come back in the units of their fields.
    """
    several = [name for name, kind in front_end.collections.items() if kind.slots > 1]
    counted = [name for name in several if front_end.collections[name].empty]
    leptons = [name for name in counted if name in ("electron", "muon")]
    found: dict[str, np.ndarray] = {}
    for observable, names in (("n_objects", counted), ("n_leptons", leptons)):
        if names:
            found[observable] = np.sum(
                [front_end.n_filled(hardware, name) for name in names], axis=0
            )
    of_objects = _momenta(front_end, hardware, several)
    if of_objects.shape[1]:
        found["leading_pt"] = of_objects.max(axis=1)
    for name, collection in (("ht", "jet"), ("met", "met")):
        momenta = _momenta(front_end, hardware, [collection])
        if momenta.shape[1]:
            found[name] = momenta.sum(axis=1)
    return found


def _momenta(front_end: FrontEnd, hardware: np.ndarray, collections: list[str]) -> np.ndarray:
    """Transverse momenta (events, slots) of some collections; 0 where a slot is empty."""

    def is_one(column: Column) -> bool:
        return column.collection in collections and column.field_name == _PT

    columns = [column for column in front_end.columns if is_one(column)]
    last_bits = np.array([column.field.last_bit.value for column in columns])
    return hardware[:, [column.index for column in columns]] * last_bits
