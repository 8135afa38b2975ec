"""Functions of one variable, read from a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hls.graph.counting import Counted
from hls.graph.counting import table as count_table
from hls.graph.grid import EXACT_FLOAT64, Grid
from hls.graph.layer import CppForm, Example, Place, register
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.refusal import Refusal
from hls.graph.symbolic import looked_up
from keras_ae.fixed_point import FixedPointFormat

#: 4096 entries: what vendor HLS unrolls.
MAX_TABLE_BITS = 12

#: What a `LookupTable` can hold.
TABLE_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "exp(-x)": lambda x: np.exp(-x),
    "exp(x)-1-x": lambda x: np.expm1(x) - x,
}


@register()
@dataclass(frozen=True, eq=False)
class LookupTable(LogicLayer):
    """A function of one variable, read from a table with an entry for each value of its input.

    Args:
        function: one of `TABLE_FUNCTIONS`.
        max_error: the largest distance between an entry and the function; decides the last bit of
            the entries, `output_format`.
    """

    function: str
    max_error: float

    def __post_init__(self) -> None:
        super().__post_init__()
        choices = ", ".join(TABLE_FUNCTIONS)
        rule = f"function must be one of {choices}"
        self.require(self.function in TABLE_FUNCTIONS, rule, repr(self.function), "choose one")
        is_error = math.isfinite(self.max_error) and self.max_error > 0
        rule = "max_error must be a positive number"
        self.require(is_error, rule, self.max_error, "choose 2^-6")
        (form,) = self.input_formats
        if form.width > MAX_TABLE_BITS:
            raise Refusal(
                self.name,
                f"argument of a table of {self.function} must have at most {MAX_TABLE_BITS} bits",
                form,
                "use a narrower format there, or a score without table",
            )
        largest = self.entries.max() / self._step
        if largest > EXACT_FLOAT64:
            raise Refusal(
                self.name,
                f"entries of a table of {self.function} must stay within 2^53 units of their last "
                "bit",
                f"{self.entries.max():.3g} in units of {self._step:g} for an argument in {form}",
                "use fewer integer bits there, or a larger table_error",
            )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        form = FixedPointFormat(6, 2)
        layers = (cls(name, 2.0**-5, input_formats=(form,)) for name in TABLE_FUNCTIONS)
        return tuple(Example(layer, ((form, (3,)),)) for layer in layers)

    @property
    def _step(self) -> float:
        # Rounding errs by half a step.
        return float(2.0 ** math.floor(math.log2(2 * self.max_error)))

    @cached_property
    def entries(self) -> np.ndarray:
        """By increasing argument."""
        (form,) = self.input_formats
        arguments = form.low + form.step * np.arange(2**form.width)
        # What overflows is refused.
        with np.errstate(over="ignore"):
            values = TABLE_FUNCTIONS[self.function](arguments)
            return np.asarray(np.rint(values / self._step) * self._step)

    @property
    def output_format(self) -> FixedPointFormat:
        """The narrowest that holds every entry."""
        return self.grid(Grid.of(self.input_formats[0], (1,))).format

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        (x,), (form,) = inputs, self.input_formats
        # Where Keras rounds sums that are too wide for float32, x may come out beyond its format.
        index = ops.clip(ops.cast((x - form.low) / form.step, "int32"), 0, len(self.entries) - 1)
        return ops.take(ops.convert_to_tensor(self.entries, "float64"), index)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (form,) = self.input_formats
        index: np.ndarray = (inputs[0] - form.low) / form.step
        return np.asarray(self.entries[index.astype(np.int64)])

    def grid(self, *inputs: Grid) -> Grid:
        # Equal for each value: one table serves all.
        shape = inputs[0].shape
        low, high = self.entries.min(), self.entries.max()
        return Grid(np.full(shape, self._step), np.full(shape, low), np.full(shape, high))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        form = self.input_formats[0]

        def look_up(variable: Any) -> Any:
            # The part of the table that the variable can reach.
            ends = [
                round((float(end) - form.low) / form.step) for end in (variable.low, variable.high)
            ]
            stride = round(float(variable.step) / form.step) if ends[0] < ends[1] else 1
            return looked_up(variable, self.entries[ends[0] : ends[1] + 1 : stride])

        found = np.array([look_up(variable) for variable in x.ravel()])
        return type(x)(found.reshape(x.shape))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        (form,) = self.input_formats
        # In the order of the argument's bits: those with the sign bit come last.
        by_bits = np.roll(self.entries, -int(form.low / form.step) if form.signed else 0)
        return self._call(
            "look_up",
            out,
            constants={"table": by_bits},
            config={"table_size": len(by_bits)},
            index_format=str(form),
        )

    def count(self, at: Place) -> Counted:
        return count_table(at.x.bits, self.output_format.width, at.x.depth)

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out]
