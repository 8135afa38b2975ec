"""Densities of trigger events by scikit-learn, beside which networks are shown.

A mixture of 30 Gaussians and the mean distance of 5 nearest neighbours in training, of two
standardized views of an event: log(1 + pT [GeV]) of its 19 objects, and all 57 numbers. Chosen
before any signal was looked at, and tuned on none.
"""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from keras_ae.data.dataset import Dataset, Sample
from keras_ae.front_end.front_end import FrontEnd

N_COMPONENTS = 30
N_NEIGHBOURS = 5
#: Added to variances of standardized numbers: those of slots that are nearly always empty are 0.
_LEAST_VARIANCE = 1e-3

Scores = dict[str, np.ndarray]


def density_scores(data: Dataset, front_end: FrontEnd, seed: int) -> dict[str, Scores]:
    """Negative log-densities and distances by name and sample, (events,) each."""
    found = {}
    for view, columns_of in (("19 log pT", _log_momenta), ("57 numbers", _numbers)):
        scaler = StandardScaler().fit(columns_of(data.train, front_end))
        train = scaler.transform(columns_of(data.train, front_end))
        mixture = GaussianMixture(N_COMPONENTS, reg_covar=_LEAST_VARIANCE, random_state=seed)
        mixture.fit(train)
        neighbours = NearestNeighbors(n_neighbors=N_NEIGHBOURS, algorithm="brute").fit(train)
        tested = {
            name: scaler.transform(columns_of(sample, front_end))
            for name, sample in data.tested.items()
        }
        found[f"mixture of {N_COMPONENTS} Gaussians, {view}"] = {
            name: -mixture.score_samples(x) for name, x in tested.items()
        }
        found[f"{N_NEIGHBOURS} nearest neighbours, {view}"] = {
            name: neighbours.kneighbors(x)[0].mean(axis=1) for name, x in tested.items()
        }
    return found


def _numbers(sample: Sample, front_end: FrontEnd) -> np.ndarray:
    """Physical values (events, n_values)."""
    last_bits = np.array([column.field.last_bit.value for column in front_end.columns])
    return sample.x.reshape(len(sample), -1) * last_bits


def _log_momenta(sample: Sample, front_end: FrontEnd) -> np.ndarray:
    chosen = [column.index for column in front_end.columns if column.field_name == "pt"]
    return np.log1p(_numbers(sample, front_end)[:, chosen])
