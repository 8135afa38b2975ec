"""What the front end does to single columns before they are scaled: angles, absolute values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Place, register
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.symbolic import where_negative
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.scaled_inputs import Angle


@dataclass(frozen=True, eq=False)
class _ColumnLayer(LogicLayer):
    """Of flat values (events, n), some of which it changes: the `columns`."""

    columns: tuple[int, ...]

    in_float32: ClassVar[bool] = True

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        fits = len(x.shape) == 1 and max(self.columns, default=0) < x.shape[0]
        rule = f"input must be flat and hold column {max(self.columns, default=0)}"
        self.require(fits, rule, x.shape, "build it of such events")

    def _replaced(self, values: np.ndarray, changed: np.ndarray) -> np.ndarray:
        """Values (n,) with those of the columns changed."""
        found = np.array(values)
        found[list(self.columns)] = changed
        return found


@register()
@dataclass(frozen=True, eq=False)
class RelativeAngles(_ColumnLayer):
    """Each column less `factors` times its column of `references`, from -turn/2 to below turn/2.

    Angles differ by one turn at most; one that differs by more is turned around once.
    """

    references: tuple[int, ...]
    factors: tuple[int, ...]
    turns: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {len(p) for p in (self.columns, self.references, self.factors, self.turns)}
        rule = "columns, references, factors and turns must be as many"
        self.require(len(sizes) == 1 and bool(self.columns), rule, sizes, "give one of each")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        form = FixedPointFormat(7, 7)
        layer = cls((1, 2), (0, 0), (1, 4), (24, 96), input_formats=(form,))
        return (Example(layer, ((form, (4,)),)),)

    @property
    def angles(self) -> tuple[Angle, ...]:
        """Of each column."""
        return tuple(map(Angle, self.references, self.factors, self.turns))

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (x,) = inputs
        found = np.array(x)
        for column, angle in zip(self.columns, self.angles, strict=True):
            found[:, column] = angle.of(x[:, column], x[:, angle.column])
        return found

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        (x,) = inputs
        n_values = x.shape[1]
        references, factors = np.zeros(n_values, int), np.zeros(n_values)
        # Beyond what any number reaches, where nothing is to turn.
        turns = np.full(n_values, 2.0**60)
        references[list(self.columns)] = self.references
        factors[list(self.columns)] = self.factors
        turns[list(self.columns)] = self.turns
        factor, turn = (ops.cast(part, x.dtype) for part in (factors, turns))
        difference = x - factor * ops.take(x, references, axis=1)
        once = ops.where(difference >= turn / 2, difference - turn, difference)
        return ops.where(difference < -turn / 2, difference + turn, once)

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        ends = []
        for column, angle in zip(self.columns, self.angles, strict=True):
            low = x.low[column] - angle.factor * x.high[angle.column]
            high = x.high[column] - angle.factor * x.low[angle.column]
            ends.append(_once_around(low, high, angle.turn, float(x.step[column])))
        lows, highs = np.array(ends, float).T
        return Grid(x.step, self._replaced(x.low, lows), self._replaced(x.high, highs))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        found = list(x)
        for column, angle in zip(self.columns, self.angles, strict=True):
            difference = x[column] - x[angle.column] * angle.factor
            half, turn = angle.turn / 2, angle.turn
            once = where_negative(difference - half, difference, difference - turn)
            found[column] = where_negative(difference + half, difference + turn, once)
        return type(x)(np.array(found))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        (x,) = inputs
        places = list(self.columns)
        factors, references, turns = (np.zeros(x.shape[0]) for _ in range(3))
        factors[places], references[places], turns[places] = (
            self.factors,
            self.references,
            self.turns,
        )
        (form,) = self.input_formats
        # Of a difference, and of twice that.
        bits = form.integer + int(np.ceil(np.log2(1 + max(self.factors)))) + 2
        wide = FixedPointFormat(bits + form.fractional, bits)
        constants = {"references": references, "factors": factors, "turns": turns}
        return self._call("relative_angles", out, constants=constants, sum_format=str(wide))

    def count(self, at: Place) -> Counted:
        """Of each angle a difference, two comparisons, two sums and two choices."""
        bits = np.array([at.out.bits[column] + 1 for column in self.columns], float)
        logic = Logic(adder_bits=float(5 * bits.sum()), saturation_bits=float(2 * bits.sum()))
        depth = np.array(at.x.depth)
        for column, angle in zip(self.columns, self.angles, strict=True):
            depth[column] = max(at.x.depth[column], at.x.depth[angle.column]) + 3
        return logic, depth

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        kept = np.array(out)
        for column, reference in zip(self.columns, self.references, strict=True):
            kept[reference] |= out[column]
        return [kept]


def _once_around(low: float, high: float, turn: int, step: float) -> tuple[float, float]:
    """The ends of the multiples of `step` from `low` to `high`, turned around once at most."""
    half = turn / 2
    ends = [(max(low, -half), min(high, half - step))] if low < half and high >= -half else []
    if low < -half:
        ends.append((low + turn, min(high, -half - step) + turn))
    if high >= half:
        ends.append((max(low, half) - turn, high - turn))
    return min(end for end, _ in ends), max(end for _, end in ends)


@register()
@dataclass(frozen=True, eq=False)
class AbsoluteValues(_ColumnLayer):
    """Each of the `columns` without its sign, the others as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rule = "columns must be one at least"
        self.require(bool(self.columns), rule, "none", "leave the layer out")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        form = FixedPointFormat(6, 6)
        return (Example(cls((0, 2), input_formats=(form,)), ((form, (3,)),)),)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        found = np.array(inputs[0])
        found[:, list(self.columns)] = np.abs(found[:, list(self.columns)])
        return found

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        (x,) = inputs
        chosen = np.isin(np.arange(x.shape[1]), self.columns)
        return ops.where(chosen, ops.abs(x), x)

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        low, high = (part[list(self.columns)] for part in (x.low, x.high))
        crosses = (low < 0) & (high > 0)
        lowest = np.where(crosses, 0.0, np.minimum(np.abs(low), np.abs(high)))
        highest = np.maximum(np.abs(low), np.abs(high))
        return Grid(x.step, self._replaced(x.low, lowest), self._replaced(x.high, highest))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        found = list(x)
        for column in self.columns:
            found[column] = where_negative(x[column], 0 - x[column], x[column])
        return type(x)(np.array(found))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        chosen = np.isin(np.arange(inputs[0].shape[0]), self.columns)
        return self._call("absolute_values", out, constants={"chosen": chosen.astype(float)})

    def count(self, at: Place) -> Counted:
        """A negation and a choice."""
        bits = at.x.bits[list(self.columns)].astype(float)
        depth = np.array(at.x.depth)
        depth[list(self.columns)] += 2
        logic = Logic(adder_bits=float(bits.sum()), saturation_bits=float(bits.sum()))
        return logic, depth

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out]
