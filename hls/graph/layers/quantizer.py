"""The layer that rounds numbers to a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register
from hls.graph.symbolic import LUT_INPUTS, rounded
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras


@register("keras_ae.precision.QActivation")
@dataclass(frozen=True, eq=False)
class Quantizer(Layer):
    """Rounds half to even, with saturation; of an unsigned format it is a rectifier, too."""

    form: FixedPointFormat

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Self:
        from hls.graph.keras_options import exact_format

        return cls(exact_format(layer, "output", layer.activation), name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        # With a sign, as a rectifier, and of one bit.
        forms = FixedPointFormat(5, 2), FixedPointFormat(4, 3, False), FixedPointFormat(1, 1, False)
        return tuple(Example(cls(form), ((FixedPointFormat(9, 4), (4,)),)) for form in forms)

    def to_keras(self) -> keras.Layer:
        from keras_ae.precision import quantizing_layer

        return quantizing_layer(self.form, self.name)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        form = self.form
        y: np.ndarray = inputs[0] * (1 / form.step)
        np.rint(y, out=y)
        np.clip(y, form.low / form.step, form.high / form.step, out=y)
        y *= form.step
        return y

    def grid(self, *inputs: Grid) -> Grid:
        return inputs[0].take(self.form)

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        return type(x)(np.array([rounded(v, self.form) for v in x.ravel()]).reshape(x.shape))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        # As many axes as the input, and the batch.
        ones = (1,) * (len(out.shape) + 1)
        # A ReLU needs no node of its own: saturation at the lower end of ufixed is one.
        return CppForm(
            "FixedPointQuantizer",
            {
                "mask_kbi": tuple(
                    np.full(ones, value, np.int16)
                    for value in (int(self.form.signed), self.form.width, self.form.integer)
                ),
                "RND": "RND_CONV",
                "SAT": "SAT",
                "fusible": None,
                "overrides": {},
            },
        )

    def count(self, at: Place) -> Counted:
        """Half a step more, and a table for ties; what saturates is multiplexed."""
        form, x, width = self.form, at.x.grid, at.out.bits
        live = width > 0
        n_dropped = x.kif[2] - form.fractional
        rounds = live & (n_dropped > 0)
        saturates = live & ((x.low < form.low) | (x.high > form.high))
        ends = saturates & form.signed & (x.low < form.low) & (x.high > form.high)
        logic = Logic(
            rounding_bits=float((at.x.bits * rounds).sum()),
            saturation_bits=float((width * saturates).sum() + (width * ends).sum()),
            table_luts=float(rounds.sum() + saturates.sum()),
        )
        # Half a step is added with the bias, where there is one.
        alone = rounds & (not at.from_kernel)
        ties = rounds * (1 + (n_dropped >= LUT_INPUTS))
        return logic, at.x.depth + alone + np.maximum(ties, saturates) + saturates

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out]
