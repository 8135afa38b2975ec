"""Anomaly scores: one number an event, shape (batch,), higher for the more anomalous.

Sums over features or latent dimensions, natural logarithms. They take and return backend tensors,
so that objectives and detectors use the same functions.
"""

from __future__ import annotations

import keras
from keras import ops


def squared_latent_norm(mean: keras.KerasTensor) -> keras.KerasTensor:
    """sum_j mean_j^2 of the latent mean (batch, latent_dim).

    The part of the KL divergence that costs least in firmware (arXiv:2108.03986, CMS AXOL1TL).
    """
    return ops.sum(ops.square(mean), axis=-1)


def kl_to_standard_normal(mean: keras.KerasTensor, log_var: keras.KerasTensor) -> keras.KerasTensor:
    """KL(N(mean, exp(log_var)) || N(0, 1)) in nats, of (batch, latent_dim) twice.

    sum_j (mean_j^2 + exp(log_var_j) - log_var_j - 1) / 2 (Kingma & Welling, arXiv:1312.6114, B).
    """
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - log_var - 1.0, axis=-1)
