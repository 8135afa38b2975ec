"""The front end's part of the trigger graph: hardware values -> network inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Place, register
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.symbolic import where_negative
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.scaled_inputs import ScaledInputs

#: In place of the number of a guard.
NO_GUARD = -1


@register()
@dataclass(frozen=True, eq=False)
class ScaleInputs(LogicLayer):
    """(x - offset) / 2^shift of chosen columns of an event (events, n) -> (events, n_inputs).

    Zero unless the column `guards` is above zero, where that is not `NO_GUARD`.
    """

    columns: tuple[int, ...]
    offsets: tuple[float, ...]
    shifts: tuple[int, ...]
    guards: tuple[int, ...]

    in_float32: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {len(part) for part in (self.columns, self.offsets, self.shifts, self.guards)}
        rule = "columns, offsets, shifts and guards must be as many"
        self.require(len(sizes) == 1 and bool(self.columns), rule, sizes, "give one of each")

    @classmethod
    def of(cls, scaled: ScaledInputs, form: FixedPointFormat, name: str) -> Self:
        """What a front end does to values of a format, but for angles and absolute values."""
        parts = scaled.inputs
        return cls(
            tuple(part.column for part in parts),
            tuple(part.offset for part in parts),
            tuple(part.shift for part in parts),
            tuple(NO_GUARD if part.guard is None else part.guard for part in parts),
            input_formats=(form,),
            name=name,
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        form = FixedPointFormat(8, 8)
        layers = (
            cls((0, 1, 2, 3), (5, 0, 5, 0), (2, 3, 2, 3), (0, -1, 2, -1), input_formats=(form,)),
            cls((3, 0), (0.5, -2), (-1, 0), (2, -1), input_formats=(form,)),
        )
        return tuple(Example(layer, ((form, (4,)),)) for layer in layers)

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        last = max(*self.columns, *self.guards)
        fits = len(x.shape) == 1 and last < x.shape[0]
        rule = f"input must be flat and hold column {last}"
        self.require(fits, rule, x.shape, "fit the scaling on such events")

    @property
    def steps(self) -> np.ndarray:
        """2^-shift of each output."""
        return 2.0 ** -np.array(self.shifts, float)

    @property
    def _guarded(self) -> np.ndarray:
        return np.array(self.guards) != NO_GUARD

    def _scaled(self, xp: Any, x: Any, number: Any) -> Any:
        """By `numpy` or `keras.ops`; `number` makes constants of the type of x."""
        values = xp.take(x, np.array(self.columns), axis=1)
        scaled = (values - number(self.offsets)) * number(self.steps)
        if not self._guarded.any():
            return scaled
        guards = np.where(self._guarded, self.guards, 0)
        filled = xp.logical_or(xp.take(x, guards, axis=1) > 0, ~self._guarded)
        return xp.where(filled, scaled, number(0.0))

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        (x,) = inputs
        return self._scaled(ops, x, lambda values: ops.cast(np.array(values), x.dtype))

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (x,) = inputs
        return np.asarray(self._scaled(np, x, lambda values: np.array(values, x.dtype)))

    def grid(self, *inputs: Grid) -> Grid:
        chosen = inputs[0].map(lambda part: part[list(self.columns)])
        offsets = np.array(self.offsets)
        low, high = (chosen.low - offsets) * self.steps, (chosen.high - offsets) * self.steps
        step = np.minimum(chosen.step, _last_bits(offsets, chosen.step)) * self.steps
        # Zero is there where a slot is empty, and in any case harmless.
        return Grid(step, np.minimum(low, 0), np.maximum(high, 0))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        scaled = []
        for column, offset, shift, guard in zip(
            self.columns, self.offsets, self.shifts, self.guards, strict=True
        ):
            value = (x[column] - offset) * 2.0**-shift
            if guard != NO_GUARD:
                # Above zero is a step at least.
                value = where_negative(x[guard] - self.input_formats[0].step, 0.0, value)
            scaled.append(value)
        return type(x)(np.array(scaled))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        constants = {
            "columns": np.array(self.columns, np.float64),
            "offsets": np.array(self.offsets, np.float64),
            "factors": self.steps,
            "guards": np.array(self.guards, np.float64),
        }
        config = {"n_out": len(self.columns)}
        return self._call("scale_inputs", out, constants=constants, config=config)

    def count(self, at: Place) -> Counted:
        """A subtraction where there is an offset; a comparison and a choice where a guard."""
        columns = list(self.columns)
        moved, bits = np.array(self.offsets) != 0, at.x.bits[columns]
        logic = Logic(
            adder_bits=float((bits * moved).sum() + (bits * self._guarded).sum()),
            saturation_bits=float((bits * self._guarded).sum()),
        )
        return logic, at.x.depth[columns] + (moved | self._guarded)

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        ((n_values,),) = shapes
        kept = np.zeros(n_values, bool)
        for column, guard, is_live in zip(self.columns, self.guards, out, strict=True):
            if is_live:
                kept[[column] if guard == NO_GUARD else [column, guard]] = True
        return [kept]


def _last_bits(numbers: np.ndarray, at_most: np.ndarray) -> np.ndarray:
    """The worth of the last bit of each number that is not zero, `at_most` so much."""
    found = np.array(at_most, float)
    for index, number in enumerate(numbers):
        # float64 holds each number in 53 bits, so that this ends.
        while number % found[index]:
            found[index] /= 2
    return found
