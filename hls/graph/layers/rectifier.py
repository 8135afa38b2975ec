"""The rectifier without rounding, and what an activation inside a layer of Keras becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register
from hls.graph.layers.quantizer import Quantizer
from hls.graph.refusal import Refusal
from hls.graph.symbolic import where_negative
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras


@register(
    "keras.layers.ReLU",
    "keras.layers.Activation",
    # Of `keras.activations.relu` and `keras.ops.relu`; Keras has no public name for them.
    "keras.src.activations.activations.ReLU",
    "keras.src.ops.nn.Relu",
)
@dataclass(frozen=True, eq=False)
class Rectifier(Layer):
    """max(x, 0)."""

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Layer | tuple[Layer, ...]:
        """See `Layer`; of an `Activation` also a quantizer, or nothing where it is linear."""
        from hls.graph.keras_options import require_options

        if hasattr(layer, "activation"):
            return activation_layers(layer)
        if hasattr(layer, "negative_slope"):
            require_options(layer, negative_slope=0, threshold=0, max_value=None)
        return cls(name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        forms = FixedPointFormat(6, 2), FixedPointFormat(5, 3, signed=False)
        shapes = (4,), (2, 2, 2)
        return tuple(Example(cls(), ((form, s),)) for form, s in zip(forms, shapes, strict=True))

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        return ops.relu(inputs[0])

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return np.maximum(inputs[0], 0)

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        return Grid(x.step, np.maximum(x.low, 0), np.maximum(x.high, 0))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        values = [where_negative(value, 0.0, value) for value in x.ravel()]
        return type(x)(np.array(values).reshape(x.shape))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        return CppForm("TriggerLogic", {"function": "rectify", "output_kif": out.kif})

    def count(self, at: Place) -> Counted:
        """Each bit of a number that can be negative is multiplexed."""
        chooses = at.x.grid.low < 0
        bits = float((at.out.bits * chooses).sum())
        return Logic(saturation_bits=bits), at.x.depth + chooses

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out]


def activation_layers(layer: keras.Layer) -> tuple[Layer, ...]:
    """What the activation of a layer of Keras becomes, with the layer's name; none if linear.

    Raises:
        Refusal: one without an exact form.
    """
    import keras

    from hls.graph.keras_options import exact_format

    activation = layer.activation
    if activation is keras.activations.linear:
        return ()
    if activation is keras.activations.relu:
        return (Rectifier(name=layer.name),)
    name = getattr(activation, "__name__", None)
    if name in ("linear", "relu"):
        # Its name does not say what it does.
        rule, found = f"activation must be Keras' own '{name}'", "another function of that name"
        raise Refusal(layer.name, rule, found, f"give activation='{name}'")
    if name is not None:
        rule = "activation must be linear, relu or a quantizer with an exact form"
        raise Refusal(layer.name, rule, f"'{name}'", "let quantized_bits or quantized_relu follow")
    return (Quantizer(exact_format(layer, "activation", activation), name=layer.name),)
