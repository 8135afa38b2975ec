"""Which layers of Keras have a form in fixed point, and what they do to formats."""

from __future__ import annotations

import math
from typing import Any, Literal

import keras
import numpy as np
from keras import layers as stock

from keras_ae.errors import InputError
from keras_ae.precision import is_quantized
from keras_ae.twins.flat_model import Step

#: What a layer does to the numbers' formats: `kernel` multiplies by weights, `rescaling` by
#: constants, `exact` needs no rounding, `identity` does nothing at inference, `kept` is quantized
#: already.
Kind = Literal["input", "kernel", "rescaling", "relu", "identity", "exact", "kept"]

#: Layers of weights.
KERNELS = (stock.Dense, stock.Conv1D, stock.Conv2D, stock.DepthwiseConv2D)
_MEANS = (
    *(stock.AveragePooling1D, stock.AveragePooling2D),
    *(stock.GlobalAveragePooling1D, stock.GlobalAveragePooling2D),
)
_MAXIMA = (
    *(stock.MaxPooling1D, stock.MaxPooling2D),
    *(stock.GlobalMaxPooling1D, stock.GlobalMaxPooling2D),
)
#: Each value that these give is one that they take, or zero.
MOVING = (
    *(stock.Flatten, stock.Reshape, stock.Concatenate, stock.Dropout, *_MAXIMA),
    *(stock.ZeroPadding1D, stock.ZeroPadding2D, stock.UpSampling1D, stock.UpSampling2D),
)
_EXACT = (*MOVING, *_MEANS, stock.Add, stock.Subtract)
#: Noise of training is among them: fixed point brings its own.
_IDENTITIES = (
    *(stock.Identity, stock.ActivityRegularization),
    *(stock.GaussianNoise, stock.GaussianDropout, stock.AlphaDropout),
    *(stock.SpatialDropout1D, stock.SpatialDropout2D),
)
_KINDS: dict[type, Kind] = {
    **dict.fromkeys(KERNELS, "kernel"),
    **dict.fromkeys(_EXACT, "exact"),
    **dict.fromkeys(_IDENTITIES, "identity"),
    stock.ReLU: "relu",
    stock.Rescaling: "rescaling",
}
_CHOICES = ", ".join(
    sorted(k.__name__ for k in (*_KINDS, stock.Activation, stock.BatchNormalization))
)
#: Options without which a layer has an exact form, in as many dimensions as it has.
_OPTIONS: dict[str, Any] = {
    "data_format": "channels_last",
    "interpolation": "nearest",
    "groups": 1,
    "dilation_rate": 1,
}
_OPTIONS_OF_RELU = {"max_value": None, "negative_slope": 0, "threshold": 0}


def layer_kind(step: Step) -> Kind:
    """What a layer does.

    Raises:
        InputError: it has no form in fixed point.
    """
    layer = step.layer
    if not step.sources:
        if None in layer.batch_shape[1:]:
            remedy = "give keras.Input the whole shape"
            raise refused(step, "shape must be known", tuple(layer.batch_shape[1:]), remedy)
        return "input"
    if is_quantized(layer):
        return "kept"
    if type(layer) not in (*_KINDS, stock.Activation):
        rule = f"kind must be one of {_CHOICES}, or of QKeras"
        raise refused(step, rule, type(layer).__name__, "build it of these")
    if layer.compute_dtype != "float32":
        remedy = "set keras.config.set_dtype_policy('float32')"
        raise refused(step, "numbers must be float32", layer.compute_dtype, remedy)
    if type(layer) is stock.Activation:
        _check_activation(step)
        return "relu" if layer.activation is keras.activations.relu else "identity"
    _check_options(step)
    _check_shapes(step)
    return _KINDS[type(layer)]


def _check_activation(step: Step) -> None:
    activation = step.layer.activation
    if activation not in (keras.activations.relu, keras.activations.linear):
        found = getattr(activation, "__name__", type(activation).__name__)
        remedy = "choose one of them"
        if found in ("sigmoid", "softmax"):
            remedy = "leave it out: what is before it has the same order"
        raise refused(step, "activation must be relu or linear", found, remedy)


def _check_options(step: Step) -> None:
    layer = step.layer
    if type(layer) in KERNELS:
        _check_activation(step)
        if getattr(layer, "padding", "valid") == "causal":
            remedy = "let a ZeroPadding1D stand before it"
            raise refused(step, "padding must be 'same' or 'valid'", "'causal'", remedy)
    expected = _OPTIONS_OF_RELU if type(layer) is stock.ReLU else _OPTIONS
    for option, value in expected.items():
        found: Any = getattr(layer, option, value)
        if found != value and set(np.ravel(found)) != {value}:
            raise refused(step, f"{option} must be {value!r}", repr(found), "set it so")


def _check_shapes(step: Step) -> None:
    layer = step.layer
    shapes = [tuple(x.shape[1:]) for x in keras.tree.flatten(layer.input)]
    n_axes = len(shapes[0])
    if type(layer) is stock.Dense and n_axes > 1:
        remedy = "flatten it, or use a convolution of kernel size 1"
        raise refused(step, "input must have one axis", shapes[0], remedy)
    if type(layer) is stock.Concatenate and layer.axis not in (-1, n_axes):
        raise refused(step, "axis must be -1, the last", layer.axis, "set it so")
    if type(layer) in (stock.Add, stock.Subtract) and len(set(shapes)) > 1:
        found = " and ".join(map(str, shapes))
        raise refused(step, "inputs must have one shape", found, "reshape or repeat one of them")
    if type(layer) is stock.Rescaling:
        for constant in map(np.shape, (layer.scale, layer.offset)):
            if math.prod(constant) != 1 and constant != shapes[0][-1:]:
                rule = "scale and offset must be one number, or one for each channel"
                raise refused(step, rule, constant, "give so many")
    if type(layer) in (*_MAXIMA, *_MEANS):
        _check_pools(step, shapes[0][:-1])


def _check_pools(step: Step, sizes: tuple[int, ...]) -> None:
    layer = step.layer
    pool = tuple(np.ravel(getattr(layer, "pool_size", sizes)).tolist())
    strides = tuple(np.ravel(getattr(layer, "strides", pool)).tolist())
    if pool != strides or any(n % m for n, m in zip(sizes, pool, strict=True)):
        found = f"pool {pool} with strides {strides} on {sizes}"
        rule, remedy = "pools must lie side by side and cover the input", "choose another pool size"
        raise refused(step, rule, found, remedy)
    if type(layer) in _MEANS and math.prod(pool).bit_count() != 1:
        remedy = "others are no binary fractions: choose another pool size"
        raise refused(step, "means must be over 2, 4, 8, ... places", math.prod(pool), remedy)


def refused(step: Step, rule: str, value: object, remedy: str) -> InputError:
    """What is raised where a layer breaks a rule, in one line."""
    return InputError(f"layer '{step.name}': {rule}, got {value}; {remedy}")
