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


def as_numbers(values: Any, subject: str) -> np.ndarray:
    """What is like an array (a data frame, a tensor, nested lists) as one of numbers.

    Raises:
        InputError: no numbers, masked values, or rows of different lengths.
    """
    if np.ma.is_masked(values):
        # What is behind a mask would be taken for a value.
        raise InputError(f"{subject} must have no masked values, got some")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{subject} must be an array of numbers, got {type(values).__name__} that makes none, "
            "perhaps of rows of different lengths"
        ) from error
    if array.dtype.kind not in "fiub":
        # Of what numpy does not know, an array of one object.
        is_unknown = array.dtype.kind == "O" and array.ndim == 0
        found = type(array.item()).__name__ if is_unknown else array.dtype
        raise InputError(f"{subject} must hold numbers, got {found}")
    return array


def check_events(values: Any, shape: tuple[int, ...], subject: str) -> np.ndarray:
    """What is like an array, as float32 (events, *shape).

    Raises:
        InputError: not numbers, another shape, or values that are not finite; see `as_numbers`.
    """
    array = as_numbers(values, subject)
    if array.shape[1:] != shape or array.ndim == 0:
        wanted = ", ".join(map(str, ("events", *shape)))
        raise InputError(f"{subject} must have shape ({wanted}), got {array.shape}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    # What overflows float32 is not finite, either.
    check_finite(array, subject)
    return array


def check_weights(values: Any, n_events: int, subject: str) -> np.ndarray:
    """Weights of events, as float32 (events,).

    Raises:
        InputError: not one finite number >= 0 for each of `n_events`, or none above 0.
    """
    weights = check_events(values, (), subject)
    if len(weights) != n_events:
        raise InputError(f"{subject} must be one for each of {n_events} events, got {len(weights)}")
    if not weights.min(initial=0.0) >= 0 or not weights.any():
        raise InputError(
            f"{subject} must be >= 0, and above 0 for one event at least, got "
            f"{weights.min(initial=0.0):g} to {weights.max(initial=0.0):g}"
        )
    return weights


def check_not_empty(**samples: np.ndarray) -> None:
    """Raise InputError naming the first sample without events."""
    for name, sample in samples.items():
        if len(sample) == 0:
            raise InputError(f"{name} must hold at least one event, got 0")


def check_count(name: str, value: Any, lowest: int) -> None:
    """Raise InputError unless `value` is an integer, `lowest` at least."""
    if not isinstance(value, Integral) or value < lowest:
        raise InputError(f"{name} must be an integer >= {lowest}, got {value!r}")
