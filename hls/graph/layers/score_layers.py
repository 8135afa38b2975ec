"""Scores as layers of the trigger graph: sums of a term of each element, see `logic_layer`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hls.graph.counting import Counted, Logic, Signal, products, squares, total
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Place, register
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.symbolic import product, squared
from keras_ae.fixed_point import FixedPointFormat

#: Of numbers (n,): logic, bits and depth of the terms, before they are summed.
Terms = tuple[Logic, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class ScoreLayer(LogicLayer):
    """A score: the sum of a term of each element of the inputs, (events, ...) -> (events, 1).

    Terms are never negative, so that no partial sum is larger than the score; where they can be,
    `grid` must hold all partial sums.
    """

    #: The C++ that adds a term to the sum, in `nnet_trigger.h`.
    cpp_term: ClassVar[str]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        # What has a sign, and the weight that has none.
        forms = (FixedPointFormat(6, 3), FixedPointFormat(5, 2, signed=False))[: cls.n_inputs]
        return (Example(cls(input_formats=forms), tuple((form, (3,)) for form in forms)),)

    def check_inputs(self, *inputs: Grid) -> None:
        shapes = [x.shape for x in inputs]
        rule = "inputs must have the same shape"
        self.require(len(set(shapes)) == 1, rule, shapes, "score tensors of equal shape")

    @abstractmethod
    def term(self, xp: Any, *inputs: Any) -> Any:
        """Of each element, by `numpy` or `keras.ops`."""

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        """The last bit and the largest value of each term."""
        self._has_no("range", "largest_term or grid")

    def trace_terms(self, *inputs: Any) -> Any:
        """The terms as logic, of symbolic arrays (n,)."""
        self._has_no("form as logic", "trace_terms")

    def count_terms(self, *inputs: Signal) -> Terms:
        """What the logic of the terms takes; signals are (n,)."""
        self._has_no("cost", "count_terms")

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        terms = self.term(ops, *(ops.cast(part, "float64") for part in inputs))
        return ops.sum(terms, axis=tuple(range(1, len(terms.shape))))[:, None]

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        terms: np.ndarray = self.term(np, *inputs)
        return np.asarray(terms.sum(axis=tuple(range(1, terms.ndim)))[:, None])

    def grid(self, *inputs: Grid) -> Grid:
        step, high = self.largest_term(*inputs)
        return Grid(_last_bit(step), np.zeros(1), np.array([np.sum(high)]), float(np.sum(high)))

    def trace(self, *inputs: Any) -> Any:
        return np.sum(self.trace_terms(*(x.ravel() for x in inputs)), keepdims=True)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        return self._call("score", out, term=f"nnet::{self.cpp_term}")

    def count(self, at: Place) -> Counted:
        signals = (Signal(x.grid, x.bits.ravel(), x.depth.ravel()) for x in at.inputs)
        logic, bits, depth = self.count_terms(*signals)
        sum_, result = total(bits, depth)
        return logic + sum_, result

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [np.full(shape, out.any()) for shape in shapes]


@register()
@dataclass(frozen=True, eq=False)
class Total(ScoreLayer):
    """sum_j x_j, the score of a student, whose x is one number; of either sign."""

    cpp_term: ClassVar[str] = "total"

    def term(self, xp: Any, *inputs: Any) -> Any:
        return inputs[0]

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        # With zero among the terms: then no partial sum is beyond the lowest and highest score.
        low, high = np.minimum(x.low, 0).sum(), np.maximum(x.high, 0).sum()
        largest = np.maximum(-x.low, x.high).sum()
        return Grid(_last_bit(x.step), np.array([low]), np.array([high]), float(largest))

    def trace_terms(self, *inputs: Any) -> Any:
        return inputs[0]

    def count_terms(self, *inputs: Signal) -> Terms:
        (x,) = inputs
        return Logic(), x.bits, x.depth


@register()
@dataclass(frozen=True, eq=False)
class SquaredNorm(ScoreLayer):
    """sum_j x_j^2."""

    cpp_term: ClassVar[str] = "squared_norm"

    def term(self, xp: Any, *inputs: Any) -> Any:
        return xp.square(inputs[0])

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        (x,) = inputs
        return x.step**2, np.maximum(-x.low, x.high) ** 2

    def trace_terms(self, *inputs: Any) -> Any:
        return each(squared, inputs[0])

    def count_terms(self, *inputs: Signal) -> Terms:
        return count_squares(inputs[0].bits, inputs[0].depth)


@register()
@dataclass(frozen=True, eq=False)
class NormalizedNorm(ScoreLayer):
    """sum_j x_j^2 w_j of x and w >= 0."""

    cpp_term: ClassVar[str] = "normalized_norm"
    n_inputs: ClassVar[int | None] = 2

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, w = inputs
        return xp.square(x) * w

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        x, w = inputs
        return x.step**2 * w.step, np.maximum(-x.low, x.high) ** 2 * w.high

    def trace_terms(self, *inputs: Any) -> Any:
        x, w = inputs
        return each(product, each(squared, x), w)

    def count_terms(self, *inputs: Signal) -> Terms:
        x, w = inputs
        logic, bits, depth = count_squares(x.bits, x.depth)
        more, depth = products(bits, w.bits, np.maximum(depth, w.depth))
        return logic + more, bits + w.bits, depth


@register()
@dataclass(frozen=True, eq=False)
class GaussianDivergence(ScoreLayer):
    """sum_j (x_j^2 + w_j) / 2 of x and w >= 0."""

    cpp_term: ClassVar[str] = "gaussian_divergence"
    n_inputs: ClassVar[int | None] = 2

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, w = inputs
        return 0.5 * (xp.square(x) + w)

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        x, w = inputs
        return 0.5 * np.minimum(x.step**2, w.step), 0.5 * (np.maximum(-x.low, x.high) ** 2 + w.high)

    def trace_terms(self, *inputs: Any) -> Any:
        x, w = inputs
        return (each(squared, x) + w) * 0.5

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        # Of the constant 0.5; ac_fixed of Quartus wants two bits at least.
        half = "ufixed<2,0>"
        return self._call("score", out, term=f"nnet::{self.cpp_term}", term_format=half)

    def count_terms(self, *inputs: Signal) -> Terms:
        x, w = inputs
        logic, bits, depth = count_squares(x.bits, x.depth)
        return logic, np.concatenate([bits, w.bits]), np.concatenate([depth, w.depth])


def each(function: Callable[..., Any], *arrays: Any) -> Any:
    """Of each symbolic variable of arrays (n,)."""
    return type(arrays[0])(np.array([function(*values) for values in zip(*arrays, strict=True)]))


def count_squares(bits: np.ndarray, depth: np.ndarray) -> Terms:
    logic, depth = squares(bits, depth)
    return logic, 2 * bits, depth


def _last_bit(step: np.ndarray) -> np.ndarray:
    """Of a score whose terms have `step`; 1 at most: ap_types print coarser numbers wrongly."""
    return np.array([min(float(np.min(step)), 1.0)])
