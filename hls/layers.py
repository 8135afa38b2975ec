"""Layers of the trigger graph around the network: inputs, scaling, tables, scores, decision.

Each computes the same function three times: in Keras (`call`); in NumPy, exactly (`exact`), which
is the reference that Keras and firmware are compared with; and on da4ml's symbolic fixed-point
variables (`trace`), from which RTL is written. `grid` says which values can come out. The values
are fixed-point numbers; what may need more bits than float32 has is computed in float64.

In `trace`, comparisons are the sign of a variable minus a constant: da4ml 0.5.2 takes the sign of a
*negated* variable for the opposite of the variable's sign, which is wrong at zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hls.grid import Grid
from hls.refusal import Refusal
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
                value = (pt - 1).msb_mux(0.0, value)
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

#: float64 holds every integer up to here.
MAX_ENTRY_UNITS = 2.0**53

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
        if self.entries.max() / self._step > MAX_ENTRY_UNITS:
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

    def grid(self, *inputs: Grid) -> Grid:
        # Equal for each value: one table serves all.
        shape = inputs[0].shape
        low, high = self.entries.min(), self.entries.max()
        return Grid(np.full(shape, self._step), np.full(shape, low), np.full(shape, high))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "function": self.function, "max_error": self.max_error}


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
        return Grid(
            np.array([np.min(step)]), np.zeros(1), np.array([np.sum(high)]), float(np.sum(high))
        )


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
        return Grid(np.array([x.step.min()]), np.array([low]), np.array([high]), float(largest))

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
        return np.sum(x * x, keepdims=True)


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
        return np.sum(x * x * w, keepdims=True)


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
        return np.sum((x * x + w) * 0.5, keepdims=True)


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
                difference = x.msb_mux(difference, (x - step).msb_mux(0.0, difference))
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
        squares = [difference * difference for difference in self._differences(*inputs)]
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
            difference.msb_mux(0 - difference, difference)
            for difference in self._differences(*inputs)
        ]
        return np.sum(type(inputs[0])(np.array(absolutes)), keepdims=True)


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
        # Not above is below the next value of the score's grid.
        step = self.input_formats[0].step
        threshold = inputs[1][0] if self.from_input else self.threshold
        return type(inputs[0])(np.array([(inputs[0][0] - (threshold + step)).msb_mux(0.0, 1.0)]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "from_input": self.from_input,
        }
