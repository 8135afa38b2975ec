"""Layers of the trigger graph around the network: scaling, tables, scores, decision.

What may need more bits than float32 has is computed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Layer
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
        self.require(
            len(self.input_formats) == self.n_inputs,
            f"input_formats must be {self.n_inputs}, one for each input",
            len(self.input_formats),
            "give one for each",
        )
        # Which values come in; how they were rounded is no matter here.
        object.__setattr__(self, "input_formats", tuple(f.values for f in self.input_formats))

    def grid_in_graph(self, *inputs: Grid) -> Grid:
        """Of all values of its formats.

        Raises:
            Refusal: values come in that a format does not hold.
        """
        for form, x in zip(self.input_formats, inputs, strict=True):
            fine = float(np.min(x.step)) >= form.step
            self.require(
                fine and x.low.min() >= form.low and x.high.max() <= form.high,
                f"input_formats must hold what comes in, numbers of {x.format}",
                form,
                "give the format of the layer before",
            )
        return self.traced_grid(*inputs)

    def traced_grid(self, *inputs: Grid) -> Grid:
        grids = (Grid.of(form, x.shape) for form, x in zip(self.input_formats, inputs, strict=True))
        return self.grid(*grids)

    def _call(self, function: str, out: Grid, **more: Any) -> CppForm:
        """Of a function of `nnet_trigger.h`."""
        constants = more.pop("constants", {})
        attributes = {"function": function, "output_kif": out.kif, **more}
        return CppForm("TriggerLogic", attributes, constants)
