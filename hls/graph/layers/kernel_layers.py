"""Layers of weights: sums of products; the dense one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register
from hls.graph.layers.rectifier import activation_layers
from hls.graph.quantized_weights import QuantizedWeights
from hls.graph.shift_add import EXTRA_LEVELS, enclosed_bits, shared_fraction, signed_digits
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class KernelLayer(Layer):
    """Kernel (..., outputs) and bias (outputs,) as trained, and the formats they are rounded to."""

    kernel: np.ndarray
    kernel_format: FixedPointFormat
    bias: np.ndarray | None = None
    bias_format: FixedPointFormat | None = None

    has_kernel: ClassVar[bool] = True
    #: Of the kernel, the last of which is of the outputs.
    n_axes: ClassVar[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            (self.bias is None) == (self.bias_format is None),
            "bias and bias_format must be given together",
            "one of them",
            "give both or none",
        )
        shape = self.kernel.shape
        self.require(
            len(shape) == self.n_axes and min(shape) > 0,
            f"kernel must have {self.n_axes} axes, none of them empty",
            shape,
            "give one as Keras has it",
        )
        for name, values in (("kernel", self.kernel), ("bias", self.bias)):
            if values is not None:
                self.require(
                    values.dtype.kind in "fiub" and bool(np.isfinite(values).all()),
                    f"{name} must hold finite real numbers",
                    f"others, of type {values.dtype}",
                    "train it again",
                )
        self.require(
            self.bias is None or self.bias.shape == shape[-1:],
            f"bias must be one number for each of {shape[-1]} outputs",
            None if self.bias is None else self.bias.shape,
            "give so many",
        )

    @cached_property
    def weights(self) -> QuantizedWeights:
        """In fixed point."""
        return QuantizedWeights.of(self.kernel, self.kernel_format, self.bias, self.bias_format)

    @property
    def keras_weights(self) -> list[np.ndarray]:
        return [self.kernel] if self.bias is None else [self.kernel, self.bias]

    @abstractmethod
    def _terms(self, x: np.ndarray) -> np.ndarray:
        """The terms of each sum, (places, terms), of values in the shape of one event."""

    def _cpp(self, kind: str, attributes: dict[str, Any]) -> CppForm:
        use_bias = self.bias is not None
        return CppForm(
            kind,
            {"data_format": "channels_last", "use_bias": use_bias, **attributes},
            {"weight": self.weights.kernel, "bias": self.weights.bias},
        )

    def count(self, at: Place) -> Counted:
        weights = self.weights
        bits, depth = (self._terms(part) for part in (at.x.bits, at.x.depth))
        digits, live = signed_digits(weights.units), bits > 0
        needed = at.out.bits.reshape(len(bits), -1)  # (places, outputs)
        n_terms = np.where(needed > 0, live @ digits, 0)
        n_adders = np.maximum(n_terms - 1, 0)
        # A sum of two is a bit wider than its terms; in a tree that makes two bits on average.
        tree = ((bits + 2) * live) @ digits * n_adders / np.maximum(n_terms, 1)
        shared = shared_fraction(digits * (needed > 0).any(0), weights.units)
        logic = Logic(
            ebops=int(((bits @ enclosed_bits(weights.units)) * (needed > 0)).sum()),
            n_adders=int(n_adders.sum()),
            tree_bits=float(tree.sum()),
            shared_bits=float(tree.sum()) * shared,
            rounding_bits=float((needed * (weights.bias != 0)).sum()),
        )
        # The shallowest tree takes what is there first at first.
        levels = np.log2(np.maximum((live * 2.0**depth) @ digits, 1))
        extra = EXTRA_LEVELS * np.log2(np.maximum(n_terms, 1)) + (weights.bias != 0)
        return logic, (np.ceil(levels - 1e-9) + extra).reshape(at.out.bits.shape)

    def traced_grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        low, high = self._terms(x.low), self._terms(x.high)
        return self.weights.with_intervals_of_digits(self.grid(x), low, high)


@register("keras_ae.precision.QDense")
@dataclass(frozen=True, eq=False)
class Dense(KernelLayer):
    """x @ kernel + bias: (events, n) -> (events, m)."""

    n_axes: ClassVar[int] = 2

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> tuple[Layer, ...]:
        from hls.graph.keras_options import weights_of

        activation = activation_layers(layer)
        return cls(*weights_of(layer), name=name_before(activation, layer)), *activation

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        kernel = np.array([[0.7, -1.3], [0.2, 0.4], [-0.1, 1.9]], np.float32)
        weight, bias = FixedPointFormat(6, 2), FixedPointFormat(5, 3)
        values = np.array([0.6, -2.1], np.float32)
        # Also cut, and without a sign: what is negative wraps.
        others = tuple(map(FixedPointFormat.parse, ("fixed<6,2,TRN>", "ufixed<5,3,TRN,WRAP>")))
        layers = (
            cls(kernel, weight, values, bias),
            cls(kernel, weight),
            cls(kernel, others[0], values, others[1]),
        )
        return tuple(Example(layer, ((FixedPointFormat(7, 3), (3,)),)) for layer in layers)

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        rule = f"input must have the shape of the kernel's, ({len(self.kernel)},)"
        self.require(x.shape == self.kernel.shape[:1], rule, x.shape, "flatten images before it")

    def to_keras(self) -> keras.Layer:
        from keras_ae.precision import dense_layer

        units = self.kernel.shape[-1]
        return dense_layer(units, self.kernel_format, self.bias_format, name=self.name)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (x,) = inputs
        y: np.ndarray = x @ self.weights.kernel.astype(x.dtype)
        y += self.weights.bias.astype(x.dtype)
        return y

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        shape = (*x.shape[:-1], self.kernel.shape[-1])
        return self.weights.sum_grid(x.step, x.low, x.high, shape)

    def trace(self, *inputs: Any) -> Any:
        return inputs[0] @ self.weights.kernel + self.weights.bias

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        n_in, n_out = self.kernel.shape
        return self._cpp("Dense", {"n_in": n_in, "n_out": n_out})

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [(self.weights.kernel != 0) @ out > 0]

    def _terms(self, x: np.ndarray) -> np.ndarray:
        return x[None]


def name_before(activation: Sequence[Layer], layer: keras.Layer) -> str:
    """Of the sums of a layer of Keras whose activation, if it has one, has the layer's name."""
    return f"{layer.name}_linear" if activation else str(layer.name)
