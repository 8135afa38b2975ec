"""What every model that scores events shares: an encoder, its inputs, an objective of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from keras_ae.arrays import check_events, check_not_empty, check_weights
from keras_ae.errors import InputError
from keras_ae.mapping import BATCH_SIZE, map_batches
from keras_ae.models.finite_loss import StopAtNonFiniteLoss
from keras_ae.precision import check_types
from keras_ae.scores import sum_features

Tensor = Any

#: Every term by epoch.
History = dict[str, list[float]]
InEpochs = Callable[[], History]


class ScoringModel(keras.Model):
    """A model whose encoder sees events, and that has anomaly scores by name.

    An encoder with a second input is conditional; then the methods need `condition` (events,
    condition_dim), and `fit`, `evaluate` and `predict` take the pair (inputs, condition) for x.
    """

    encoder: keras.Model

    #: Whether it learns the score of another model, which is then y in `fit`.
    has_teacher: ClassVar[bool] = False

    @property
    def networks(self) -> tuple[keras.Model, ...]:
        """The Functional models that are deployed."""
        raise NotImplementedError

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        return tuple(self.networks[0].inputs[0].shape[1:])

    @property
    def condition_dim(self) -> int:
        """Number of features of the condition; 0 without one."""
        return int(self.encoder.inputs[1].shape[1]) if len(self.encoder.inputs) > 1 else 0

    def copy_from(self, source: Any) -> None:
        """Take over weights and state of a model of the same class and architecture.

        Networks match by the names of their layers, so that one can be in fixed point.
        """
        raise NotImplementedError

    def learn(self, train: Any, validation: Any, in_epochs: InEpochs) -> History:
        """Fit to network inputs, in the form of x in `fit`; returns every term by epoch.

        A model that is solved rather than trained overrides this and leaves `in_epochs` alone, so
        that who fits models need not know which they are.

        Args:
            train: to learn.
            validation: to measure the terms on.
            in_epochs: trains the model on these, epoch by epoch; returns what this returns.
        """
        return in_epochs()

    # Of the model, on tensors ------------------------------------------------------------------

    def contributions(self, forward: Any) -> dict[str, Tensor]:
        """Every anomaly score by name: (batch, ...) whose sum over an event is its score."""
        raise NotImplementedError

    def _forward(self, x: Tensor, condition: Tensor | None, training: bool) -> Any:
        """What `contributions` are made of."""
        raise NotImplementedError

    def _encode(self, x: Tensor, condition: Tensor | None, training: bool = False) -> Tensor:
        return self.encoder(x if condition is None else [x, condition], training=training)

    def _check_values(self, x: np.ndarray, subject: str) -> None:
        """Raise InputError where x (events, *input_shape) holds what the model cannot take."""

    # On arrays ---------------------------------------------------------------------------------

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
        check_types(*self.networks)
        x = check_events(x, self.sample_shape, "x")
        self._check_values(x, "x")
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

        What is like an array is made one; what gives batches, such as a dataset, is left to Keras.

        Raises:
            InputError: see `fit`.
        """
        check_types(*self.networks)
        if inputs is None:
            raise InputError(f"{subject} must be an array (events, {self.sample_shape}), got None")
        if not isinstance(inputs, tuple | list) and not hasattr(inputs, "shape"):
            return inputs
        parts: Any = inputs if self._is_parts(inputs) else (inputs,)
        x = check_events(parts[0], self.sample_shape, subject)
        check_not_empty(**{subject: x})
        self._check_values(x, subject)
        arrays = self._with_condition(x, parts[1] if len(parts) > 1 else None)
        return arrays if len(arrays) > 1 else arrays[0]

    def check_validation_data(self, data: Any) -> Any:
        """`(x,)`, `(x, y)` or `(x, y, sample_weight)` as float32; y is what `_check_target` says.

        What gives batches is left to Keras.

        Raises:
            InputError: another number of parts, or see `fit`.
        """
        if not isinstance(data, tuple | list):
            return data
        if not 1 <= len(data) <= 3:
            raise InputError(
                "validation_data must be (x,), (x, y) or (x, y, sample_weight), got "
                f"{len(data)} parts"
            )
        x, y, weights = (*data, None, None)[:3]
        return self.check_arrays(x, y, weights, "validation data")

    def check_arrays(self, x: Any, y: Any, weights: Any, subject: str) -> tuple[Any, Any, Any]:
        """x, y and weights of events as float32, where they are arrays.

        Raises:
            InputError: see `fit`.
        """
        x = self.check_inputs(x, subject)
        first = x[0] if isinstance(x, tuple) else x
        if not isinstance(first, np.ndarray):
            return x, y, weights
        y = self._check_target(y, first, subject)
        if weights is not None:
            weights = check_weights(weights, len(first), f"sample_weight of {subject}")
            # Keras passes weights on beside a target alone.
            y = weights if y is None else y
        return x, y, weights

    def _check_target(self, y: Any, x: np.ndarray, subject: str) -> Any:
        """What a model learns of the events x, checked; None where that is x itself."""
        raise NotImplementedError

    def _is_parts(self, inputs: Any) -> bool:
        """Whether they are x, and perhaps a condition, instead of x as a list of events."""
        if not isinstance(inputs, tuple | list) or not 1 <= len(inputs) <= 2:
            return False
        if self.condition_dim and len(inputs) == 2:
            return True
        shapes = [getattr(part, "shape", None) for part in inputs]
        return all(shape is not None and tuple(shape) != self.sample_shape for shape in shapes)

    # Keras -------------------------------------------------------------------------------------

    def compile(
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """`keras.Model.compile`, by Adam where no optimizer is named; the objective is the loss.

        Raises:
            InputError: another loss, or metrics.
        """
        for name, value in (("loss", loss), ("metrics", metrics)):
            if value:
                raise InputError(
                    f"{name} of {type(self).__name__} must be None: its objective says what is "
                    f"minimized and shown, got {value!r}"
                )
        super().compile(optimizer=optimizer, **kwargs)

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """`keras.Model.fit`, which a loss that is not finite ends.

        Raises:
            InputError: a term that is not finite.
        """
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [StopAtNonFiniteLoss(), *(callbacks or [])]
        if self.compiled and not self.optimizer.built:
            # Keras would trace the training step once more, to make these variables.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def evaluate(
        self, x: Any = None, y: Any = None, *args: Any, sample_weight: Any = None, **kwargs: Any
    ) -> Any:
        """`keras.Model.evaluate`; arrays are checked, and events weighed, as in `fit`."""
        x, y, sample_weight = self.check_arrays(x, y, sample_weight, "x")
        return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """`keras.Model.predict`: what `call` gives; arrays are checked as in `fit`."""
        return super().predict(self.check_inputs(x, "x"), *args, **kwargs)

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """`keras.Model.export`, of what `call` gives of events, before a first call, too."""
        shapes = [self.sample_shape, *([(self.condition_dim,)] if self.condition_dim else [])]
        events = [ops.zeros((1, *shape)) for shape in shapes]
        self(events if len(events) > 1 else events[0])
        if kwargs.get("input_signature") is None:
            specs = [keras.InputSpec("float32", (None, *shape)) for shape in shapes]
            kwargs["input_signature"] = [specs if len(specs) > 1 else specs[0]]
        super().export(filepath, *args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras leaves this to models with a compile of their own.
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        restore = keras.saving.deserialize_keras_object
        return cls(
            **{
                key: restore(value, custom_objects) if isinstance(value, dict) else value
                for key, value in config.items()
            }
        )


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Sum of w v over sum of w of values (batch,); 0 where no event has a weight."""
    if weights is None:
        return ops.mean(values)
    weights = ops.cast(weights, values.dtype)
    return ops.divide_no_nan(ops.sum(weights * values), ops.sum(weights))


def split_condition(inputs: Any) -> tuple[Tensor, Tensor | None]:
    """x and condition of x alone or of a pair."""
    if isinstance(inputs, tuple | list):
        return inputs[0], (inputs[1] if len(inputs) > 1 else None)
    return inputs, None
