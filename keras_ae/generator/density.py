"""Median density of transverse momentum in rings of pseudorapidity (arXiv:0707.1378)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import awkward as ak
import numpy as np

_CELLS_PER_TURN = 12
_CELL_ETA = 0.5
_CELL_AREA = _CELL_ETA * 2 * np.pi / _CELLS_PER_TURN


def median_density(particles: ak.Array, edges: Sequence[float]) -> np.ndarray:
    """Transverse momentum per unit of (pseudorapidity, azimuth) [GeV]: (events, rings).

    Args:
        particles: (events, particles) with the fields pt, eta, phi.
        edges: of the rings in |eta|, multiples of half a unit.
    """
    counts = ak.to_numpy(ak.num(particles))
    event = np.repeat(np.arange(len(counts)), counts)
    pt, eta, phi = (ak.to_numpy(ak.flatten(particles[name])) for name in ("pt", "eta", "phi"))
    # A phi just below zero is a whole turn to np.mod.
    column = np.floor(phi / (2 * np.pi) * _CELLS_PER_TURN).astype(int) % _CELLS_PER_TURN
    rings = []
    for low, high in pairwise(edges):
        n_rows = round((high - low) / _CELL_ETA)
        inside = (np.abs(eta) >= low) & (np.abs(eta) < high)
        row = ((np.abs(eta[inside]) - low) / _CELL_ETA).astype(int) + n_rows * (eta[inside] > 0)
        shape = (len(counts), 2 * n_rows, _CELLS_PER_TURN)
        place = np.ravel_multi_index((event[inside], row, column[inside]), shape)
        sums = np.bincount(place, pt[inside], minlength=math.prod(shape))
        rings.append(np.median(sums.reshape(len(counts), -1), axis=1) / _CELL_AREA)
    return np.stack(rings, axis=1)


def density_at(densities: np.ndarray, edges: Sequence[float], eta: ak.Array) -> ak.Array:
    """Of the rings' `densities` (events, rings), those where the objects of `eta` are."""
    flat = ak.to_numpy(ak.flatten(eta))
    event = np.repeat(np.arange(len(eta)), ak.to_numpy(ak.num(eta)))
    ring = np.searchsorted(edges[1:-1], np.abs(flat), side="right")
    return ak.unflatten(densities[event, ring], ak.num(eta))
