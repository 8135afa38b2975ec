"""Final-state particles from Pythia 8 (the one importer of pythia8mc).

Particles travel as awkward arrays of shape (events, particles) with the fields of
`PARTICLE_FIELDS`; momenta in GeV.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pythia8mc

from keras_ae.generator.processes import COMMON_SETTINGS, MINIMUM_BIAS_SETTINGS, Process

PARTICLE_FIELDS = ("pdg_id", "px", "py", "pz", "e")

#: Before detector effects; the trigger asks for 23 GeV after them.
LEPTON_PRESELECTION_PT_GEV = 20.0
HEAVY_QUARK_PT_GEV = 30.0
HEAVY_QUARK_MAX_ETA = 3.2

MEAN_OVERLAY_EVENTS = 2.0
OVERLAY_LIBRARY_SIZE = 2000
_BATCH_SIZE = 250
_DECAY_PRODUCT_STATUS = 91  # Pythia's status codes: 81-89 hadronization, 91-99 decays


@dataclass(frozen=True)
class CollisionBatch:
    """Some collisions: `particles` (awkward, see `PARTICLE_FIELDS`) and `parents` (events,).

    Events of equal parent share their parton-level event. `n_simulated` counts every simulated
    event, including those without a lepton that are not in the batch.
    """

    particles: ak.Array
    parents: np.ndarray
    n_simulated: int


def open_collisions(process: Process, seed: int, full: bool, n_hadronizations: int) -> Collisions:
    """An endless, reproducible stream of collisions of `process`.

    Args:
        process: what collides into what.
        seed: Pythia's, 1 to 900,000,000.
        full: simulate multiparton interactions.
        n_hadronizations: of each parton-level event, for processes with `heavy_flavour_filter`.
    """
    mpi = f"PartonLevel:MPI = {'on' if full else 'off'}"
    if process.heavy_flavour_filter:
        return HeavyFlavourCollisions((*process.settings, mpi), seed, n_hadronizations)
    return Collisions((*process.settings, mpi), seed)


def start_pythia(process_settings: tuple[str, ...], seed: int) -> Any:
    """An initialized Pythia; settings are its command lines, later ones win."""
    pythia = pythia8mc.Pythia("", False)
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

    def __init__(self, settings: tuple[str, ...], seed: int) -> None:
        self._pythia = start_pythia(settings, seed)

    def __iter__(self) -> Iterator[CollisionBatch]:
        first_parent = 0
        while True:
            particles = final_state(self._pythia.nextBatch(_BATCH_SIZE))
            n_events = len(particles)
            parents = np.arange(first_parent, first_parent + n_events)
            first_parent += n_events
            lepton = np.isin(abs(ak.flatten(particles.pdg_id)), (11, 13))
            hard = ak.flatten(_pt(particles)) > LEPTON_PRESELECTION_PT_GEV
            selected = ak.any(ak.unflatten(lepton & hard, ak.num(particles)), axis=1)
            yield CollisionBatch(particles[selected], parents[selected], n_events)

    def cross_section_pb(self) -> float:
        """Of the hard process, before any selection, estimated from the events so far."""
        return float(self._pythia.infoPython().sigmaGen()) * 1e9


class HeavyFlavourCollisions(Collisions):
    """Multijet events whose lepton comes from a b or c quark.

    One multijet event in many thousands holds an isolated lepton. So the parton-level event is
    asked for a heavy quark that could give one, then hadronized `n_hadronizations` times; every
    hadronization with a lepton is kept, with its parent. Leptons faked by light hadrons are absent.

    Light hadrons decay only in the events that are kept: they give no such lepton, and decaying
    them takes a third of the time.
    """

    def __init__(self, settings: tuple[str, ...], seed: int, n_hadronizations: int) -> None:
        super().__init__((*settings, "HadronLevel:all = off"), seed)
        self._n_hadronizations = n_hadronizations
        self._light_hadrons = _decaying_light_hadrons(self._pythia.particleData)
        self._let_light_hadrons_decay(False)

    def __iter__(self) -> Iterator[CollisionBatch]:
        parent = 0
        while True:
            rows: list[list[tuple[float, ...]]] = []
            parents: list[int] = []
            first = parent
            while len(rows) < _BATCH_SIZE:
                if self._pythia.next():
                    kept = self._hadronize() if self._has_heavy_quark() else []
                    rows += kept
                    parents += [parent] * len(kept)
                    parent += 1
            yield CollisionBatch(
                _particles_from_rows(rows),
                np.array(parents),
                (parent - first) * self._n_hadronizations,
            )

    def _has_heavy_quark(self) -> bool:
        event = self._pythia.event
        # From the end: final partons come last. The first entries are the beams.
        for index in range(event.size() - 1, 4, -1):
            parton = event[index]
            if (
                parton.idAbs() in (4, 5)
                and parton.isFinal()
                and parton.pT() > HEAVY_QUARK_PT_GEV
                and abs(parton.eta()) < HEAVY_QUARK_MAX_ETA
            ):
                return True
        return False

    def _hadronize(self) -> list[list[tuple[float, ...]]]:
        pythia = self._pythia
        parton_level = type(pythia.event)(pythia.event)
        kept: list[list[tuple[float, ...]]] = []
        for _ in range(self._n_hadronizations):
            pythia.event = parton_level
            if pythia.forceHadronLevel() and self._has_lepton():
                self._let_light_hadrons_decay(True)
                pythia.moreDecays()
                self._let_light_hadrons_decay(False)
                event = pythia.event
                particles = (event[index] for index in range(event.size()))
                kept.append(
                    [(p.id(), p.px(), p.py(), p.pz(), p.e()) for p in particles if p.isFinal()]
                )
        return kept

    def _has_lepton(self) -> bool:
        event = self._pythia.event
        # From the end: decay products (status 91 and above) come last.
        for index in range(event.size() - 1, 0, -1):
            particle = event[index]
            if particle.statusAbs() < _DECAY_PRODUCT_STATUS:
                return False
            if particle.idAbs() in (11, 13) and particle.pT() > LEPTON_PRESELECTION_PT_GEV:
                return True
        return False

    def _let_light_hadrons_decay(self, decay: bool) -> None:
        for pdg_id in self._light_hadrons:
            self._pythia.particleData.mayDecay(pdg_id, decay)


def _decaying_light_hadrons(particle_data: Any) -> list[int]:
    """PDG codes of the hadrons without c and b quarks that decay inside the beam pipe."""
    hadron_codes = range(100, 100_000)
    return [
        code
        for code in hadron_codes
        if particle_data.isParticle(code)
        and particle_data.isHadron(code)
        and particle_data.mayDecay(code)
        and particle_data.canDecay(code)
        # Digits 2 to 4 from the right are the quark content.
        and not set("45") & set(f"{code:05d}"[-4:-1])
    ]


def _particles_from_rows(rows: list[list[tuple[float, ...]]]) -> ak.Array:
    flat = np.array([particle for event in rows for particle in event])
    columns = dict(zip(PARTICLE_FIELDS, flat.T, strict=True))
    columns["pdg_id"] = columns["pdg_id"].astype(np.int32)
    return ak.unflatten(ak.zip(columns), [len(event) for event in rows])


def _pt(particles: ak.Array) -> ak.Array:
    return np.hypot(particles.px, particles.py)


def make_overlay_library(seed: int) -> ak.Array:
    """`OVERLAY_LIBRARY_SIZE` minimum-bias collisions, simulated in full."""
    pythia = start_pythia(MINIMUM_BIAS_SETTINGS, seed)
    batches: list[ak.Array] = []
    while sum(map(len, batches)) < OVERLAY_LIBRARY_SIZE:
        batches.append(final_state(pythia.nextBatch(_BATCH_SIZE)))
    return ak.concatenate(batches)[:OVERLAY_LIBRARY_SIZE]


def overlay(particles: ak.Array, library: ak.Array, rng: np.random.Generator) -> ak.Array:
    """Add Poisson(`MEAN_OVERLAY_EVENTS`) library events to each event, turned in azimuth."""
    counts = rng.poisson(MEAN_OVERLAY_EVENTS, len(particles))
    chosen = library[rng.integers(len(library), size=counts.sum())]
    angle = rng.uniform(0, 2 * np.pi, len(chosen))
    cos, sin = np.cos(angle), np.sin(angle)
    turned = ak.zip(
        {
            "pdg_id": chosen.pdg_id,
            "px": cos * chosen.px - sin * chosen.py,
            "py": sin * chosen.px + cos * chosen.py,
            "pz": chosen.pz,
            "e": chosen.e,
        }
    )
    per_event = ak.flatten(ak.unflatten(turned, counts, axis=0), axis=2)
    return ak.concatenate([particles, per_event], axis=1)


def save_particles(path: Path, particles: ak.Array) -> None:
    """Write particles (events, particles) to a .npz file."""
    columns = {name: ak.to_numpy(ak.flatten(particles[name])) for name in PARTICLE_FIELDS}
    np.savez(path, counts=ak.to_numpy(ak.num(particles)), **columns)


def load_particles(path: Path) -> ak.Array:
    """Read what `save_particles` wrote."""
    with np.load(path) as stored:
        columns = {name: stored[name] for name in PARTICLE_FIELDS}
        return ak.unflatten(ak.zip(columns), stored["counts"])
