"""The autoencoder: the one train_step and test_step, and the hooks that a variant overrides."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ae.batches import BATCH_SIZE, map_batches
from keras_ae.errors import InputError
from keras_ae.likelihoods import Gaussian

Tensor = Any


@keras.saving.register_keras_serializable("keras_ae")
class Autoencoder(keras.Model):
    """Minimizes -log p(x | decode(encode(x))), in nats: sum over features, mean over the batch.

    A variant overrides `terms` and `term_weights` (what is minimized), `latent` (what the decoder
    gets in training) or `score_terms`. Sampling and corruption live here, in the outer model, so
    that `encoder` and `decoder` can be converted to firmware.

    Args:
        encoder: (batch, input_dim) -> (batch, latent_dim).
        decoder: (batch, latent_dim) -> (batch, input_dim).
        likelihood: family of p(x|z); a Gaussian of variance 1 by default.

    Raises:
        InputError: the decoder's output has not the shape of the encoder's input.
    """

    #: Names of the objective's terms, in the order in which they are shown.
    term_names: tuple[str, ...] = ("reconstruction",)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Gaussian | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if decoder.output_shape != encoder.input_shape:
            raise InputError(
                f"decoder output must have the encoder's input shape {encoder.input_shape}, "
                f"got {decoder.output_shape}"
            )
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood or Gaussian()
        self._loss_mean = keras.metrics.Mean(name="loss")
        self._term_means = {name: keras.metrics.Mean(name=name) for name in self.term_names}
        # Both networks have their weights already.
        self.built = True

    # Hooks -------------------------------------------------------------------------------------

    def latent_mean(self, encoded: Tensor) -> Tensor:
        """The deterministic latent (batch, latent_dim) in what the encoder returns."""
        return encoded

    def latent(self, encoded: Tensor, training: bool) -> Tensor:
        """What is decoded: (batch, latent_dim)."""
        return self.latent_mean(encoded)

    def terms(self, x: Tensor, encoded: Tensor, output: Tensor) -> dict[str, Tensor]:
        """The objective's terms by name, each (batch,) in nats, without their weights."""
        return {"reconstruction": self.likelihood.negative_log_likelihood(x, output)}

    def term_weights(self) -> dict[str, Tensor]:
        """Weights of the terms in the loss; 1 for those that are not named."""
        return {}

    def score_terms(self, x: Tensor, encoded: Tensor, output: Tensor) -> dict[str, Tensor]:
        """Every anomaly score by name, each (batch,), of inputs that went through both networks."""
        return {"reconstruction_error": ops.sum(self.likelihood.squared_error(x, output), axis=-1)}

    # Keras -------------------------------------------------------------------------------------

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Reconstruction (batch, input_dim); deterministic unless training."""
        return self.decoder(self.latent(self.encoder(x, training=training), training))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self._loss_mean, *self._term_means.values()]

    def train_step(self, data: Any) -> dict[str, Tensor]:
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        with tf.GradientTape() as tape:
            loss, terms = self._objective(x, training=True)
            # Gradients are summed over replicas, so each takes its share of the mean.
            scaled = loss / tf.distribute.get_strategy().num_replicas_in_sync
            if self.optimizer is not None:
                scaled = self.optimizer.scale_loss(scaled)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return self._track(loss, terms)

    def test_step(self, data: Any) -> dict[str, Tensor]:
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        return self._track(*self._objective(x, training=False))

    def _forward(self, x: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Input, what the encoder returns, reconstruction: what terms and scores are made of."""
        encoded = self.encoder(x, training=training)
        output = self.decoder(self.latent(encoded, training), training=training)
        # In float32 also under mixed precision: sums over many features overflow float16.
        return tf.nest.map_structure(lambda t: ops.cast(t, "float32"), (x, encoded, output))

    def _objective(self, x: Tensor, training: bool) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.terms(*self._forward(x, training))
        weights = self.term_weights()
        per_event = sum(weights.get(name, 1.0) * term for name, term in terms.items())
        return ops.mean(per_event), terms

    def _track(self, loss: Tensor, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        n_events = ops.shape(next(iter(terms.values())))[0]
        self._loss_mean.update_state(loss, sample_weight=n_events)
        for name, values in terms.items():
            self._term_means[name].update_state(values)
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "likelihood": serialize(self.likelihood),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Autoencoder:
        config = dict(config)
        for key in ("encoder", "decoder", "likelihood"):
            config[key] = keras.saving.deserialize_keras_object(config[key], custom_objects)
        return cls(**config)

    # Use ---------------------------------------------------------------------------------------

    def encode(self, x: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Latent means (events, latent_dim) of (events, input_dim)."""
        return map_batches(lambda batch: self.latent_mean(self.encoder(batch)), x, batch_size)

    def decode(self, latent: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Reconstructions (events, input_dim) of (events, latent_dim)."""
        return map_batches(self.decoder, latent, batch_size)

    def reconstruct(self, x: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """decode(encode(x)): deterministic."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def scores(self, x: np.ndarray, batch_size: int = BATCH_SIZE) -> dict[str, np.ndarray]:
        """Every anomaly score of this model by name, each (events,)."""
        return map_batches(
            lambda batch: self.score_terms(*self._forward(batch, training=False)), x, batch_size
        )

    def score(self, x: np.ndarray, name: str, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """One anomaly score, (events,), higher for the more anomalous.

        Raises:
            InputError: this model has no score of that name.
        """
        scores = self.scores(x, batch_size)
        if name not in scores:
            raise InputError(
                f"score of {type(self).__name__} must be one of {', '.join(scores)}, got {name!r}"
            )
        return scores[name]
