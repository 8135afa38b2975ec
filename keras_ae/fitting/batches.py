"""Batches of arrays for training, gathered by TensorFlow while it trains."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

#: Batches that TensorFlow takes in one call from Python; more would only delay an interruption.
MAX_STEPS_PER_EXECUTION = 256


class Batches(keras.callbacks.Callback):
    """Batches of arrays, in an order that depends on seed and epoch alone.

    Give `dataset` to `fit` and this callback with it, which draws each epoch's order.

    With a seed, for training, all batches are whole: TensorFlow is faster with shapes that it knows
    beforehand. The events left over are others in each epoch. Without a seed, for validation, the
    events come as they are, and the last batch holds what is left.

    Args:
        arrays: one array, or a tuple of arrays of equal length; then each batch is a tuple.
        batch_size: events; of all of them where they are fewer.
        seed: of the order.
        target: what Keras is to take for y, (events, ...); none by default.
    """

    def __init__(
        self,
        arrays: np.ndarray | tuple[np.ndarray, ...],
        batch_size: int,
        seed: int | None,
        target: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self._seed = seed
        first = arrays[0] if isinstance(arrays, tuple) else arrays
        self._n_events = len(first)
        batch_size = min(batch_size, self._n_events)
        if seed is None:
            self.n_steps, size = -(-self._n_events // batch_size), None
        else:
            self.n_steps, size = n_whole_batches(self._n_events, batch_size), batch_size
        with tf.device("/CPU:0"):
            # Keras takes the first element for x, also where it is a tuple.
            elements = (arrays,) if target is None else (arrays, target)
            tensors = tf.nest.map_structure(tf.constant, elements)
            self._order = tf.Variable(tf.range(self._n_events), trainable=False)

        def batch(step: Any) -> Any:
            chosen = self._order[step * batch_size : (step + 1) * batch_size]
            return tf.nest.map_structure(
                lambda t: tf.ensure_shape(tf.gather(t, chosen), (size, *t.shape[1:])), tensors
            )

        steps = tf.data.Dataset.range(self.n_steps, output_type=tf.int32)
        # One thread gathers the next batches while this one is trained on, in order.
        self.dataset = steps.map(batch).prefetch(8)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._seed is not None:
            order = np.random.default_rng([self._seed, epoch]).permutation(self._n_events)
            self._order.assign(order.astype(np.int32))


def n_whole_batches(n_events: int, batch_size: int) -> int:
    """How many whole batches an epoch has; one, if there are fewer events than that."""
    return max(n_events // batch_size, 1)


def steps_per_execution(*batches: Batches) -> int:
    """As many steps as the longest of them has, but for `MAX_STEPS_PER_EXECUTION`."""
    return min(max(batch.n_steps for batch in batches), MAX_STEPS_PER_EXECUTION)
