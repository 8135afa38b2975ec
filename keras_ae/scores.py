"""What anomaly scores are made of: one number a latent dimension or feature, to be summed.

The sum over the last axis is the score of an event, higher for the more anomalous. Natural
logarithms. They take and return backend tensors, so that objectives and detectors use the same
functions. Scores of the reconstruction are in `likelihoods`.
"""

from __future__ import annotations

import keras
from keras import ops


def squared_latent_norm(mean: keras.KerasTensor) -> keras.KerasTensor:
    """mean_j^2 of the latent mean (batch, latent_dim); summed, the squared norm.

    The part of the KL divergence that costs least in firmware (arXiv:2108.03986, CMS AXOL1TL).
    """
    return ops.square(mean)


def latent_norm(mean: keras.KerasTensor) -> keras.KerasTensor:
    """mean_j^2 / |mean|, so that the sum is the norm |mean|; 0 at the origin."""
    norm = ops.sqrt(ops.sum(ops.square(mean), axis=-1, keepdims=True))
    return ops.square(mean) / ops.maximum(norm, keras.config.epsilon() ** 2)


def normalized_latent_norm(
    mean: keras.KerasTensor, log_var: keras.KerasTensor
) -> keras.KerasTensor:
    """mean_j^2 / variance_j, the score R_z of arXiv:2108.03986."""
    return ops.square(mean) * ops.exp(-log_var)


def kl_to_standard_normal(mean: keras.KerasTensor, log_var: keras.KerasTensor) -> keras.KerasTensor:
    """KL(N(mean_j, exp(log_var_j)) || N(0, 1)) in nats, of (batch, latent_dim) twice.

    (mean_j^2 + exp(log_var_j) - log_var_j - 1) / 2 (Kingma & Welling, arXiv:1312.6114, app. B).
    """
    return 0.5 * (ops.square(mean) + ops.exp(log_var) - log_var - 1.0)


def sum_features(values: keras.KerasTensor) -> keras.KerasTensor:
    """Sum over all but the first axis: (batch, ...) -> (batch,)."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))
