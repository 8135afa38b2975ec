"""Functional models of Keras, models inside models among them, as nodes of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
from keras.src.models.functional import Functional

from hls.graph.keras_form import exact_layers
from hls.graph.keras_layers import HardwareInput
from hls.graph.layer import GraphInput, Layer
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from keras_ae.errors import InputError


@dataclass(frozen=True)
class Network:
    """A Functional model as nodes.

    `outputs`: the nodes that give the model's outputs, in their order. `tensors`: for the name of
    any layer of the model the node that gives its output; of a layer inside a nested model whose
    name others have, too, NESTED_NAME.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, str]


def read_network(
    network: keras.Model, inputs: Mapping[str, str] | None = None, taken: Collection[str] = ()
) -> Network:
    """The layers of a Functional or Sequential model, also of those nested in it, as nodes.

    Args:
        network: whose own input layers are `HardwareInput`, or stand in `inputs`.
        inputs: for names of input layers, the nodes that stand in their place.
        taken: names that other nodes of the graph have; a layer of such a name becomes
            NETWORK_NAME.

    Raises:
        InputError: no model of Keras 3 on TensorFlow.
        Refusal: a layer without an exact form, one that is called twice, or a model, perhaps
            nested, that is no graph of layers.
    """
    calls = _calls_of(network)
    for refusal in calls.refusals:
        raise refusal
    inputs = inputs or {}
    keys = _names_in_model(calls)
    names = _Names(network.name, {*taken, *keys})
    nodes: list[Node] = []
    outputs: list[str] = []
    for call, key in zip(calls.all, keys, strict=True):
        sources = tuple(outputs[place] for place in call.sources)
        if call.is_input and not sources and call.name in inputs:
            outputs.append(inputs[call.name])
            continue
        # A name that two layers share has been made another for all but one of them.
        name = key if key not in taken else names.free(key)
        chain = call.layers()
        if chain and chain[0].joins_pairs:
            more, sources = _joined(chain[0], name, sources, names)
            nodes += more
        for place, layer in enumerate(chain, 1):
            is_last = place == len(chain)
            chosen = name if is_last else names.free(name + layer.name.removeprefix(call.name))
            layer = layer if layer.name == chosen else replace(layer, name=chosen)
            nodes.append(Node(layer, sources))
            sources = (chosen,)
        outputs.append(*sources)
    tensors = dict(zip(keys, outputs, strict=True))
    tensors |= {name: outputs[place] for name, place in calls.models.items()}
    return Network(tuple(nodes), tuple(outputs[place] for place in calls.outputs), tensors)


def _joined(
    layer: Layer, name: str, sources: tuple[str, ...], names: _Names
) -> tuple[list[Node], tuple[str, ...]]:
    """Nodes that join neighbours until two sources are left, and these two."""
    nodes: list[Node] = []
    while len(sources) > 2:
        left: list[str] = []
        for place in range(0, len(sources), 2):
            pair = sources[place : place + 2]
            if len(pair) == 2:
                chosen = names.free(f"{name}_{len(nodes) + 1}")
                nodes.append(Node(replace(layer, name=chosen), pair))
                pair = (chosen,)
            left += pair
        sources = tuple(left)
    return nodes, sources


def check_network(network: keras.Model) -> list[Refusal]:
    """Every reason why a model, whose input layers may be any, has no exact form.

    Raises:
        InputError: no model of Keras 3 on TensorFlow.
    """
    calls = _calls_of(network)
    if calls.refusals:
        return calls.refusals
    refusals = []
    for call in calls.all:
        try:
            if not call.is_input:
                call.layers()
        except Refusal as refusal:
            refusals.append(refusal)
    return refusals


# Calls -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    """Of an operation of Keras: `node` is Keras' record of it.

    `sources` are places among all calls; `inside` is the nested model that makes it, if one does.
    """

    node: Any
    sources: tuple[int, ...]
    inside: str | None

    @property
    def operation(self) -> Any:
        return self.node.operation

    @property
    def name(self) -> str:
        return str(self.operation.name)

    @property
    def is_input(self) -> bool:
        return isinstance(self.operation, keras.layers.InputLayer)

    def layers(self) -> tuple[Layer, ...]:
        """Its exact form, of one layer on the output of the one before; none do nothing.

        Raises:
            Refusal: there is none, or it is not called as it is at inference.
        """
        if self.is_input and self.sources:
            return ()
        shape = tuple(self.node.output_tensors[0].shape[1:])
        if None in shape:
            remedy = "give keras.Input the whole shape"
            raise Refusal(self.name, "shape must be known", shape, remedy)
        if isinstance(self.operation, HardwareInput):
            return (GraphInput(self.operation.input_format, shape, name=self.name),)
        self._check_arguments()
        return exact_layers(self.operation)

    def _check_arguments(self) -> None:
        for refusal in _not_at_inference(self.node, "layer"):
            raise refusal
        shapes = [
            [tuple(x.shape[1:]) for x in node.input_tensors]
            for node in self.operation._inbound_nodes
        ]
        # Its options are read where it is called first.
        if any(shape != shapes[0] for shape in shapes):
            rule = "a layer must have inputs of one shape in all models that it is part of"
            raise Refusal(self.name, rule, shapes, "make a layer for each")


@dataclass
class _Calls:
    """All calls of a model, each behind those that it takes, and the places of its outputs."""

    all: list[_Call] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    #: Places of the outputs of nested models that have one.
    models: dict[str, int] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    #: How often each operation is called.
    n_calls: Counter[Any] = field(default_factory=Counter)

    def enter(
        self, model: keras.Model, sources: list[int] | None = None, inside: str | None = None
    ) -> list[int]:
        """Add the calls of a model; returns the places of its outputs."""
        given = {} if sources is None else dict(zip(map(id, model.inputs), sources, strict=True))
        places: dict[int, int] = {}
        for node in _in_order(model):
            taken = [places[id(tensor)] for tensor in node.input_tensors]
            operation = node.operation
            self.n_calls[operation] += 1
            if isinstance(operation, keras.Model):
                found = self._nested(node, places)
            else:
                taken += [given[id(x)] for x in node.output_tensors if id(x) in given]
                self.all.append(_Call(node, tuple(taken), inside))
                found = [len(self.all) - 1] * len(node.output_tensors)
            places.update(zip(map(id, node.output_tensors), found, strict=True))
        return [places[id(tensor)] for tensor in model.outputs]

    def _nested(self, node: Any, places: Mapping[int, int]) -> list[int]:
        """The outputs of a model that is called inside another."""
        model = node.operation
        refusals = list(_no_graph(model)) or list(_not_at_inference(node, "model"))
        self.refusals += refusals
        if refusals or self.n_calls[model] > 1:
            # Places of no call: what takes them is looked through for other refusals alone.
            return [-1] * len(node.output_tensors)
        tensors = _in_order_of_inputs(node)
        found = self.enter(model, [places[id(tensor)] for tensor in tensors], model.name)
        if len(found) == 1:
            self.models[model.name] = found[0]
        return found


def _calls_of(network: keras.Model) -> _Calls:
    """Of a model; raises InputError unless it is one of Keras 3 on TensorFlow."""
    check_keras(network)
    calls = _Calls(refusals=list(_no_graph(network)))
    if calls.refusals:
        return calls
    calls.outputs = calls.enter(network)
    calls.refusals += [
        Refusal(
            operation.name, "a layer must be called once", f"{n} calls", "make a layer for each"
        )
        for operation, n in calls.n_calls.items()
        if n > 1
    ]
    return calls


def check_keras(network: Any) -> None:
    """Raise InputError unless it is a model of this Keras, which computes with TensorFlow."""
    if not isinstance(network, keras.Model):
        kind = type(network)
        others = [c for c in kind.__mro__ if "keras" in c.__module__ and c.__name__ == "Model"]
        if others:
            place = others[0].__module__.split(".")[0]
            raise InputError(
                f"a graph must be made of a keras.Model of Keras {keras.__version__}, got "
                f"{kind.__name__} of {place}: build the model with 'import keras'"
            )
        raise InputError(f"a graph must be made of a keras.Model, got {kind.__name__}")
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InputError(
            f"backend of Keras must be 'tensorflow', got {backend!r}: set KERAS_BACKEND=tensorflow"
        )


def _no_graph(model: keras.Model) -> Iterator[Refusal]:
    """Why a model is no graph of layers."""
    known = next((k for k in (keras.Sequential, Functional) if isinstance(model, k)), None)
    # A class of its own may do something else than the layers that it was given.
    if known is None or type(model).call is not known.call:
        rule, remedy = "a graph must be a Functional model", "build it of keras.Input and layers"
        yield Refusal(model.name, rule, type(model).__name__, remedy)
    elif known is keras.Sequential and getattr(model, "_functional", None) is None:
        rule, remedy = "a Sequential model must be built", "begin it with keras.Input"
        yield Refusal(model.name, rule, "one that is not", remedy)


def _not_at_inference(node: Any, what: str) -> Iterator[Refusal]:
    """Why a layer or a model is called otherwise than at inference."""
    name, arguments = node.operation.name, node.arguments.kwargs
    if arguments.get("training"):
        rule, found = f"a {what} must be called as at inference", "training=True"
        yield Refusal(name, rule, found, "leave training out")
    # One for each input.
    if any(mask is not None for mask in keras.tree.flatten(arguments.get("mask"))):
        yield Refusal(name, "mask must be none", "one", "leave it out")


def _in_order(model: keras.Model) -> Iterator[Any]:
    """Keras' records of the calls of a model, each behind those that it takes."""
    ends = {id(tensor) for tensor in model.inputs}
    stack = [(_record(tensor), False) for tensor in reversed([*model.inputs, *model.outputs])]
    done: set[int] = set()
    while stack:
        node, is_ready = stack.pop()
        if id(node) in done:
            continue
        if is_ready or any(id(tensor) in ends for tensor in node.output_tensors):
            done.add(id(node))
            yield node
            continue
        stack.append((node, True))
        stack += [(_record(tensor), False) for tensor in reversed(node.input_tensors)]


def _record(tensor: Any) -> Any:
    """Of the call that gives a Keras tensor."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def _in_order_of_inputs(node: Any) -> list[Any]:
    """The tensors that a nested model is called with, as its inputs are; a dictionary by name."""
    model, arguments = node.operation, node.arguments
    given = arguments.args[0] if arguments.args else None
    if isinstance(given, dict) and not isinstance(getattr(model, "_inputs_struct", None), dict):
        return [given[tensor._keras_history.operation.name] for tensor in model.inputs]
    return list(node.input_tensors)


# Names -----------------------------------------------------------------------------------------


def _names_in_model(calls: _Calls) -> list[str]:
    """Of each call; one that is nested has its model's name before, where others are called so."""
    n_uses = Counter(call.name for call in calls.all)
    n_uses.update(calls.models)
    stay = [call.inside is None or n_uses[call.name] == 1 for call in calls.all]
    seen = {call.name for call, stays in zip(calls.all, stay, strict=True) if stays}
    names = []
    for call, stays in zip(calls.all, stay, strict=True):
        name = call.name
        while not stays and name in seen | n_uses.keys():
            name = f"{call.inside}_{name}"
        names.append(name)
        seen.add(name)
    return names


@dataclass
class _Names:
    """Of nodes, all different."""

    network: str
    used: set[str]

    def free(self, name: str) -> str:
        """A name that none has yet, made of `name`."""
        while name in self.used:
            name = f"{self.network}_{name}"
        self.used.add(name)
        return name
