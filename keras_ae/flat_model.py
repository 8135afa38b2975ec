"""The layers of a Keras model in one row, those of models inside it among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_ae.errors import InputError


@dataclass(frozen=True, eq=False)
class Step:
    """A layer, and the names of those whose outputs it takes. An input has no `sources`."""

    name: str
    layer: keras.Layer
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FlatModel:
    """Steps in an order in which they can be computed.

    `inputs` and `outputs` are names in the structures (one, list, dictionary) that the model has.
    """

    name: str
    steps: tuple[Step, ...]
    inputs: Any
    outputs: Any

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(keras.tree.flatten(self.outputs))


def flatten_model(model: keras.Model) -> FlatModel:
    """Take apart a Sequential or Functional model.

    A layer of a model inside keeps its name, and gets that model's before it where two layers have
    the same.

    Raises:
        InputError: another model, one that is not built, a layer that is called twice, or an
            operation that is no layer.
    """
    graph = _functional(model)
    found: list[_Call] = []
    tensors: dict[int, int] = {}
    _collect(graph, "", tensors, found)
    n_named = Counter(call.layer.name for call in found)
    names = {
        call.output: call.layer.name
        if n_named[call.layer.name] == 1
        else f"{call.prefix}{call.layer.name}"
        for call in found
    }

    def name_of(tensor: Any) -> str:
        return names[_origin(tensors, id(tensor))]

    steps = tuple(
        Step(names[call.output], call.layer, tuple(names[source] for source in call.sources))
        for call in found
    )
    _check_calls(steps)
    return FlatModel(
        model.name,
        steps,
        keras.tree.map_structure(name_of, graph.input),
        keras.tree.map_structure(name_of, graph.output),
    )


@dataclass(frozen=True, eq=False)
class _Call:
    """A layer between tensors of Keras, which are told apart by their ids."""

    prefix: str
    layer: keras.Layer
    sources: tuple[int, ...]
    output: int


def _functional(model: Any) -> keras.Model:
    """As one whose tensors are connected."""
    if not isinstance(model, keras.Model):
        raise InputError(f"model must be a keras.Model, got {type(model).__name__}")
    if isinstance(model, keras.Sequential):
        if not model.built or not model.layers:
            raise InputError(
                f"model '{model.name}' must know the shape of its input, got a Sequential that is "
                "not built; begin it with keras.Input(shape)"
            )
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not isinstance(model, keras.Function):
        raise InputError(
            f"model '{model.name}' must be Sequential or Functional, got {type(model).__name__}; "
            "build it of keras.Input and layers"
        )
    return model


def _collect(graph: Any, prefix: str, tensors: dict[int, int], found: list[_Call]) -> None:
    """Append the calls of a model; `tensors` says of which tensor another is a copy."""
    for node in _nodes(graph):
        layer, sources = node.operation, node.arguments.keras_tensors
        if node.is_input:
            # The input of a model inside is a tensor of the model outside.
            if not prefix:
                found.append(_Call(prefix, layer, (), id(node.outputs[0])))
            continue
        if isinstance(layer, keras.Model):
            inner = _functional(layer)
            copies = zip(inner.inputs, sources, strict=True)
            tensors.update((id(copy), id(tensor)) for copy, tensor in copies)
            _collect(inner, f"{prefix}{layer.name}_", tensors, found)
            copies = zip(node.outputs, inner.outputs, strict=True)
            tensors.update((id(copy), id(tensor)) for copy, tensor in copies)
            continue
        _check_layer(layer, len(node.outputs))
        origins = tuple(_origin(tensors, id(tensor)) for tensor in sources)
        found.append(_Call(prefix, layer, origins, id(node.outputs[0])))


def _nodes(graph: Any) -> Iterator[Any]:
    """In an order in which they can be computed."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from graph._nodes_by_depth[depth]


def _origin(tensors: dict[int, int], tensor: int) -> int:
    while tensor in tensors:
        tensor = tensors[tensor]
    return tensor


def _check_layer(layer: Any, n_outputs: int) -> None:
    if not isinstance(layer, keras.Layer):
        kind = type(layer).__name__
        raise InputError(
            f"layer '{layer.name}': a layer of Keras is needed, got operation {kind}; use one of "
            "keras.layers, like keras.layers.Add"
        )
    if n_outputs != 1:
        raise InputError(
            f"layer '{layer.name}': a layer must give one tensor, got {n_outputs}; split it"
        )


def _check_calls(steps: tuple[Step, ...]) -> None:
    for layer, n_calls in Counter(step.layer for step in steps).items():
        if n_calls > 1:
            raise InputError(
                f"layer '{layer.name}': a layer must be called once, got {n_calls} calls; make a "
                "layer for each"
            )
    for name, n_layers in Counter(step.name for step in steps).items():
        if n_layers > 1:
            raise InputError(
                f"layer '{name}': names of layers must differ, got {n_layers} of this one; "
                "rename them"
            )
