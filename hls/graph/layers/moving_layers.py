"""Layers that move, join or repeat values, and compute nothing.

Arrays of images are (events, rows, columns, channels).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register, require_image
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class MovingLayer(Layer):
    """Each value of the output is one of the inputs', or zero."""

    @abstractmethod
    def moved(self, *inputs: Any) -> Any:
        """The function on arrays of one event."""

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        return x.map(self.moved)

    def trace(self, *inputs: Any) -> Any:
        return self.moved(*inputs)

    def count(self, at: Place) -> Counted:
        return Logic(), np.asarray(self.moved(*(x.depth for x in at.inputs)))

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        # Numbers of the values from 1; zero stands for padding.
        ends = np.cumsum([0, *map(math.prod, shapes)])
        numbers = [
            np.arange(start, start + math.prod(shape)).reshape(shape) + 1
            for start, shape in zip(ends[:-1], shapes, strict=True)
        ]
        kept = np.zeros(ends[-1] + 1, bool)
        kept[self.moved(*numbers)[out]] = True
        return [kept[part] for part in numbers]


@register("keras.layers.Reshape", "keras.layers.Flatten", "keras.src.ops.numpy.Reshape")
@dataclass(frozen=True, eq=False)
class Reshape(MovingLayer):
    """The same values in another shape."""

    shape: tuple[int, ...]

    only_reshapes: ClassVar[bool] = True

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Self:
        from hls.graph.keras_options import require_options

        if hasattr(layer, "data_format"):
            require_options(layer, data_format="channels_last")
        return cls(tuple(layer.output.shape[1:]), name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls((2, 3, 1)), ((FixedPointFormat(6, 2), (6,)),)),)

    def to_keras(self) -> keras.Layer:
        import keras

        return keras.layers.Reshape(self.shape, name=self.name)

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        same = math.prod(x.shape) == math.prod(self.shape)
        self.require(
            same,
            f"shape {self.shape} must have as many values as the input",
            x.shape,
            "choose another",
        )

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0].reshape(len(inputs[0]), *self.shape)

    def moved(self, *inputs: Any) -> Any:
        return inputs[0].reshape(self.shape)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        return CppForm("Reshape", {"target_shape": list(self.shape)})


@register("keras.layers.Concatenate", "keras.src.ops.numpy.Concatenate")
@dataclass(frozen=True, eq=False)
class Concatenate(MovingLayer):
    """The inputs one behind the other along the last axis."""

    n_inputs: ClassVar[int | None] = None
    joins_pairs: ClassVar[bool] = True

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Self:
        from hls.graph.keras_options import require_last_axis

        require_last_axis(layer)
        return cls(name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        formats = FixedPointFormat(6, 2), FixedPointFormat(5, 3, signed=False)
        inputs = tuple((form, (n,)) for n, form in enumerate(formats, start=2))
        return (Example(cls(), inputs),)

    def check_inputs(self, *inputs: Grid) -> None:
        shapes = [x.shape for x in inputs]
        same = len({shape[:-1] for shape in shapes}) == 1
        self.require(same, "inputs must have equal sizes but the last", shapes, "reshape them")

    def to_keras(self) -> keras.Layer:
        import keras

        return keras.layers.Concatenate(name=self.name)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return np.concatenate(inputs, axis=-1)

    def moved(self, *inputs: Any) -> Any:
        return np.concatenate(inputs, axis=-1)

    def grid(self, *inputs: Grid) -> Grid:
        step, low, high = (
            np.concatenate([getattr(x, name) for x in inputs], axis=-1)
            for name in ("step", "low", "high")
        )
        return Grid(step, low, high)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        two = len(inputs) == 2
        self.require(two, "inputs in C++ must be two", len(inputs), "join two, then the next")
        shape = list(out.shape)
        attributes = {"output_shape": shape, "axis": -1, "op": f"Concatenate{len(shape)}d"}
        return CppForm("Concatenate", attributes)


@register("keras.layers.UpSampling2D", "keras.layers.UpSampling1D")
@dataclass(frozen=True, eq=False)
class UpSampling(MovingLayer):
    """Each pixel `rows` x `columns` times."""

    rows: int
    columns: int

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Layer | tuple[Layer, ...]:
        """See `Layer`; one over sequences is one over images of one row."""
        from hls.graph.keras_options import require_options

        # A sequence is repeated alone, without a choice.
        if not hasattr(layer, "interpolation"):
            before, after = (part.shape[1:] for part in (layer.input, layer.output))
            inside = cls(1, layer.size, name=f"{layer.name}_row")
            return in_rows(inside, before, after, layer.name)
        require_options(layer, interpolation="nearest", data_format="channels_last")
        return cls(*layer.size, name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(2, 1), ((FixedPointFormat(6, 2), (2, 2, 1)),)),)

    def to_keras(self) -> keras.Layer:
        import keras

        return keras.layers.UpSampling2D((self.rows, self.columns), name=self.name)

    def check_inputs(self, *inputs: Grid) -> None:
        require_image(self, *inputs)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self.moved(*inputs))

    def moved(self, *inputs: Any) -> Any:
        return np.repeat(np.repeat(inputs[0], self.rows, axis=-3), self.columns, axis=-2)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        # hls4ml's own resizing wants one type before and behind, which fusing a quantizer parts.
        height, width, n_channels = inputs[0].shape
        sizes = {"height": height, "width": width, "n_channels": n_channels}
        sizes |= {"rows": self.rows, "columns": self.columns}
        # Where each value comes from, and with it its bits.
        sources = self.moved(np.arange(math.prod(inputs[0].shape)).reshape(inputs[0].shape))
        attributes = {"function": "upsample", "config": sizes, "sources": sources}
        return CppForm("TriggerLogic", attributes)


@register("keras.layers.ZeroPadding2D", "keras.layers.ZeroPadding1D")
@dataclass(frozen=True, eq=False)
class ZeroPadding(MovingLayer):
    """Zeros around an image: before and behind the rows and the columns."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Layer | tuple[Layer, ...]:
        """See `Layer`; one around sequences is one around images of one row."""
        from hls.graph.keras_options import require_options

        require_options(layer, data_format="channels_last")
        if np.ndim(layer.padding) == 1:
            before, after = (part.shape[1:] for part in (layer.input, layer.output))
            inside = cls((0, 0), tuple(layer.padding), name=f"{layer.name}_row")
            return in_rows(inside, before, after, layer.name)
        return cls(*map(tuple, layer.padding), name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls((1, 0), (0, 2)), ((FixedPointFormat(6, 2), (2, 2, 1)),)),)

    def to_keras(self) -> keras.Layer:
        import keras

        return keras.layers.ZeroPadding2D((self.rows, self.columns), name=self.name)

    @property
    def _padding(self) -> list[tuple[int, int]]:
        return [self.rows, self.columns, (0, 0)]

    def check_inputs(self, *inputs: Grid) -> None:
        require_image(self, *inputs)

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return np.pad(inputs[0], [(0, 0), *self._padding])

    def moved(self, *inputs: Any) -> Any:
        return np.pad(inputs[0], self._padding)

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        step = np.pad(x.step, self._padding, constant_values=float(x.step.max()))
        return Grid(step, self.moved(x.low), self.moved(x.high), x.largest_sum)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        (x,) = inputs
        return CppForm(
            "ZeroPadding2D",
            {
                "data_format": "channels_last",
                "in_height": x.shape[0],
                "in_width": x.shape[1],
                "out_height": out.shape[0],
                "out_width": out.shape[1],
                "n_chan": x.shape[2],
                "pad_top": self.rows[0],
                "pad_bottom": self.rows[1],
                "pad_left": self.columns[0],
                "pad_right": self.columns[1],
            },
        )


def in_rows(
    layer: Layer, before: Sequence[int], after: Sequence[int], name: str
) -> tuple[Layer, ...]:
    """A layer of images on sequences (length, channels), which are images of one row.

    Args:
        layer: on (1, length, channels).
        before: shape of the sequence that comes in.
        after: shape of what goes out.
        name: of the last layer of the chain.
    """
    return (
        Reshape((1, *before), name=f"{name}_in_a_row"),
        layer,
        Reshape(tuple(after), name=name),
    )
