"""Final-state particles from Pythia 8 (the one importer of pythia8mc).

Particles travel as awkward arrays of shape (events, particles) with the fields of
`PARTICLE_FIELDS`; momenta in GeV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import pythia8mc

from keras_ae.generator.processes import COMMON_SETTINGS

PARTICLE_FIELDS = ("pdg_id", "px", "py", "pz", "e")

LEPTON_IDS = (11, 13)
#: Before detector effects; the trigger asks for 23 GeV after them.
LEPTON_PRESELECTION_PT_GEV = 20.0

_BATCH_SIZE = 250


@dataclass(frozen=True)
class CollisionBatch:
    """Some collisions: `particles` (awkward, see `PARTICLE_FIELDS`) and `parents` (events,).

    Events of equal parent share their parton-level event. `n_simulated` counts every simulated
    event, including those without a lepton that are not in the batch.
    """

    particles: ak.Array
    parents: np.ndarray
    n_simulated: int


class HardProcessFilter(pythia8mc.UserHooks):
    """Lets Pythia go on with those hard processes only that `keep` says; counts all."""

    def __init__(self, keep: Callable[[Any], bool]) -> None:
        super().__init__()
        self._keep = keep
        self.n_seen = 0

    def canVetoProcessLevel(self) -> bool:
        return True

    def doVetoProcessLevel(self, process: Any) -> bool:
        self.n_seen += 1
        return not self._keep(process)


def start_pythia(
    process_settings: tuple[str, ...], seed: int, hooks: HardProcessFilter | None = None
) -> Any:
    """An initialized Pythia; settings are its command lines, later ones win."""
    pythia = pythia8mc.Pythia("", False)
    if hooks is not None:
        pythia.setUserHooksPtr(hooks)
    seeding = ("Random:setSeed = on", f"Random:seed = {seed}")
    for setting in (*COMMON_SETTINGS, *process_settings, *seeding):
        if not pythia.readString(setting):
            raise ValueError(f"Pythia does not know the setting {setting!r}")
    if not pythia.init():
        raise RuntimeError(f"Pythia could not be initialized with {process_settings}")
    return pythia


def final_state(events: ak.Array) -> ak.Array:
    """The final particles (events, particles) of what Pythia's `nextBatch` returned."""
    final = events.prt[events.prt.status > 0]
    momentum = final.p
    return ak.zip(
        {
            "pdg_id": final.id,
            "px": momentum.px,
            "py": momentum.py,
            "pz": momentum.pz,
            "e": momentum.e,
        }
    )


class Collisions:
    """Every event simulated once, from the hard process to hadrons; iterating gives batches."""

    def __init__(
        self, settings: tuple[str, ...], seed: int, hooks: HardProcessFilter | None = None
    ) -> None:
        self._pythia = start_pythia(settings, seed, hooks)

    def __iter__(self) -> Iterator[CollisionBatch]:
        first_parent = 0
        while True:
            particles = final_state(self._pythia.nextBatch(_BATCH_SIZE))
            n_events = len(particles)
            parents = np.arange(first_parent, first_parent + n_events)
            first_parent += n_events
            lepton = np.isin(abs(ak.flatten(particles.pdg_id)), LEPTON_IDS)
            hard = ak.flatten(_pt(particles)) > LEPTON_PRESELECTION_PT_GEV
            selected = ak.any(ak.unflatten(lepton & hard, ak.num(particles)), axis=1)
            yield CollisionBatch(particles[selected], parents[selected], n_events)

    def cross_section_pb(self) -> float:
        """Of the hard process, before any selection, estimated from the events so far."""
        info = self._pythia.infoPython()
        # What a filter has left out counts.
        parts = (
            info.sigmaGen(code) * info.nSelected(code) / info.nAccepted(code)
            for code in info.codesHard()
            if info.nAccepted(code)
        )
        return float(sum(parts)) * 1e9


def particles_of(rows: list[np.ndarray]) -> ak.Array:
    """Of each event its final particles (particles, 5): PDG code, px, py, pz, e."""
    flat = np.concatenate([np.empty((0, len(PARTICLE_FIELDS))), *rows])
    columns = dict(zip(PARTICLE_FIELDS, flat.T, strict=True))
    columns["pdg_id"] = columns["pdg_id"].astype(np.int32)
    return ak.unflatten(ak.zip(columns), [len(event) for event in rows])


def _pt(particles: ak.Array) -> ak.Array:
    return np.hypot(particles.px, particles.py)
