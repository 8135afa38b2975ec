"""Pooling of images by maximum and by mean. Arrays are (events, rows, columns, channels)."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register, require_image
from hls.graph.layers.moving_layers import Reshape, in_rows
from hls.graph.refusal import Refusal
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Pooling(Layer):
    """Pools of `size` (height, width) lie side by side and cover the image."""

    size: tuple[int, int]

    #: hls4ml's name, and Keras'.
    kind: ClassVar[str]

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> tuple[Layer, ...]:
        """See `Layer`; pools that overlap, or leave pixels over, are refused.

        A pool over sequences is one over images of one row; a global one is as large as the image.
        """
        from hls.graph.keras_options import require_options

        require_options(layer, data_format="channels_last")
        before, after = (tuple(part.shape[1:]) for part in (layer.input, layer.output))
        is_global = not hasattr(layer, "pool_size")
        size = before[:-1] if is_global else tuple(layer.pool_size)
        if not is_global and (
            tuple(layer.strides) != size
            or any(n % pool for n, pool in zip(before, size, strict=False))
        ):
            raise Refusal(
                layer.name,
                "pools must lie side by side and cover the image",
                f"pool {size} with strides {tuple(layer.strides)} on {before[:-1]}",
                "choose a pool size that divides it",
            )
        if len(size) == 1:
            inside = cls((1, *size), name=f"{layer.name}_row")
            return in_rows(inside, before, after, layer.name)
        if len(after) == len(before):
            return (cls(size, name=layer.name),)
        return cls(size, name=f"{layer.name}_image"), Reshape(after, name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls((2, 1)), ((FixedPointFormat(6, 2), (4, 2, 1)),)),)

    def check_inputs(self, *inputs: Grid) -> None:
        require_image(self, *inputs)
        (x,) = inputs
        height, width = self.size
        self.require(
            not (x.shape[0] % height or x.shape[1] % width),
            "pools must lie side by side and cover the image",
            f"pool {self.size} on {x.shape[:2]}",
            "choose a pool size that divides it",
        )

    def to_keras(self) -> keras.Layer:
        import keras

        return getattr(keras.layers, self.kind)(self.size, name=self.name)

    @abstractmethod
    def pooled(self, x: np.ndarray) -> np.ndarray:
        """Of (events, rows, height, columns, width, channels)."""

    @property
    @abstractmethod
    def _levels_per_pixel(self) -> int:
        """Of logic, for each pixel but the first."""

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return self.pooled(self._tiled(inputs[0]))

    def grid(self, *inputs: Grid) -> Grid:
        """The widest of a pool's pixels."""
        (x,) = inputs
        tiled = x.map(lambda part: self._tiled(part[None]))
        axes = (0, 2, 4)
        step, low = tiled.step.min(axis=axes), tiled.low.min(axis=axes)
        return Grid(step, low, tiled.high.max(axis=axes), x.largest_sum)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        (x,) = inputs
        (height, width), (rows, columns, n_channels) = self.size, x.shape
        return CppForm(
            self.kind,
            {
                "data_format": "channels_last",
                "pool_height": height,
                "pool_width": width,
                "stride_height": height,
                "stride_width": width,
                "pad_top": 0,
                "pad_bottom": 0,
                "pad_left": 0,
                "pad_right": 0,
                "in_height": rows,
                "in_width": columns,
                "out_height": rows // height,
                "out_width": columns // width,
                "n_filt": n_channels,
                "n_chan": n_channels,
            },
        )

    def count(self, at: Place) -> Counted:
        n = math.prod(self.size)
        bits = float(at.x.bits.sum()) * (1 - 1 / n)
        depth = self.exact(at.x.depth[None])[0] + (n - 1) * self._levels_per_pixel
        return Logic(adder_bits=bits), depth

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        height, width = self.size
        return [out.repeat(height, axis=0).repeat(width, axis=1)]

    def _tiled(self, x: np.ndarray) -> np.ndarray:
        """(events, rows, columns, channels) with an axis for the place in the pool after each."""
        events, rows, columns, channels = x.shape
        height, width = self.size
        return x.reshape(events, rows // height, height, columns // width, width, channels)

    def _places(self, x: Any) -> list[Any]:
        """Of one event, the pixels at each place of their pools."""
        height, width = self.size
        return [x[i::height, j::width] for i in range(height) for j in range(width)]


@register(
    "keras.layers.MaxPooling2D",
    "keras.layers.MaxPooling1D",
    "keras.layers.GlobalMaxPooling2D",
    "keras.layers.GlobalMaxPooling1D",
)
@dataclass(frozen=True, eq=False)
class MaxPooling(Pooling):
    """The largest pixel of each pool."""

    kind: ClassVar[str] = "MaxPooling2D"
    #: A comparison and a multiplexer.
    _levels_per_pixel = 2

    def pooled(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x.max(axis=(2, 4)))

    def trace(self, *inputs: Any) -> Any:
        return functools.reduce(np.maximum, self._places(inputs[0]))

    def count(self, at: Place) -> Counted:
        logic, depth = super().count(at)
        return logic + Logic(saturation_bits=logic.adder_bits), depth


@register(
    "keras.layers.AveragePooling2D",
    "keras.layers.AveragePooling1D",
    "keras.layers.GlobalAveragePooling2D",
    "keras.layers.GlobalAveragePooling1D",
)
@dataclass(frozen=True, eq=False)
class AveragePooling(Pooling):
    """The mean of each pool of 2, 4, 8, ... pixels: others are no binary fractions."""

    kind: ClassVar[str] = "AveragePooling2D"
    _levels_per_pixel = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        area = math.prod(self.size)
        if area.bit_count() != 1:
            raise Refusal(
                self.name,
                "means must be over 2, 4, 8, ... pixels",
                f"{area} in pools of {self.size}",
                "others are no binary fractions: choose another pool size",
            )

    def pooled(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x.mean(axis=(2, 4)))

    def grid(self, *inputs: Grid) -> Grid:
        tiled = super().grid(*inputs)
        # In units of the mean's step, as large as the sum of the pixels in units of theirs.
        largest = max(float(-tiled.low.min()), float(tiled.high.max()))
        return replace(tiled, step=tiled.step / math.prod(self.size), largest_sum=largest)

    def trace(self, *inputs: Any) -> Any:
        return sum(self._places(inputs[0])) * (1 / math.prod(self.size))
