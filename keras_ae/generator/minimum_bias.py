"""A library of minimum-bias collisions, and their overlay on others.

Overlaid are multiparton interactions, where they are not simulated, and pile-up.
"""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np

from keras_ae.generator.collisions import PARTICLE_FIELDS, final_state, start_pythia
from keras_ae.generator.processes import MINIMUM_BIAS_SETTINGS

#: In place of the multiparton interactions of a collision.
MEAN_OVERLAY_EVENTS = 2.0
LIBRARY_SIZE = 2000
_BATCH_SIZE = 250


def make_library(seed: int) -> ak.Array:
    """`LIBRARY_SIZE` minimum-bias collisions, simulated in full."""
    pythia = start_pythia(MINIMUM_BIAS_SETTINGS, seed)
    batches: list[ak.Array] = []
    while sum(map(len, batches)) < LIBRARY_SIZE:
        batches.append(final_state(pythia.nextBatch(_BATCH_SIZE)))
    return ak.concatenate(batches)[:LIBRARY_SIZE]


def draw(
    library: ak.Array, counts: np.ndarray, rng: np.random.Generator, mirrored: bool = False
) -> ak.Array:
    """Particles (events, particles) of `counts` collisions each, every one turned in azimuth.

    `mirrored`: and every other one with its beams exchanged.
    """
    chosen = library[rng.integers(len(library), size=counts.sum())]
    angle = rng.uniform(0, 2 * np.pi, len(chosen))
    cos, sin = np.cos(angle), np.sin(angle)
    side = rng.choice([-1.0, 1.0], len(chosen)) if mirrored else np.ones(len(chosen))
    turned = ak.zip(
        {
            "pdg_id": chosen.pdg_id,
            "px": cos * chosen.px - sin * chosen.py,
            "py": sin * chosen.px + cos * chosen.py,
            "pz": side * chosen.pz,
            "e": chosen.e,
        }
    )
    return ak.flatten(ak.unflatten(turned, counts, axis=0), axis=2)


def overlay_interactions(
    particles: ak.Array, library: ak.Array, rng: np.random.Generator
) -> ak.Array:
    """Add Poisson(`MEAN_OVERLAY_EVENTS`) collisions to each event."""
    counts = rng.poisson(MEAN_OVERLAY_EVENTS, len(particles))
    return ak.concatenate([particles, draw(library, counts, rng)], axis=1)


def save_library(path: Path, particles: ak.Array) -> None:
    """Write particles (events, particles) to a .npz file."""
    columns = {name: ak.to_numpy(ak.flatten(particles[name])) for name in PARTICLE_FIELDS}
    np.savez(path, counts=ak.to_numpy(ak.num(particles)), **columns)


def load_library(path: Path) -> ak.Array:
    """Read what `save_library` wrote."""
    with np.load(path) as stored:
        columns = {name: stored[name] for name in PARTICLE_FIELDS}
        return ak.unflatten(ak.zip(columns), stored["counts"])
