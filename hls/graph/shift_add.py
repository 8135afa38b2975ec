"""Constant matrices as trees of shifted additions: digits of weights, intervals, sharing."""

from __future__ import annotations

import math

import numpy as np

#: Of the trees, what is left when da4ml has shared terms between outputs: a factor, and exponents
#: of digits per weight, outputs and bits of the widest weight; and how many levels more than the
#: shallowest tree the sharing costs, for each level. By
#: `python benchmarks/cost_model.py sharing`.
SHARING = (0.656, -0.096, -0.063, 0.121)
EXTRA_LEVELS = 0.125


def canonical_parts(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers as differences of two without a common bit, of as few bits as there can be.

    The canonical signed digit form: the bits of the first are digits 1, those of the second -1.
    """
    units = np.rint(units).astype(np.int64)
    magnitude = np.abs(units)
    half, sum_ = magnitude >> 1, magnitude + (magnitude >> 1)
    digits = half ^ sum_
    parts = sum_ & digits, half & digits
    negative = units < 0
    return np.where(negative, parts[1], parts[0]), np.where(negative, parts[0], parts[1])


def signed_digits(units: np.ndarray) -> np.ndarray:
    """How many digits 1 or -1 integers have in canonical form."""
    plus, minus = canonical_parts(units)
    return np.bitwise_count(plus | minus).astype(np.int64)


def enclosed_bits(units: np.ndarray) -> np.ndarray:
    """Bits of integers from the highest to the lowest that is set; 0 of zero."""
    magnitude = np.abs(units).astype(np.int64)
    return (np.frexp(magnitude)[1] - np.frexp(magnitude & -magnitude)[1] + (magnitude > 0)).astype(
        np.int64
    )


def shared_fraction(digits: np.ndarray, units: np.ndarray) -> float:
    """Of the tree of a matrix (inputs, outputs), what is left when terms are shared."""
    n_outputs = np.count_nonzero(digits.sum(axis=0))
    if not n_outputs:
        return 1.0
    factor, *exponents = SHARING
    width = math.log2(np.abs(units).max()) + 1
    sizes = digits.sum() / (n_outputs * len(digits)), n_outputs, width
    return min(1.0, factor * math.prod(s**e for s, e in zip(sizes, exponents, strict=True)))
