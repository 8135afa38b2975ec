"""The layers of a Keras model in one row, those of models inside it among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.models.functional import Functional

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

    A layer of a model inside keeps its name, and gets that model's before it where others have the
    same, as in trigger graphs.

    Raises:
        InputError: another model, one that is not built, a layer that is called twice, or an
            operation that is no layer.
    """
    graph = _functional(model)
    found: list[_Call] = []
    tensors: dict[int, int] = {}
    _collect(graph, None, tensors, found)
    _check_calls(found)
    names = _names(found)

    def name_of(tensor: Any) -> str:
        return names[_origin(tensors, id(tensor))]

    return FlatModel(
        model.name,
        tuple(
            Step(names[call.output], call.layer, tuple(names[source] for source in call.sources))
            for call in found
        ),
        keras.tree.map_structure(name_of, graph.input),
        keras.tree.map_structure(name_of, graph.output),
    )


@dataclass(frozen=True, eq=False)
class _Call:
    """A layer between tensors of Keras, which are told apart by their ids.

    `inside` is the model inside that makes the call, if one does.
    """

    inside: str | None
    layer: keras.Layer
    sources: tuple[int, ...]
    output: int


def _functional(model: Any) -> keras.Model:
    """As one whose tensors are connected."""
    if not isinstance(model, keras.Model):
        raise InputError(f"model must be a keras.Model, got {type(model).__name__}")
    known = next((k for k in (keras.Sequential, Functional) if isinstance(model, k)), None)
    # A class of its own may do something else than the layers that it was given.
    if known is None or type(model).call is not known.call:
        raise InputError(
            f"model '{model.name}' must be Sequential or Functional, got {type(model).__name__}; "
            "build it of keras.Input and layers"
        )
    if known is keras.Sequential:
        if not model.built or not model.layers:
            raise InputError(
                f"model '{model.name}' must know the shape of its input, got a Sequential that is "
                "not built; begin it with keras.Input(shape)"
            )
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return model


def _collect(graph: Any, inside: str | None, tensors: dict[int, int], found: list[_Call]) -> None:
    """Append the calls of a model; `tensors` says of which tensor another is a copy."""
    for node in _nodes(graph):
        layer, sources = node.operation, _sources(node)
        if node.is_input:
            # The input of a model inside is a tensor of the model outside.
            if inside is None:
                found.append(_Call(None, layer, (), id(node.outputs[0])))
            continue
        _check_arguments(node)
        if isinstance(layer, keras.Model):
            inner = _functional(layer)
            copies = zip(inner.inputs, sources, strict=True)
            tensors.update((id(copy), id(tensor)) for copy, tensor in copies)
            _collect(inner, layer.name, tensors, found)
            copies = zip(node.outputs, inner.outputs, strict=True)
            tensors.update((id(copy), id(tensor)) for copy, tensor in copies)
            continue
        _check_layer(layer, len(node.outputs))
        origins = tuple(_origin(tensors, id(tensor)) for tensor in sources)
        found.append(_Call(inside, layer, origins, id(node.outputs[0])))


def _sources(node: Any) -> list[Any]:
    """What a layer is called with; of a model inside as its inputs are, a dictionary by name."""
    model, given = node.operation, (*node.arguments.args, None)[0]
    by_name = isinstance(model, keras.Model) and isinstance(given, dict)
    if by_name and not isinstance(model.input, dict):
        return [given[tensor._keras_history.operation.name] for tensor in model.inputs]
    return list(node.arguments.keras_tensors)


def _names(found: list[_Call]) -> dict[int, str]:
    """Of the layers by the tensors that they give."""
    n_uses = Counter(call.layer.name for call in found)
    stays = {call.output: call.inside is None or n_uses[call.layer.name] == 1 for call in found}
    taken = {call.layer.name for call in found if stays[call.output]} | set(n_uses)
    names = {}
    for call in found:
        name = call.layer.name
        while not stays[call.output] and name in taken:
            name = f"{call.inside}_{name}"
        names[call.output] = name
        taken.add(name)
    return names


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


def _check_arguments(node: Any) -> None:
    """Raise InputError where a layer or a model is called otherwise than at inference."""
    arguments, name = node.arguments.kwargs, node.operation.name
    if arguments.get("training"):
        raise InputError(
            f"layer '{name}': it must be called as at inference, got training=True; leave training "
            "out"
        )
    if any(mask is not None for mask in keras.tree.flatten(arguments.get("mask"))):
        raise InputError(f"layer '{name}': mask must be none, got one; leave it out")


def _check_calls(found: list[_Call]) -> None:
    for layer, n_calls in Counter(call.layer for call in found).items():
        if n_calls > 1:
            raise InputError(
                f"layer '{layer.name}': a layer must be called once, got {n_calls} calls; make a "
                "layer for each"
            )
