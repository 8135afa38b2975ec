"""Numbers kept within bounds, so that no finite event makes a score or gradient infinite."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

#: Of what models see, either way: its square, a few sums and weights still fit into float32.
LARGEST_INPUT = 1e12

#: Of the logarithm of a variance, either way, in nats: of a code by default, and of a likelihood.
LOG_VARIANCE_LIMIT = 15.0


@keras.saving.register_keras_serializable("keras_ae")
class Bounded(keras.layers.Layer):
    """x within +-limit; what lies beyond is at the limit, and has no gradient."""

    def __init__(self, limit: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit
        self.built = True

    def call(self, x: Any) -> Any:
        return ops.clip(x, -self.limit, self.limit)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "limit": self.limit}


def bounded_input(x: Any) -> Any:
    """x within +-`LARGEST_INPUT`."""
    return ops.clip(x, -LARGEST_INPUT, LARGEST_INPUT)
