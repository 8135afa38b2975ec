"""Sums of products over images, and over sequences and by channel as such.

Arrays of images are (events, rows, columns, channels).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, register
from hls.graph.layers.kernel_layers import KernelLayer, name_before
from hls.graph.layers.moving_layers import in_rows
from hls.graph.layers.rectifier import activation_layers
from hls.graph.refusal import Refusal
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras


@register(
    "keras_ae.precision.QConv2D",
    "keras_ae.precision.QConv1D",
    "keras_ae.precision.QDepthwiseConv2D",
)
@dataclass(frozen=True, eq=False)
class Convolution(KernelLayer):
    """Kernel (height, width, channels, filters); padded as Keras does, or not.

    Padded to the size of the input, or with `strides` to that divided by them, rounded up.
    """

    padding: Literal["same", "valid"] = "same"
    strides: tuple[int, int] = (1, 1)

    n_axes: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = len(self.strides) == 2 and min(self.strides) > 0
        self.require(steps, "strides must be two, >= 1", self.strides, "give rows and columns")

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> tuple[Layer, ...]:
        """See `Layer`; one over sequences is one over images of one row."""
        from hls.graph.keras_options import weights_of

        _require_plain(layer)
        strides, is_depthwise = tuple(layer.strides), hasattr(layer, "depthwise_kernel")
        activation = activation_layers(layer)
        name = name_before(activation, layer)
        kernel, form, bias, bias_form = weights_of(layer, "depthwise" if is_depthwise else "kernel")
        kernel = _apart(kernel) if is_depthwise else kernel
        if len(strides) == 2:
            options = bias, bias_form, layer.padding, strides
            return cls(kernel, form, *options, name=name), *activation
        options = bias, bias_form, layer.padding, (1, *strides)
        inside = cls(kernel[None], form, *options, name=f"{name}_row")
        before, after = (part.shape[1:] for part in (layer.input, layer.output))
        return *in_rows(inside, before, after, name), *activation

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        kernel = np.sin(np.arange(3 * 2 * 2 * 2, dtype=np.float32)).reshape(3, 2, 2, 2)
        form, bias = FixedPointFormat(5, 1), np.array([0.3, -0.6], np.float32)
        layers = cls(kernel, form, bias, form), cls(kernel, form, bias, form, padding="valid")
        strided = (
            cls(kernel, form, bias, form, strides=(2, 1)),
            cls(kernel[:2], form, padding="valid", strides=(2, 3)),
        )
        return (
            *(Example(layer, ((FixedPointFormat(6, 2), (3, 4, 2)),)) for layer in layers),
            *(Example(layer, ((FixedPointFormat(6, 2), (5, 6, 2)),)) for layer in strided),
        )

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        height, width, channels = self.kernel.shape[:3]
        fits = len(x.shape) == 3 and x.shape[2] == channels
        fits = fits and (self.padding == "same" or (x.shape[0] >= height and x.shape[1] >= width))
        rule = f"input must be an image of {channels} channels, at least {(height, width)} large"
        self.require(fits, rule, x.shape, "give the kernel the channels of the layer before")

    def to_keras(self) -> keras.Layer:
        from keras_ae.precision import conv2d_layer

        *size, _, filters = self.kernel.shape
        formats = self.kernel_format, self.bias_format
        options: dict[str, Any] = {"padding": self.padding, "strides": self.strides}
        return conv2d_layer(filters, tuple(size), *formats, name=self.name, **options)

    def _padding(self, x: tuple[int, ...]) -> list[tuple[int, int]]:
        """Zeros before and behind rows and columns of an input of shape `x`.

        Keras pads so that windows begin at every stride, and less before than behind.
        """
        if self.padding == "valid":
            return [(0, 0), (0, 0)]
        needed = (
            max((-(-n // stride) - 1) * stride + size - n, 0)
            for n, stride, size in zip(x, self.strides, self.kernel.shape, strict=False)
        )
        return [(n // 2, n - n // 2) for n in needed]

    def _shape(self, x: tuple[int, ...]) -> tuple[int, ...]:
        """Of the output for an input of shape `x`."""
        sizes = (
            (n + sum(ends) - size) // stride + 1
            for n, ends, size, stride in zip(
                x, self._padding(x), self.kernel.shape, self.strides, strict=False
            )
        )
        return (*sizes, self.kernel.shape[-1])

    def _windows(self, i: int, j: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Of the padded input, what the weights at `i`, `j` meet for an output of `shape`."""
        places = zip((i, j), self.strides, shape, strict=False)
        rows, columns = (slice(at, at + n * stride, stride) for at, stride, n in places)
        return rows, columns

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (x,) = inputs
        height, width = self.kernel.shape[:2]
        shape = self._shape(x.shape[1:])
        kernel = self.weights.kernel.astype(x.dtype)
        padded = np.pad(x, [(0, 0), *self._padding(x.shape[1:]), (0, 0)])
        bias = self.weights.bias.astype(x.dtype)
        y = np.broadcast_to(bias, (len(x), *shape)).copy()
        for i in range(height):
            for j in range(width):
                y += padded[:, *self._windows(i, j, shape)] @ kernel[i, j]
        return y

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        # By channel; the padding is zero.
        low, high = np.minimum(x.low, 0).min(axis=(0, 1)), np.maximum(x.high, 0).max(axis=(0, 1))
        n_taps = math.prod(self.kernel.shape[:2])
        ends = np.tile(low, n_taps), np.tile(high, n_taps)
        return self.weights.sum_grid(x.step, *ends, self._shape(x.shape))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        height, width = self.kernel.shape[:2]
        rows, columns, n_filters = self._shape(x.shape)
        padded = np.pad(x, [*self._padding(x.shape), (0, 0)])
        down, right = self.strides
        patches = [
            padded[i : i + height, j : j + width].ravel()
            for i in range(0, rows * down, down)
            for j in range(0, columns * right, right)
        ]
        sums = np.stack(patches) @ self.weights.matrix + self.weights.bias
        return sums.reshape(rows, columns, n_filters)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        (x,) = inputs
        (top, bottom), (left, right) = self._padding(x.shape)
        sizes = {"filt": self.kernel.shape, "in": x.shape, "out": out.shape}
        return self._cpp(
            "Conv2D",
            {
                **{f"{part}_height": shape[0] for part, shape in sizes.items()},
                **{f"{part}_width": shape[1] for part, shape in sizes.items()},
                "stride_height": self.strides[0],
                "stride_width": self.strides[1],
                "pad_top": top,
                "pad_bottom": bottom,
                "pad_left": left,
                "pad_right": right,
                "n_chan": self.kernel.shape[2],
                "n_filt": self.kernel.shape[3],
            },
        )

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        used = self.weights.kernel != 0
        height, width = used.shape[:2]
        (shape,) = shapes
        padding = self._padding(shape)
        padded = np.pad(np.zeros(shape, bool), [*padding, (0, 0)])
        for i in range(height):
            for j in range(width):
                padded[self._windows(i, j, out.shape)] |= out @ used[i, j].T
        (top, _), (left, _) = padding
        return [padded[top : top + shape[0], left : left + shape[1]]]

    def _terms(self, x: np.ndarray) -> np.ndarray:
        height, width, n_channels, _ = self.kernel.shape
        padded = np.pad(x, [*self._padding(x.shape), (0, 0)])
        # (rows, columns, channels, height, width) of the kernel's
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (0, 1))
        windows = windows[:: self.strides[0], :: self.strides[1]]
        return windows.transpose(0, 1, 3, 4, 2).reshape(-1, height * width * n_channels)


def _require_plain(layer: keras.Layer) -> None:
    """Raise Refusal unless a convolution of Keras has no option that is ignored here."""
    from hls.graph.keras_options import require_options

    ones = (1,) * len(layer.strides)
    require_options(layer, dilation_rate=ones, data_format="channels_last")
    if hasattr(layer, "groups"):
        require_options(layer, groups=1)
    if getattr(layer, "_mask", None) is not None:
        raise Refusal(layer.name, "mask must be none", "one", "set the weights to zero instead")
    if layer.padding not in ("same", "valid"):
        rule, remedy = "padding must be 'same' or 'valid'", "let a ZeroPadding layer precede"
        raise Refusal(layer.name, rule, repr(layer.padding), remedy)


def _apart(kernel: np.ndarray) -> np.ndarray:
    """Of a depthwise kernel (height, width, channels, multiplier) that of all channels.

    Filters (height, width, channels, channels x multiplier) are zero in channels but their own.
    """
    height, width, n_channels, _ = kernel.shape
    own = np.eye(n_channels, dtype=kernel.dtype)[:, :, None]
    return (kernel[:, :, :, None] * own).reshape(height, width, n_channels, -1)
