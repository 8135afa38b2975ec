"""The decision: a score against its threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Place, register
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.symbolic import is_negative
from keras_ae.fixed_point import FixedPointFormat

#: Of the trigger's bit and its threshold; others are these and `_NAME`.
TRIGGER, THRESHOLD = "trigger", "threshold"


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

    @property
    def n_inputs(self) -> int:  # type: ignore[override]
        """The score, and the threshold where that is an input."""
        return 1 + self.from_input

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            isinstance(self.threshold, int | float) and math.isfinite(self.threshold),
            "threshold must be a finite number",
            self.threshold,
            "set it on scores of background",
        )
        form = self.input_formats[-1]
        step = self.input_formats[0].step
        object.__setattr__(self, "threshold", math.floor(self.threshold / step) * step)
        self.require(
            not self.from_input or form.low <= self.threshold <= form.high,
            f"threshold must be a value of its port, {form.low:g} to {form.high:g}",
            self.threshold,
            "set it on scores of background",
        )

    def check_inputs(self, *inputs: Grid) -> None:
        shapes = [x.shape for x in inputs]
        rule = "score and threshold must be one number an event, of shape (1,)"
        self.require(set(shapes) == {(1,)}, rule, shapes, "let a score stand before it")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        form = FixedPointFormat(7, 4)
        return tuple(
            Example(cls(1.3, from_input, input_formats=(form,) * n), ((form, (1,)),) * n)
            for n, from_input in enumerate((False, True), start=1)
        )

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
        above = is_negative(threshold - inputs[0][0])
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
        return Logic(adder_bits=float(at.x.bits.sum())), at.x.depth + 1

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out for _ in shapes]
