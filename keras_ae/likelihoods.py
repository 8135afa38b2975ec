"""Reconstruction as a negative log-likelihood of a named family, in nats.

A family says how the decoder's output (batch, ...) describes the input of the same shape: `mean` is
the reconstruction, `negative_log_likelihood` the reconstruction term of every objective, feature by
feature.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ae.bounded import LOG_VARIANCE_LIMIT
from keras_ae.errors import InputError

Tensor = Any


class Likelihood(keras.Layer):
    """What all families share; a Keras layer, because a learned variance is a weight."""

    def call(self, output: Tensor) -> Tensor:
        """The reconstruction, see `mean`."""
        return self.mean(output)

    def mean(self, output: Tensor) -> Tensor:
        """Expectation of x: the reconstruction."""
        return output

    def weight(self, x: Tensor) -> Tensor:
        """1 for each feature that counts, 0 for each that does not: the shape of x."""
        return ops.ones_like(x)

    def squared_error(self, x: Tensor, output: Tensor) -> Tensor:
        """Squared error of the reconstruction in each feature that counts."""
        return self.weight(x) * ops.square(x - self.mean(output))

    def negative_log_likelihood(self, x: Tensor, output: Tensor) -> Tensor:
        """-log p(x_i|z) of each feature."""
        raise NotImplementedError

    def check(self, x: np.ndarray, subject: str) -> None:
        """Raise InputError where the family gives x no probability."""


@keras.saving.register_keras_serializable("keras_ae")
class Gaussian(Likelihood):
    """Independent Gaussians of equal variance around the decoder's output.

    -log p(x_i|z) = (x_i - y_i)^2 / (2 variance) + log(2 pi variance) / 2
    (Goodfellow, Bengio & Courville, Deep Learning, eq. 3.21).

    Args:
        variance: of every feature; where it is learned, what it starts from.
        learn_variance: fit the one variance with the networks (its best value is the mean squared
            error, cf. Rybkin et al., sigma-VAE, arXiv:2006.13202); its logarithm is kept within
            +-`LOG_VARIANCE_LIMIT`.

    Raises:
        InputError: variance <= 0.
    """

    def __init__(self, variance: float = 1.0, learn_variance: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < variance < math.inf:
            raise InputError(f"variance must be > 0 and finite, got {variance}")
        if learn_variance and abs(math.log(variance)) > LOG_VARIANCE_LIMIT:
            limit = math.exp(LOG_VARIANCE_LIMIT)
            raise InputError(
                f"variance that is learned must be from {1 / limit:.3g} to {limit:.3g}, got "
                f"{variance:g}"
            )
        self._initial_variance = float(variance)
        self.learn_variance = learn_variance
        self._log_variance = None
        if learn_variance:
            self._log_variance = self.add_weight(
                shape=(),
                dtype="float32",
                initializer=keras.initializers.Constant(math.log(variance)),
                name="log_variance",
            )
        self.built = True

    @property
    def variance(self) -> float:
        """The variance as it is now."""
        if self._log_variance is None:
            return self._initial_variance
        limit = LOG_VARIANCE_LIMIT
        return math.exp(min(max(float(self._log_variance), -limit), limit))

    def negative_log_likelihood(self, x: Tensor, output: Tensor) -> Tensor:
        precision, log_variance = self._moments()
        log_normalizer = 0.5 * (math.log(2 * math.pi) + log_variance)
        return 0.5 * precision * self.squared_error(x, output) + self.weight(x) * log_normalizer

    def _moments(self) -> tuple[Any, Any]:
        """1/variance and log(variance)."""
        if self._log_variance is None:
            return 1 / self._initial_variance, math.log(self._initial_variance)
        log_variance = ops.clip(self._log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        return ops.exp(-log_variance), log_variance

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "variance": self._initial_variance,
            "learn_variance": self.learn_variance,
        }


@keras.saving.register_keras_serializable("keras_ae")
class MaskedGaussian(Gaussian):
    """A Gaussian that ignores features that are exactly zero in the input.

    Those are the empty slots of trigger events (and what is zero by construction, like the
    pseudorapidity of the missing momentum), as in arXiv:2108.03986.
    """

    def weight(self, x: Tensor) -> Tensor:
        return ops.cast(ops.not_equal(x, 0.0), x.dtype)


@keras.saving.register_keras_serializable("keras_ae")
class Bernoulli(Likelihood):
    """Independent Bernoulli variables; the decoder's output is their logits.

    -log p(x_i|z) = -x_i log q_i - (1 - x_i) log(1 - q_i), q = sigmoid(output): the binary
    cross-entropy. Values between 0 and 1 are taken for probabilities, as is usual for grey images.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def mean(self, output: Tensor) -> Tensor:
        return ops.sigmoid(output)

    def negative_log_likelihood(self, x: Tensor, output: Tensor) -> Tensor:
        return ops.softplus(output) - x * output

    def check(self, x: np.ndarray, subject: str) -> None:
        if x.size and not (x.min() >= 0 and x.max() <= 1):
            raise InputError(
                f"{subject} of a Bernoulli likelihood must lie in [0, 1], got values from "
                f"{x.min():g} to {x.max():g}: choose gaussian or scale the data"
            )


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian,
    "masked_gaussian": MaskedGaussian,
    "bernoulli": Bernoulli,
}
