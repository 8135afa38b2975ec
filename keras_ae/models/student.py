"""A small network that learns a large one's anomaly score, or several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ae.arrays import as_numbers, check_finite, check_not_empty
from keras_ae.bounded import bounded_input
from keras_ae.errors import InputError
from keras_ae.models.building import seeded_initializers
from keras_ae.models.scoring import ScoringModel, Tensor, split_condition
from keras_ae.networks import build_encoder
from keras_ae.precision import Float, Precision, types_of
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.objectives import STUDENT_SCORE, further_student_score
from keras_ae.weights import copy_weights

#: How far from the thresholds events still count more: half a standard deviation of the target.
_FOCUS_WIDTH = 0.5


@keras.saving.register_keras_serializable("keras_ae")
class Student(ScoringModel):
    """Regresses the logarithm of a teacher's anomaly score: knowledge distillation.

    Minimizes (f(x) - t)^2 with t = (log(s - s0) - m) / d, s the teacher's score of the same event,
    m and d the mean and standard deviation of the logarithm that `adapt` has seen. s0 is 0 for
    scores that are never negative; for others it is as far below the lowest as the median is above
    it. Its score, `student_score`, is f(x), which grows with the teacher's. It may have further
    outputs, each of which learns another score likewise; the loss is the mean of all. After Hinton,
    Vinyals & Dean, arXiv:1503.02531, whose targets are the teacher's class probabilities; a score
    is regressed as in CMS CICADA.

    With a `focus` w > 1 events near the thresholds of a trigger count more than others, by 1 + (w -
    1) exp(-(e / 0.5)^2), of which `adapt` takes the mean as one. e is how far t of the score that
    decides is from the interval of the thresholds.

    Args:
        encoder: (batch, *input_shape) -> (batch, 1), and as many more for each further score; with
            a second input, a condition.
        further_scores: names of the scores that further outputs learn; its own of each is
            `student_NAME`.
        focus: how many times an event at the thresholds counts; 1 by default, as all others.

    Raises:
        InputError: an encoder of other outputs, or a focus below 1.
    """

    has_teacher = True

    def __init__(
        self,
        encoder: keras.Model,
        further_scores: Sequence[str] = (),
        focus: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not focus >= 1:
            raise InputError(f"focus must be >= 1, got {focus}")
        self.focus = focus
        shapes = [tuple(output.shape) for output in encoder.outputs]
        n_scores = 1 + len(further_scores)
        if shapes != n_scores * [(None, 1)]:
            raise InputError(
                "encoder of a student must have an output of shape (None, 1) for each of its "
                f"{n_scores} scores, got {shapes}"
            )
        self.encoder = encoder
        self.further_scores = tuple(further_scores)
        # Of each score of the teacher: what is subtracted, its lowest positive value then, and mean
        # and deviation of its logarithm; the deviation is 0 before `adapt`.
        self._offset, self._lowest, self._mean, self._deviation = (
            self.add_weight(shape=(n_scores,), initializer=value, trainable=False, name=name)
            for name, value in (
                ("offset", "zeros"),
                ("lowest", "ones"),
                ("mean", "zeros"),
                ("deviation", "zeros"),
            )
        )
        if focus > 1:
            # In units of the target: the lowest threshold, the highest, and the mean weight.
            self._focused = self.add_weight(
                shape=(3,), initializer="ones", trainable=False, name="focused"
            )
        self.built = True

    @property
    def networks(self) -> tuple[keras.Model, ...]:
        return (self.encoder,)

    @property
    def score_names(self) -> tuple[str, ...]:
        """Of its outputs, in their order; the first decides."""
        return (STUDENT_SCORE, *map(further_student_score, self.further_scores))

    def adapt(self, scores: np.ndarray, thresholds: Sequence[float] = ()) -> None:
        """Take mean and standard deviation from the teacher's scores of the training.

        Scores below the lowest positive one, zero among them, count as that.

        Args:
            scores: (events,); of a student of several scores (events, scores).
            thresholds: of the score that decides, for a student with a focus.

        Raises:
            InputError: scores of another shape, not finite, or without two different ones; where
                none is negative, without two different positive ones; a focus without thresholds.
        """
        if self.focus > 1 and not len(thresholds):
            raise InputError(
                f"thresholds must be given to a student with a focus of {self.focus:g}, got none"
            )
        scores = self._check_scores(scores, "scores of the teacher").astype(np.float64)
        columns = scores.reshape(len(scores), -1).T
        state = np.array([_logarithms(column) for column in columns], np.float64)
        for variable, values in zip(self._state, state.T, strict=True):
            variable.assign(values)
        if self.focus > 1:
            # Of the score that decides.
            first = [variable[0] for variable in self._state]
            low, high = _target([min(thresholds), max(thresholds)], *first)
            weights = self._weights(_target(columns[0], *first), low, high)
            self._focused.assign([low, high, ops.mean(weights)])

    def _weights(self, target: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """How often events count, (batch,), by t of the score that decides and of thresholds."""
        away = ops.maximum(ops.maximum(low - target, target - high), 0.0)
        return 1.0 + (self.focus - 1.0) * ops.exp(-ops.square(away / _FOCUS_WIDTH))

    def target(self, scores: Tensor) -> Tensor:
        """t of the teacher's scores, (batch,) or (batch, scores)."""
        return _target(scores, *self._state)

    def contributions(self, forward: Any) -> dict[str, Tensor]:
        return {name: forward[:, n : n + 1] for n, name in enumerate(self.score_names)}

    def _forward(self, x: Tensor, condition: Tensor | None, training: bool) -> Tensor:
        outputs = self._encode(bounded_input(x), condition, training)
        if self.further_scores:
            outputs = ops.concatenate(outputs, axis=1)
        # In float32, also under mixed precision.
        return ops.cast(outputs, "float32")

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """Scores (batch,); of several scores (batch, scores)."""
        forward = self._forward(*split_condition(inputs), training)
        return forward if self.further_scores else forward[:, 0]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        # Keras' own, because it knows of replicas and weights. What layers of the encoder add, such
        # as weight decay, comes on top.
        target = self.target(y)
        # Of an event that has a weight w, w counts, and not how many events the batch has.
        error = keras.losses.MeanSquaredError(
            "sum_over_batch_size" if sample_weight is None else "mean_with_sample_weight"
        )
        if not self.further_scores:
            target, y_pred = target[:, None], y_pred[:, None]
        if self.focus > 1:
            low, high, mean = ops.unstack(self._focused, 3)
            weights = self._weights(target[:, 0], low, high) / mean
            if sample_weight is None:
                sample_weight = weights
            else:
                # Of which only the mean over the events' own weights is to be one.
                root = ops.sqrt(weights)[:, None]
                target, y_pred = root * target, root * y_pred
        return error(target, y_pred, sample_weight) + sum(self.losses)

    def test_step(self, data: Any) -> dict[str, Tensor]:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is None:
            return super().test_step(data)
        # Keras weighs the means of batches by their numbers of events.
        loss = self.compute_loss(x, y, self(x, training=False), weights, training=False)
        self._loss_tracker.update_state(loss, sample_weight=ops.sum(weights))
        return {"loss": self._loss_tracker.result()}

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
            y: the teacher's scores, as they are: (events,); of several scores (events, scores).
            validation_data: `(x, y)` or `(x, y, sample_weight)`.
            sample_weight: of the events, (events,); the loss is the mean with these weights.

        Raises:
            InputError: before `adapt`; an array of another shape, empty or not finite; a missing
                condition; scores that are not one an event; weights that are negative, all zero or
                not one an event.
        """
        self._check_adapted()
        x, y, sample_weight = self.check_arrays(x, y, sample_weight, "x")
        return super().fit(
            x,
            y,
            *args,
            validation_data=self.check_validation_data(validation_data),
            sample_weight=sample_weight,
            **kwargs,
        )

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        self._check_adapted()
        return super().evaluate(*args, **kwargs)

    def _check_target(self, y: Any, x: np.ndarray, subject: str) -> np.ndarray:
        y = self._check_scores(y, f"y of {subject}")
        if len(y) != len(x):
            raise InputError(f"y must have as many events as {subject}, {len(x)}, got {len(y)}")
        return y

    def _check_adapted(self) -> None:
        if not np.all(self._deviation):
            raise InputError("student must be adapted to scores first, got none: call adapt")

    def copy_from(self, source: Student) -> None:
        """Take over weights and state of a student of the same architecture, by layer name."""
        copy_weights(source.encoder, self.encoder)
        for own, other in zip(self._state, source._state, strict=True):
            own.assign(other)
        if self.focus > 1:
            self._focused.assign(source._focused)

    @property
    def _state(self) -> tuple[keras.Variable, ...]:
        return self._offset, self._lowest, self._mean, self._deviation

    def get_config(self) -> dict[str, Any]:
        encoder = keras.saving.serialize_keras_object(self.encoder)
        own = {"encoder": encoder, "further_scores": list(self.further_scores)}
        if self.focus > 1:
            own["focus"] = self.focus
        return {**super().get_config(), **own}

    def _check_scores(self, scores: Any, subject: str) -> np.ndarray:
        n_scores = len(self.score_names)
        shape = "(events,)" if n_scores == 1 else f"(events, {n_scores})"
        if scores is None:
            raise InputError(f"{subject} must be an array of numbers {shape}, got NoneType")
        scores = as_numbers(scores, subject)
        if scores.shape[1:] != ((n_scores,) if n_scores > 1 else ()) or not scores.ndim:
            raise InputError(f"{subject} must be an array of numbers {shape}, got {scores.shape}")
        check_not_empty(**{subject: scores})
        check_finite(scores.reshape(len(scores), -1), subject)
        return scores.astype(np.float32, copy=False)


def build_student(
    spec: ArchitectureSpec | ConvolutionalSpec,
    precision: Precision | None = None,
    seed: int = 0,
    further_scores: Sequence[str] = (),
    focus: float = 1.0,
) -> Student:
    """An untrained student; its weights depend on the seed alone.

    Args:
        spec: architecture of its encoder, with one latent dimension, which is the score.
        precision: float by default.
        seed: of the weights.
        further_scores: what further outputs learn, see `Student`.
        focus: likewise.

    Raises:
        InputError: another latent_dim, or a format of a layer that is not there.
    """
    if spec.latent_dim != 1:
        raise InputError(f"latent_dim of a student must be 1, got {spec.latent_dim}")
    precision = precision or Float()
    with types_of(precision), seeded_initializers(seed):
        heads = list(map(further_student_score, further_scores))
        encoder = build_encoder(spec, precision, further_heads=heads)
        precision.check_layers(encoder)
        return Student(encoder, further_scores, focus)


def _target(scores: Any, offset: Tensor, lowest: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Standardized logarithms of scores, by what `adapt` has seen."""
    scores = ops.maximum(ops.cast(scores, "float32") - offset, lowest)
    return (ops.log(scores) - mean) / deviation


def _logarithms(scores: np.ndarray) -> tuple[float, float, float, float]:
    """What is subtracted of scores (events,), the lowest positive then, and moments of the log."""
    offset = 0.0
    if scores.min() < 0:
        offset = 2 * scores.min() - np.median(scores)
    # As the target has it, in float32.
    shifted = (scores.astype(np.float32) - np.float32(offset)).astype(np.float64)
    positive = shifted[shifted > 0]
    if len(np.unique(positive)) < 2:
        raise InputError(
            "scores of the teacher must have two different values at least, positive ones "
            f"where none is negative, got {len(np.unique(positive))} in {len(scores)} events"
        )
    logarithms = np.log(np.maximum(shifted, positive.min()))
    return offset, positive.min(), logarithms.mean(), logarithms.std()
