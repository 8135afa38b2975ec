"""Sums and differences of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register
from hls.graph.layers.rescaling import Rescaling
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class _OfTwo(Layer):
    """A function of two tensors of one shape, element by element."""

    n_inputs: ClassVar[int | None] = 2
    #: Of Keras' layer.
    kind: ClassVar[str]
    #: In `nnet_trigger.h`.
    function: ClassVar[str]
    #: The second operand counts with it.
    sign: ClassVar[int]

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Layer:
        """See `Layer`; of an operator with a constant `Rescaling`."""
        from hls.graph.keras_options import constant_of, operands_of

        constants = [constant_of(layer, part) for part in operands_of(layer)]
        if not any(part is not None for part in constants):
            return cls(name=layer.name)
        first, second = constants
        if first is not None:
            return Rescaling(np.array([cls.sign]), first, name=layer.name)
        return Rescaling(np.ones(1), cls.sign * np.asarray(second), name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        forms = FixedPointFormat(6, 3), FixedPointFormat(7, 2, signed=False)
        return tuple(
            Example(cls(), tuple((form, shape) for form in forms)) for shape in ((4,), (2, 2, 3))
        )

    def check_inputs(self, *inputs: Grid) -> None:
        shapes = [x.shape for x in inputs]
        rule = "inputs must have one shape"
        self.require(len(set(shapes)) == 1, rule, shapes, "reshape or repeat one of them")

    def to_keras(self) -> keras.Layer:
        import keras

        return getattr(keras.layers, self.kind)(name=self.name)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        x, y = inputs
        return np.asarray(x + self.sign * y)

    def grid(self, *inputs: Grid) -> Grid:
        x, y = inputs
        ends = np.sort([self.sign * y.low, self.sign * y.high], axis=0)
        low, high = x.low + ends[0], x.high + ends[1]
        return Grid(np.minimum(x.step, y.step), low, high)

    def trace(self, *inputs: Any) -> Any:
        x, y = inputs
        return x + y if self.sign > 0 else x - y

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        attributes = {"function": self.function, "output_kif": out.kif}
        return CppForm("TriggerLogic", attributes)

    def count(self, at: Place) -> Counted:
        x, y = at.inputs
        both = (x.bits > 0) & (y.bits > 0)
        return Logic(adder_bits=float((at.out.bits * both).sum())), np.maximum(
            x.depth, y.depth
        ) + both

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out, out]


@register("keras.layers.Add", "keras.src.ops.numpy.Add")
@dataclass(frozen=True, eq=False)
class Add(_OfTwo):
    """x + y."""

    kind: ClassVar[str] = "Add"
    function: ClassVar[str] = "sum_of_two"
    sign: ClassVar[int] = 1
    joins_pairs: ClassVar[bool] = True


@register("keras.layers.Subtract", "keras.src.ops.numpy.Subtract")
@dataclass(frozen=True, eq=False)
class Subtract(_OfTwo):
    """x - y."""

    kind: ClassVar[str] = "Subtract"
    function: ClassVar[str] = "difference"
    sign: ClassVar[int] = -1
