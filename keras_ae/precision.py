"""How numbers are represented: layer factories for float and for fixed point.

Both factories give layers of the same names in the same order, so that weights move by name and
graphs compare layer by layer; but for batch normalization, which fixed point folds into the layer
before. The one importer of qkeras.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, Protocol

import keras
import qkeras
from keras import ops

from keras_ae.bounded import Bounded
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat, FixedPointFormats

#: Classes of QKeras, for those who ask what a layer is.
QActivation = qkeras.QActivation
QConv1D = qkeras.QConv1D
QConv2D = qkeras.QConv2D
QConv2DTranspose = qkeras.QConv2DTranspose
QDense = qkeras.QDense
QDepthwiseConv2D = qkeras.QDepthwiseConv2D

#: What a linear activation is there for: it decides its fixed-point format.
Role = Literal["input", "embedding", "latent", "reconstruction"]
LatentActivation = Literal["linear", "relu", "sigmoid"]


class Precision(Protocol):
    """A factory of layers."""

    def dense(self, units: int, name: str) -> keras.Layer:
        """Dense layer without activation: (batch, n) -> (batch, units)."""

    def conv2d(self, filters: int, kernel_size: int, name: str) -> keras.Layer:
        """Convolution without activation, padded to the same size."""

    def conv2d_transpose(self, filters: int, kernel_size: int, name: str) -> keras.Layer:
        """Transposed convolution without activation, to twice the height and width."""

    def batch_norm(self, name: str) -> keras.Layer | None:
        """Normalization over the batch; None where it is part of the layer before."""

    def relu(self, name: str) -> keras.Layer:
        """Rectifier."""

    def identity(self, role: Role, name: str) -> keras.Layer:
        """Nothing in float, a quantizer in fixed point."""

    def log_variance(self, limit: float, name: str) -> keras.Layer:
        """Of the code: within +-limit in float, in the format of the latent in fixed point."""

    def latent_activation(self, activation: LatentActivation, name: str) -> keras.Layer:
        """Activation of the code, in the format of the latent."""

    def check_layers(self, *networks: keras.Model) -> None:
        """Raise InputError where layers are named that the networks, all of a model, have not."""


class Float:
    """Floating point: stock Keras layers."""

    def dense(self, units: int, name: str) -> keras.Layer:
        return keras.layers.Dense(units, kernel_initializer="he_normal", name=name)

    def conv2d(self, filters: int, kernel_size: int, name: str) -> keras.Layer:
        return keras.layers.Conv2D(
            filters, kernel_size, padding="same", kernel_initializer="he_normal", name=name
        )

    def conv2d_transpose(self, filters: int, kernel_size: int, name: str) -> keras.Layer:
        return keras.layers.Conv2DTranspose(
            filters,
            kernel_size,
            strides=2,
            padding="same",
            kernel_initializer="he_normal",
            name=name,
        )

    def batch_norm(self, name: str) -> keras.Layer | None:
        # Keras' momentum, 0.99, takes hundreds of steps to forget that it began with N(0, 1).
        # Synchronized: replicas share the statistics of the whole batch.
        return keras.layers.BatchNormalization(momentum=0.9, synchronized=True, name=name)

    def relu(self, name: str) -> keras.Layer:
        return keras.layers.Activation("relu", name=name)

    def identity(self, role: Role, name: str) -> keras.Layer:
        return keras.layers.Activation("linear", name=name)

    def log_variance(self, limit: float, name: str) -> keras.Layer:
        return Bounded(limit, name=name)

    def latent_activation(self, activation: LatentActivation, name: str) -> keras.Layer:
        return keras.layers.Activation(activation, name=name)

    def check_layers(self, *networks: keras.Model) -> None:
        # There is nothing to name.
        pass


@contextmanager
def types_of(precision: Precision) -> Iterator[None]:
    """While layers and models are made: fixed point is in float32, whatever Keras is set to.

    Every value of a format is exact there, and in no shorter type.
    """
    if not isinstance(precision, FixedPoint):
        yield
        return
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def check_types(*networks: keras.Model) -> None:
    """Raise InputError where Keras is set to a type that quantizers would compute in."""
    floatx = keras.config.floatx()
    if floatx == "float32":
        return
    layers = (layer for network in networks for layer in network.layers)
    if any(type(layer).__module__.startswith("qkeras") for layer in layers):
        raise InputError(
            f"keras.config.floatx() must be 'float32' for a model in fixed point, got '{floatx}'"
        )


class FixedPoint(FixedPointFormats):
    """Fixed point: QKeras layers, quantized in the forward pass, straight-through gradients."""

    def dense(self, units: int, name: str) -> keras.Layer:
        return qkeras.QDense(units, name=name, **self._weight_options(name))

    def conv2d(self, filters: int, kernel_size: int, name: str) -> keras.Layer:
        options = self._weight_options(name)
        return qkeras.QConv2D(filters, kernel_size, padding="same", name=name, **options)

    def conv2d_transpose(self, filters: int, kernel_size: int, name: str) -> keras.Layer:
        options = self._weight_options(name)
        return qkeras.QConv2DTranspose(
            filters, kernel_size, strides=2, padding="same", name=name, **options
        )

    def batch_norm(self, name: str) -> keras.Layer | None:
        # Folded into kernel and bias, see `weights.copy_weights`.
        return None

    def relu(self, name: str) -> keras.Layer:
        return qkeras.QActivation(_rectifier(self.of_layer(name, "activation")), name=name)

    def identity(self, role: Role, name: str) -> keras.Layer:
        return qkeras.QActivation(_straight_quantizer(getattr(self, role)), name=name)

    def log_variance(self, limit: float, name: str) -> keras.Layer:
        # The format is its bound.
        return self.identity("latent", name)

    def latent_activation(self, activation: LatentActivation, name: str) -> keras.Layer:
        chosen = self.latent
        if activation == "relu":
            if chosen.overflow != "SAT":
                raise InputError(f"overflow of a ReLU's latent must be SAT, got {chosen}")
            # The values of the signed format that are not negative.
            unsigned = replace(
                chosen, width=chosen.width - 1, integer=chosen.integer - 1, signed=False
            )
            quantizer = _rectifier(unsigned)
        elif activation == "sigmoid":
            # Never above 1, with the steps of the latent's format.
            quantizer = qkeras.quantized_sigmoid(chosen.fractional, use_real_sigmoid=True)
        else:
            quantizer = _straight_quantizer(chosen)
        return qkeras.QActivation(quantizer, name=name)

    def check_layers(self, *networks: keras.Model) -> None:
        """Whether `layers` are those of a model's networks, and have use for what is given.

        Raises:
            InputError: a name that no layer with a format of its own has, or a format that the
                layer has no use for.
        """
        choices = {
            name: kinds for network in networks for name, kinds in _own_formats(network).items()
        }
        for name, formats in self.layers.items():
            if name not in choices:
                raise InputError(
                    f"precision.layers must name one of {', '.join(choices)}, got {name!r}"
                )
            for kind in formats.given:
                if kind not in choices[name]:
                    raise InputError(
                        f"precision.layers.{name} must have formats of "
                        f"{' and '.join(choices[name])} alone, got {kind} "
                        f"{getattr(formats, kind)}"
                    )

    def _weight_options(self, name: str) -> dict[str, object]:
        return {
            "kernel_initializer": "he_normal",
            "kernel_quantizer": _straight_quantizer(self.of_layer(name, "weight")),
            "bias_quantizer": _straight_quantizer(self.of_layer(name, "bias")),
        }


def _own_formats(network: keras.Model) -> dict[str, tuple[str, ...]]:
    """Names of the layers that `FixedPointFormats.layers` may name, and of their formats."""
    found: dict[str, tuple[str, ...]] = {}
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            found[layer.name] = ("weight", "bias")
        # A code that is rectified is in the format of the latent.
        elif (
            _rectifies(getattr(layer, "activation", None))
            and layer.name not in network.output_names
        ):
            found[layer.name] = ("activation",)
    return found


def dense_layer(
    units: int, kernel: FixedPointFormat, bias: FixedPointFormat | None, **options: Any
) -> keras.Layer:
    """A dense layer of weights in these formats; without a bias where that has none."""
    return QDense(units, **_weight_quantizers(kernel, bias), **options)


def conv2d_layer(
    filters: int,
    kernel_size: tuple[int, ...],
    kernel: FixedPointFormat,
    bias: FixedPointFormat | None,
    **options: Any,
) -> keras.Layer:
    """A convolution of weights in these formats; without a bias where that has none."""
    return QConv2D(filters, kernel_size, **_weight_quantizers(kernel, bias), **options)


def conv1d_layer(
    filters: int,
    kernel_size: tuple[int, ...],
    kernel: FixedPointFormat,
    bias: FixedPointFormat | None,
    **options: Any,
) -> keras.Layer:
    """A convolution over one axis, of weights in these formats; without a bias where none."""
    return qkeras.QConv1D(filters, kernel_size, **_weight_quantizers(kernel, bias), **options)


def depthwise_conv2d_layer(
    kernel_size: tuple[int, ...],
    kernel: FixedPointFormat,
    bias: FixedPointFormat | None,
    **options: Any,
) -> keras.Layer:
    """A convolution of each channel by itself, of weights in these formats."""
    quantizers = _weight_quantizers(kernel, bias)
    quantizers["depthwise_quantizer"] = quantizers.pop("kernel_quantizer")
    return qkeras.QDepthwiseConv2D(kernel_size, **quantizers, **options)


def quantizing_layer(chosen: FixedPointFormat, name: str) -> keras.Layer:
    """A layer that rounds to a format; an unsigned one that saturates makes it a rectifier."""
    return QActivation(_quantizer(chosen), name=name)


def fixed_point(text: str) -> Any:
    """The quantizer of a format such as 'fixed<8,6,TRN,WRAP>', for QActivation, QDense, QConv2D.

    QKeras' own where that rounds so, else a `FixedPointQuantizer`.

    Raises:
        InputError: no format.
    """
    return _quantizer(FixedPointFormat.parse(text))


@keras.saving.register_keras_serializable("keras_ae")
class FixedPointQuantizer:
    """Rounds to any fixed-point format, exactly where the type of its input holds the values.

    Gradients go straight through; with `rectifies`, of an unsigned format that saturates, they are
    those of a ReLU.

    Args:
        form: the format, or its text.
        rectifies: whether what is negative has no gradient.
    """

    def __init__(self, form: FixedPointFormat | str, rectifies: bool = False) -> None:
        self.form = form if isinstance(form, FixedPointFormat) else FixedPointFormat.parse(form)
        self.rectifies = rectifies
        #: QKeras sets the range of initial weights by these.
        self.bits = self.form.width

    def __call__(self, x: Any) -> Any:
        x = ops.convert_to_tensor(x)
        quantized = ops.stop_gradient(self.form.quantized(ops, x))
        passed = ops.relu(x) if self.rectifies else x
        # Plus zero: x + (q - x), as QKeras has it, may round.
        return quantized + (passed - ops.stop_gradient(passed))

    def max(self) -> float:
        """Beyond, QKeras clips weights (or beyond 1, where that is more)."""
        return max(1.0, self.form.high + self.form.step)

    def min(self) -> float:
        return min(-1.0, self.form.low) if self.form.signed else 0.0

    def get_config(self) -> dict[str, Any]:
        return {"form": str(self.form), "rectifies": self.rectifies}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FixedPointQuantizer:
        return cls(**config)

    def __str__(self) -> str:
        return f"fixed_point('{self.form}')"


def _weight_quantizers(
    kernel: FixedPointFormat, bias: FixedPointFormat | None
) -> dict[str, object]:
    return {
        "kernel_quantizer": _straight_quantizer(kernel),
        "bias_quantizer": None if bias is None else _straight_quantizer(bias),
        "use_bias": bias is not None,
    }


def _quantizer(chosen: FixedPointFormat) -> object:
    """Of a format, whose unsigned values that saturate follow a ReLU."""
    rectifies = not chosen.signed and chosen.overflow == "SAT"
    return _rectifier(chosen) if rectifies else _straight_quantizer(chosen)


def _straight_quantizer(chosen: FixedPointFormat) -> object:
    """With a gradient also where it saturates, as weights need it."""
    # QKeras takes one bit with a sign for -1 or 1.
    if chosen.has_modes or not chosen.signed or chosen.width < 2:
        return FixedPointQuantizer(chosen)
    # QKeras counts the integer bits without the sign. alpha=1: no scale beside the format's own.
    return qkeras.quantized_bits(chosen.width, chosen.integer - 1, keep_negative=True, alpha=1)


def _rectifier(chosen: FixedPointFormat) -> object:
    """Of an unsigned format that saturates."""
    if chosen.has_modes:
        return FixedPointQuantizer(chosen, rectifies=True)
    # QKeras raises 2 to these in their own type: int32 has no 2^-1, and ends below 2^31.
    return qkeras.quantized_relu(float(chosen.width), float(chosen.integer))


def _rectifies(quantizer: Any) -> bool:
    """Whether a quantizer is a ReLU of the factory's."""
    return isinstance(quantizer, qkeras.quantized_relu) or bool(
        getattr(quantizer, "rectifies", False)
    )


#: Quantizers that round to a fixed-point format.
EXACT_QUANTIZERS = (
    "quantized_bits of at least 2 bits (or 1 without a sign) with alpha=1 and symmetric=0, "
    "quantized_relu without further options, or fixed_point"
)


def is_quantizer(layer: keras.Layer) -> bool:
    """Whether the layer rounds numbers to a format and does nothing else."""
    return isinstance(layer, qkeras.QActivation)


def is_quantized(layer: keras.Layer) -> bool:
    """Whether a layer is one of QKeras."""
    return type(layer).__module__.split(".")[0] == "qkeras"


def layer_quantizer(layer: keras.Layer) -> Any:
    """The quantizer of a QActivation, also where that was given as text."""
    found = getattr(layer, "quantizer", layer.activation)
    return qkeras.quantizers.get_quantizer(found) if isinstance(found, str) else found


def quantizer_format(quantizer: Any) -> FixedPointFormat:
    """The format that a quantizer of QKeras or of this package rounds to.

    Raises:
        InputError: another quantizer, or options that have no exact fixed-point form.
    """
    if type(quantizer) is FixedPointQuantizer:
        form: FixedPointFormat = quantizer.form
        return form
    always = ("use_stochastic_rounding", False), ("qnoise_factor", 1.0)
    exact: dict[type, tuple[tuple[str, object], ...]] = {
        qkeras.quantized_bits: (("alpha", 1), ("symmetric", 0), *always),
        qkeras.quantized_relu: (
            ("negative_slope", 0),
            ("use_sigmoid", 0),
            ("relu_upper_bound", None),
            *always,
        ),
    }
    options = exact.get(type(quantizer))
    signed = bool(getattr(quantizer, "keep_negative", False))
    if (
        options is None
        or any(getattr(quantizer, name) != value for name, value in options)
        # One bit with a sign is taken for -1 or 1.
        or (signed and quantizer.bits < 2)
    ):
        raise InputError(f"quantizer must be {EXACT_QUANTIZERS}, got {quantizer}")
    return FixedPointFormat(int(quantizer.bits), int(quantizer.integer) + signed, signed)


def weight_formats(layer: keras.Layer) -> tuple[FixedPointFormat, FixedPointFormat]:
    """Of kernel and bias of a layer in fixed point.

    Raises:
        InputError: a quantizer without an exact form.
    """
    kernel, bias = layer.kernel_quantizer_internal, layer.bias_quantizer_internal
    return quantizer_format(kernel), quantizer_format(bias)


def keeps_unit_interval(layer: keras.Layer) -> bool:
    """Whether a layer's output lies between 0 and 1: a sigmoid, in either precision."""
    activation = getattr(layer, "activation", None)
    return activation is keras.activations.sigmoid or isinstance(
        activation, qkeras.quantized_sigmoid
    )
