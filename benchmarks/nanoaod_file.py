"""Events in the ADC2021 layout as a ROOT file in the names of CMS NanoAOD.

    python benchmarks/nanoaod_file.py package:l1/background.h5 build/background.root

Filled slots become entries of the lists Electron, Muon and Jet, missing ET becomes MET; the list
Tau is empty, as the layout has no taus.
"""

from __future__ import annotations

import sys
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from keras_ae.data.l1 import ELECTRON, JET, MET, MUON, L1Events, ObjectClass, iterate_l1_events
from keras_ae.data.source import resolve_path

LISTS = {"Electron": ELECTRON, "Muon": MUON, "Jet": JET}
_FIELDS = ("pt", "eta", "phi")
_EVENTS_PER_BASKET = 100_000


def write_nanoaod(
    path: Path,
    events: Path,
    per_basket: int = _EVENTS_PER_BASKET,
    max_events: int | None = None,
) -> int:
    """Write a tree `Events`; returns how many events it holds, the first `max_events` if given."""
    n_events = 0
    kinds = dict.fromkeys([*LISTS, "Tau"], "var * {pt: float32, eta: float32, phi: float32}")
    with uproot.recreate(path) as file:
        tree = file.mktree(
            "Events",
            {**kinds, "MET_pt": "float32", "MET_phi": "float32"},
            counter_name=lambda name: f"n{name}",
            field_name=lambda name, field: f"{name}_{field}",
        )
        for part in iterate_l1_events(events, per_basket):
            kept = part if max_events is None else part.take(slice(max_events - n_events))
            tree.extend(branches(kept))
            n_events += len(kept)
            if n_events == max_events:
                break
    return n_events


def branches(events: L1Events) -> dict[str, ak.Array | np.ndarray]:
    """Lists of filled slots by name, and missing ET."""
    met = events.objects[:, MET.first_slot]
    lists = {name: _filled(events.objects, kind) for name, kind in LISTS.items()}
    lists["Tau"] = lists["Jet"][:, :0]
    return {**lists, "MET_pt": met[:, 0], "MET_phi": met[:, 2]}


def _filled(objects: np.ndarray, kind: ObjectClass) -> ak.Array:
    slots = objects[:, kind.slots]
    filled = slots[:, :, 0] > 0
    counts = filled.sum(axis=1)
    return ak.unflatten(
        ak.zip({name: slots[:, :, i][filled] for i, name in enumerate(_FIELDS)}), counts
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    number = write_nanoaod(Path(sys.argv[2]), resolve_path(sys.argv[1]))
    print(f"{number} events in {sys.argv[2]}")
