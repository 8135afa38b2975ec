"""Layers joined to a graph: the neutral form that firmware is made of, and its exact function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from hls.graph.exact import evaluate, find_grids, float32_bounds
from hls.graph.grid import Grid
from hls.graph.interface import Interface, Port
from hls.graph.layer import CppForm, GraphInput, Layer
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from keras_ae.errors import InputError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class LayerGraph:
    """A graph of exact layers, evaluated exactly; made by `of` or `from_keras`.

    Args:
        nodes: its layers and where their inputs come from, each behind those that it takes.
        input_names: layers that are its inputs, in their order.
        output_names: layers whose outputs are the graph's, in their order.

    Raises:
        Refusal: sums too wide for float64, layers that do not fit together, a name that stands
            twice or that no layer has, or an input layer that is not among the graph's inputs.
    """

    nodes: tuple[Node, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    #: Which values each layer can give, by name.
    grids: Mapping[str, Grid] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_names(self.nodes, self.input_names, self.output_names)
        object.__setattr__(self, "grids", find_grids(self.nodes))

    @classmethod
    def of(cls, nodes: Iterable[Node], inputs: Sequence[str], outputs: Sequence[str]) -> Self:
        """Of those among `nodes` that the outputs depend on, in Keras' order."""
        return cls(_ordered(nodes, inputs, outputs), tuple(inputs), tuple(outputs))

    @classmethod
    def from_keras(cls, model: keras.Model) -> Self:
        """Of a Functional model whose inputs are `HardwareInput` layers.

        Raises:
            Refusal: a layer without an exact form, or one that is called twice.
        """
        from hls.graph.keras_form import producers
        from hls.graph.keras_network import read_network

        network = read_network(model)
        return cls.of(network.nodes, producers(model.inputs), network.outputs)

    def node(self, name: str) -> Node:
        """The node of a layer.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self._by_name:
            raise InputError(f"layer must be one of {', '.join(self._by_name)}, got {name!r}")
        return self._by_name[name]

    def layer(self, name: str) -> Layer:
        """A layer by its name; raises as `node` does."""
        return self.node(name).layer

    @property
    def layers(self) -> tuple[Layer, ...]:
        """In an order of evaluation, inputs among them."""
        return tuple(node.layer for node in self.nodes)

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def consumers(self, name: str) -> list[Node]:
        """The nodes that take a layer's output, one that takes it twice twice."""
        return [node for node in self.nodes for source in node.inputs if source == name]

    def cpp(self, node: Node) -> CppForm:
        """How a layer is written in C++ at its place."""
        return node.layer.cpp([self.grids[name] for name in node.inputs], self.grids[node.name])

    @cached_property
    def interface(self) -> Interface:
        """Ports of the graph, and of its firmware."""

        def port(name: str) -> Port:
            grid = self.grids[name]
            return Port.of(name, grid.format, grid.shape)

        return Interface(tuple(map(port, self.input_names)), tuple(map(port, self.output_names)))

    # Exact -------------------------------------------------------------------------------------

    def outputs(self, *inputs: np.ndarray, n_threads: int | None = None) -> dict[str, np.ndarray]:
        """The graph's outputs by name, (events, ...) each.

        Args:
            inputs: values of its inputs, (events, ...) each, in their order.
            n_threads: by default one for each core.

        Raises:
            InputError: values that the firmware could not be given, see `Interface.check`.
        """
        return self._evaluate(inputs, self.output_names, n_threads)

    def trace(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The output of every layer by name, (events, ...) each; raises as `outputs` does."""
        return self._evaluate(inputs, [node.name for node in self.nodes if node.inputs], None)

    def _evaluate(
        self, inputs: Sequence[np.ndarray], wanted: Sequence[str], n_threads: int | None
    ) -> dict[str, np.ndarray]:
        arrays = dict(zip(self.input_names, self.interface.check(inputs), strict=True))
        return evaluate(self.nodes, self.grids, arrays, wanted, n_threads)

    # In Keras ----------------------------------------------------------------------------------

    @cached_property
    def keras_model(self) -> keras.Model:
        """The graph in Keras and QKeras, made when it is first asked for."""
        from hls.graph.keras_form import build_keras_model

        return build_keras_model(self.nodes, self.input_names, self.output_names)

    def in_keras(
        self, *inputs: np.ndarray, layers: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """What Keras gives, (events, ...) of the outputs, or of `layers`, by name.

        Raises:
            InputError: values that the firmware could not be given, see `Interface.check`.
        """
        from hls.graph.keras_form import evaluate_in_keras

        names = self.output_names if layers is None else tuple(layers)
        return evaluate_in_keras(self.keras_model, names, self.interface.check(inputs))

    @cached_property
    def float32_bounds(self) -> dict[str, float]:
        """By layer, how far Keras' float32 can be from the output that the exact input gives."""
        return float32_bounds(self.nodes, self.grids)

    @property
    def inexact_in_float32(self) -> tuple[str, ...]:
        """Layers whose numbers, or sums on the way to them, Keras' float32 may round."""
        return tuple(name for name, bound in self.float32_bounds.items() if bound)


def _check_names(
    nodes: Sequence[Node], inputs: Sequence[str], outputs: Sequence[str], in_order: bool = True
) -> None:
    """Raise Refusal unless nodes, inputs and outputs are those of one graph."""
    known: set[str] = set() if in_order else {node.name for node in nodes}
    seen: set[str] = set()
    for node in nodes:
        if node.name in seen:
            raise not_unique(node.name)
        for source in node.inputs:
            if source not in known:
                rule = "inputs must be layers of the graph, each before what takes it"
                raise Refusal(node.name, rule, repr(source), "name one that is there")
        if isinstance(node.layer, GraphInput) and node.name not in inputs:
            remedy = "name it among the graph's inputs"
            raise Refusal(node.name, "an input must be one of the graph's", "another", remedy)
        known.add(node.name)
        seen.add(node.name)
    by_name = {node.name: node.layer for node in nodes}
    for side, names in (("input", inputs), ("output", outputs)):
        for name in names:
            layer = by_name.get(name)
            if layer is None or (side == "input" and not isinstance(layer, GraphInput)):
                kind = "one of its inputs" if side == "input" else "a layer"
                raise Refusal(name, f"each {side} of a graph must be {kind}", "none", "add it")
            if names.count(name) > 1:
                raise Refusal(name, f"each {side} of a graph must be named once", "two", "drop one")


def not_unique(name: str) -> Refusal:
    """Two layers of one name."""
    return Refusal(name, "the name of a layer must be unique", "two", "choose another name")


def _ordered(
    nodes: Iterable[Node], inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[Node, ...]:
    """Those that the outputs depend on, farthest from an output first, as Keras orders them.

    Of equal distance in the order in which a walk from the outputs back first meets them. Inputs
    that nothing depends on come last.
    """
    nodes = tuple(nodes)
    by_name = {node.name: node for node in nodes}
    # What follows would meet names that no layer has.
    _check_names(nodes, inputs, outputs, in_order=False)
    met: dict[str, int] = {}
    finished: list[str] = []
    # Names to enter, and names whose inputs are all finished.
    for output in outputs:
        stack = [(output, False)]
        while stack:
            name, is_done = stack.pop()
            if is_done:
                finished.append(name)
            elif name not in met:
                met[name] = len(met)
                stack.append((name, True))
                stack += [(source, False) for source in reversed(by_name[name].inputs)]
    distance = dict.fromkeys(finished, 0)
    for name in reversed(finished):
        for source in by_name[name].inputs:
            distance[source] = max(distance[source], distance[name] + 1)
    unused = [name for name in inputs if name not in met]
    order = sorted(finished, key=lambda name: (-distance[name], met[name]))
    return tuple(by_name[name] for name in (*order, *unused))
