"""Checks of the arrays and counts that a user gives."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from keras_ae.errors import InputError


def check_finite(array: np.ndarray, subject: str) -> None:
    """Raise InputError naming the first event with a NaN or an infinity."""
    bad = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
    if bad.any():
        raise InputError(
            f"{subject}: every value must be finite, got NaN or infinity in {bad.sum()} events, "
            f"the first is event {np.flatnonzero(bad)[0]}"
        )


def check_events(array: np.ndarray, shape: tuple[int, ...], subject: str) -> np.ndarray:
    """`array` as float32 (events, *shape).

    Raises:
        InputError: not numbers, another shape, or values that are not finite.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{subject} must hold numbers, got {array.dtype}")
    if array.shape[1:] != shape or array.ndim == 0:
        wanted = ", ".join(map(str, ("events", *shape)))
        raise InputError(f"{subject} must have shape ({wanted}), got {array.shape}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    # What overflows float32 is not finite, either.
    check_finite(array, subject)
    return array


def check_not_empty(**samples: np.ndarray) -> None:
    """Raise InputError naming the first sample without events."""
    for name, sample in samples.items():
        if len(sample) == 0:
            raise InputError(f"{name} must hold at least one event, got 0")


def check_count(name: str, value: Any, lowest: int) -> None:
    """Raise InputError unless `value` is an integer, `lowest` at least."""
    if not isinstance(value, Integral) or value < lowest:
        raise InputError(f"{name} must be an integer >= {lowest}, got {value!r}")
