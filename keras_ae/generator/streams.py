"""A process' endless stream of collisions, by the recipe that it asks for."""

from __future__ import annotations

from keras_ae.generator.collisions import Collisions
from keras_ae.generator.heavy_flavour import HeavyFlavourCollisions, Repetitions
from keras_ae.generator.processes import Process


def open_collisions(
    process: Process, seed: int, full: bool, repetitions: Repetitions | None = None
) -> Collisions:
    """An endless, reproducible stream of collisions of `process`.

    Args:
        process: what collides into what.
        seed: Pythia's, 1 to 900,000,000.
        full: simulate multiparton interactions.
        repetitions: for processes with `heavy_flavour_filter`.
    """
    mpi = f"PartonLevel:MPI = {'on' if full else 'off'}"
    if process.heavy_flavour_filter:
        return HeavyFlavourCollisions((*process.settings, mpi), seed, repetitions or Repetitions())
    return Collisions((*process.settings, mpi), seed)
