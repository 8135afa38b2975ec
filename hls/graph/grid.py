"""Which values a tensor can take: what proves an arithmetic exact, and decides formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from keras_ae.fixed_point import FixedPointFormat

#: float64 and float32 hold every integer up to here.
EXACT_FLOAT64 = 2.0**53
EXACT_FLOAT32 = 2.0**24


@dataclass(frozen=True)
class Grid:
    """Multiples of `step` from `low` to `high`, each of the shape of one event.

    `largest_sum` is the largest magnitude that a partial sum on the way to a value can have, in
    whichever order its terms are added.
    """

    step: np.ndarray
    low: np.ndarray
    high: np.ndarray
    largest_sum: float = 0.0

    @classmethod
    def of(cls, form: FixedPointFormat, shape: tuple[int, ...]) -> Grid:
        """Every value of a format."""
        step, low, high = (np.full(shape, value) for value in (form.step, form.low, form.high))
        return cls(step, low, high)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one event."""
        return self.low.shape

    @property
    def units(self) -> float:
        """The largest number, of values and of sums on the way, in units of the last bit."""
        largest = max(self.largest_sum, float(np.max(self.high)), -float(np.min(self.low)))
        return largest / float(np.min(self.step))

    @property
    def kif(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sign bit, integer bits without the sign and fractional bits that hold every value."""
        fractional = np.rint(-np.log2(self.step)).astype(int)
        signed = (self.low < 0).astype(int)
        # The largest magnitude, where -2^i needs no more integer bits than 2^i - step.
        reach = np.maximum(self.high + self.step, -self.low)
        # frexp is exact: reach = mantissa * 2^exponent with 0.5 <= mantissa < 1.
        mantissa, exponent = np.frexp(reach)
        return signed, exponent - (mantissa == 0.5), fractional

    @property
    def format(self) -> FixedPointFormat:
        """The narrowest format that holds every value.

        Raises:
            InputError: none of at most 63 bits does.
        """
        signed, integer, fractional = (int(np.max(bits)) for bits in self.kif)
        width = max(signed + integer + fractional, 1 + signed)
        return FixedPointFormat(width, width - fractional, bool(signed))

    def take(self, form: FixedPointFormat) -> Grid:
        """After rounding to `form`.

        QKeras rounds x to x + (q - x): on the way, x is held in units of the finer last bit.
        """
        last_bit = float(np.min(self.step))
        largest = self.units * last_bit * form.step / min(form.step, last_bit)
        step = np.full(self.shape, form.step)
        low, high = form.quantize(self.low), form.quantize(self.high)
        if form.overflow == "WRAP":
            # Beyond an end, they begin at the other.
            wraps = (form.rounded(self.low) < form.low) | (form.rounded(self.high) > form.high)
            low, high = np.where(wraps, form.low, low), np.where(wraps, form.high, high)
        return Grid(step, low, high, largest)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> Grid:
        """With a function that moves or repeats elements, applied to step, low and high."""
        step, low, high = (function(part) for part in (self.step, self.low, self.high))
        return replace(self, step=step, low=low, high=high)
