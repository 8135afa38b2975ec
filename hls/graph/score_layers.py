"""Scores as layers of the trigger graph: sums of a term of each element, see `layers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from hls.graph.grid import Grid
from hls.graph.logic_layers import LogicLayer
from hls.graph.symbolic import product, squared, where_negative


class ScoreLayer(LogicLayer):
    """A score: the sum of a term of each element of the inputs, (batch, ...) -> (batch, 1) float64.

    Terms are never negative, so that no partial sum is larger than the score; where they can be,
    `grid` must hold all partial sums.
    """

    def term(self, xp: Any, *inputs: Any) -> Any:
        """Of each element, by `numpy` or `keras.ops`."""
        raise NotImplementedError

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        """The last bit and the largest value of each term."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        parts = inputs if isinstance(inputs, list | tuple) else [inputs]
        terms = self.term(ops, *(ops.cast(part, "float64") for part in parts))
        return ops.sum(terms, axis=tuple(range(1, len(terms.shape))))[:, None]

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        terms: np.ndarray = self.term(np, *inputs)
        return terms.sum(axis=tuple(range(1, terms.ndim)))[:, None]

    def grid(self, *inputs: Grid) -> Grid:
        step, high = self.largest_term(*inputs)
        return Grid(_last_bit(step), np.zeros(1), np.array([np.sum(high)]), float(np.sum(high)))


@keras.saving.register_keras_serializable("hls")
class Total(ScoreLayer):
    """sum_j x_j, the score of a student, whose x is one number; of either sign."""

    def term(self, xp: Any, *inputs: Any) -> Any:
        return inputs[0]

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        # With zero among the terms: then no partial sum is beyond the lowest and highest score.
        low, high = np.minimum(x.low, 0).sum(), np.maximum(x.high, 0).sum()
        largest = np.maximum(-x.low, x.high).sum()
        return Grid(_last_bit(x.step), np.array([low]), np.array([high]), float(largest))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        return np.sum(x, keepdims=True)


@keras.saving.register_keras_serializable("hls")
class SquaredNorm(ScoreLayer):
    """sum_j x_j^2."""

    def term(self, xp: Any, *inputs: Any) -> Any:
        return xp.square(inputs[0])

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        (x,) = inputs
        return x.step**2, np.maximum(-x.low, x.high) ** 2

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        return np.sum(_each(squared, x), keepdims=True)


@keras.saving.register_keras_serializable("hls")
class NormalizedNorm(ScoreLayer):
    """sum_j x_j^2 w_j of x and w >= 0."""

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, w = inputs
        return xp.square(x) * w

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        x, w = inputs
        return x.step**2 * w.step, np.maximum(-x.low, x.high) ** 2 * w.high

    def trace(self, *inputs: Any) -> Any:
        x, w = inputs
        return np.sum(_each(product, _each(squared, x), w), keepdims=True)


@keras.saving.register_keras_serializable("hls")
class GaussianDivergence(ScoreLayer):
    """sum_j (x_j^2 + w_j) / 2 of x and w >= 0."""

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, w = inputs
        return 0.5 * (xp.square(x) + w)

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        x, w = inputs
        return 0.5 * np.minimum(x.step**2, w.step), 0.5 * (np.maximum(-x.low, x.high) ** 2 + w.high)

    def trace(self, *inputs: Any) -> Any:
        x, w = inputs
        return np.sum((_each(squared, x) + w) * 0.5, keepdims=True)


class _ErrorLayer(ScoreLayer):
    """A sum over the differences of x and y; with `masked` only where x is not zero."""

    def __init__(self, masked: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.masked = masked

    def _masked(self, xp: Any, x: Any, terms: Any) -> Any:
        return xp.where(xp.equal(x, 0.0), 0.0, terms) if self.masked else terms

    def _largest_difference(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        x, y = inputs
        return np.minimum(x.step, y.step), np.maximum(x.high - y.low, y.high - x.low)

    def _differences(self, *inputs: Any) -> list[Any]:
        """Traced, zero where masked."""
        differences = []
        step = self.input_formats[0].step
        for x, y in zip(*inputs, strict=True):
            difference = x - y
            if self.masked:
                positive = where_negative(x - step, 0.0, difference)
                difference = where_negative(x, difference, positive)
            differences.append(difference)
        return differences

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "masked": self.masked}


@keras.saving.register_keras_serializable("hls")
class SquaredError(_ErrorLayer):
    """sum_i (x_i - y_i)^2; with `masked` over x_i != 0 (`likelihoods.MaskedGaussian`)."""

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, y = inputs
        return self._masked(xp, x, xp.square(x - y))

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        step, largest = self._largest_difference(*inputs)
        return step**2, largest**2

    def trace(self, *inputs: Any) -> Any:
        squares = list(map(squared, self._differences(*inputs)))
        return np.sum(type(inputs[0])(np.array(squares)), keepdims=True)


@keras.saving.register_keras_serializable("hls")
class AbsoluteError(_ErrorLayer):
    """sum_i |x_i - y_i|; with `masked` over x_i != 0."""

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, y = inputs
        return self._masked(xp, x, xp.abs(x - y))

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        return self._largest_difference(*inputs)

    def trace(self, *inputs: Any) -> Any:
        absolutes = [
            where_negative(difference, 0 - difference, difference)
            for difference in self._differences(*inputs)
        ]
        return np.sum(type(inputs[0])(np.array(absolutes)), keepdims=True)


def _each(function: Callable[..., Any], *arrays: Any) -> Any:
    """Of each symbolic variable."""
    return type(arrays[0])(np.array([function(*values) for values in zip(*arrays, strict=True)]))


def _last_bit(step: np.ndarray) -> np.ndarray:
    """Of a score whose terms have `step`; 1 at most: ap_types print coarser numbers wrongly."""
    return np.array([min(float(np.min(step)), 1.0)])
