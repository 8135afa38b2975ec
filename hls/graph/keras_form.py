"""Graphs of exact layers from Keras, and back."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import hls.graph.layers  # noqa: F401  registers the layers
from hls.graph.keras_layers import GraphLayer
from hls.graph.layer import KERAS_LAYERS, GraphInput, Layer
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from keras_ae.errors import InputError
from keras_ae.mapping import map_batches

#: What stands for a layer that has no exact form, by where it can be imported from.
_REMEDIES = {
    "keras.layers.InputLayer": "use HardwareInput, which states a format",
    "keras.layers.Conv2DTranspose": "hls4ml has no transposed convolution: use upsampling "
    "'upsample'",
    "keras_ae.precision.QConv2DTranspose": "hls4ml has no transposed convolution: use upsampling "
    "'upsample'",
}

#: Of layers whose weights have no format.
_NOT_QUANTIZED = (
    "keras.layers.Dense",
    "keras.layers.Conv1D",
    "keras.layers.Conv2D",
    "keras.layers.DepthwiseConv2D",
)

#: Of layers that do nothing at inference.
_NOTHING = (
    "keras.layers.ActivityRegularization",
    "keras.layers.AlphaDropout",
    "keras.layers.Dropout",
    "keras.layers.GaussianDropout",
    "keras.layers.GaussianNoise",
    "keras.layers.Identity",
    "keras.layers.SpatialDropout1D",
    "keras.layers.SpatialDropout2D",
    "keras.layers.SpatialDropout3D",
)


# From Keras ------------------------------------------------------------------------------------


def exact_layers(layer: keras.Layer) -> tuple[Layer, ...]:
    """A layer of Keras, of QKeras or of ours as a chain of layers with an exact form.

    Each takes the output of the one before, the last has the layer's name; none do nothing.

    Raises:
        Refusal: one that has no such form, or an option that has none.
    """
    if isinstance(layer, GraphLayer):
        return (layer.graph_layer,)
    for place, kind in KERAS_LAYERS.items():
        if type(layer) is _class_at(place):
            found = kind.from_keras(layer)
            return found if isinstance(found, tuple) else (found,)
    if _is_one_of(layer, _NOTHING):
        return ()
    raise _without_form(layer)


def exact_layer(layer: keras.Layer) -> Layer:
    """The one layer that a layer of Keras becomes.

    Raises:
        Refusal: see `exact_layers`; or it becomes several, or none.
    """
    found = exact_layers(layer)
    if len(found) != 1:
        kind = type(layer).__name__
        value = f"{len(found)} of {kind}"
        remedy = "quantize the model first" if not found else "take the activation out of it"
        raise Refusal(layer.name, "a layer must become one layer of a graph here", value, remedy)
    return found[0]


def _without_form(layer: keras.Layer) -> Refusal:
    """Of a layer that is registered nowhere."""
    kind = type(layer).__name__
    if _is_one_of(layer, _NOT_QUANTIZED):
        remedy = "make a quantized twin of the model by keras_ae.fixed_point_twin"
        return Refusal(layer.name, "weights must be quantized", kind, remedy)
    # QKeras' first; the operations of operators, which have no public names, are left out.
    places = [place for place in sorted(KERAS_LAYERS, reverse=True) if ".src." not in place]
    choices = ", ".join(place.rsplit(".", 1)[-1] for place in places)
    remedies = (remedy for place, remedy in _REMEDIES.items() if _is_one_of(layer, (place,)))
    remedy = next(remedies, "build it of these")
    return Refusal(layer.name, f"kind must be one of {choices}", kind, remedy)


def _is_one_of(layer: keras.Layer, places: Sequence[str]) -> bool:
    """Whether a layer is of a class, and of none that derives from it."""
    return any(type(layer) is _class_at(place) for place in places)


def _class_at(place: str) -> Any:
    """The class of Keras that a layer is registered for."""
    try:
        return pkgutil.resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"a layer must be registered for a class, got {place}: {error}") from error


def producers(tensors: Any) -> tuple[str, ...]:
    """Names of the layers that give a Keras tensor, or each of several."""
    parts = tensors if isinstance(tensors, list | tuple) else [tensors]
    return tuple(str(tensor._keras_history.operation.name) for tensor in parts)


# To Keras --------------------------------------------------------------------------------------


def build_keras_model(
    nodes: Sequence[Node], inputs: Sequence[str], outputs: Sequence[str]
) -> keras.Model:
    """A graph as a Functional model of new layers, with its weights as they were trained."""
    tensors: dict[str, Any] = {}
    for node in nodes:
        layer = node.layer.to_keras()
        if isinstance(node.layer, GraphInput):
            tensors[node.name] = layer.output
            continue
        sources = [tensors[name] for name in node.inputs]
        tensors[node.name] = layer(sources if len(sources) > 1 else sources[0])
        layer.set_weights(node.layer.keras_weights)
    return keras.Model(
        [tensors[name] for name in inputs],
        [tensors[name] for name in outputs],
        name="trigger_graph",
    )


def evaluate_in_keras(
    model: keras.Model, layers: Sequence[str], inputs: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Outputs (events, ...) of some of the layers of a model made by `build_keras_model`."""
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in layers])
    return dict(zip(layers, outputs_of(probe, inputs), strict=True))


def outputs_of(model: keras.Model, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs (events, ...) of a model of layers, in their order, one that stands twice once."""
    outputs = list({id(tensor): tensor for tensor in model.outputs}.values())
    probe = keras.Model(model.inputs, outputs)
    # On a GPU, TensorFlow may multiply with fewer bits than float32 has (TF32).
    with tf.device("/CPU:0"):
        # An input that float32 does not hold is a float64 one; Keras casts for the others.
        found = map_batches(lambda *parts: probe(list(parts)), *inputs, dtype=np.float64)
    # Keras gives one output as it is, not in a list.
    return list(found) if isinstance(found, list | tuple) else [found]
