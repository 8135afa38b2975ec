"""Multijet events whose lepton comes from a b or c quark, made for a tenth of the price.

One multijet event in many thousands holds an isolated lepton. So a parton-level event is asked for
a heavy quark that could give one, hadronized a few times, and the hadrons that decay weakly are
decayed many times, by a library; each time that gives a lepton is kept, with the parton-level event
as its parent. Leptons faked by light hadrons are absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from keras_ae.generator.collisions import (
    LEPTON_IDS,
    LEPTON_PRESELECTION_PT_GEV,
    CollisionBatch,
    Collisions,
    HardProcessFilter,
    particles_of,
    start_pythia,
)
from keras_ae.generator.decays import DecayLibrary, in_flight

HEAVY_QUARK_PT_GEV = 30.0
HEAVY_QUARK_MAX_ETA = 3.2
_BATCH_SIZE = 250


@dataclass(frozen=True)
class Repetitions:
    """How often a parton-level event is hadronized, and each time its heavy hadrons decay.

    One without a heavy quark out of the hard process gets one from a shower, seldom: only every
    `thinning`th is made, and decays so much more often.
    """

    hadronizations: int = 4
    decays: int = 32
    thinning: int = 4

    @property
    def trials(self) -> int:
        """Events that are simulated for each hard process."""
        return self.hadronizations * self.decays


@dataclass(frozen=True)
class _Hadrons:
    """What decays weakly in an event: PDG codes (n,), momenta (n, 4), masses (n,)."""

    ids: np.ndarray
    momenta: np.ndarray
    masses: np.ndarray


class HeavyFlavourCollisions(Collisions):
    """Parton-level events with a heavy quark, hadronized and decayed again and again.

    Light hadrons decay once in each hadronization that is kept.
    """

    def __init__(self, settings: tuple[str, ...], seed: int, repetitions: Repetitions) -> None:
        self._repetitions = repetitions
        self._rng = np.random.default_rng(seed)
        self._is_heavy = False
        self._filter = HardProcessFilter(self._keep)
        super().__init__((*settings, "HadronLevel:all = off"), seed, self._filter)
        # Of its own random numbers.
        other = 1 + (seed + 450_000_000) % 900_000_000
        self._library = DecayLibrary(
            start_pythia(("ProcessLevel:all = off", "Check:event = off"), other)
        )
        data = self._pythia.particleData
        self._light, self._heavy = _light_hadrons(data), _weakly_decaying(data)
        for pdg_id in self._heavy:
            data.mayDecay(pdg_id, False)
        self._let_light_hadrons_decay(False)

    def __iter__(self) -> Iterator[CollisionBatch]:
        parent = 0
        while True:
            rows: list[np.ndarray] = []
            parents: list[int] = []
            first = self._filter.n_seen
            while len(rows) < _BATCH_SIZE:
                if self._pythia.next():
                    kept = self._repeat() if self._has_heavy_quark() else []
                    rows += kept
                    parents += [parent] * len(kept)
                    parent += 1
            yield CollisionBatch(
                particles_of(rows),
                np.array(parents),
                (self._filter.n_seen - first) * self._repetitions.trials,
            )

    def _keep(self, process: Any) -> bool:
        """Whether a hard process is to become an event."""
        # Behind the beams and what comes in.
        outgoing = (process[index] for index in range(5, process.size()))
        self._is_heavy = any(parton.idAbs() in (4, 5) for parton in outgoing)
        return self._is_heavy or self._rng.random() * self._repetitions.thinning < 1

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

    def _repeat(self) -> list[np.ndarray]:
        """Final particles (particles, 5) of what has a lepton, of the parton-level event."""
        pythia = self._pythia
        parton_level = type(pythia.event)(pythia.event)
        kept: list[np.ndarray] = []
        for _ in range(self._repetitions.hadronizations):
            pythia.event = parton_level
            if pythia.forceHadronLevel():
                kept += self._decay(parton_level.size())
        return kept

    def _decay(self, n_partons: int) -> list[np.ndarray]:
        """The same, of the hadrons that there are."""
        hadrons, has_lepton = self._look(n_partons)
        n_trials = self._repetitions.decays * (1 if self._is_heavy else self._repetitions.thinning)
        if not len(hadrons.ids) and not has_lepton:
            return []
        chosen = np.empty((len(hadrons.ids), n_trials), np.int64)
        rotations = []
        passed = np.full(n_trials, has_lepton)
        for place, (pdg_id, momentum, mass) in enumerate(
            zip(hadrons.ids, hadrons.momenta, hadrons.masses, strict=True)
        ):
            decays = self._library.of(int(pdg_id))
            chosen[place] = self._rng.integers(len(decays.leptons), size=n_trials)
            turned = Rotation.random(n_trials, random_state=self._rng).as_matrix()
            rotations.append(turned)
            # No product has more transverse momentum than its hadron has transverse mass.
            if mass**2 + (momentum[:2] ** 2).sum() > LEPTON_PRESELECTION_PT_GEV**2:
                flying = _of_one(decays.leptons[chosen[place]], turned, momentum, mass)
                pt = np.hypot(flying[..., 0], flying[..., 1])
                passed |= (pt > LEPTON_PRESELECTION_PT_GEV).any(axis=1)
        if not passed.any():
            return []
        others = self._others()
        kept = []
        for trial in np.flatnonzero(passed):
            parts = [others]
            for place, pdg_id in enumerate(hadrons.ids):
                ids, momenta = self._library.of(int(pdg_id)).products(chosen[place, trial])
                flying = _of_one(
                    momenta[np.newaxis],
                    rotations[place][trial : trial + 1],
                    hadrons.momenta[place],
                    hadrons.masses[place],
                )
                parts.append(np.column_stack([ids, flying[0]]))
            kept.append(np.concatenate(parts))
        return kept

    def _look(self, n_partons: int) -> tuple[_Hadrons, bool]:
        """What decays weakly, and whether there is a lepton already."""
        event, heavy = self._pythia.event, self._heavy
        found, has_lepton = [], False
        for index in range(n_partons, event.size()):
            particle = event[index]
            kind = particle.idAbs()
            if kind in heavy:
                if particle.isFinal():
                    found.append(
                        (
                            particle.id(),
                            *(particle.px(), particle.py(), particle.pz(), particle.e()),
                            particle.m(),
                        )
                    )
            elif kind in LEPTON_IDS and particle.isFinal():
                has_lepton |= particle.pT() > LEPTON_PRESELECTION_PT_GEV
        table = np.array(found).reshape(-1, 6)
        return _Hadrons(table[:, 0].astype(int), table[:, 1:5], table[:, 5]), has_lepton

    def _others(self) -> np.ndarray:
        """Final particles (particles, 5) but those, light hadrons decayed."""
        pythia, heavy = self._pythia, self._heavy
        self._let_light_hadrons_decay(True)
        pythia.moreDecays()
        self._let_light_hadrons_decay(False)
        event = pythia.event
        particles = (event[index] for index in range(event.size()))
        return np.array(
            [
                (p.id(), p.px(), p.py(), p.pz(), p.e())
                for p in particles
                if p.isFinal() and p.idAbs() not in heavy
            ]
        )

    def _let_light_hadrons_decay(self, decay: bool) -> None:
        for pdg_id in self._light:
            self._pythia.particleData.mayDecay(pdg_id, decay)


def _of_one(
    momenta: np.ndarray, rotations: np.ndarray, hadron: np.ndarray, mass: float
) -> np.ndarray:
    """Momenta at rest (n, particles, 4), turned, in flight with one hadron."""
    n = len(momenta)
    return in_flight(momenta, rotations, np.tile(hadron, (n, 1)), np.full(n, mass))


def _hadrons_that_decay(particle_data: Any, are_heavy: bool) -> list[int]:
    """PDG codes of hadrons with, or without, c and b quarks that decay inside the beam pipe."""
    hadron_codes = range(100, 100_000)
    return [
        code
        for code in hadron_codes
        if particle_data.isParticle(code)
        and particle_data.isHadron(code)
        and particle_data.mayDecay(code)
        and particle_data.canDecay(code)
        # Digits 2 to 4 from the right are the quark content.
        and bool(set("45") & set(f"{code:05d}"[-4:-1])) == are_heavy
    ]


def _light_hadrons(particle_data: Any) -> list[int]:
    return _hadrons_that_decay(particle_data, are_heavy=False)


def _weakly_decaying(particle_data: Any) -> frozenset[int]:
    """Of the heavy ones, those with a lifetime: of a mass without a width."""
    return frozenset(
        code
        for code in _hadrons_that_decay(particle_data, are_heavy=True)
        if particle_data.tau0(code) > 0
    )
