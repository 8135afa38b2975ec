"""What a trained autoencoder is asked, in NumPy: codes, reconstructions, scores."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ae.arrays import check_events
from keras_ae.bounded import bounded_input
from keras_ae.likelihoods import Likelihood
from keras_ae.mapping import BATCH_SIZE, map_batches
from keras_ae.models.scoring import ScoringModel

Tensor = Any


class Inference(ScoringModel):
    """The methods of an autoencoder that take and return arrays; inputs are checked first.

    Where it has an embedding, reconstructions are of that. Deterministic. Networks with a second
    input are conditional; then the methods need `condition` (events, condition_dim).
    """

    decoder: keras.Model
    likelihood: Likelihood
    #: Frozen, in front of the encoder; None without.
    embedding: keras.Model | None = None

    @property
    def networks(self) -> tuple[keras.Model, ...]:
        both = self.encoder, self.decoder
        return both if self.embedding is None else (self.embedding, *both)

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions."""
        return int(self.decoder.inputs[0].shape[1])

    # Of the model, on tensors ------------------------------------------------------------------

    def _embedded(self, x: Tensor) -> Tensor:
        """What is encoded and reconstructed: x within bounds, or its embedding."""
        x = bounded_input(x)
        if self.embedding is None:
            return x
        return ops.stop_gradient(ops.cast(self.embedding(x, training=False), "float32"))

    def latent_mean(self, encoded: Tensor) -> Tensor:
        raise NotImplementedError

    def _decode(self, latent: Tensor, condition: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _check_values(self, x: np.ndarray, subject: str) -> None:
        if self.embedding is None:
            self.likelihood.check(x, subject)

    def _per_event_loss(
        self, x: Tensor, condition: Tensor | None, training: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    # On arrays ---------------------------------------------------------------------------------

    def embed(self, x: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """What is encoded and reconstructed of events x: the embedding, or x where there is none.

        Raises:
            InputError: see `fit`.
        """
        x = check_events(x, self.sample_shape, "x")
        self._check_values(x, "x")
        return map_batches(self._embedded, x, batch_size=batch_size)

    def encode(
        self,
        x: np.ndarray,
        condition: np.ndarray | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> np.ndarray:
        """Latent means (events, latent_dim) of x (events, *input_shape).

        Raises:
            InputError: see `fit`.
        """
        return self._map(
            lambda x, c: self.latent_mean(self._encode(self._embedded(x), c)),
            x,
            condition,
            batch_size,
        )

    def decode(
        self,
        latent: np.ndarray,
        condition: np.ndarray | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> np.ndarray:
        """Reconstructions (events, *input_shape) of latents (events, latent_dim).

        Raises:
            InputError: latents or condition of another shape or not finite.
        """
        latent = check_events(latent, (self.latent_dim,), "latent")
        arrays = self._with_condition(latent, condition)
        return map_batches(
            lambda z, c=None: self.likelihood.mean(self._decode(z, c)),
            *arrays,
            batch_size=batch_size,
        )

    def reconstruct(
        self,
        x: np.ndarray,
        condition: np.ndarray | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> np.ndarray:
        """decode(encode(x)): deterministic."""
        return self.decode(self.encode(x, condition, batch_size), condition, batch_size)

    def score_contributions(
        self,
        x: np.ndarray,
        name: str,
        condition: np.ndarray | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> np.ndarray:
        """What each feature, or latent dimension, adds to a score: (events, ...), sums to it.

        Raises:
            InputError: this model has no score of that name; see `fit`.
        """

        def contribution(x: Tensor, c: Tensor | None) -> Tensor:
            parts = self.contributions(self._forward(x, c, False))
            self._check_score(name, parts)
            return parts[name]

        return self._map(contribution, x, condition, batch_size)

    def losses_by_event(
        self,
        x: np.ndarray,
        condition: np.ndarray | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> np.ndarray:
        """The weighted sum of the objective's terms, (events,); `evaluate` shows its mean."""
        return self._map(
            lambda x, c: self._per_event_loss(x, c, False)[0], x, condition, batch_size
        )
