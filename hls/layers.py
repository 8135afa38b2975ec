"""Layers of the trigger graph around the network: scaling, score, decision.

Each computes in Keras (`call`) and, for firmware, traces the same arithmetic on da4ml's symbolic
fixed-point variables (`trace`), from which C++ and RTL are written. All arithmetic is exact: the
values are fixed-point numbers that float32 represents, sums of squares are taken in float64.

Comparisons are traced as the sign of a variable minus a constant. da4ml 0.5.2 takes the sign of a
*negated* variable for the opposite of the variable's sign, which is wrong at zero.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ae.data.scaling import FEATURES, L1Scaler
from keras_ae.fixed_point import FixedPointFormat


@keras.saving.register_keras_serializable("hls")
class HardwareInput(keras.layers.InputLayer):
    """The trigger's input: integers of a stated fixed-point format, (batch, n)."""

    def __init__(self, n_features: int, input_format: str, **kwargs: Any) -> None:
        super().__init__(shape=(n_features,), **kwargs)
        self.input_format = FixedPointFormat.parse(input_format)
        self._n_features = n_features

    def get_config(self) -> dict[str, Any]:
        return {
            "n_features": self._n_features,
            "input_format": str(self.input_format),
            "name": self.name,
        }


class LogicLayer(keras.layers.Layer):
    """A layer without weights whose input has one known format, to become combinational logic."""

    def __init__(self, input_format: str, **kwargs: Any) -> None:
        # Keras would cast a float64 score back to float32.
        super().__init__(autocast=False, **kwargs)
        self.input_format = FixedPointFormat.parse(input_format)

    def trace(self, inputs: Any) -> Any:
        """The layer's function on a da4ml FixedVariableArray of one event, (n,) -> (m,)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "input_format": str(self.input_format)}


@keras.saving.register_keras_serializable("hls")
class ScaleObjects(LogicLayer):
    """`L1Scaler` as a layer: integers (batch, 57) -> network inputs (batch, 57)."""

    def __init__(self, offset: list[int], shift: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scaler = L1Scaler(tuple(offset), tuple(shift))

    def call(self, integers: Any) -> Any:
        offset = np.array(self.scaler.offset, np.float32)
        factor = 2.0 ** -np.array(self.scaler.shift, np.float32)
        filled = ops.repeat(integers[:, :: len(FEATURES)] > 0, len(FEATURES), axis=1)
        kept = ops.logical_or(filled, offset == 0)
        return ops.where(kept, (integers - offset) * factor, 0.0)

    def trace(self, inputs: Any) -> Any:
        scaled = []
        for index, (offset, shift) in enumerate(
            zip(self.scaler.offset, self.scaler.shift, strict=True)
        ):
            value = (inputs[index] - offset) * 2.0**-shift
            if offset:
                pt = inputs[index - index % len(FEATURES)]
                value = (pt - 1).msb_mux(0.0, value)
            scaled.append(value)
        return type(inputs)(np.array(scaled))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "offset": list(self.scaler.offset),
            "shift": list(self.scaler.shift),
        }


@keras.saving.register_keras_serializable("hls")
class SquaredNorm(LogicLayer):
    """sum_j x_j^2: (batch, n) -> (batch, 1) in float64."""

    def call(self, x: Any) -> Any:
        return ops.sum(ops.square(ops.cast(x, "float64")), axis=-1, keepdims=True)

    def trace(self, inputs: Any) -> Any:
        return np.sum(inputs * inputs, keepdims=True)


@keras.saving.register_keras_serializable("hls")
class SquaredError(LogicLayer):
    """sum_i w_i (x_i - y_i)^2 of x and y side by side: (batch, 2n) -> (batch, 1) in float64.

    With `masked`, w_i = 0 where x_i is zero (`likelihoods.MaskedGaussian`), else every w_i = 1.
    """

    def __init__(self, masked: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.masked = masked

    def call(self, pair: Any) -> Any:
        x, y = ops.split(ops.cast(pair, "float64"), 2, axis=-1)
        squares = ops.square(x - y)
        if self.masked:
            squares = ops.where(ops.equal(x, 0.0), 0.0, squares)
        return ops.sum(squares, axis=-1, keepdims=True)

    def trace(self, inputs: Any) -> Any:
        n_features = len(inputs) // 2
        step = self.input_format.step
        squares = []
        for x, y in zip(inputs[:n_features], inputs[n_features:], strict=True):
            difference = x - y
            if self.masked:
                difference = x.msb_mux(difference, (x - step).msb_mux(0.0, difference))
            squares.append(difference * difference)
        return np.sum(type(inputs)(np.array(squares)), keepdims=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "masked": self.masked}


@keras.saving.register_keras_serializable("hls")
class AboveThreshold(LogicLayer):
    """The trigger bit: 1 where score > threshold, else 0; (batch, 1) -> (batch, 1)."""

    def __init__(self, threshold: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def call(self, score: Any) -> Any:
        return ops.cast(score > self.threshold, "float32")

    def trace(self, inputs: Any) -> Any:
        # Not above is below the next value of the score's grid.
        step = self.input_format.step
        next_value = (np.floor(self.threshold / step) + 1) * step
        return type(inputs)(np.array([(inputs[0] - next_value).msb_mux(0.0, 1.0)]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}
