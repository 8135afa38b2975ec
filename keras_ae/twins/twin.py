"""A plain Keras model -> the same model in fixed point, to be trained on as any model of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers as stock

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.precision import (
    conv1d_layer,
    conv2d_layer,
    dense_layer,
    depthwise_conv2d_layer,
    quantizing_layer,
)
from keras_ae.twins.formats import Formats, TwinFormats, twin_formats
from keras_ae.twins.plan import Place, TwinPlan, plan_twin
from keras_ae.weights import warn_of_saturated_weights

#: Of a layer whose rounded output has its name.
LINEAR_SUFFIX = "_linear"
#: Of the quantizer behind an input.
INPUT_SUFFIX = "_format"

_Formats = Sequence[FixedPointFormat]
#: Options that the layer in fixed point takes over.
_OPTIONS = {
    stock.Dense: ("kernel_regularizer", "bias_regularizer"),
    stock.Conv1D: ("strides", "padding", "kernel_regularizer", "bias_regularizer"),
    stock.Conv2D: ("strides", "padding", "kernel_regularizer", "bias_regularizer"),
    stock.DepthwiseConv2D: (
        *("strides", "padding", "depth_multiplier"),
        *("depthwise_regularizer", "bias_regularizer"),
    ),
}


def fixed_point_twin(model: keras.Model, formats: Formats = None) -> keras.Model:
    """The same model in fixed point, with its weights: Functional, of QKeras' and stock layers.

    The tensor that a layer gives in `model` is given by the layer of that name in the twin, rounded
    where `plan_twin` says so. Behind each input `x` is a quantizer `x_format`; what else is rounded
    is computed in a layer `<name>_linear` before. Batch normalizations are folded into the layers
    before them, which get their names; models inside are taken apart.

    Args:
        model: Sequential or Functional. Layers of QKeras are copied as they are.
        formats: of all places and of single ones; also as a mapping, `{"weight": "fixed<6,2>"}`.

    Raises:
        InputError: a model or a layer without a form in fixed point, weights that are not finite,
            or formats of what the model lacks.
    """
    plan, chosen = plan_twin(model), twin_formats(formats)
    plan.check(chosen)
    _check_new_names(plan, chosen)
    tensors: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for place in plan.places:
        form = plan.format_of(place, chosen)
        if place.kind == "input":
            inputs[place.name] = _input(place)
            tensors[place.name] = inputs[place.name]
            if form is not None:
                quantizer = quantizing_layer(form, place.name + INPUT_SUFFIX)
                tensors[place.name] = quantizer(inputs[place.name])
            continue
        sources = [tensors[name] for name in place.sources]
        weights = plan.weight_formats(place, chosen)
        for values, of_weights in zip(place.parameters, weights, strict=False):
            warn_of_saturated_weights(place.weights, values, of_weights)
        tensors[place.name] = _computed(place, sources, form, weights)
    return keras.Model(
        keras.tree.map_structure(inputs.__getitem__, plan.model.inputs),
        keras.tree.map_structure(tensors.__getitem__, plan.model.outputs),
        name=plan.model.name,
    )


def _input(place: Place) -> Any:
    # Quantizers work on float32, also where a model casts integers itself.
    return keras.Input(batch_shape=place.layer.batch_shape, name=place.name)


def _computed(
    place: Place, sources: list[Any], form: FixedPointFormat | None, weights: _Formats
) -> Any:
    """The tensor of a place."""
    x = sources if len(sources) > 1 else sources[0]
    if form is None or place.kind not in ("relu", "identity"):
        layer = _layer(place, place.name if form is None else place.name + LINEAR_SUFFIX, weights)
        x = layer(x)
        if place.kind != "rescaling":
            layer.set_weights(_within(place.parameters, weights))
    if form is None:
        return x
    return quantizing_layer(_behind_relu(form) if place.rectified else form, place.name)(x)


def _layer(place: Place, name: str, weights: _Formats) -> keras.Layer:
    """What computes a place's values before they are rounded."""
    if place.kind == "kernel":
        return _kernel_layer(place, name, weights)
    if place.kind == "rescaling":
        constants = zip(weights, place.parameters, strict=True)
        return stock.Rescaling(
            *(form.quantize(values).tolist() for form, values in constants), name=name
        )
    return stock.Identity(name=name) if place.kind == "identity" else _copied(place.layer, name)


def _within(values: list[np.ndarray], formats: _Formats) -> list[np.ndarray]:
    """Weights, none of which is beyond its format: from there they would not be trained."""
    if not formats:
        return values
    return [np.clip(part, form.low, form.high) for part, form in zip(values, formats, strict=True)]


def _behind_relu(form: FixedPointFormat) -> FixedPointFormat:
    """The unsigned format of the values of a format that are not negative."""
    if not form.signed:
        return form
    return replace(form, width=form.width - 1, integer=form.integer - 1, signed=False)


def _kernel_layer(place: Place, name: str, weights: _Formats) -> keras.Layer:
    layer = place.layer
    kernel, bias = weights[0], weights[1] if len(weights) == 2 else None
    options = {option: getattr(layer, option) for option in _OPTIONS[type(layer)]}
    options |= {"name": name, "trainable": layer.trainable}
    if type(layer) is stock.Dense:
        return dense_layer(layer.units, kernel, bias, **options)
    if type(layer) is stock.DepthwiseConv2D:
        return depthwise_conv2d_layer(layer.kernel_size, kernel, bias, **options)
    build = conv1d_layer if type(layer) is stock.Conv1D else conv2d_layer
    return build(layer.filters, layer.kernel_size, kernel, bias, **options)


def _copied(layer: keras.Layer, name: str) -> keras.Layer:
    """A layer of the same kind and options."""
    config = keras.saving.serialize_keras_object(layer)
    config["config"]["name"] = name
    copy: keras.Layer = keras.saving.deserialize_keras_object(config)
    return copy


def _check_new_names(plan: TwinPlan, formats: TwinFormats) -> None:
    """Raise InputError where a layer has a name that the twin needs for another."""
    names = {place.name for place in plan.places}
    for place in plan.places:
        suffix = INPUT_SUFFIX if place.kind == "input" else LINEAR_SUFFIX
        if plan.format_of(place, formats) is not None and place.name + suffix in names:
            raise InputError(
                f"layer '{place.name}{suffix}': its name must be free for the twin of "
                f"'{place.name}', got a layer of that name; rename it"
            )
