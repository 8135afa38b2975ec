"""Functions over arrays that are too large for one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

BATCH_SIZE = 8192


def map_batches(function: Callable[[Any], Any], x: np.ndarray, batch_size: int = BATCH_SIZE) -> Any:
    """`function` over float32 batches of x, its (nested) results joined as numpy arrays.

    Unlike `keras.Model.predict` it traces nothing, which takes longer than a few large batches.
    """
    x = np.asarray(x, np.float32)
    # At least one batch, so that the results of an empty x have their shape.
    starts = range(0, max(len(x), 1), batch_size)
    parts = [function(tf.constant(x[start : start + batch_size])) for start in starts]
    return tf.nest.map_structure(lambda *batches: np.concatenate(batches), *parts)
