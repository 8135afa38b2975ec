"""A plain Keras model -> the same model in fixed point, to be trained on as any model of Keras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
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
from keras_ae.twin_formats import TwinFormats
from keras_ae.twin_plan import Place, TwinPlan, plan_twin
from keras_ae.weights import warn_of_saturated_weights

#: Of a layer whose rounded output has its name.
LINEAR_SUFFIX = "_linear"
#: Of the quantizer behind an input.
INPUT_SUFFIX = "_format"

_CONVOLUTION = ("strides", "padding", "data_format", "dilation_rate", "bias_regularizer")
#: Options that the layer in fixed point takes over.
_OPTIONS = {
    stock.Dense: ("kernel_regularizer", "bias_regularizer"),
    stock.Conv1D: (*_CONVOLUTION, "groups", "kernel_regularizer"),
    stock.Conv2D: (*_CONVOLUTION, "groups", "kernel_regularizer"),
    stock.DepthwiseConv2D: (*_CONVOLUTION, "depth_multiplier", "depthwise_regularizer"),
}


def fixed_point_twin(model: keras.Model, formats: TwinFormats | None = None) -> keras.Model:
    """The same model in fixed point, with its weights: Functional, of QKeras' and stock layers.

    The tensor that a layer gives in `model` is given by the layer of that name in the twin, rounded
    where `plan_twin` says so. Behind each input `x` is a quantizer `x_format`; what else is rounded
    is computed in a layer `<name>_linear` before. Batch normalizations are folded into the layers
    before them, which get their names; models inside are taken apart.

    Args:
        model: Sequential or Functional. Layers of QKeras are copied as they are.
        formats: of all places and of single ones.

    Raises:
        InputError: a model or a layer without a form in fixed point, weights that are not finite,
            or formats of what the model lacks.
    """
    formats = TwinFormats() if formats is None else formats
    plan = plan_twin(model)
    plan.check(formats)
    _check_new_names(plan, formats)
    for place in plan.places:
        for kind, values in zip(place.kinds_of_formats, place.parameters, strict=False):
            chosen = formats.of_weights(place.weights, kind)
            warn_of_saturated_weights(place.weights, values, chosen)
    tensors: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for place in plan.places:
        form = plan.format_of(place, formats)
        if place.kind == "input":
            inputs[place.name] = _input(place)
            tensors[place.name] = inputs[place.name]
            if form is not None:
                quantizer = quantizing_layer(form, place.name + INPUT_SUFFIX)
                tensors[place.name] = quantizer(inputs[place.name])
            continue
        sources = [tensors[name] for name in place.sources]
        tensors[place.name] = _computed(place, sources, form, formats)
    return keras.Model(
        keras.tree.map_structure(inputs.__getitem__, plan.model.inputs),
        keras.tree.map_structure(tensors.__getitem__, plan.model.outputs),
        name=plan.model.name,
    )


def _input(place: Place) -> Any:
    # Quantizers work on float32, also where a model casts integers itself.
    return keras.Input(batch_shape=place.layer.batch_shape, name=place.name)


def _computed(
    place: Place, sources: list[Any], form: FixedPointFormat | None, formats: TwinFormats
) -> Any:
    """The tensor of a place."""
    x = sources if len(sources) > 1 else sources[0]
    if place.kind not in ("relu", "identity"):
        name = place.name if form is None else place.name + LINEAR_SUFFIX
        layer = _kernel_layer(place, name, formats) if place.kind == "kernel" else None
        layer = layer or _copied(place.layer, name)
        x = layer(x)
        layer.set_weights(place.parameters)
    if form is None:
        return x
    return quantizing_layer(_behind_relu(form) if place.rectified else form, place.name)(x)


def _behind_relu(form: FixedPointFormat) -> FixedPointFormat:
    """The unsigned format of the values of a format that are not negative."""
    if not form.signed:
        return form
    return replace(form, width=form.width - 1, integer=form.integer - 1, signed=False)


def _kernel_layer(place: Place, name: str, formats: TwinFormats) -> keras.Layer:
    layer = place.layer
    kernel = formats.of_weights(place.weights, "weight")
    has_bias = "bias" in place.kinds_of_formats
    bias = formats.of_weights(place.weights, "bias") if has_bias else None
    options = {option: getattr(layer, option) for option in _OPTIONS[type(layer)]}
    options |= {"name": name, "trainable": layer.trainable}
    if isinstance(layer, stock.Dense):
        return dense_layer(layer.units, kernel, bias, **options)
    if isinstance(layer, stock.DepthwiseConv2D):
        return depthwise_conv2d_layer(layer.kernel_size, kernel, bias, **options)
    build = conv1d_layer if isinstance(layer, stock.Conv1D) else conv2d_layer
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
