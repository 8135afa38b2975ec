"""Decays of hadrons at rest, made once and used for every hadron of their kind.

Pythia decays a hadron that lives long enough to leave its event isotropically and independently of
all else. So a decay at rest that was drawn from many, turned at random and boosted, is a decay of
it in flight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ae.generator.collisions import LEPTON_IDS

#: Of each kind of hadron. A lepton that triggers is of one decay in about ten, turned at random.
N_DECAYS = 3000
_AT_ONCE = 100
#: A status of Pythia: primary hadrons from hadronization.
_HADRON_STATUS = 83


@dataclass(frozen=True)
class Decays:
    """Of one kind of hadron at rest.

    `ids` (products,) and `momenta` (products, 4), px, py, pz, e in GeV, of all decays one after the
    other; `first` (decays + 1,): where each begins. `leptons` (decays, n, 4): electrons and muons,
    filled up with zeros.
    """

    ids: np.ndarray
    momenta: np.ndarray
    first: np.ndarray
    leptons: np.ndarray

    def products(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """PDG codes and momenta of a decay."""
        part = slice(self.first[number], self.first[number + 1])
        return self.ids[part], self.momenta[part]


class DecayLibrary:
    """Decays of whatever hadron is asked for, by its PDG code."""

    def __init__(self, pythia: Any) -> None:
        """Decays are those of a Pythia that was started for nothing else."""
        self._pythia = pythia
        self._decays: dict[int, Decays] = {}

    def of(self, pdg_id: int) -> Decays:
        """Made when it is first asked for."""
        if pdg_id not in self._decays:
            self._decays[pdg_id] = self._make(pdg_id)
        return self._decays[pdg_id]

    def _make(self, pdg_id: int) -> Decays:
        ids: list[int] = []
        rows: list[tuple[float, ...]] = []
        counts: list[int] = []
        while len(counts) < N_DECAYS:
            products = self._decay_some(pdg_id)
            counts += [len(decay) for decay in products]
            for decay in products:
                ids += [particle.id() for particle in decay]
                rows += [(p.px(), p.py(), p.pz(), p.e()) for p in decay]
        codes, momenta = np.array(ids), np.array(rows)
        first = np.concatenate([[0], np.cumsum(counts)])
        return Decays(codes, momenta, first, _padded_leptons(codes, momenta, first))

    def _decay_some(self, pdg_id: int) -> list[list[Any]]:
        """Final particles of each of some decays."""
        pythia = self._pythia
        event, mass = pythia.event, pythia.particleData.m0(pdg_id)
        event.reset()
        for _ in range(_AT_ONCE):
            event.append(pdg_id, _HADRON_STATUS, 0, 0, 0.0, 0.0, 0.0, mass, mass)
        # Not moreDecays, which leaves quarks that some decays begin with.
        if not pythia.forceHadronLevel():
            return []
        # Of what each particle comes from; mothers stand before their daughters.
        origin = list(range(event.size()))
        products: list[list[Any]] = [[] for _ in range(_AT_ONCE)]
        for index in range(1, event.size()):
            particle = event[index]
            mother = particle.mother1()
            if mother:
                origin[index] = origin[mother]
            if particle.isFinal():
                products[origin[index] - 1].append(particle)
        return products


def in_flight(
    momenta: np.ndarray, rotations: np.ndarray, hadrons: np.ndarray, masses: np.ndarray
) -> np.ndarray:
    """Momenta at rest (n, particles, 4), turned by (n, 3, 3), of hadrons with momenta (n, 4)."""
    turned = momenta[..., :3] @ rotations.transpose(0, 2, 1)
    rest_energy = momenta[..., 3]
    # E' = (E E* + P p*) / m;  p' = p* + P (E* + E') / (E + m).
    along = np.einsum("ni,nki->nk", hadrons[:, :3], turned)
    energy = (hadrons[:, 3:] * rest_energy + along) / masses[:, np.newaxis]
    factor = (rest_energy + energy) / (hadrons[:, 3:] + masses[:, np.newaxis])
    return np.concatenate(
        [turned + factor[..., np.newaxis] * hadrons[:, np.newaxis, :3], energy[..., np.newaxis]],
        axis=-1,
    )


def _padded_leptons(ids: np.ndarray, momenta: np.ndarray, first: np.ndarray) -> np.ndarray:
    decay = np.repeat(np.arange(len(first) - 1), np.diff(first))
    chosen = np.flatnonzero(np.isin(np.abs(ids), LEPTON_IDS))
    counts = np.bincount(decay[chosen], minlength=len(first) - 1)
    place = np.arange(len(chosen)) - np.repeat(np.cumsum(counts) - counts, counts)
    leptons = np.zeros((len(counts), max(int(counts.max()), 1), 4))
    leptons[decay[chosen], place] = momenta[chosen]
    return leptons
