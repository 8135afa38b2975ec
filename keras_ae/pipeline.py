"""Batches of arrays for training, gathered by TensorFlow while it trains."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

#: Batches that TensorFlow takes in one call from Python; more would only delay an interruption.
MAX_STEPS_PER_EXECUTION = 256


class Batches(keras.callbacks.Callback):
    """Batches of arrays, in an order that depends on seed and epoch alone (None: as they are).

    Give `dataset` to `fit` and this callback with it, which draws each epoch's order. The last
    batch holds what is left.

    Args:
        arrays: one array, or a tuple of arrays of equal length; then each batch is a tuple.
        batch_size: events.
        seed: of the order.
    """

    def __init__(
        self, arrays: np.ndarray | tuple[np.ndarray, ...], batch_size: int, seed: int | None
    ) -> None:
        super().__init__()
        self._seed = seed
        first = arrays[0] if isinstance(arrays, tuple) else arrays
        self._n_events = len(first)
        self.n_steps = -(-self._n_events // batch_size)
        with tf.device("/CPU:0"):
            tensors = tf.nest.map_structure(tf.constant, arrays)
            self._order = tf.Variable(tf.range(self._n_events), trainable=False)

        def batch(step: Any) -> Any:
            chosen = self._order[step * batch_size : (step + 1) * batch_size]
            # Keras takes the one element for x, also where it is a tuple.
            return (tf.nest.map_structure(lambda t: tf.gather(t, chosen), tensors),)

        steps = tf.data.Dataset.range(self.n_steps, output_type=tf.int32)
        # One thread gathers the next batches while this one is trained on, in order.
        self.dataset = steps.map(batch).prefetch(8)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._seed is not None:
            order = np.random.default_rng([self._seed, epoch]).permutation(self._n_events)
            self._order.assign(order.astype(np.int32))


def steps_per_execution(*batches: Batches) -> int:
    """As many steps as the longest of them has, but for `MAX_STEPS_PER_EXECUTION`."""
    return min(max(batch.n_steps for batch in batches), MAX_STEPS_PER_EXECUTION)
