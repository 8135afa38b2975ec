"""The variational autoencoder, and with beta != 1 the beta-VAE."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ae.arrays import as_numbers, check_count, check_events
from keras_ae.errors import InputError
from keras_ae.likelihoods import Likelihood
from keras_ae.mapping import BATCH_SIZE
from keras_ae.models.autoencoder import Autoencoder, Pass, Tensor
from keras_ae.models.interpolation import INTERPOLATIONS
from keras_ae.models.registry import register
from keras_ae.schedules import Schedule
from keras_ae.scores import kl_to_standard_normal, normalized_latent_norm, sum_features
from keras_ae.settings.objectives import VariationalObjective


@register(VariationalObjective)
@keras.saving.register_keras_serializable("keras_ae")
class VariationalAutoencoder(Autoencoder):
    """Minimizes the negative ELBO: E_q[-log p(x|z)] + beta KL(q(z|x) || N(0, 1)), in nats.

    Kingma & Welling, arXiv:1312.6114, eq. 7, with a diagonal Gaussian q; beta as in Higgins et al.,
    ICLR 2017, eq. 4. With beta = 1 the training loss is an unbiased estimate of the bound.
    Validation, codes, reconstructions and scores are deterministic: they decode the latent mean, so
    that with beta = 1 the validation loss is the mean of the score `negative_elbo`; `elbo` samples.

    Args:
        encoder: (batch, *input_shape) -> mean and log-variance, (batch, latent_dim) each.
        decoder: (batch, latent_dim) -> (batch, *input_shape).
        likelihood: family of p(x|z); a Gaussian of variance 1 by default.
        beta: weight of the KL term.
        n_samples: Monte-Carlo samples of z for each event in training.
        schedule: how beta grows while training, see `schedules`; constant by default.
        seed: of the sampling; an integer.

    Raises:
        InputError: an encoder without two outputs, beta < 0, or n_samples < 1.
    """

    term_names: tuple[str, ...] = ("reconstruction", "kl")
    regularized = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Likelihood | None = None,
        beta: float = 1.0,
        n_samples: int = 1,
        schedule: Schedule | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        if len(encoder.outputs) != 2:
            raise InputError(
                f"encoder of a {type(self).__name__} must have 2 outputs, mean and log-variance, "
                f"got {len(encoder.outputs)}"
            )
        if not 0 <= beta < math.inf:
            raise InputError(f"beta must be >= 0, got {beta}")
        check_count("n_samples", n_samples, 1)
        self.n_samples = n_samples
        self.schedule = schedule
        self._initial_beta = beta
        # A variable, so that it can change without retracing.
        self.beta = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(beta), trainable=False, name="beta"
        )

    def latent_mean(self, encoded: Tensor) -> Tensor:
        return encoded[0]

    def latent(self, encoded: Tensor, training: bool) -> Tensor:
        """Mean, or when training `n_samples` samples of each event."""
        if not training:
            return self.latent_mean(encoded)
        return self.sample_latent(encoded, self.n_samples, self.next_seed())[0]

    def sample_latent(self, encoded: Tensor, n_samples: int, seed: Tensor) -> tuple[Tensor, Tensor]:
        """z = mean + sigma * noise, the reparametrization, and the noise.

        (n_samples * batch, latent_dim) each.
        """
        mean, log_var = (self.repeat(part, n_samples) for part in encoded)
        noise = tf.random.stateless_normal(ops.shape(mean), seed, dtype=mean.dtype)
        return mean + ops.exp(0.5 * log_var) * noise, noise

    def terms(self, forward: Pass, training: bool) -> dict[str, Tensor]:
        n_samples = self.n_samples if training else 1
        reconstruction = sum_features(self.reconstruction_terms(forward, n_samples))
        if n_samples > 1:
            reconstruction = ops.mean(ops.reshape(reconstruction, (n_samples, -1)), axis=0)
        return {
            "reconstruction": reconstruction,
            "kl": sum_features(kl_to_standard_normal(*forward.encoded)),
        }

    def term_weights(self, training: bool) -> dict[str, Tensor]:
        if not training or self.schedule is None or not self.compiled:
            return {"kl": self.beta}
        return {"kl": self.beta * self.schedule(self.optimizer.iterations)}

    def contributions(self, forward: Pass) -> dict[str, Tensor]:
        scores = super().contributions(forward)
        mean, log_var = forward.encoded
        kl = kl_to_standard_normal(mean, log_var)
        batch = ops.shape(forward.x)[0]
        n_features = math.prod(forward.x.shape[1:])
        by_feature = ops.reshape(scores["reconstruction"], (batch, n_features))
        return {
            **scores,
            "normalized_latent_norm": normalized_latent_norm(mean, log_var),
            "kl_divergence": kl,
            # Features first, then latent dimensions; at the latent mean, as no score is random.
            "negative_elbo": ops.concatenate([by_feature, kl], axis=-1),
        }

    def get_config(self) -> dict[str, Any]:
        schedule = self.schedule and keras.saving.serialize_keras_object(self.schedule)
        return {
            **super().get_config(),
            "beta": self._initial_beta,
            "n_samples": self.n_samples,
            "schedule": schedule,
        }

    # Bounds ------------------------------------------------------------------------------------

    def log_likelihood(
        self,
        x: np.ndarray,
        n_samples: int,
        condition: np.ndarray | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """log p(x) in nats, (events,), by importance sampling with exactly `n_samples` of q(z|x).

        log mean_i p(x|z_i) p(z_i) / q(z_i|x), the bound of Burda et al., arXiv:1509.00519, eq. 8:
        too low on average, exact for many samples.

        Raises:
            InputError: n_samples < 1; see `fit`.
        """
        log_sum, _ = self._importance_sums(x, n_samples, condition, seed)
        return log_sum - math.log(n_samples)

    def elbo(
        self,
        x: np.ndarray,
        n_samples: int,
        condition: np.ndarray | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """The evidence lower bound in nats, (events,), from exactly `n_samples` of q(z|x).

        Mean of log p(x|z) + log p(z) - log q(z|x) (Kingma & Welling, eq. 6); beta plays no part.

        Raises:
            InputError: n_samples < 1; see `fit`.
        """
        _, total = self._importance_sums(x, n_samples, condition, seed)
        return total / n_samples

    def log_weights(self, forward: Pass, n_samples: int) -> Tensor:
        """log p(x|z) + log p(z) - log q(z|x) of each sample: (n_samples, batch).

        (z - mean) / sigma is the noise that z was made with: z itself has lost it to rounding where
        sigma is small beside the mean.
        """
        log_var = self.repeat(forward.encoded[1], n_samples)
        # Both densities have the same normalization.
        log_ratio = 0.5 * (ops.square(forward.noise) + log_var - ops.square(forward.latent))
        log_weights = sum_features(log_ratio) - sum_features(
            self.reconstruction_terms(forward, n_samples)
        )
        return ops.reshape(log_weights, (n_samples, -1))

    def _importance_sums(
        self, x: np.ndarray, n_samples: int, condition: np.ndarray | None, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the summed weights, and sum of their logarithms: (events,) each."""
        check_count("n_samples", n_samples, 1)
        events_at_once = max(BATCH_SIZE // n_samples, 64)
        samples_at_once = max(BATCH_SIZE // events_at_once, 1)
        calls = iter(range(2**31))

        def sums(x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
            x = self._embedded(x)
            encoded = self._encode(x, condition)
            log_sums, totals = [], []
            for first in range(0, n_samples, samples_at_once):
                n_now = min(samples_at_once, n_samples - first)
                latent, noise = self.sample_latent(encoded, n_now, [seed, next(calls)])
                forward = self._pass(x, condition, encoded, latent, noise=noise)
                log_weights = self.log_weights(forward, n_now)
                log_sums.append(ops.logsumexp(log_weights, axis=0))
                totals.append(ops.sum(log_weights, axis=0))
            return ops.logsumexp(ops.stack(log_sums), axis=0), sum(totals)

        return self._map(sums, x, condition, events_at_once)

    # Generation --------------------------------------------------------------------------------

    def sample(
        self, n: int, condition: np.ndarray | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Means of p(x|z) for `n` latents of the prior N(0, 1): (n, *input_shape).

        Args:
            n: how many.
            condition: (n, condition_dim), for a conditional model only.
            seed: an integer for the same samples again.

        Raises:
            InputError: n < 1, or a condition of another shape.
        """
        check_count("n", n, 1)
        latent = np.random.default_rng(seed).normal(size=(n, self.latent_dim))
        return self.decode(latent, condition)

    def interpolate(
        self,
        a: np.ndarray,
        b: np.ndarray,
        n_steps: int,
        kind: str = "linear",
        condition: np.ndarray | None = None,
    ) -> np.ndarray:
        """Reconstructions (n_steps, *input_shape) on the way from the code of a to that of b.

        Args:
            a: one event (*input_shape).
            b: one event.
            n_steps: with both ends.
            kind: linear, or spherical (White, arXiv:1609.04468).
            condition: of both events and the way, (condition_dim,).

        Raises:
            InputError: n_steps < 2, an unknown kind, or events of another shape.
        """
        check_count("n_steps", n_steps, 2)
        if kind not in tuple(INTERPOLATIONS):
            raise InputError(f"kind must be one of {', '.join(INTERPOLATIONS)}, got {kind!r}")
        ends = []
        for name, end in (("a", a), ("b", b)):
            event = as_numbers(end, name)
            if event.shape != self.sample_shape:
                raise InputError(f"{name} must have shape {self.sample_shape}, got {event.shape}")
            ends.append(check_events(event[None], self.sample_shape, name))
        if condition is not None:
            condition = as_numbers(condition, "condition")
        start, stop = (
            self.encode(end, None if condition is None else condition[None])[0] for end in ends
        )
        codes = INTERPOLATIONS[kind](start, stop, np.linspace(0, 1, n_steps)[:, None])
        if condition is not None:
            condition = np.tile(condition, (n_steps, 1))
        return self.decode(codes, condition)
