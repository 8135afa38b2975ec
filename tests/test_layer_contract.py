"""What every layer of a trigger graph promises, asked of all that are registered.

A new layer or score is taken up by itself: its class brings an example.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hls.graph.layers  # noqa: F401  registers the layers
from hls.cost.features import traced_grids
from hls.cost.liveness import live_values
from hls.cost.model import estimate_cost
from hls.cpp.convert import convert_trigger_graph
from hls.graph.exact import find_grids
from hls.graph.layer import LAYERS, GraphInput, Layer
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.kernel_layers import Dense
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.score_layers import ScoreLayer, SquaredNorm, Total
from hls.graph.layers.unpacking import UnpackWords
from hls.graph.node import Node
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import plan_rtl, write_rtl_project
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.settings.firmware import FirmwareSettings


def cases_of(kinds: Iterable[str]) -> list[tuple[str, int]]:
    """Each example of these kinds of layers, by its number."""
    return [(kind, n) for kind in kinds for n in range(len(LAYERS[kind].examples()))]


CASES = cases_of(kind for kind, layer in LAYERS.items() if layer is not GraphInput)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
N_EVENTS = 500
#: Largest errors of LUT against yosys that benchmarks/cost_model.md states: of the cost model, and
#: of the tracer's own estimate, with which it is compared here.
LARGEST_ERROR, LARGEST_OF_TRACER = 0.615, 0.365


class _Nodes:
    """Of a graph of one layer; all their names begin with the case's."""

    def __init__(self, case: tuple[str, int]) -> None:
        self.all: list[Node] = []
        self._prefix = f"{case[0]}_{case[1]}"

    def add(self, layer: Layer, *inputs: str) -> str:
        named: Any = dataclasses.replace(layer, name=f"{self._prefix}_{layer.name}")  # type: ignore[type-var]
        self.all.append(Node(named, inputs))
        return str(named.name)

    def format_of(self, name: str) -> FixedPointFormat:
        return find_grids(self.all)[name].format


def graph_of(case: tuple[str, int]) -> TriggerGraph:
    """Inputs -> weights -> quantizers -> the layer -> a score, if it is none -> decision."""
    kind, number = case
    example, nodes, ports, sources = LAYERS[kind].examples()[number], _Nodes(case), [], []
    rng = np.random.default_rng(zlib.crc32(repr(case).encode()))
    for place, (form, shape) in enumerate(example.inputs):
        if isinstance(example.layer, AboveThreshold) and place:
            # The threshold that is an input.
            ports.append(nodes.add(GraphInput(form, shape, name="threshold")))
            continue
        if len(shape) == 1:
            ports.append(nodes.add(GraphInput(FixedPointFormat(7, 4), shape, name=f"in_{place}")))
            kernel = rng.normal(0, 1.5, (shape[0], shape[0])).clip(-4, 4).astype(np.float32)
            weights = Dense(kernel, FixedPointFormat(6, 3), name=f"weights_{place}")
            last = nodes.add(weights, ports[-1])
        else:
            ports.append(last := nodes.add(GraphInput(form, shape, name=f"in_{place}")))
        # Of words a port has all bits, which the float32 of a quantizer in Keras has not.
        if not isinstance(example.layer, Quantizer | UnpackWords):
            last = nodes.add(Quantizer(form, name=f"quantizer_{place}"), last)
        sources.append(last)
    if isinstance(example.layer, AboveThreshold):
        form = example.layer.input_formats[0]
        score = nodes.add(Total(input_formats=(form,)), *sources)
        return TriggerGraph.of(
            nodes.all, ports, (score, nodes.add(example.layer, score, *ports[1:]))
        )
    score = nodes.add(example.layer, *sources)
    if not isinstance(example.layer, ScoreLayer):
        score = nodes.add(SquaredNorm(input_formats=(nodes.format_of(score),)), score)
    scores = LayerGraph.of(nodes.all, ports, (score,))
    middle = float(np.median(scores.outputs(*events_of(scores))[score]))
    decision = AboveThreshold(middle, input_formats=(nodes.format_of(score),))
    return TriggerGraph.of(nodes.all, ports, (score, nodes.add(decision, score)))


def merged(cases: Sequence[tuple[str, int]]) -> TriggerGraph:
    """Of several, which share nothing; the last one decides."""
    graphs = list(map(graph_of, cases))
    nodes = [node for graph in graphs for node in graph.nodes]
    inputs = [name for graph in graphs for name in graph.input_names]
    outputs = [name for graph in graphs for name in graph.output_names[:-1]]
    decisions = [graph.output_names[-1] for graph in graphs]
    return TriggerGraph.of(nodes, inputs, (outputs[-1], *outputs[:-1], *decisions))


def events_of(graph: LayerGraph, n_events: int = N_EVENTS) -> tuple[np.ndarray, ...]:
    return tuple(
        stress_events(port.form, graph.grids[port.name].shape, n_events, seed)
        for seed, port in enumerate(graph.interface.inputs)
    )


@each_case
def test_reference_keras_and_grid(case: tuple[str, int]) -> None:
    check_reference(case)


def check_reference(case: tuple[str, int]) -> None:
    """Exact == Keras; every value is on its grid, and on that of the tracer."""
    graph = graph_of(case)
    values = events_of(graph)
    names = [node.name for node in graph.nodes if node.inputs]
    exact, in_keras = graph.trace(*values), graph.in_keras(*values, layers=names)
    traced = traced_grids(graph)
    assert graph.inexact_in_float32 == ()
    for name, found in exact.items():
        np.testing.assert_array_equal(in_keras[name], found, name)
        grid = graph.grids[name]
        np.testing.assert_array_equal(grid.format.quantize(found), found, name)
        assert (found >= grid.low).all() and (found <= grid.high).all(), name
        assert (found >= traced[name].low).all() and (found <= traced[name].high).all(), name
    scores = exact[graph.score_names[0]]
    # The layer does something, and the comparison can fail.
    assert len(np.unique(scores)) > 3
    assert 0 < exact[graph.decision.name].mean() < 1


@each_case
def test_stored_and_read_again(case: tuple[str, int], tmp_path: Path) -> None:
    check_stored(case, tmp_path)


def check_stored(case: tuple[str, int], folder: Path) -> None:
    """The same function, file by file the same bytes."""
    graph = graph_of(case)
    graph.save(folder / "first.npz")
    loaded = TriggerGraph.load(folder / "first.npz")
    loaded.save(folder / "second.npz")
    assert (folder / "first.npz").read_bytes() == (folder / "second.npz").read_bytes()
    values = events_of(graph)
    for name, expected in graph.trace(*values).items():
        np.testing.assert_array_equal(loaded.trace(*values)[name], expected, name)


@each_case
def test_back_from_keras(case: tuple[str, int]) -> None:
    check_back_from_keras(case)


def check_back_from_keras(case: tuple[str, int]) -> None:
    """The layer that Keras has is read as the layer that was written."""
    graph = graph_of(case)
    again = TriggerGraph.from_keras(graph.keras_model)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in graph.layers]
    values = events_of(graph)
    np.testing.assert_array_equal(again.evaluate(*values).score, graph.evaluate(*values).score)


@each_case
def test_values_that_are_not_live(case: tuple[str, int]) -> None:
    check_liveness(case)


def check_liveness(case: tuple[str, int]) -> None:
    """What is not live may be anything; and the layer says of each input what it needs."""
    graph = graph_of(case)
    live = live_values(graph, traced_grids(graph))
    kind, number = case
    name = f"{kind}_{number}_{LAYERS[kind].examples()[number].layer.name}"
    node = graph.node(name)
    events = events_of(graph, 50)
    values = {**dict(zip(graph.input_names, events, strict=True)), **graph.trace(*events)}
    inputs = [values[name] for name in node.inputs]
    rng = np.random.default_rng(1)
    for place, name in enumerate(node.inputs):
        assert live[name].shape == graph.grids[name].shape
        changed = [part.copy() for part in inputs]
        changed[place][:, ~live[name]] = rng.permutation(changed[place])[:, ~live[name]]
        before, after = node.layer.exact(*inputs), node.layer.exact(*changed)
        np.testing.assert_array_equal(after[:, live[node.name]], before[:, live[node.name]])


@pytest.mark.parametrize(
    "io_type", ["io_parallel", pytest.param("io_stream", marks=pytest.mark.slow)]
)
def test_c_simulation(io_type: str, tmp_path: Path) -> None:
    check_c_simulation(CASES, io_type, tmp_path)


def check_c_simulation(cases: Sequence[tuple[str, int]], io_type: str, folder: Path) -> None:
    """The C++ gives every bit of the reference."""
    graph, settings = merged(cases), FirmwareSettings(io_type=io_type)
    values = events_of(graph)
    convert_trigger_graph(graph, folder / "firmware", settings, [part[:20] for part in values])
    validation = validate_project(graph, folder / "firmware", {"stress": values})
    expected, found = validation.reference["stress"].scores, validation.outputs["stress"].scores
    for name, scores in expected.items():
        np.testing.assert_array_equal(found[name], scores, name)
    assert validation.is_proved and validation.events == N_EVENTS


def test_rtl(tmp_path: Path) -> None:
    check_rtl(CASES, tmp_path)


def check_rtl(cases: Sequence[tuple[str, int]], folder: Path) -> None:
    """The Verilog gives every bit of the reference."""
    graph = merged(cases)
    values = events_of(graph)
    settings = FirmwareSettings(levels_per_stage=8)
    write_rtl_project(graph, folder / "rtl", settings, [part[:20] for part in values])
    with VerilogSimulation(folder / "rtl") as simulation:
        found = simulation.run(*values).output
    expected = graph.evaluate(*values)
    for name, scores in expected.scores.items():
        np.testing.assert_array_equal(found.scores[name], scores, name)
    np.testing.assert_array_equal(found.trigger, expected.trigger)


@each_case
def test_cost(case: tuple[str, int]) -> None:
    check_cost(case)


def check_cost(case: tuple[str, int]) -> None:
    """LUT as far from the tracer's as both are from yosys at most, latency within a cycle."""
    graph = graph_of(case)
    found, traced = estimate_cost(graph, 8), plan_rtl(graph, 8)
    low = (1 - LARGEST_ERROR) / (1 + LARGEST_OF_TRACER) * traced.estimated_lut
    high = (1 + LARGEST_ERROR) / (1 - LARGEST_OF_TRACER) * traced.estimated_lut
    # Or by a few, in designs that have no more.
    assert low - 5 <= found.lut <= high + 5, (found, traced)
    assert abs(found.latency_cycles - traced.latency_cycles) <= 1
