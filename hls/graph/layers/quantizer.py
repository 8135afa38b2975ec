"""The layer that rounds numbers to a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hls.graph.counting import Counted, rounding
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register
from hls.graph.symbolic import rounded
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras

_IN_OTHER_MODES = (
    *("fixed<5,2,RND>", "fixed<5,2,TRN>", "fixed<5,3,RND_CONV,WRAP>", "fixed<5,2,RND,WRAP>"),
    *("ufixed<4,3,TRN>", "ufixed<4,3,TRN,WRAP>", "ufixed<11,7,TRN,WRAP>"),
)


@register("keras_ae.precision.QActivation")
@dataclass(frozen=True, eq=False)
class Quantizer(Layer):
    """Rounds to a format, by its modes; an unsigned one that saturates is a rectifier, too."""

    form: FixedPointFormat

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Self:
        from hls.graph.keras_options import exact_format
        from keras_ae.precision import layer_quantizer

        return cls(exact_format(layer, "output", layer_quantizer(layer)), name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        # With a sign, as a rectifier, of one bit; and in other modes: ranges that are narrower than
        # what comes in, and wider.
        texts = ("fixed<5,2>", "ufixed<4,3>", "ufixed<1,1>", *_IN_OTHER_MODES)
        return tuple(
            Example(cls(FixedPointFormat.parse(text)), ((FixedPointFormat(9, 4), (4,)),))
            for text in texts
        )

    def to_keras(self) -> keras.Layer:
        from keras_ae.precision import quantizing_layer

        return quantizing_layer(self.form, self.name)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        form = self.form
        if form.has_modes:
            return np.asarray(form.quantized(np, inputs[0]))
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
                "RND": self.form.rounding,
                "SAT": self.form.overflow,
                "fusible": None,
                "overrides": {},
            },
        )

    def count(self, at: Place) -> Counted:
        # Half a step is added with the bias, where there is one.
        return rounding(self.form, at.x, at.out.bits, alone=not at.from_kernel)

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out]
