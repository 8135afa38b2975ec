"""Functions over arrays that are too large for one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ae.errors import InputError

BATCH_SIZE = 8192


def map_batches(
    function: Callable[..., Any],
    *arrays: np.ndarray,
    batch_size: int = BATCH_SIZE,
    dtype: type = np.float32,
) -> Any:
    """`function` over batches of arrays of equal length, its (nested) results joined.

    Unlike `keras.Model.predict` it traces nothing, which takes longer than a few large batches.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be >= 1, got {batch_size}")
    arrays = tuple(np.asarray(array, dtype) for array in arrays)
    # At least one batch, so that the results of an empty array have their shape.
    starts = range(0, max(len(arrays[0]), 1), batch_size)
    parts = [
        function(*(tf.constant(array[start : start + batch_size]) for array in arrays))
        for start in starts
    ]
    return tf.nest.map_structure(lambda *batches: np.concatenate(batches), *parts)
