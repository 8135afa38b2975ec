"""Layers of the trigger graph around the network: scaling, tables, decision; see `score_layers`.

What may need more bits than float32 has is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from hls.graph.counting import Counted, Logic, table
from hls.graph.grid import EXACT_FLOAT64, Grid
from hls.graph.layer import CppForm, Example, Layer, Place, as_format, register
from hls.graph.refusal import Refusal
from hls.graph.symbolic import looked_up, where_negative
from keras_ae.data.scaling import FEATURES
from keras_ae.fixed_point import FixedPointFormat


@dataclass(frozen=True, eq=False)
class LogicLayer(Layer):
    """A layer without weights, of inputs of known formats, to become combinational logic.

    Which values come out follows from these formats alone, as for its C++: both give the same port.
    """

    input_formats: tuple[FixedPointFormat, ...] = field(kw_only=True)

    in_float32: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "input_formats", tuple(map(as_format, self.input_formats)))

    def grid_in_graph(self, *inputs: Grid) -> Grid:
        """Of all values of its formats.

        Raises:
            Refusal: values come in that a format does not hold.
        """
        if len(inputs) != len(self.input_formats):
            raise Refusal(
                self.name,
                f"input_formats must be one for each of {len(inputs)} inputs",
                len(self.input_formats),
                "give one for each",
            )
        for form, x in zip(self.input_formats, inputs, strict=True):
            step = float(np.min(x.step))
            if step < form.step or x.low.min() < form.low or x.high.max() > form.high:
                raise Refusal(
                    self.name,
                    f"input_formats must hold what comes in, numbers of {x.format}",
                    form,
                    "give the format of the layer before",
                )
        grids = (Grid.of(form, x.shape) for form, x in zip(self.input_formats, inputs, strict=True))
        return self.grid(*grids)

    def _call(self, function: str, out: Grid, **more: Any) -> CppForm:
        """Of a function of `nnet_trigger.h`."""
        constants = more.pop("constants", {})
        attributes = {"function": function, "output_kif": out.kif, **more}
        return CppForm("TriggerLogic", attributes, constants)


@register()
@dataclass(frozen=True, eq=False)
class ScaleObjects(LogicLayer):
    """`L1Scaler` as a layer: integers (events, 57) -> network inputs (events, 57)."""

    offset: tuple[int, ...]
    shift: tuple[int, ...]

    in_float32: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Example:
        form = FixedPointFormat(8, 8)
        layer = cls((5, 0, 0) * 2, (2, 3, 3) * 2, input_formats=(form,))
        return Example(layer, ((form, (6,)),))

    @property
    def steps(self) -> np.ndarray:
        """2^-shift of each feature."""
        return 2.0 ** -np.array(self.shift)

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        (integers,) = inputs
        offset = np.array(self.offset, np.float32)
        filled = ops.repeat(integers[:, :: len(FEATURES)] > 0, len(FEATURES), axis=1)
        kept = ops.logical_or(filled, offset == 0)
        return ops.where(kept, (integers - offset) * self.steps.astype(np.float32), 0.0)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (integers,) = inputs
        steps = self.steps.astype(integers.dtype)
        if not any(self.offset):
            return np.asarray(integers * steps)
        offset = np.array(self.offset, integers.dtype)
        filled = np.repeat(integers[:, :: len(FEATURES)] > 0, len(FEATURES), axis=1)
        return np.asarray((integers - offset) * steps * (filled | (offset == 0)))

    def grid(self, *inputs: Grid) -> Grid:
        (integers,) = inputs
        offset = np.array(self.offset)
        low, high = (integers.low - offset) * self.steps, (integers.high - offset) * self.steps
        return Grid(self.steps * integers.step, np.minimum(low, 0), np.maximum(high, 0))

    def trace(self, *inputs: Any) -> Any:
        (integers,) = inputs
        scaled = []
        for index, (offset, shift) in enumerate(zip(self.offset, self.shift, strict=True)):
            value = (integers[index] - offset) * 2.0**-shift
            if offset:
                pt = integers[index - index % len(FEATURES)]
                value = where_negative(pt - 1, 0.0, value)
            scaled.append(value)
        return type(integers)(np.array(scaled))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        constants = {"offsets": np.array(self.offset, np.float64), "factors": self.steps}
        config = {"slot_size": len(FEATURES)}
        return self._call("scale_objects", out, constants=constants, config=config)

    def count(self, at: Place) -> Counted:
        """Where there is an offset: a subtraction, a comparison of pT, and zero for empty slots."""
        shifted = np.array(self.offset) != 0
        bits = float((at.x.bits * shifted).sum())
        return Logic(adder_bits=2 * bits, saturation_bits=bits), at.x.depth + shifted

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out]


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
    def example(cls) -> Example:
        form = FixedPointFormat(6, 2)
        return Example(cls("exp(-x)", 2.0**-5, input_formats=(form,)), ((form, (3,)),))

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
        return table(at.x.bits, self.output_format.width, at.x.depth)

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out]


@register()
@dataclass(frozen=True, eq=False)
class AboveThreshold(LogicLayer):
    """The trigger bit: 1 where score > threshold, else 0; (events, 1) -> (events, 1).

    Args:
        threshold: of the score, rounded down to the score's grid.
        from_input: it is the second input of the layer, and `threshold` what belongs there.
    """

    threshold: float
    from_input: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        step = self.input_formats[0].step
        object.__setattr__(self, "threshold", math.floor(self.threshold / step) * step)

    @classmethod
    def example(cls) -> Example:
        form = FixedPointFormat(7, 4)
        return Example(cls(1.3, input_formats=(form,)), ((form, (1,)),))

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        threshold = inputs[1] if self.from_input else self.threshold
        # Not ops.cast, which takes a Python number through float32.
        limit = ops.convert_to_tensor(threshold, "float64")
        above = ops.cast(inputs[0], "float64") > limit
        return ops.cast(above, "float32")

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        threshold = inputs[1] if self.from_input else self.threshold
        return np.asarray(inputs[0] > threshold).astype(np.float64)

    def grid(self, *inputs: Grid) -> Grid:
        return Grid(np.ones(1), np.zeros(1), np.ones(1))

    def trace(self, *inputs: Any) -> Any:
        threshold = inputs[1][0] if self.from_input else self.threshold
        above = where_negative(threshold - inputs[0][0], 1.0, 0.0)
        return type(inputs[0])(np.array([above]))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        if self.from_input:
            return self._call("above_threshold", out)
        constants, more = {"limit": np.array([self.threshold])}, {}
        if self.threshold == 0:
            # To hls4ml zero is a number of 32 bits without a sign, than which ap_types take every
            # negative score for larger.
            more = {"constant_formats": {"limit": str(self.input_formats[0])}}
        return self._call("above_threshold", out, constants=constants, **more)

    def count(self, at: Place) -> Counted:
        return Logic(adder_bits=float(at.x.bits.sum())), at.x.depth + 1 + self.from_input

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out for _ in shapes]
