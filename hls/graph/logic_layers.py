"""Layers of the trigger graph around the network: inputs, scaling, tables, scores, decision.

Each computes the same function three times: in Keras (`call`); in NumPy, exactly (`exact`), which
is the reference that Keras and firmware are compared with; and on da4ml's symbolic fixed-point
variables (`trace`), from which RTL is written. `grid` says which values can come out. The values
are fixed-point numbers; what may need more bits than float32 has is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hls.graph.grid import EXACT_FLOAT64, Grid
from hls.graph.refusal import Refusal
from hls.graph.symbolic import looked_up, where_negative
from keras_ae.data.scaling import FEATURES, L1Scaler
from keras_ae.fixed_point import FixedPointFormat


@keras.saving.register_keras_serializable("hls")
class HardwareInput(keras.layers.InputLayer):
    """An input of the trigger: fixed-point numbers of a stated format, (batch, *shape)."""

    def __init__(self, shape: Sequence[int], input_format: str, **kwargs: Any) -> None:
        form = FixedPointFormat.parse(input_format)
        super().__init__(
            shape=tuple(shape), dtype="float32" if form.width <= 24 else "float64", **kwargs
        )
        self.input_format = form

    def get_config(self) -> dict[str, Any]:
        return {
            "shape": list(self.output.shape[1:]),
            "input_format": str(self.input_format),
            "name": self.name,
        }


class LogicLayer(keras.layers.Layer):
    """A layer without weights, of inputs of known formats, to become combinational logic."""

    #: Whether `call` computes in float32; else in float64.
    in_float32 = False

    def __init__(self, input_formats: Sequence[str], **kwargs: Any) -> None:
        # Keras would cast a float64 score back to float32.
        super().__init__(autocast=False, **kwargs)
        self.input_formats = tuple(FixedPointFormat.parse(form) for form in input_formats)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        """The layer's function on arrays (events, ...), of a type in which it is exact."""
        raise NotImplementedError

    def grid(self, *inputs: Grid) -> Grid:
        """Which values the layer gives for values of `inputs`."""
        raise NotImplementedError

    def trace(self, *inputs: Any) -> Any:
        """The layer's function on da4ml FixedVariableArrays of one event, (n,) -> (m,)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "input_formats": [str(form) for form in self.input_formats]}


@keras.saving.register_keras_serializable("hls")
class ScaleObjects(LogicLayer):
    """`L1Scaler` as a layer: integers (batch, 57) -> network inputs (batch, 57)."""

    in_float32 = True

    def __init__(self, offset: list[int], shift: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scaler = L1Scaler(tuple(offset), tuple(shift))

    @property
    def steps(self) -> np.ndarray:
        """2^-shift of each feature."""
        return 2.0 ** -np.array(self.scaler.shift)

    def call(self, integers: Any) -> Any:
        offset = np.array(self.scaler.offset, np.float32)
        filled = ops.repeat(integers[:, :: len(FEATURES)] > 0, len(FEATURES), axis=1)
        kept = ops.logical_or(filled, offset == 0)
        return ops.where(kept, (integers - offset) * self.steps.astype(np.float32), 0.0)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (integers,) = inputs
        steps = self.steps.astype(integers.dtype)
        if not any(self.scaler.offset):
            return integers * steps
        offset = np.array(self.scaler.offset, integers.dtype)
        filled = np.repeat(integers[:, :: len(FEATURES)] > 0, len(FEATURES), axis=1)
        return (integers - offset) * steps * (filled | (offset == 0))

    def grid(self, *inputs: Grid) -> Grid:
        (integers,) = inputs
        offset = np.array(self.scaler.offset)
        low, high = (integers.low - offset) * self.steps, (integers.high - offset) * self.steps
        return Grid(self.steps * integers.step, np.minimum(low, 0), np.maximum(high, 0))

    def trace(self, *inputs: Any) -> Any:
        (integers,) = inputs
        scaled = []
        for index, (offset, shift) in enumerate(
            zip(self.scaler.offset, self.scaler.shift, strict=True)
        ):
            value = (integers[index] - offset) * 2.0**-shift
            if offset:
                pt = integers[index - index % len(FEATURES)]
                value = where_negative(pt - 1, 0.0, value)
            scaled.append(value)
        return type(integers)(np.array(scaled))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "offset": list(self.scaler.offset),
            "shift": list(self.scaler.shift),
        }


#: 4096 entries: what vendor HLS unrolls.
MAX_TABLE_BITS = 12

#: What a `LookupTable` can hold.
TABLE_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "exp(-x)": lambda x: np.exp(-x),
    "exp(x)-1-x": lambda x: np.expm1(x) - x,
}


@keras.saving.register_keras_serializable("hls")
class LookupTable(LogicLayer):
    """A function of one variable, read from a table with an entry for each value of its input.

    Args:
        function: one of `TABLE_FUNCTIONS`.
        max_error: the largest distance between an entry and the function; decides the last bit of
            the entries, `output_format`.
    """

    def __init__(self, function: str, max_error: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.max_error = max_error
        (form,) = self.input_formats
        if form.width > MAX_TABLE_BITS:
            raise Refusal(
                self.name,
                f"argument of a table of {function} must have at most {MAX_TABLE_BITS} bits",
                form,
                "use a narrower format there, or a score without table",
            )
        # Rounding errs by half a step.
        self._step = 2.0 ** math.floor(math.log2(2 * max_error))
        arguments = form.low + form.step * np.arange(2**form.width)
        # What overflows is refused below.
        with np.errstate(over="ignore"):
            values = TABLE_FUNCTIONS[function](arguments)
            #: By increasing argument.
            self.entries = np.rint(values / self._step) * self._step
        if self.entries.max() / self._step > EXACT_FLOAT64:
            raise Refusal(
                self.name,
                f"entries of a table of {function} must stay within 2^53 units of their last bit",
                f"{self.entries.max():.3g} in units of {self._step:g} for an argument in {form}",
                "use fewer integer bits there, or a larger table_error",
            )

    @property
    def output_format(self) -> FixedPointFormat:
        """The narrowest that holds every entry."""
        return self.grid(Grid.of(self.input_formats[0], (1,))).format

    def call(self, x: Any) -> Any:
        (form,) = self.input_formats
        # Where Keras rounds sums that are too wide for float32, x may come out beyond its format.
        index = ops.clip(ops.cast((x - form.low) / form.step, "int32"), 0, len(self.entries) - 1)
        return ops.take(ops.convert_to_tensor(self.entries, "float64"), index)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (form,) = self.input_formats
        index: np.ndarray = (inputs[0] - form.low) / form.step
        return np.asarray(self.entries[index.astype(np.int64)])

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

        return type(x)(np.array([look_up(variable) for variable in x]))

    def grid(self, *inputs: Grid) -> Grid:
        # Equal for each value: one table serves all.
        shape = inputs[0].shape
        low, high = self.entries.min(), self.entries.max()
        return Grid(np.full(shape, self._step), np.full(shape, low), np.full(shape, high))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "function": self.function, "max_error": self.max_error}


@keras.saving.register_keras_serializable("hls")
class AboveThreshold(LogicLayer):
    """The trigger bit: 1 where score > threshold, else 0; (batch, 1) -> (batch, 1).

    Args:
        threshold: of the score, rounded down to the score's grid.
        from_input: it is the second input of the layer, and `threshold` what belongs there.
    """

    def __init__(self, threshold: float, from_input: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        step = self.input_formats[0].step
        self.threshold = math.floor(threshold / step) * step
        self.from_input = from_input

    def call(self, inputs: Any) -> Any:
        score, threshold = inputs if self.from_input else (inputs, self.threshold)
        # Not ops.cast, which takes a Python number through float32.
        limit = ops.convert_to_tensor(threshold, "float64")
        above = ops.cast(score, "float64") > limit
        return ops.cast(above, "float32")

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        threshold = inputs[1] if self.from_input else self.threshold
        return (inputs[0] > threshold).astype(np.float64)

    def grid(self, *inputs: Grid) -> Grid:
        return Grid(np.ones(1), np.zeros(1), np.ones(1))

    def trace(self, *inputs: Any) -> Any:
        threshold = inputs[1][0] if self.from_input else self.threshold
        above = where_negative(threshold - inputs[0][0], 1.0, 0.0)
        return type(inputs[0])(np.array([above]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "from_input": self.from_input,
        }
