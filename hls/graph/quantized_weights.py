"""Weights of a layer, quantized from their formats alone, and the sums they take part in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hls.graph.grid import Grid
from hls.graph.shift_add import canonical_parts
from keras_ae.fixed_point import FixedPointFormat


@dataclass(frozen=True)
class QuantizedWeights:
    """Kernel, bias (zero where there is none) and the last bit of either, in float64."""

    kernel: np.ndarray
    bias: np.ndarray
    kernel_step: float
    bias_step: float = math.inf

    @classmethod
    def of(
        cls,
        kernel: np.ndarray,
        kernel_format: FixedPointFormat,
        bias: np.ndarray | None,
        bias_format: FixedPointFormat | None,
    ) -> QuantizedWeights:
        """Of float weights, in their formats."""
        quantized = kernel_format.quantize(kernel)
        if bias is None or bias_format is None:
            return cls(quantized, np.zeros(kernel.shape[-1]), kernel_format.step)
        return cls(quantized, bias_format.quantize(bias), kernel_format.step, bias_format.step)

    @property
    def matrix(self) -> np.ndarray:
        """The kernel as (terms, outputs)."""
        return self.kernel.reshape(-1, self.kernel.shape[-1])

    @property
    def units(self) -> np.ndarray:
        """The matrix as integers, in units of the kernel's last bit."""
        return np.rint(self.kernel / self.kernel_step).reshape(self.matrix.shape)

    def sum_grid(
        self, step: np.ndarray, low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]
    ) -> Grid:
        """Of sum_k x_k kernel_kj + bias_j, with x_k (terms,) between low and high, in `shape`."""
        matrix = self.matrix
        positive, negative = np.maximum(matrix, 0), np.minimum(matrix, 0)
        lowest = low @ positive + high @ negative + self.bias
        highest = high @ positive + low @ negative + self.bias
        largest = np.maximum(-low, high) @ np.abs(matrix) + np.abs(self.bias)
        last_bit = min(float(np.min(step)) * self.kernel_step, self.bias_step)
        return Grid(
            np.full(shape, last_bit),
            np.broadcast_to(lowest, shape),
            np.broadcast_to(highest, shape),
            float(largest.max()),
        )

    def with_intervals_of_digits(self, grid: Grid, low: np.ndarray, high: np.ndarray) -> Grid:
        """The grid of such a sum as the tracer sees it, of terms (places, terms).

        It adds the intervals of digits, those of 8 x and -x for 7 x; a neuron that is always
        negative may not be known to be.
        """
        plus, minus = (part * self.kernel_step for part in canonical_parts(self.units))
        lowest = low @ plus - high @ minus + self.bias
        highest = high @ plus - low @ minus + self.bias
        return replace(grid, low=lowest.reshape(grid.shape), high=highest.reshape(grid.shape))
