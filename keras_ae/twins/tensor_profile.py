"""Values of one tensor on a sample, and the format that fits them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keras_ae.fixed_point import MAX_WIDTH, FixedPointFormat
from keras_ae.twins.formats import TwinKind


@dataclass(frozen=True, eq=False)
class TensorProfile:
    """Values of one tensor on the sample, or of the weights or biases of a layer.

    Attributes:
        name: of the layer, with `.weight` or `.bias` behind it for those.
        kind: which of the formats for all it is rounded to; None where it is not rounded.
        values: all of them, in rising order.
        may_be_unsigned: whether an unsigned format may be chosen where nothing is negative.
    """

    name: str
    kind: TwinKind | None
    values: np.ndarray
    may_be_unsigned: bool = False

    @property
    def low(self) -> float:
        """The smallest value."""
        return float(self.values[0])

    @property
    def high(self) -> float:
        """The largest value."""
        return float(self.values[-1])

    def quantile(self, share: float) -> float:
        """The smallest |x| of the sample that a share of all is not above."""
        return float(np.quantile(np.abs(self.values), share, method="inverted_cdf"))

    @property
    def zeros(self) -> float:
        """The share of zeros."""
        return float(np.mean(self.values == 0))

    @property
    def smallest(self) -> float:
        """The smallest |x| that is not zero; zero where all are."""
        magnitudes = np.abs(self.values[self.values != 0])
        return float(magnitudes.min(initial=np.inf)) if len(magnitudes) else 0.0

    @property
    def last_bit(self) -> float:
        """The largest power of two of which all values are multiples; zero where all are zero."""
        fractions, exponents = np.frexp(self.values[self.values != 0].astype(np.float64))
        if not len(fractions):
            return 0.0
        units = np.ldexp(fractions, 53).astype(np.int64)
        return float(np.ldexp((units & -units).astype(np.float64), exponents - 53).min())

    def saturated(self, form: FixedPointFormat) -> float:
        """The share that a format has no number for: they would round beyond its ends."""
        return float(np.mean(_saturates(self.values, form)))

    def to_zero(self, form: FixedPointFormat) -> float:
        """The share that would round to zero, and is not."""
        # What is beyond the ends may become zero, too: that is no rounding.
        return float(np.mean((form.rounded(self.values) == 0) & (self.values != 0)))

    def fitting(self, width: int, quantile: float = 1.0) -> FixedPointFormat:
        """The finest format of a width in which no |x| up to its quantile saturates."""
        bound = self.quantile(quantile)
        ends = np.clip([self.low, self.high], -bound, bound)
        signed = not (self.may_be_unsigned and self.low >= 0)
        largest = float(np.abs(ends).max())
        # One bit less than it takes without a sign; all zeros take none.
        integer = int(np.frexp(largest)[1]) - 1 if largest else int(signed)
        form = FixedPointFormat(width, int(np.clip(integer, -MAX_WIDTH, MAX_WIDTH)), signed)
        while _saturates(ends, form).any() and form.integer < MAX_WIDTH:
            form = replace(form, integer=form.integer + 1)
        return form


def _saturates(values: np.ndarray, form: FixedPointFormat) -> np.ndarray:
    """Where a format has another number than the one that it would round to without ends."""
    return np.asarray(form.quantize(values) != form.rounded(values))
