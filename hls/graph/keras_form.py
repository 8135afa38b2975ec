"""Graphs of exact layers from Keras, and back."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import hls.graph.layers  # noqa: F401  registers the layers
from hls.graph.keras_layers import GraphLayer, HardwareInput
from hls.graph.layer import KERAS_LAYERS, GraphInput, Layer
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from keras_ae.errors import InputError
from keras_ae.mapping import map_batches

#: What stands for a layer that has no exact form, by where it can be imported from.
_REMEDIES = {
    "keras.layers.InputLayer": "use HardwareInput, which states a format",
    "keras.layers.BatchNormalization": "fold it into the layer before",
    "keras.layers.Dense": "quantize the model first",
    "keras.layers.Conv2D": "quantize the model first",
    "keras.layers.Activation": "quantize the model first",
    "keras.layers.Conv2DTranspose": "hls4ml has no transposed convolution: use upsampling "
    "'upsample'",
    "keras_ae.precision.QConv2DTranspose": "hls4ml has no transposed convolution: use upsampling "
    "'upsample'",
}


# From Keras ------------------------------------------------------------------------------------


def nodes_of(
    network: keras.Model,
    inputs: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> list[Node]:
    """The layers of a Functional model as nodes of a graph.

    Args:
        network: whose own input layers are `HardwareInput`, or stand in `inputs`.
        inputs: for names of input layers, the nodes that stand in their place.
        given: for names of other layers, likewise.

    Raises:
        Refusal: a layer without an exact form, or one that is called twice.
    """
    if not isinstance(network, keras.Model):
        raise InputError(f"a graph must be made of a keras.Model, got {type(network).__name__}")
    if isinstance(network, keras.Sequential) and network.built:
        network = keras.Model(network.inputs, network.outputs)
    if "input_layers" not in network.get_config():
        rule = "a graph must be a Functional model"
        remedy = "build it of keras.Input and layers"
        raise Refusal(network.name, rule, type(network).__name__, remedy)
    for refusal in called_twice(network):
        raise refusal
    places = {**(inputs or {}), **(given or {})}
    nodes = []
    # Operations without a layer, such as x * 2, are among them.
    for layer in network.operations:
        if layer.name in places:
            continue
        if isinstance(layer, HardwareInput):
            shape = tuple(layer.output.shape[1:])
            nodes.append(Node(GraphInput(layer.input_format, shape, name=layer.name)))
            continue
        sources = tuple(places.get(name, name) for name in producers(layer.input))
        nodes.append(Node(exact_layer(layer), sources))
    return nodes


def exact_layer(layer: keras.Layer) -> Layer:
    """A layer of Keras, of QKeras or of ours as one with an exact form.

    Raises:
        Refusal: one that has none, or an option that has none.
    """
    if isinstance(layer, GraphLayer):
        graph_layer: Layer = layer.graph_layer
        return graph_layer
    for place, kind in KERAS_LAYERS.items():
        if type(layer) is _class_at(place):
            return kind.from_keras(layer)
    # QKeras' first.
    places = sorted(KERAS_LAYERS, reverse=True)
    choices = ", ".join(place.rsplit(".", 1)[-1] for place in places)
    remedies = (remedy for place, remedy in _REMEDIES.items() if type(layer) is _class_at(place))
    raise Refusal(
        layer.name,
        f"kind must be one of {choices}",
        type(layer).__name__,
        next(remedies, "build it of these"),
    )


def _class_at(place: str) -> Any:
    """The class of Keras that a layer is registered for."""
    try:
        return pkgutil.resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"a layer must be registered for a class, got {place}: {error}") from error


def called_twice(network: keras.Model) -> Iterator[Refusal]:
    """hls4ml asks for a layer for each call, and so does the reference."""
    for layer in network.get_config()["layers"]:
        n_calls = len(layer["inbound_nodes"])
        if n_calls > 1:
            yield Refusal(
                layer["name"],
                "a layer must be called once",
                f"{n_calls} calls",
                "make a layer for each",
            )


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
    # On a GPU, TensorFlow may multiply with fewer bits than float32 has (TF32).
    with tf.device("/CPU:0"):
        # An input that float32 does not hold is a float64 one; Keras casts for the others.
        outputs = map_batches(lambda *parts: probe(list(parts)), *inputs, dtype=np.float64)
    return dict(zip(layers, outputs, strict=True))
