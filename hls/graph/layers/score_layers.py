"""Scores as layers of the trigger graph: sums of a term of each element, see `logic_layer`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from hls.graph.counting import Counted, Logic, Signal, products, rounding, squares, total
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Place, register
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.symbolic import product, rounded, squared
from keras_ae.fixed_point import FixedPointFormat

#: Of numbers (n,): logic, bits and depth of the terms, before they are summed.
Terms = tuple[Logic, np.ndarray, np.ndarray]

#: Of examples: terms that are cut, and a sum that leaves the range at times.
_ROUNDED = "ufixed<7,5,TRN>", "fixed<6,5,RND,WRAP>"


@dataclass(frozen=True, eq=False)
class ScoreLayer(LogicLayer):
    """A score: the sum of a term of each element of the inputs, (events, ...) -> (events, 1).

    Args:
        term_format: what each term is rounded to before it is summed; None for the whole term.
        output_format: what the exact sum is rounded to; None for the whole sum.
    """

    term_format: FixedPointFormat | None = field(default=None, kw_only=True)
    output_format: FixedPointFormat | None = field(default=None, kw_only=True)

    #: The C++ that adds a term to the sum, in `nnet_trigger.h`.
    cpp_term: ClassVar[str]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        # What has a sign, and the weight that has none; and rounded.
        forms = (FixedPointFormat(6, 3), FixedPointFormat(5, 2, signed=False))[: cls.n_inputs]
        term, output = map(FixedPointFormat.parse, _ROUNDED)
        layers = (
            cls(input_formats=forms),
            cls(input_formats=forms, term_format=term, output_format=output),
        )
        return tuple(Example(layer, tuple((form, (3,)) for form in forms)) for layer in layers)

    def check_inputs(self, *inputs: Grid) -> None:
        shapes = [x.shape for x in inputs]
        rule = "inputs must have the same shape"
        self.require(len(set(shapes)) == 1, rule, shapes, "score tensors of equal shape")

    @abstractmethod
    def term(self, xp: Any, *inputs: Any) -> Any:
        """Of each element, by `numpy` or `keras.ops`."""

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        """The last bit and the largest value of each term, none of which is negative."""
        self._has_no("range", "largest_term or terms_grid")

    def terms_grid(self, *inputs: Grid) -> Grid:
        """Which values the terms have, before they are rounded."""
        step, high = self.largest_term(*inputs)
        return Grid(step, np.zeros_like(high), high)

    def trace_terms(self, *inputs: Any) -> Any:
        """The terms as logic, of symbolic arrays (n,)."""
        self._has_no("form as logic", "trace_terms")

    def count_terms(self, *inputs: Signal) -> Terms:
        """What the logic of the terms takes; signals are (n,)."""
        self._has_no("cost", "count_terms")

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        return self._score(ops, *(ops.cast(part, "float64") for part in inputs))

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self._score(np, *inputs))

    def _score(self, xp: Any, *inputs: Any) -> Any:
        terms = self.term(xp, *inputs)
        if self.term_format is not None:
            terms = self.term_format.quantized(xp, terms)
        score = xp.sum(terms, axis=tuple(range(1, len(terms.shape))))[:, None]
        return score if self.output_format is None else self.output_format.quantized(xp, score)

    def grid(self, *inputs: Grid) -> Grid:
        terms, sum_ = self._grids(*inputs)
        if self.output_format is None and self.term_format is None:
            return sum_
        out = sum_ if self.output_format is None else sum_.take(self.output_format)
        step = _last_bit(out.step)
        # In units of the last bit, also before it is rounded.
        largest = max(terms.units, sum_.units, out.units) * float(step[0])
        return Grid(step, out.low, out.high, largest)

    def _grids(self, *inputs: Grid) -> tuple[Grid, Grid]:
        """Of the terms before they are rounded, and of their sum before that is."""
        whole = self.terms_grid(*inputs)
        terms = whole if self.term_format is None else whole.take(self.term_format)
        # With zero among the terms: then no partial sum is beyond the lowest and highest score.
        low, high = np.minimum(terms.low, 0).sum(), np.maximum(terms.high, 0).sum()
        largest = np.maximum(-terms.low, terms.high).sum()
        ends = np.array([low]), np.array([high])
        return whole, Grid(_last_bit(terms.step), *ends, float(largest))

    def trace(self, *inputs: Any) -> Any:
        terms = self.trace_terms(*(x.ravel() for x in inputs))
        if self.term_format is not None:
            terms = each(partial(rounded, form=self.term_format), terms)
        score = np.sum(terms, keepdims=True)
        if self.output_format is None:
            return score
        return each(partial(rounded, form=self.output_format), score)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        return self._call_score(inputs, out, f"nnet::{self.cpp_term}")

    def _call_score(self, inputs: Sequence[Grid], out: Grid, term: str, **more: Any) -> CppForm:
        """Of the C++ that sums a term, rounded as the layer is."""
        if self.term_format is not None:
            more["rounded_term_format"] = str(self.term_format)
        if not (out.low.any() or out.high.any()):
            # To hls4ml zero is a number of 32 bits, the port has one.
            more["output_kif"] = tuple(np.full(out.shape, bits) for bits in out.format.kif)
        if self.output_format is None:
            return self._call("score", out, term=term, **more)
        grids = map(Grid.of, self.input_formats, (x.shape for x in inputs))
        more["sum_format"] = str(self._grids(*grids)[1].format)
        more["rounding_format"] = str(self.output_format)
        return self._call("rounded_score", out, term=term, **more)

    def count(self, at: Place) -> Counted:
        signals = [Signal(x.grid, x.bits.ravel(), x.depth.ravel()) for x in at.inputs]
        logic, bits, depth = self.count_terms(*signals)
        terms, sum_ = self._grids(*(x.grid for x in at.inputs))
        if self.term_format is not None:
            more, bits, depth = _count_rounding(self.term_format, terms, bits, depth)
            logic = logic + more
        more, depth = total(bits, depth)
        if self.output_format is not None:
            score = Signal(sum_, np.array([sum(map(np.max, sum_.kif))]), depth)
            rest, depth = rounding(self.output_format, score, at.out.bits, alone=True)
            more = more + rest
        return logic + more, depth

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [np.full(shape, out.any()) for shape in shapes]


@register()
@dataclass(frozen=True, eq=False)
class Total(ScoreLayer):
    """sum_j x_j, the score of a student, whose x is one number; of either sign."""

    cpp_term: ClassVar[str] = "total"

    def term(self, xp: Any, *inputs: Any) -> Any:
        return inputs[0]

    def terms_grid(self, *inputs: Grid) -> Grid:
        return replace(inputs[0], largest_sum=0.0)

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
        return self._call_score(inputs, out, f"nnet::{self.cpp_term}", term_format=half)

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


def _count_rounding(
    form: FixedPointFormat, grid: Grid, bits: np.ndarray, depth: np.ndarray
) -> Terms:
    """Of terms on a grid, of which each may be a sum of several numbers yet."""
    grid = grid.map(np.ravel)
    bits, depth = (part.reshape(-1, *grid.shape) for part in (bits, depth))
    sums = Logic(adder_bits=float(bits[1:].sum()))
    whole = Signal(grid, bits.max(axis=0), depth.max(axis=0) + len(bits) - 1)
    width = Signal.of(grid.take(form), whole.bits > 0).bits
    logic, depth = rounding(form, whole, width, alone=True)
    return sums + logic, width, depth


def _last_bit(step: np.ndarray) -> np.ndarray:
    """Of a score whose terms have `step`; 1 at most: ap_types print coarser numbers wrongly."""
    return np.array([min(float(np.min(step)), 1.0)])
