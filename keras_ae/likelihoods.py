"""Reconstruction as a negative log-likelihood of a named family, in nats."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_ae.errors import InputError


@keras.saving.register_keras_serializable("keras_ae")
class Gaussian:
    """Independent Gaussians of equal, fixed variance around the decoder's output.

    -log p(x|z) = sum_i [(x_i - y_i)^2 / (2 variance) + log(2 pi variance) / 2]
    (Goodfellow, Bengio & Courville, Deep Learning, eq. 3.21).

    Raises:
        InputError: variance <= 0.
    """

    def __init__(self, variance: float = 1.0) -> None:
        if not variance > 0:
            raise InputError(f"variance must be > 0, got {variance}")
        self.variance = variance

    def weight(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """1 for each feature that counts, 0 for each that does not: the shape of x."""
        return ops.ones_like(x)

    def squared_error(self, x: keras.KerasTensor, output: keras.KerasTensor) -> keras.KerasTensor:
        """Squared error of each feature that counts: (batch, features)."""
        return self.weight(x) * ops.square(x - output)

    def negative_log_likelihood(
        self, x: keras.KerasTensor, output: keras.KerasTensor
    ) -> keras.KerasTensor:
        """-log p(x|z) of each event: (batch, features) twice -> (batch,)."""
        log_normalizer = 0.5 * math.log(2 * math.pi * self.variance)
        per_feature = (
            self.squared_error(x, output) / (2 * self.variance) + self.weight(x) * log_normalizer
        )
        return ops.sum(per_feature, axis=-1)

    def get_config(self) -> dict[str, float]:
        return {"variance": self.variance}

    @classmethod
    def from_config(cls, config: dict[str, float]) -> Gaussian:
        return cls(**config)


@keras.saving.register_keras_serializable("keras_ae")
class MaskedGaussian(Gaussian):
    """A Gaussian that ignores features that are exactly zero in the input.

    Those are the empty slots of trigger events (and what is zero by construction, like the
    pseudorapidity of the missing momentum), as in arXiv:2108.03986.
    """

    def weight(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return ops.cast(ops.not_equal(x, 0.0), x.dtype)


LIKELIHOODS = {"gaussian": Gaussian, "masked_gaussian": MaskedGaussian}
