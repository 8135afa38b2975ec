"""Jets of high momentum with their constituents, from QCD and from hadronic top quarks.

As in the public top-tagging reference set (arXiv:1902.09914), but with an ideal detector: every
visible final particle is a constituent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import awkward as ak
import numpy as np

from keras_ae.generator.collisions import final_state, start_pythia
from keras_ae.generator.detector import cluster_fat_jets
from keras_ae.generator.processes import Process

JET_RADIUS = 0.8
JET_MIN_PT_GEV = 550.0
JET_MAX_PT_GEV = 650.0
JET_MAX_ETA = 2.0

_BATCH_SIZE = 250
_DECAY_QUARK_STATUS = 23  # Pythia's: outgoing from the hard process or a resonance decay


@dataclass(frozen=True)
class BoostedJetBatch:
    """Jets of some collisions.

    `constituents` (jets, constituents, 4): E, px, py, pz [GeV], padded with zeros. `collisions`
    (jets,): the place of each jet's collision among the `n_simulated`.
    """

    constituents: np.ndarray
    collisions: np.ndarray
    n_simulated: int


class BoostedJets:
    """An endless, reproducible stream of the jets within acceptance, all of each collision.

    With `top_quarks`, only jets that hold the three quarks of a top quark's decay.
    """

    def __init__(self, process: Process, seed: int, full: bool, top_quarks: bool) -> None:
        mpi = f"PartonLevel:MPI = {'on' if full else 'off'}"
        self._pythia = start_pythia((*process.settings, mpi), seed)
        self._top_quarks = top_quarks

    def __iter__(self) -> Iterator[BoostedJetBatch]:
        while True:
            events = self._pythia.nextBatch(_BATCH_SIZE)
            jets = cluster_fat_jets(final_state(events), JET_RADIUS, JET_MIN_PT_GEV)
            quarks = _top_decay_quarks(events.prt) if self._top_quarks else None
            accepted = jets[_accept(jets, quarks)]
            yield BoostedJetBatch(
                constituents=_pad(ak.flatten(accepted)),
                collisions=np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(accepted))),
                n_simulated=len(events),
            )

    def cross_section_pb(self) -> float:
        """Of the hard process, before any selection, estimated from the events so far."""
        return float(self._pythia.infoPython().sigmaGen()) * 1e9


def _top_decay_quarks(record: ak.Array) -> np.ndarray:
    """Directions (events, 2, 3, 2) of the decay quarks of top and antitop: eta, phi."""
    quarks = record[(abs(record.status) == _DECAY_QUARK_STATUS) & (abs(record.id) <= 5)]
    # Of t -> b W+ and W+ -> q q' the mothers' codes are positive, of the antitop's negative.
    mother = ak.to_numpy(record.id[quarks.mother1])  # (events, 6)
    order = np.argsort(mother < 0, axis=1, kind="stable")
    px, py, pz = (ak.to_numpy(quarks.p[name]) for name in ("px", "py", "pz"))
    directions = np.stack([np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)], axis=-1)
    return np.take_along_axis(directions, order[:, :, None], axis=1).reshape(-1, 2, 3, 2)


def _accept(jets: ak.Array, quarks: np.ndarray | None) -> ak.Array:
    """Whether each jet (events, jets) is within the range of momentum and direction."""
    px, py, pz = (ak.sum(jets[name], axis=-1) for name in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    eta, phi = np.arcsinh(pz / pt), np.arctan2(py, px)
    accepted = (pt > JET_MIN_PT_GEV) & (pt < JET_MAX_PT_GEV) & (abs(eta) < JET_MAX_ETA)
    return accepted if quarks is None else accepted & _hold_top(eta, phi, quarks)


def _hold_top(eta: ak.Array, phi: ak.Array, quarks: np.ndarray) -> ak.Array:
    """Whether each jet (events, jets) has all quarks of one top within its radius."""
    counts = ak.to_numpy(ak.num(eta))
    of_jet = np.repeat(quarks, counts, axis=0)  # (all jets, 2, 3, 2)
    axis = np.stack([ak.to_numpy(ak.flatten(angle)) for angle in (eta, phi)], axis=-1)
    delta = of_jet - axis[:, None, None]
    delta[..., 1] = (delta[..., 1] + np.pi) % (2 * np.pi) - np.pi
    inside = (delta**2).sum(axis=-1) < JET_RADIUS**2  # (all jets, 2, 3)
    return ak.unflatten(inside.all(axis=2).any(axis=1), counts)


def _pad(jets: ak.Array) -> np.ndarray:
    """Four-vectors (jets, constituents, 4) as E, px, py, pz, padded with zeros."""
    n_constituents = int(ak.max(ak.num(jets), initial=1))
    padded = ak.pad_none(jets, n_constituents)
    columns = [ak.to_numpy(ak.fill_none(padded[name], 0.0)) for name in ("e", "px", "py", "pz")]
    return np.stack(columns, axis=-1).reshape(len(jets), n_constituents, 4)
