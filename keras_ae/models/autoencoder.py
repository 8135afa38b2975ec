"""The autoencoder: the one train_step and test_step, and the hooks that a variant overrides."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ae.errors import InputError
from keras_ae.likelihoods import Gaussian, Likelihood
from keras_ae.models.inference import Inference
from keras_ae.models.registry import register
from keras_ae.models.scoring import split_condition, weighted_mean
from keras_ae.scores import latent_norm, squared_latent_norm, sum_features
from keras_ae.settings.objectives import PlainObjective
from keras_ae.weights import copy_weights

Tensor = Any

#: One array, or a pair of inputs and condition.
Arrays = np.ndarray | tuple[np.ndarray, np.ndarray]


class Pass(NamedTuple):
    """One way through the networks, in float32: what terms and scores are made of.

    `x` (batch, *input_shape) is what is to be reconstructed, the event or its embedding, `encoded`
    what the encoder returns, `latent` what was decoded, `output` what the decoder returns. A
    variant that decodes several samples of each event has `latent` and `output` (samples * batch,
    ...), sample by sample, and the standard normal `noise` that they were made with.
    """

    x: Tensor
    condition: Tensor | None
    encoded: Tensor
    latent: Tensor
    output: Tensor
    noise: Tensor | None = None


@register(PlainObjective)
@keras.saving.register_keras_serializable("keras_ae")
class Autoencoder(Inference):
    """Minimizes -log p(x | decode(encode(x))), in nats: sum over features, mean over the batch.

    Goodfellow, Bengio & Courville, Deep Learning, eq. 14.1. A variant overrides `terms` and
    `term_weights` (what is minimized), `corrupt` (what the encoder sees in training), `latent`
    (what the decoder gets) or `contributions` (its scores). Sampling and corruption live here, in
    the outer model, so that `encoder` and `decoder` can be converted to firmware.

    Networks with a second input are conditional; then x is the pair (inputs, condition) in `fit`,
    `evaluate` and `predict`, and the methods of `Inference` take `condition`.

    With an `embedding`, which is frozen, what it makes of an event takes the event's place: that is
    what is encoded, corrupted and reconstructed.

    Args:
        encoder: (batch, *input_shape) -> (batch, latent_dim).
        decoder: (batch, latent_dim) -> (batch, *input_shape).
        likelihood: family of p(x|z); a Gaussian of variance 1 by default.
        seed: of what is random in training; an integer.
        embedding: events -> (batch, *input_shape), such as the encoder of a `VICReg`; none by
            default.

    Raises:
        InputError: the decoder's output has not the shape of the encoder's input, the embedding's
            neither, or only one of encoder and decoder has a condition.
    """

    #: Names of the objective's terms, in the order in which they are shown.
    term_names: tuple[str, ...] = ("reconstruction",)

    #: Whether something keeps an over-complete code from copying the input.
    regularized = False

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Likelihood | None = None,
        seed: int = 0,
        embedding: keras.Model | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_networks(encoder, decoder, embedding)
        self.embedding = embedding
        if embedding is not None:
            embedding.trainable = False
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood or Gaussian()
        self._seed = seed
        self._random = keras.random.SeedGenerator(seed)
        self._loss_mean = keras.metrics.Mean(name="loss")
        self._term_means = {name: keras.metrics.Mean(name=name) for name in self.term_names}
        # All networks have their weights already.
        self.built = True
        n_features = int(np.prod(encoder.inputs[0].shape[1:]))
        if not self.regularized and self.latent_dim >= n_features:
            warnings.warn(
                f"latent_dim {self.latent_dim} >= {n_features} features: without a regularizer a "
                f"{type(self).__name__} can learn the identity; use a sparse, denoising, "
                "contractive or variational objective, or fewer latent dimensions",
                stacklevel=2,
            )

    # Hooks -------------------------------------------------------------------------------------

    def corrupt(self, x: Tensor, training: bool) -> Tensor:
        """What the encoder sees of x; the target stays x."""
        return x

    def latent_mean(self, encoded: Tensor) -> Tensor:
        """The deterministic latent (batch, latent_dim) in what the encoder returns."""
        return encoded

    def latent(self, encoded: Tensor, training: bool) -> Tensor:
        """What is decoded: (batch, latent_dim), or (samples * batch, latent_dim)."""
        return self.latent_mean(encoded)

    def terms(self, forward: Pass, training: bool) -> dict[str, Tensor]:
        """The objective's terms by name, each (batch,), without their weights."""
        return {"reconstruction": sum_features(self.reconstruction_terms(forward))}

    def term_weights(self, training: bool) -> dict[str, Tensor]:
        """Weights of the terms in the loss; 1 for those that are not named."""
        return {}

    def update(
        self, x: Tensor, condition: Tensor | None, weights: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One step of learning, by gradient descent: the loss and its terms before the step.

        Args:
            x: (batch, *input_shape).
            condition: (batch, condition_dim), or None.
            weights: of the events, (batch,); None where all count the same.
        """
        with tf.GradientTape() as tape:
            loss, terms = self._objective(x, condition, True, weights)
            # Gradients are summed over replicas, so each takes its share of the mean.
            scaled = loss / tf.distribute.get_strategy().num_replicas_in_sync
            scaled = self.optimizer.scale_loss(scaled)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss, terms

    def contributions(self, forward: Pass) -> dict[str, Tensor]:
        """Every anomaly score by name, feature by feature: (batch, ...) whose sum is the score."""
        x, output = forward.x, forward.output
        mean = self.latent_mean(forward.encoded)
        difference = x - self.likelihood.mean(output)
        found = {
            "reconstruction_error": self.likelihood.squared_error(x, output),
            "reconstruction": self.likelihood.negative_log_likelihood(x, output),
            "squared_error": ops.square(difference),
            "masked_squared_error": ops.where(x != 0, ops.square(difference), 0.0),
            "absolute_error": ops.abs(difference),
            "latent_norm": latent_norm(mean),
            "squared_latent_norm": squared_latent_norm(mean),
        }
        if self.embedding is not None:
            found["squared_embedding_norm"] = squared_latent_norm(x)
        return found

    # For variants ------------------------------------------------------------------------------

    def reconstruction_terms(self, forward: Pass, n_samples: int = 1) -> Tensor:
        """-log p(x_i|z) of each feature: the shape of forward.output."""
        x = forward.x if n_samples == 1 else self.repeat(forward.x, n_samples)
        return self.likelihood.negative_log_likelihood(x, forward.output)

    @staticmethod
    def repeat(x: Tensor, n_samples: Tensor) -> Tensor:
        """(batch, ...) -> (n_samples * batch, ...), sample by sample."""
        return ops.tile(x, [n_samples] + [1] * (len(x.shape) - 1))

    def next_seed(self) -> Tensor:
        """A seed for `tf.random.stateless_*`, new at each call and different in each replica."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        # The second word counts the calls.
        return ops.cast(self._random.next(), "int32") + ops.stack([ops.cast(replica, "int32"), 0])

    # Keras -------------------------------------------------------------------------------------

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """Reconstruction (batch, *input_shape); deterministic unless training."""
        x, condition = split_condition(inputs)
        x = self._embedded(x)
        encoded = self._encode(self.corrupt(x, training), condition, training)
        # The first of several samples.
        latent = self.latent(encoded, training)[: ops.shape(x)[0]]
        return self.likelihood.mean(self._decode(latent, condition, training))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self._loss_mean, *self._term_means.values()]

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        validation_data: Any = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """`keras.Model.fit`; arrays are checked first, and a loss that is not finite ends it.

        Args:
            x: array (events, *input_shape), the pair of it and a condition, or anything that
                Keras takes.
            y: ignored: the target is x.
            validation_data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, x the array or the pair.
            sample_weight: of the events, (events,); the objective of a batch, and of an epoch, is
                the mean with these weights.

        Raises:
            InputError: an array of another shape, empty, not finite, or outside the likelihood's
                support; a missing condition; weights that are negative, all zero or not one an
                event; weights of classes; a term that is not finite.
        """
        if kwargs.get("class_weight") is not None:
            raise InputError("class_weight must be None: events have no classes, got weights")
        x, y, sample_weight = self.check_arrays(x, y, sample_weight, "x")
        return super().fit(
            x,
            y,
            *args,
            validation_data=self.check_validation_data(validation_data),
            sample_weight=sample_weight,
            **kwargs,
        )

    def _check_target(self, y: Any, x: np.ndarray, subject: str) -> None:
        return None

    def train_step(self, data: Any) -> dict[str, Tensor]:
        inputs, weights = _inputs(data)
        return self._track(*self.update(*split_condition(inputs), weights), weights)

    def test_step(self, data: Any) -> dict[str, Tensor]:
        inputs, weights = _inputs(data)
        found = self._objective(*split_condition(inputs), False, weights)
        return self._track(*found, weights)

    def _decode(self, latent: Tensor, condition: Tensor | None, training: bool = False) -> Tensor:
        if condition is None:
            return self.decoder(latent, training=training)
        n_samples = ops.shape(latent)[0] // ops.maximum(ops.shape(condition)[0], 1)
        return self.decoder([latent, self.repeat(condition, n_samples)], training=training)

    def _forward(self, x: Tensor, condition: Tensor | None, training: bool) -> Pass:
        x = self._embedded(x)
        encoded = self._encode(self.corrupt(x, training), condition, training)
        latent = self.latent(encoded, training)
        return self._pass(x, condition, encoded, latent, training)

    def _pass(
        self,
        x: Tensor,
        condition: Tensor | None,
        encoded: Tensor,
        latent: Tensor,
        training: bool = False,
        noise: Tensor | None = None,
    ) -> Pass:
        """`latent` decoded; all in float32.

        Also under mixed precision: sums over many features overflow float16.
        """
        output = self._decode(latent, condition, training)
        return tf.nest.map_structure(
            lambda part: part if part is None else ops.cast(part, "float32"),
            Pass(x, condition, encoded, latent, output, noise),
        )

    def _per_event_loss(
        self, x: Tensor, condition: Tensor | None, training: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.terms(self._forward(x, condition, training), training)
        weights = self.term_weights(training)
        return sum(weights.get(name, 1.0) * term for name, term in terms.items()), terms

    def _objective(
        self,
        x: Tensor,
        condition: Tensor | None,
        training: bool,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        per_event, terms = self._per_event_loss(x, condition, training)
        # What layers of the networks add, such as weight decay, is no term of the objective.
        return weighted_mean(per_event, weights) + sum(self.losses), terms

    def _track(
        self, loss: Tensor, terms: dict[str, Tensor], weights: Tensor | None
    ) -> dict[str, Tensor]:
        values = next(iter(terms.values()))
        weights = ops.ones_like(values) if weights is None else ops.cast(weights, values.dtype)
        # One term that is not finite soon makes the weights, and so all terms, NaN: after the first
        # such loss the terms' means stand still, so that they tell which it was.
        finite_so_far = ops.isfinite(self._loss_mean.total)
        self._loss_mean.update_state(loss, sample_weight=ops.sum(weights))
        weights = ops.where(finite_so_far, weights, 0.0)
        for name, values in terms.items():
            # NaN times zero is NaN.
            self._term_means[name].update_state(ops.where(finite_so_far, values, 0.0), weights)
        return {metric.name: metric.result() for metric in self.metrics}

    def copy_from(self, source: Autoencoder) -> None:
        """Take over weights and state of a model of the same architecture and objective.

        Networks match by the names of their layers, so that one can be in fixed point.
        """
        for theirs, ours in zip(source.networks, self.networks, strict=True):
            copy_weights(theirs, ours)
        self.likelihood.set_weights(source.likelihood.get_weights())
        own: dict[str, Any] = {}
        source.save_own_variables(own)
        self.load_own_variables(own)

    def save_own_variables(self, store: Any) -> None:
        # Keras leaves the state of random generators out: training would not continue as it was.
        super().save_own_variables(store)
        store["random_state"] = np.asarray(self._random.state)

    def load_own_variables(self, store: Any) -> None:
        self._random.state.assign(store["random_state"])
        names = set(store.keys()) - {"random_state"}
        super().load_own_variables({name: store[name] for name in names})

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        front = {} if self.embedding is None else {"embedding": serialize(self.embedding)}
        return {
            **super().get_config(),
            **front,
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "likelihood": serialize(self.likelihood),
            "seed": self._seed,
        }


def _inputs(data: Any) -> tuple[Any, Tensor | None]:
    """x and weights of events of what Keras' data adapter packed; the target is x itself."""
    x, _, weights = keras.utils.unpack_x_y_sample_weight(data)
    # Batches of a data set may hold them as a column.
    return x, None if weights is None else ops.reshape(weights, (-1,))


def _check_networks(
    encoder: keras.Model, decoder: keras.Model, embedding: keras.Model | None
) -> None:
    shape = encoder.inputs[0].shape
    for name, network in (("decoder", decoder), ("embedding", embedding)):
        if network is not None and network.outputs[0].shape != shape:
            raise InputError(
                f"{name} output must have the encoder's input shape {shape}, got "
                f"{network.outputs[0].shape}"
            )
    conditions = [tuple(part.shape) for part in encoder.inputs[1:]]
    found_conditions = [tuple(part.shape) for part in decoder.inputs[1:]]
    if conditions != found_conditions or len(conditions) > 1:
        raise InputError(
            "encoder and decoder must both have one condition of the same width or none, got "
            f"{conditions or 'none'} and {found_conditions or 'none'}"
        )
