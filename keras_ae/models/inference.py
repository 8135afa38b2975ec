"""What a trained autoencoder is asked, in NumPy: codes, reconstructions, scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ae.arrays import check_events, check_not_empty
from keras_ae.batches import BATCH_SIZE, map_batches
from keras_ae.errors import InputError
from keras_ae.likelihoods import Likelihood
from keras_ae.scores import sum_features

Tensor = Any


class Inference:
    """The methods of an autoencoder that take and return arrays; inputs are checked first.

    Deterministic. Networks with a second input are conditional; then the methods need `condition`
    (events, condition_dim).
    """

    encoder: keras.Model
    decoder: keras.Model
    likelihood: Likelihood

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        return tuple(self.encoder.inputs[0].shape[1:])

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions."""
        return int(self.decoder.inputs[0].shape[1])

    @property
    def condition_dim(self) -> int:
        """Number of features of the condition; 0 without one."""
        return int(self.encoder.inputs[1].shape[1]) if len(self.encoder.inputs) > 1 else 0

    # Of the model, on tensors ------------------------------------------------------------------

    def latent_mean(self, encoded: Tensor) -> Tensor:
        raise NotImplementedError

    def contributions(self, forward: Any) -> dict[str, Tensor]:
        raise NotImplementedError

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _decode(self, latent: Tensor, condition: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _forward(self, x: Tensor, condition: Tensor | None, training: bool) -> Any:
        raise NotImplementedError

    def _per_event_loss(
        self, x: Tensor, condition: Tensor | None, training: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    # On arrays ---------------------------------------------------------------------------------

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
            lambda x, c: self.latent_mean(self._encode(x, c)), x, condition, batch_size
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

    def scores(
        self,
        x: np.ndarray,
        condition: np.ndarray | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> dict[str, np.ndarray]:
        """Every anomaly score of this model by name, each (events,)."""
        return self._map(
            lambda x, c: {
                name: sum_features(values)
                for name, values in self.contributions(self._forward(x, c, False)).items()
            },
            x,
            condition,
            batch_size,
        )

    def score(
        self,
        x: np.ndarray,
        name: str,
        condition: np.ndarray | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> np.ndarray:
        """One anomaly score, (events,), higher for the more anomalous.

        Raises:
            InputError: this model has no score of that name; see `fit`.
        """
        scores = self.scores(x, condition, batch_size)
        self._check_score(name, scores)
        return scores[name]

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

    def _check_score(self, name: str, choices: Any) -> None:
        if name not in choices:
            raise InputError(
                f"score of {type(self).__name__} must be one of {', '.join(choices)}, got {name!r}"
            )

    def _map(
        self,
        function: Callable[[Tensor, Tensor | None], Any],
        x: np.ndarray,
        condition: np.ndarray | None,
        batch_size: int,
    ) -> Any:
        x = check_events(x, self.sample_shape, "x")
        self.likelihood.check(x, "x")
        return map_batches(
            lambda x, c=None: function(x, c),
            *self._with_condition(x, condition),
            batch_size=batch_size,
        )

    def _with_condition(
        self, x: np.ndarray, condition: np.ndarray | None
    ) -> tuple[np.ndarray, ...]:
        """The arrays that belong together, checked."""
        width = self.condition_dim
        if condition is None:
            if width:
                raise InputError(
                    f"condition of {type(self).__name__} must have shape (events, {width}), "
                    "got none"
                )
            return (x,)
        if not width:
            raise InputError(f"condition of {type(self).__name__} must be None, got an array")
        condition = check_events(condition, (width,), "condition")
        if len(condition) != len(x):
            raise InputError(
                f"condition must have as many events as x, {len(x)}, got {len(condition)}"
            )
        return x, condition

    def check_inputs(self, inputs: Any, subject: str) -> Any:
        """`inputs` as float32: an array (events, *input_shape), or the pair with a condition.

        What is not an array is left to Keras.

        Raises:
            InputError: see `fit`.
        """
        parts = inputs if isinstance(inputs, tuple | list) else (inputs,)
        if not all(isinstance(part, np.ndarray) for part in parts):
            return inputs
        x = check_events(parts[0], self.sample_shape, subject)
        check_not_empty(**{subject: x})
        self.likelihood.check(x, subject)
        arrays = self._with_condition(x, parts[1] if len(parts) > 1 else None)
        return arrays if len(arrays) > 1 else arrays[0]
