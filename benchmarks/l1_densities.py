"""Densities of trigger events by scikit-learn, beside which networks are shown.

A mixture of 30 Gaussians and the mean distance of 5 nearest neighbours in training, of two
standardized views of an event: log(1 + pT [GeV]) of its 19 objects, and all 57 numbers. Chosen
before any signal was looked at, and tuned on none.
"""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import StandardScaler

from keras_ae.data.dataset import Dataset, Sample
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.settings.teachers import GaussianMixtureTeacher, NearestNeighboursTeacher
from keras_ae.teachers import MixtureDensity, NeighbourDistance

MIXTURE, NEIGHBOURS = GaussianMixtureTeacher(), NearestNeighboursTeacher()

Scores = dict[str, np.ndarray]


def density_scores(data: Dataset, front_end: FrontEnd, seed: int) -> dict[str, Scores]:
    """Negative log-densities and distances by name and sample, (events,) each."""
    found = {}
    for view, columns_of in (("19 log pT", _log_momenta), ("57 numbers", _numbers)):
        scaler = StandardScaler().fit(columns_of(data.train, front_end))
        train = scaler.transform(columns_of(data.train, front_end))
        densities = {
            f"mixture of {MIXTURE.n_components} Gaussians": MixtureDensity.fit(
                MIXTURE, train, seed
            ),
            f"{NEIGHBOURS.n_neighbours} nearest neighbours": NeighbourDistance.fit(
                NEIGHBOURS, train
            ),
        }
        tested = {
            name: scaler.transform(columns_of(sample, front_end))
            for name, sample in data.tested.items()
        }
        for name, density in densities.items():
            found[f"{name}, {view}"] = {key: density.scores(x) for key, x in tested.items()}
    return found


def _numbers(sample: Sample, front_end: FrontEnd) -> np.ndarray:
    """Physical values (events, n_values)."""
    last_bits = np.array([column.field.last_bit.value for column in front_end.columns])
    return sample.x.reshape(len(sample), -1) * last_bits


def _log_momenta(sample: Sample, front_end: FrontEnd) -> np.ndarray:
    chosen = [column.index for column in front_end.columns if column.field_name == "pt"]
    return np.log1p(_numbers(sample, front_end)[:, chosen])
