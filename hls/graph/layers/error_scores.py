"""Scores of a reconstruction: sums over its differences from the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hls.graph.counting import Logic, Signal
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, register
from hls.graph.layers.score_layers import ScoreLayer, Terms, count_squares
from hls.graph.symbolic import squared, where_negative
from keras_ae.fixed_point import FixedPointFormat


@dataclass(frozen=True, eq=False)
class _ErrorLayer(ScoreLayer):
    """A sum over the differences of x and y; with `masked` only where x is not zero."""

    masked: bool = False

    n_inputs: ClassVar[int | None] = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        forms = FixedPointFormat(6, 3), FixedPointFormat(7, 3)
        term = FixedPointFormat.parse("fixed<7,4,RND,WRAP>")
        layers = (
            *(cls(masked, input_formats=forms) for masked in (True, False)),
            cls(True, input_formats=forms, term_format=term),
            cls(input_formats=forms, output_format=FixedPointFormat(8, 7, signed=False)),
        )
        return tuple(Example(layer, tuple((form, (3,)) for form in forms)) for layer in layers)

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

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        term = f"nnet::{self.cpp_term}<{str(self.masked).lower()}>"
        return self._call_score(inputs, out, term)

    def _count_differences(self, *inputs: Signal) -> Terms:
        x, y = inputs
        step = np.minimum(x.grid.step, y.grid.step)
        difference = Grid(step, x.grid.low - y.grid.high, x.grid.high - y.grid.low)
        bits = Signal.of(difference).bits.ravel()
        levels = 1 + 2 * self.masked
        logic = Logic(
            adder_bits=float(bits.sum()), saturation_bits=float(bits.sum() * 2 * self.masked)
        )
        return logic, bits, np.maximum(x.depth, y.depth) + levels


@register()
@dataclass(frozen=True, eq=False)
class SquaredError(_ErrorLayer):
    """sum_i (x_i - y_i)^2; with `masked` over x_i != 0 (`likelihoods.MaskedGaussian`)."""

    cpp_term: ClassVar[str] = "squared_error"

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, y = inputs
        return self._masked(xp, x, xp.square(x - y))

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        step, largest = self._largest_difference(*inputs)
        return step**2, largest**2

    def trace_terms(self, *inputs: Any) -> Any:
        return type(inputs[0])(np.array(list(map(squared, self._differences(*inputs)))))

    def count_terms(self, *inputs: Signal) -> Terms:
        logic, bits, depth = self._count_differences(*inputs)
        more, bits, depth = count_squares(bits, depth)
        return logic + more, bits, depth


@register()
@dataclass(frozen=True, eq=False)
class AbsoluteError(_ErrorLayer):
    """sum_i |x_i - y_i|; with `masked` over x_i != 0."""

    cpp_term: ClassVar[str] = "absolute_error"

    def term(self, xp: Any, *inputs: Any) -> Any:
        x, y = inputs
        return self._masked(xp, x, xp.abs(x - y))

    def largest_term(self, *inputs: Grid) -> tuple[np.ndarray, np.ndarray]:
        return self._largest_difference(*inputs)

    def trace_terms(self, *inputs: Any) -> Any:
        absolutes = [
            where_negative(difference, 0 - difference, difference)
            for difference in self._differences(*inputs)
        ]
        return type(inputs[0])(np.array(absolutes))

    def count_terms(self, *inputs: Signal) -> Terms:
        logic, bits, depth = self._count_differences(*inputs)
        # A negation and a choice.
        more = Logic(adder_bits=float(bits.sum()), saturation_bits=float(bits.sum()))
        return logic + more, bits, depth + 2
