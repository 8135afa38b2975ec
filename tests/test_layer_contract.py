"""What every layer of a trigger graph promises, asked of all that are registered.

A new layer or score is taken up by itself: its class brings an example.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hls.graph.keras_form  # noqa: F401  registers the layers
from hls.cost.features import traced_grids
from hls.cost.liveness import live_values
from hls.cost.model import estimate_cost
from hls.cpp.convert import convert_trigger_graph
from hls.graph.decision import AboveThreshold
from hls.graph.exact import Node, find_grids
from hls.graph.kernel_layers import Dense
from hls.graph.layer import LAYERS, GraphInput, Layer
from hls.graph.layer_graph import LayerGraph
from hls.graph.quantizer import Quantizer
from hls.graph.score_layers import ScoreLayer, SquaredNorm, Total
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import plan_rtl, write_rtl_project
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.settings.firmware import FirmwareSettings

KINDS = [name for name in LAYERS if name != "GraphInput"]
N_EVENTS = 500
#: As benchmarks/cost_model.md states it for LUT.
LARGEST_ERROR = 0.615


class _Nodes:
    """Of a graph of one layer; all their names begin with its kind."""

    def __init__(self, kind: str) -> None:
        self.all: list[Node] = []
        self._kind = kind

    def add(self, layer: Layer, *inputs: str) -> str:
        named: Any = dataclasses.replace(layer, name=f"{self._kind}_{layer.name}")  # type: ignore[type-var]
        self.all.append(Node(named, inputs))
        return str(named.name)

    def format_of(self, name: str) -> FixedPointFormat:
        return find_grids(self.all)[name].format


def graph_of(kind: str) -> TriggerGraph:
    """Inputs -> weights -> quantizers -> the layer -> a score, if it is none -> decision."""
    example, nodes, ports, sources = LAYERS[kind].example(), _Nodes(kind), [], []
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    for number, (form, shape) in enumerate(example.inputs):
        if len(shape) == 1:
            ports.append(nodes.add(GraphInput(FixedPointFormat(7, 4), shape, name=f"in_{number}")))
            kernel = rng.normal(0, 1.5, (shape[0], shape[0])).astype(np.float32)
            weights = Dense(kernel, FixedPointFormat(6, 3), name=f"weights_{number}")
            last = nodes.add(weights, ports[-1])
        else:
            ports.append(last := nodes.add(GraphInput(form, shape, name=f"in_{number}")))
        if not isinstance(example.layer, Quantizer):
            last = nodes.add(Quantizer(form, name=f"quantizer_{number}"), last)
        sources.append(last)
    decision: Any = AboveThreshold(0.0, input_formats=(FixedPointFormat(8, 4),))
    if isinstance(example.layer, AboveThreshold):
        decision = example.layer
        score = nodes.add(Total(input_formats=decision.input_formats), *sources)
    else:
        score = nodes.add(example.layer, *sources)
    if not isinstance(example.layer, ScoreLayer | AboveThreshold):
        score = nodes.add(SquaredNorm(input_formats=(nodes.format_of(score),)), score)
    scores = LayerGraph.of(nodes.all, ports, (score,))
    middle = float(np.median(scores.outputs(*events_of(scores))[score]))
    formats = (nodes.format_of(score),)
    decision = dataclasses.replace(decision, threshold=middle, input_formats=formats)
    return TriggerGraph.of(nodes.all, ports, (score, nodes.add(decision, score)))


def merged(kinds: Sequence[str]) -> TriggerGraph:
    """Of several, which share nothing."""
    graphs = list(map(graph_of, kinds))
    nodes = [node for graph in graphs for node in graph.nodes]
    inputs, outputs = (
        [name for graph in graphs for name in getattr(graph, side)]
        for side in ("input_names", "output_names")
    )
    return TriggerGraph.of(nodes, inputs, outputs)


def events_of(graph: LayerGraph, n_events: int = N_EVENTS) -> tuple[np.ndarray, ...]:
    return tuple(
        stress_events(port.form, graph.grids[port.name].shape, n_events, seed)
        for seed, port in enumerate(graph.interface.inputs)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_reference_keras_and_grid(kind: str) -> None:
    check_reference(kind)


def check_reference(kind: str) -> None:
    """Exact == Keras; every value is on its grid, and on that of the tracer."""
    graph = graph_of(kind)
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
    assert len(np.unique(scores)) > 5
    assert 0 < exact[graph.decision.name].mean() < 1


@pytest.mark.parametrize("kind", KINDS)
def test_stored_and_read_again(kind: str, tmp_path: Path) -> None:
    check_stored(kind, tmp_path)


def check_stored(kind: str, folder: Path) -> None:
    """The same function, file by file the same bytes."""
    graph = graph_of(kind)
    graph.save(folder / "first.npz")
    loaded = TriggerGraph.load(folder / "first.npz")
    loaded.save(folder / "second.npz")
    assert (folder / "first.npz").read_bytes() == (folder / "second.npz").read_bytes()
    values = events_of(graph)
    for name, expected in graph.trace(*values).items():
        np.testing.assert_array_equal(loaded.trace(*values)[name], expected, name)


@pytest.mark.parametrize("kind", KINDS)
def test_back_from_keras(kind: str) -> None:
    # The layer that Keras has is read as the layer that was written.
    graph = graph_of(kind)
    again = TriggerGraph.from_keras(graph.keras_model)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in graph.layers]
    values = events_of(graph)
    np.testing.assert_array_equal(again.evaluate(*values).score, graph.evaluate(*values).score)


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_not_live(kind: str) -> None:
    check_liveness(kind)


def check_liveness(kind: str) -> None:
    """What is not live may be anything; and the layer says of each input what it needs."""
    graph = graph_of(kind)
    live = live_values(graph, traced_grids(graph))
    (node,) = (n for n in graph.nodes if n.name == f"{kind}_{LAYERS[kind].example().layer.name}")
    inputs = [graph.trace(*events_of(graph, 50))[name] for name in node.inputs]
    rng = np.random.default_rng(1)
    for place, name in enumerate(node.inputs):
        assert live[name].shape == graph.grids[name].shape
        changed = [part.copy() for part in inputs]
        changed[place][:, ~live[name]] = rng.permutation(changed[place])[:, ~live[name]]
        before, after = node.layer.exact(*inputs), node.layer.exact(*changed)
        np.testing.assert_array_equal(after[:, live[node.name]], before[:, live[node.name]])


@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_c_simulation(io_type: str, tmp_path: Path) -> None:
    check_c_simulation(KINDS, io_type, tmp_path)


def check_c_simulation(kinds: Sequence[str], io_type: str, folder: Path) -> None:
    """The C++ gives every bit of the reference."""
    graph, settings = merged(kinds), FirmwareSettings(io_type=io_type)
    values = events_of(graph)
    convert_trigger_graph(graph, folder / "firmware", settings, [part[:20] for part in values])
    validation = validate_project(graph, folder / "firmware", {"stress": values})
    expected, found = validation.reference["stress"].scores, validation.outputs["stress"].scores
    for name, scores in expected.items():
        np.testing.assert_array_equal(found[name], scores, name)
    assert validation.is_proved and validation.events == N_EVENTS


def test_rtl(tmp_path: Path) -> None:
    check_rtl(KINDS, tmp_path)


def check_rtl(kinds: Sequence[str], folder: Path) -> None:
    """The Verilog gives every bit of the reference."""
    graph = merged(kinds)
    values = events_of(graph)
    settings = FirmwareSettings(levels_per_stage=8)
    write_rtl_project(graph, folder / "rtl", settings, [part[:20] for part in values])
    with VerilogSimulation(folder / "rtl") as simulation:
        found = simulation.run(*values).output
    expected = graph.evaluate(*values)
    for name, scores in expected.scores.items():
        np.testing.assert_array_equal(found.scores[name], scores, name)
    np.testing.assert_array_equal(found.trigger, expected.trigger)


@pytest.mark.parametrize("kind", KINDS)
def test_cost(kind: str) -> None:
    check_cost(kind)


def check_cost(kind: str) -> None:
    """LUT within the model's stated error of what the tracer counts, latency within a cycle."""
    graph = graph_of(kind)
    found, traced = estimate_cost(graph, 8), plan_rtl(graph, 8)
    # Or by a few, in designs that have no more.
    most = max(LARGEST_ERROR * traced.estimated_lut, 5)
    assert abs(found.lut - traced.estimated_lut) <= most, (found, traced)
    assert abs(found.latency_cycles - traced.latency_cycles) <= 1
