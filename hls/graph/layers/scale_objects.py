"""The scaling of trigger objects: integers -> network inputs."""

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
from keras_ae.data.scaling import FEATURES
from keras_ae.fixed_point import FixedPointFormat


@register()
@dataclass(frozen=True, eq=False)
class ScaleObjects(LogicLayer):
    """`L1Scaler` as a layer: integers (events, 57) -> network inputs (events, 57)."""

    offset: tuple[int, ...]
    shift: tuple[int, ...]

    in_float32: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        (form,) = self.input_formats
        rule = "input_formats must be of integers, of which the last bit is 1"
        self.require(form.step == 1, rule, form, "give the format of the trigger's integers")
        sizes = len(self.offset), len(self.shift)
        self.require(
            sizes[0] == sizes[1] and sizes[0] % len(FEATURES) == 0,
            f"offset and shift must be as many, {len(FEATURES)} for each object",
            sizes,
            "fit the scaler on such events",
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        form = FixedPointFormat(8, 8)
        offsets = (5, 0, 0) * 2, (0,) * 6
        layers = (cls(offset, (2, 3, 3) * 2, input_formats=(form,)) for offset in offsets)
        return tuple(Example(layer, ((form, (6,)),)) for layer in layers)

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        rule = f"input must have a number for each of {len(self.offset)} offsets"
        self.require(x.shape == (len(self.offset),), rule, x.shape, "fit the scaler on such events")

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
