"""What no HLS project is made of is refused before hls4ml is called."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hls.cpp import convert
from hls.graph.decision import AboveThreshold
from hls.graph.exact import Node
from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.score_layers import SquaredNorm
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.settings.firmware import FirmwareSettings

WIRES = FixedPointFormat(6, 4)
EVENTS = np.array([[0.0, 1.0], [-2.0, 3.0]])


def graph_of(score: SquaredNorm) -> TriggerGraph:
    """A score of two numbers."""
    nodes = [
        Node(GraphInput(WIRES, (2,), name="objects")),
        Node(score, ("objects",)),
    ]
    form = LayerGraph.of(nodes, ["objects"], [score.name]).grids[score.name].format
    decision = AboveThreshold(1.0, input_formats=(form,), name="trigger")
    nodes.append(Node(decision, (score.name,)))
    return TriggerGraph.of(nodes, ["objects"], [score.name, "trigger"])


@pytest.fixture
def never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*arguments: object) -> None:
        raise AssertionError("hls4ml must not be called")

    monkeypatch.setattr(convert, "_write_project", write)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (EVENTS[:0], "bench_inputs must hold at least one event, got 0"),
        (EVENTS + 0.1, "input 'objects' must hold multiples of 0.25 from -8 to 7.75"),
        (EVENTS[:, :1], "input 'objects' must be numbers of shape (events, 2)"),
    ],
)
@pytest.mark.usefixtures("never_written")
def test_events_of_the_bench(events: np.ndarray, message: str, tmp_path: Path) -> None:
    graph = graph_of(SquaredNorm(input_formats=(WIRES,), name="score"))
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        convert.convert_trigger_graph(graph, tmp_path / "hls", FirmwareSettings(), [events])
    assert list(tmp_path.iterdir()) == []
