"""What no HLS project is made of is refused before hls4ml is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from hls.cpp import convert
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.settings.firmware import FirmwareSettings

WIRES = FixedPointFormat(6, 4)
EVENTS = np.array([[0.0, 1.0], [-2.0, 3.0]])


@dataclass(frozen=True, eq=False)
class Norm(SquaredNorm):
    """As it would be with a header of its own."""

    header: Path | None = None
    kind: str = "TriggerLogic"

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        return replace(super().cpp(inputs, out), kind=self.kind, header=self.header)


def graph_of(*headers: Path | None, kind: str = "TriggerLogic") -> TriggerGraph:
    """Scores of two numbers, each with a header."""
    nodes = [Node(GraphInput(WIRES, (2,), name="objects"))]
    scores = []
    for number, header in enumerate(headers):
        layer = Norm(header, kind, input_formats=(WIRES,), name=f"score_{number}")
        nodes.append(Node(layer, ("objects",)))
        scores.append(layer.name)
    form = LayerGraph.of(nodes, ["objects"], scores).grids[scores[0]].format
    decision = AboveThreshold(1.0, input_formats=(form,), name="trigger")
    nodes.append(Node(decision, (scores[0],)))
    return TriggerGraph.of(nodes, ["objects"], [*scores, "trigger"])


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
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        converted(graph_of(None), tmp_path, events)
    assert list(tmp_path.iterdir()) == []


def converted(graph: TriggerGraph, folder: Path, events: np.ndarray = EVENTS) -> Path:
    convert.convert_trigger_graph(graph, folder / "hls", FirmwareSettings(), [events])
    return folder / "hls" / "firmware" / "nnet_utils"


def header(folder: Path, content: str = "// nothing") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "own.h").write_text(content, encoding="utf-8")
    return folder / "own.h"


@pytest.mark.usefixtures("never_written")
def test_a_header_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "missing.h"
    message = f"layer 'score_0': header must be a file, got {missing}; write it"
    with pytest.raises(Refusal, match=f"^{re.escape(message)}$"):
        converted(graph_of(missing), tmp_path)


@pytest.mark.usefixtures("never_written")
def test_headers_of_one_name(tmp_path: Path) -> None:
    one, two = header(tmp_path / "one"), header(tmp_path / "two", "// something")
    message = (
        "layer 'score_1': header 'own.h' must be that of layer 'score_0', which has its name, got "
        "another content; give it another name"
    )
    with pytest.raises(Refusal, match=f"^{re.escape(message)}$"):
        converted(graph_of(one, two), tmp_path)


@pytest.mark.usefixtures("never_written")
def test_a_header_of_a_layer_that_calls_nothing(tmp_path: Path) -> None:
    message = (
        "layer 'score_0': a layer with a header must be of kind 'TriggerLogic', which calls its "
        "function, got 'Dense'; leave the header out"
    )
    with pytest.raises(Refusal, match=f"^{re.escape(message)}$"):
        converted(graph_of(header(tmp_path), kind="Dense"), tmp_path)


def test_headers_beside_those_of_hls4ml(tmp_path: Path) -> None:
    one, two = header(tmp_path / "one"), header(tmp_path / "two")
    folder = converted(graph_of(one, two), tmp_path)
    assert (folder / "own.h").read_bytes() == one.read_bytes()


@pytest.mark.parametrize("name", ["nnet_dense.h", "nnet_trigger.h"])
def test_a_header_that_is_named_like_one_of_hls4ml(name: str, tmp_path: Path) -> None:
    own = header(tmp_path).rename(tmp_path / name)
    message = (
        "layer 'score_0': header must not be named like one of hls4ml or of this package, got "
        f"'{name}'; give it another name"
    )
    with pytest.raises(Refusal, match=f"^{re.escape(message)}$"):
        converted(graph_of(own), tmp_path)
    assert not (tmp_path / "hls").exists()
