"""Quantizers wherever they stand: fused by hls4ml where that is exact, else functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hls.cpp.convert import convert_trigger_graph
from hls.cpp.quantizers import is_fused
from hls.graph.layer import GraphInput, Layer
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.convolution import Convolution
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.error_scores import SquaredError
from hls.graph.layers.kernel_layers import Dense
from hls.graph.layers.moving_layers import Reshape
from hls.graph.layers.pooling_layers import MaxPooling
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.score_layers import SquaredNorm, Total
from hls.graph.node import Node
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.settings.firmware import FirmwareSettings


class Graph:
    """A graph that grows; scores and a decision come last."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.outputs: list[str] = []
        self.inputs: list[str] = []

    def add(self, kind: type[Layer], *arguments: Any, of: Sequence[str] = (), **more: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(Node(kind(*arguments, name=name, **more), tuple(of)))
        return name

    def input(self, form: str, *shape: int) -> str:
        self.inputs.append(self.add(GraphInput, form, shape))
        return self.inputs[-1]

    def dense(self, x: str) -> str:
        rng = np.random.default_rng(len(self.nodes))
        kernel = rng.normal(0, 1, (4, 4)).astype(np.float32)
        return self.add(Dense, kernel, "fixed<6,3>", kernel[0], "fixed<6,3>", of=[x])

    def quantizer(self, x: str, form: str) -> str:
        return self.add(Quantizer, form, of=[x])

    def score(self, kind: type[Layer], *inputs: str, **formats: str) -> str:
        grids = LayerGraph.of(self.nodes, self.inputs, inputs).grids
        taken = tuple(grids[x].format for x in inputs)
        return self.add(kind, of=inputs, input_formats=taken, **formats)

    def done(self) -> TriggerGraph:
        score = self.outputs[0]
        form = LayerGraph.of(self.nodes, self.inputs, [score]).grids[score].format
        scores = LayerGraph.of(self.nodes, self.inputs, [score])
        middle = float(np.median(scores.outputs(*events_of(scores))[score]))
        decision = self.add(AboveThreshold, middle, of=[score], input_formats=(form,))
        return TriggerGraph.of(self.nodes, self.inputs, [*self.outputs, decision])


def events_of(graph: LayerGraph, n_events: int = 400) -> tuple[np.ndarray, ...]:
    return tuple(
        stress_events(port.form, graph.grids[port.name].shape, n_events, seed)
        for seed, port in enumerate(graph.interface.inputs)
    )


def everywhere(graph: Graph) -> None:
    """Adds quantizers at many places."""
    x = graph.input("fixed<8,4>", 4)
    # Behind a score: of its own, and before the decision.
    norm = graph.score(SquaredNorm, graph.quantizer(graph.dense(x), "fixed<8,4>"))
    graph.outputs.append(graph.quantizer(norm, "ufixed<6,6>"))
    # Behind an input of another format.
    wide = graph.input("fixed<10,5>", 4)
    narrow = graph.quantizer(wide, "fixed<7,5,TRN>")
    again = graph.quantizer(wide, "ufixed<7,3>")
    graph.outputs += [graph.score(SquaredNorm, y) for y in (narrow, again)]
    # Two in a row, and behind what is an output.
    tapped = graph.score(Total, graph.quantizer(graph.dense(narrow), "fixed<8,5>"))
    fine = graph.quantizer(tapped, "fixed<8,5>")
    coarse = graph.quantizer(fine, "fixed<5,4>")
    graph.outputs += [tapped, graph.score(Total, coarse)]
    # Beside others, also where a reshape stands between.
    shared = graph.dense(again)
    both = [graph.quantizer(shared, form) for form in ("fixed<6,3>", "fixed<5,4,RND,WRAP>")]
    square = graph.add(Reshape, (2, 2, 1), of=[graph.dense(again)])
    flat = graph.add(Reshape, (4,), of=[square])
    both += [graph.quantizer(square, "fixed<7,3>"), graph.quantizer(flat, "fixed<7,4>")]
    both[2] = graph.add(Reshape, (4,), of=[both[2]])
    graph.outputs += [graph.score(SquaredNorm, y) for y in both]
    # Of images: pooled, and behind a convolution in other modes.
    image = graph.input("fixed<6,3>", 2, 2, 2)
    pooled = graph.add(MaxPooling, (2, 1), of=[image])
    pooled = graph.quantizer(pooled, "fixed<4,3,TRN,WRAP>")
    kernel = np.linspace(-1.4, 1.7, 8, dtype=np.float32).reshape(1, 2, 2, 2)
    sums = graph.add(Convolution, kernel, "fixed<6,3,TRN>", of=[pooled])
    sums = graph.quantizer(sums, "fixed<6,4,TRN,WRAP>")
    flat = graph.add(Reshape, (4,), of=[sums])
    graph.outputs.append(graph.score(SquaredNorm, flat))
    # Scores that round themselves.
    graph.outputs += [
        graph.score(SquaredNorm, again, term_format="ufixed<8,4,TRN>"),
        graph.score(Total, again, output_format="ufixed<5,3,RND,WRAP>"),
        graph.score(
            SquaredError, narrow, again, term_format="fixed<9,7,RND>", output_format="ufixed<9,9>"
        ),
    ]
    # Both at once: behind an image's values as a list.
    listed = graph.add(Reshape, (8,), of=[image])
    graph.outputs.append(graph.score(Total, graph.quantizer(listed, "fixed<4,2,RND>")))


@pytest.mark.parametrize(
    ("io_type", "backend"),
    [
        ("io_parallel", "Vitis"),
        pytest.param("io_stream", "Vitis", marks=pytest.mark.slow),
        pytest.param("io_parallel", "Quartus", marks=pytest.mark.slow),
        pytest.param("io_stream", "Catapult", marks=pytest.mark.slow),
    ],
)
def test_every_bit(io_type: str, backend: str, tmp_path: Path) -> None:
    grown = Graph()
    everywhere(grown)
    graph = grown.done()
    settings = FirmwareSettings(io_type=io_type, backend=backend)
    events = events_of(graph)
    convert_trigger_graph(graph, tmp_path / "hls", settings, [part[:20] for part in events])
    validation = validate_project(graph, tmp_path / "hls", {"stress": events})
    expected, found = validation.reference["stress"].scores, validation.outputs["stress"].scores
    for name, scores in expected.items():
        np.testing.assert_array_equal(found[name], scores, name)
    assert validation.is_proved


def test_what_is_fused() -> None:
    """Behind sums of products and pools as ever; behind scores and other inputs never."""
    graph = Graph()
    x = graph.input("fixed<8,4>", 4)
    same, other = graph.quantizer(x, "fixed<8,4>"), graph.quantizer(x, "fixed<8,3>")
    sums = graph.quantizer(graph.dense(other), "fixed<8,4>")
    cut = graph.quantizer(graph.dense(other), "fixed<8,4,TRN,WRAP>")
    square = graph.add(Reshape, (2, 2, 1), of=[graph.dense(sums)])
    reshaped = graph.quantizer(square, "fixed<8,4>")
    pooled = graph.add(MaxPooling, (2, 1), of=[reshaped])
    after_pool = graph.quantizer(pooled, "fixed<7,4>")
    score = graph.score(Total, graph.add(Reshape, (2,), of=[after_pool]))
    after_score = graph.quantizer(score, "fixed<5,4>")
    twice = graph.quantizer(after_score, "fixed<4,4>")
    last = [same, cut, twice]
    layers = LayerGraph.of(graph.nodes, graph.inputs, last)
    settings = FirmwareSettings()
    fused = {
        node.name: is_fused(node, node.layer.form, layers, settings)
        for node in layers.nodes
        if isinstance(node.layer, Quantizer)
    }
    expected = dict.fromkeys((same, sums, cut, reshaped, after_pool), True)
    assert fused == {**expected, other: False, after_score: False, twice: False, same: fused[same]}
