"""Clusters in the latent space, and how well they agree with labels; scikit-learn does the work."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from keras_ae.arrays import check_finite
from keras_ae.errors import InputError

METHODS = ("kmeans", "gaussian_mixture")


def cluster_latent(
    codes: np.ndarray, n_clusters: int, seed: int, method: str = "kmeans"
) -> np.ndarray:
    """The cluster of each code: (events, latent_dim) -> (events,) int, from 0.

    Args:
        codes: what `encode` gives.
        n_clusters: how many.
        seed: of the starting points.
        method: kmeans, or gaussian_mixture with full covariances.

    Raises:
        InputError: n_clusters below 1 or above the number of events, an unknown method, or codes
            that are not finite.
    """
    check_finite(codes, "codes")
    if not 1 <= n_clusters <= len(codes):
        raise InputError(
            f"n_clusters must be 1 to {len(codes)}, the number of events, got {n_clusters}"
        )
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "kmeans":
        return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(codes)
    return GaussianMixture(n_clusters, n_init=3, random_state=seed).fit_predict(codes)


def adjusted_rand_index(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Agreement of two partitions: 1 for the same, 0 on average by chance (Hubert & Arabie, 1985).

    Raises:
        InputError: labels and clusters of different length.
    """
    if len(labels) != len(clusters):
        raise InputError(f"clusters must be as many as labels, {len(labels)}, got {len(clusters)}")
    return float(adjusted_rand_score(labels, clusters))
