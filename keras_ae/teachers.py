"""Scores that a student learns: fitted on background, and saved beside a run's models.

A density is one of what the run's autoencoder sees, or of its embedding. Densities and distances
are scikit-learn's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from keras_ae.arrays import check_events
from keras_ae.data.damage import whole
from keras_ae.errors import InputError
from keras_ae.files import whole_file
from keras_ae.settings.teachers import (
    DensityTeacher,
    GaussianMixtureTeacher,
    NearestNeighboursTeacher,
)

#: Events that are scored at once.
_EVENTS_AT_ONCE = 20_000
#: Distance of an event from itself, as it is computed, in units of its norm.
_SAME = 1e-6


class Density(Protocol):
    """Learns from background what is rare."""

    @classmethod
    def fit(cls, settings: Any, x: np.ndarray, seed: int) -> Self:
        """On background (events, features).

        Raises:
            InputError: too few events.
        """

    def scores(self, x: np.ndarray) -> np.ndarray:
        """(events,), higher for the rarer, of (events, features)."""

    def save(self, path: Path) -> None:
        """As .npz."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote."""


class MixtureDensity:
    """Negative log-density, in nats, of a mixture of Gaussians."""

    def __init__(self, mixture: GaussianMixture) -> None:
        self._mixture = mixture

    @classmethod
    def fit(cls, settings: GaussianMixtureTeacher, x: np.ndarray, seed: int) -> Self:
        """On background (events, features).

        Raises:
            InputError: fewer events than components, or a variance too small for its inverse.
        """
        settings.check_events(len(x))
        mixture = GaussianMixture(
            settings.n_components, reg_covar=settings.least_variance, random_state=seed
        )
        try:
            # Matrices of a mixture are small: threads of BLAS wait for each other, beside those of
            # TensorFlow for minutes.
            with threadpool_limits(1, user_api="blas"):
                return cls(mixture.fit(np.asarray(x, np.float64)))
        except ValueError as error:
            raise InputError(
                "least_variance of a teacher of gaussian_mixture must be larger for these events, "
                f"got {settings.least_variance:g}: {str(error).splitlines()[0]}"
            ) from error

    def scores(self, x: np.ndarray) -> np.ndarray:
        x = check_events(x, self._mixture.means_.shape[1:], "x").astype(np.float64)
        return -np.asarray(self._mixture.score_samples(x))

    def save(self, path: Path) -> None:
        with whole_file(path) as temporary:
            np.savez(
                temporary,
                weights=self._mixture.weights_,
                means=self._mixture.means_,
                precisions_cholesky=self._mixture.precisions_cholesky_,
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote."""
        weights, means, precisions = read_arrays(path, "weights", "means", "precisions_cholesky")
        mixture = GaussianMixture(len(weights))
        mixture.weights_, mixture.means_ = weights, means
        mixture.precisions_cholesky_ = precisions
        return cls(mixture)


class NeighbourDistance:
    """Mean Euclidean distance of the nearest events that are known.

    None is its own neighbour: of an event that is known, or just like one, that one does not count,
    or what it was fitted on would seem less rare than the same events made anew.
    """

    def __init__(self, known: np.ndarray, n_neighbours: int) -> None:
        self._known, self._n_neighbours = known, n_neighbours
        index = NearestNeighbors(n_neighbors=n_neighbours + 1, algorithm="brute")
        self._index = index.fit(known)

    @classmethod
    def fit(cls, settings: NearestNeighboursTeacher, x: np.ndarray, seed: int = 0) -> Self:
        """On background (events, features); nothing is random.

        Raises:
            InputError: not more events than neighbours.
        """
        settings.check_events(len(x))
        return cls(np.asarray(x, np.float64), settings.n_neighbours)

    def scores(self, x: np.ndarray) -> np.ndarray:
        x = check_events(x, self._known.shape[1:], "x").astype(np.float64)
        parts = (x[first : first + _EVENTS_AT_ONCE] for first in range(0, len(x), _EVENTS_AT_ONCE))
        return np.concatenate([self._distances(part) for part in parts])

    def _distances(self, x: np.ndarray) -> np.ndarray:
        distances = self._index.kneighbors(x)[0]
        # Distances come of squared norms, and are zero to half their digits.
        is_known = distances[:, 0] <= _SAME * (1 + np.linalg.norm(x, axis=1))
        return np.asarray(
            np.where(is_known, distances[:, 1:].mean(axis=1), distances[:, :-1].mean(axis=1))
        )

    def save(self, path: Path) -> None:
        with whole_file(path) as temporary:
            np.savez(temporary, known=self._known, n_neighbours=self._n_neighbours)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote."""
        known, n_neighbours = read_arrays(path, "known", "n_neighbours")
        return cls(known, int(n_neighbours))


#: Of the settings of each.
DENSITIES: dict[type[DensityTeacher], type[Density]] = {
    GaussianMixtureTeacher: MixtureDensity,
    NearestNeighboursTeacher: NeighbourDistance,
}


def read_arrays(path: Path, *names: str) -> list[np.ndarray]:
    """Arrays that 'keras-ae distill' has written.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"teacher not found: {path}")
    with (
        whole(path, "teacher as 'keras-ae distill' writes it", ValueError, KeyError),
        path.open("rb") as opened,
        np.load(opened, allow_pickle=False) as stored,
    ):
        return [stored[name] for name in names]
