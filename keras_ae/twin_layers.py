"""Which layers of Keras have a form in fixed point, and what they do to formats."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import layers as stock

from keras_ae.errors import InputError
from keras_ae.flat_model import Step
from keras_ae.precision import is_quantized

#: What a layer does to the numbers' formats: `kernel` multiplies by weights, `exact` needs no
#: rounding, `identity` does nothing at inference, `kept` is quantized already.
Kind = Literal["input", "kernel", "relu", "identity", "exact", "kept"]

#: Layers of weights.
KERNELS = (stock.Dense, stock.Conv1D, stock.Conv2D, stock.DepthwiseConv2D)
#: Each value that these give is one that they take, or zero.
MOVING = (
    *(stock.Flatten, stock.Reshape, stock.Concatenate, stock.Dropout),
    *(stock.MaxPooling1D, stock.MaxPooling2D, stock.GlobalMaxPooling1D, stock.GlobalMaxPooling2D),
    *(stock.ZeroPadding1D, stock.ZeroPadding2D, stock.UpSampling1D, stock.UpSampling2D),
)
_AVERAGING = (
    *(stock.AveragePooling1D, stock.AveragePooling2D),
    *(stock.GlobalAveragePooling1D, stock.GlobalAveragePooling2D),
)
_EXACT = (*MOVING, *_AVERAGING, stock.Add, stock.Subtract, stock.Rescaling)
#: Noise of training is among them: fixed point brings its own.
_IDENTITIES = (
    *(stock.Identity, stock.ActivityRegularization),
    *(stock.GaussianNoise, stock.GaussianDropout, stock.AlphaDropout),
    *(stock.SpatialDropout1D, stock.SpatialDropout2D),
)
_CHOICES = ", ".join(
    sorted(
        kind.__name__
        for kind in (*KERNELS, *_EXACT, *_IDENTITIES, stock.ReLU, stock.BatchNormalization)
    )
)
#: Options without which a layer has an exact form.
_OPTIONS: dict[type, dict[str, Any]] = {
    stock.ReLU: {"max_value": None, "negative_slope": 0, "threshold": 0},
    stock.UpSampling2D: {"interpolation": "nearest"},
}


def layer_kind(step: Step) -> Kind:
    """What a layer does.

    Raises:
        InputError: it has no form in fixed point.
    """
    layer = step.layer
    for option, value in _OPTIONS.get(type(layer), {}).items():
        found = getattr(layer, option)
        if found != value:
            raise refused(step, f"{option} must be {value!r}", repr(found), "set it so")
    if not step.sources:
        return "input"
    if is_quantized(layer):
        return "kept"
    if type(layer) is stock.Activation:
        _check_activation(step)
        return "relu" if layer.activation is keras.activations.relu else "identity"
    if type(layer) in KERNELS:
        _check_activation(step)
        if getattr(layer, "padding", "valid") == "causal":
            remedy = "let a ZeroPadding1D stand before it"
            raise refused(step, "padding must be 'same' or 'valid'", "'causal'", remedy)
        return "kernel"
    kinds: tuple[tuple[Kind, tuple[type, ...]], ...] = (
        ("relu", (stock.ReLU,)),
        ("identity", _IDENTITIES),
        ("exact", _EXACT),
    )
    for kind, classes in kinds:
        if type(layer) in classes:
            return kind
    rule = f"kind must be one of {_CHOICES}, or of QKeras"
    raise refused(step, rule, type(layer).__name__, "build it of these")


def _check_activation(step: Step) -> None:
    activation = step.layer.activation
    if activation not in (keras.activations.relu, keras.activations.linear):
        found = getattr(activation, "__name__", type(activation).__name__)
        remedy = "choose one of them"
        if found in ("sigmoid", "softmax"):
            remedy = "leave it out: what is before it has the same order"
        raise refused(step, "activation must be relu or linear", found, remedy)


def refused(step: Step, rule: str, value: object, remedy: str) -> InputError:
    """What is raised where a layer breaks a rule, in one line."""
    return InputError(f"layer '{step.name}': {rule}, got {value}; {remedy}")
