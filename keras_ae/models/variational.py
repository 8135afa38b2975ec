"""The variational autoencoder, and with beta != 1 the beta-VAE."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ae.errors import InputError
from keras_ae.likelihoods import Gaussian
from keras_ae.models.autoencoder import Autoencoder, Tensor
from keras_ae.scores import kl_to_standard_normal, squared_latent_norm


@keras.saving.register_keras_serializable("keras_ae")
class VariationalAutoencoder(Autoencoder):
    """Minimizes the negative ELBO: E_q[-log p(x|z)] + beta KL(q(z|x) || N(0, 1)), in nats.

    Kingma & Welling, arXiv:1312.6114, eq. 3, with a diagonal Gaussian q and one sample of z an
    event; beta as in Higgins et al., ICLR 2017, eq. 4. With beta = 1 the loss is the true bound.

    Args:
        encoder: (batch, input_dim) -> mean and log-variance, (batch, latent_dim) each.
        decoder: (batch, latent_dim) -> (batch, input_dim).
        likelihood: family of p(x|z); a Gaussian of variance 1 by default.
        beta: weight of the KL term.
        seed: of the sampling; an integer.

    Raises:
        InputError: an encoder without two outputs, or beta < 0.
    """

    term_names = ("reconstruction", "kl")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Gaussian | None = None,
        beta: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, **kwargs)
        if len(encoder.outputs) != 2:
            raise InputError(
                "encoder of a VariationalAutoencoder must have 2 outputs, mean and log-variance, "
                f"got {len(encoder.outputs)}"
            )
        if not beta >= 0:
            raise InputError(f"beta must be >= 0, got {beta}")
        self._initial_beta = beta
        self._seed = seed
        self._noise = keras.random.SeedGenerator(seed)
        # A variable, so that a schedule can change it without retracing.
        self.beta = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(beta), trainable=False, name="beta"
        )

    def latent_mean(self, encoded: Tensor) -> Tensor:
        return encoded[0]

    def latent(self, encoded: Tensor, training: bool) -> Tensor:
        """Mean, or when training a sample by the reparametrization z = mean + sigma * noise."""
        mean, log_var = encoded
        if not training:
            return mean
        # Replicas share the generator's state, but must not share their noise.
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = ops.cast(self._noise.next(), "int32") + ops.stack([0, ops.cast(replica, "int32")])
        noise = tf.random.stateless_normal(ops.shape(mean), seed, dtype=mean.dtype)
        return mean + ops.exp(0.5 * log_var) * noise

    def terms(self, x: Tensor, encoded: Tensor, output: Tensor) -> dict[str, Tensor]:
        return {**super().terms(x, encoded, output), "kl": kl_to_standard_normal(*encoded)}

    def term_weights(self) -> dict[str, Tensor]:
        return {"kl": self.beta}

    def score_terms(self, x: Tensor, encoded: Tensor, output: Tensor) -> dict[str, Tensor]:
        mean, log_var = encoded
        return {
            **super().score_terms(x, encoded, output),
            "squared_latent_norm": squared_latent_norm(mean),
            "kl_divergence": kl_to_standard_normal(mean, log_var),
        }

    def save_own_variables(self, store: Any) -> None:
        # Keras leaves the state of random generators out: training would not continue as it was.
        super().save_own_variables(store)
        store["noise_state"] = np.asarray(self._noise.state)

    def load_own_variables(self, store: Any) -> None:
        self._noise.state.assign(store["noise_state"])
        names = set(store.keys()) - {"noise_state"}
        super().load_own_variables({name: store[name] for name in names})

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self._initial_beta, "seed": self._seed}
