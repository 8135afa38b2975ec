"""What no RTL is made of is refused before anything is traced."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from hls.graph.trigger_graph import TriggerGraph
from hls.rtl import write
from hls.rtl.rules import check_rtl
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.settings.firmware import FirmwareSettings

WIRES, ROUNDED = FixedPointFormat(6, 4), FixedPointFormat(5, 4)
EVENTS = np.array([[0.0, 1.0], [-2.0, 3.0]])


def graph_of(
    port: str = "objects", score: str = "score", form: FixedPointFormat = ROUNDED
) -> TriggerGraph:
    """The squared norm of two numbers of a format."""
    nodes = [
        Node(GraphInput(WIRES, (2,), name=port)),
        Node(Quantizer(form, name="rounded"), (port,)),
        Node(SquaredNorm(input_formats=(form,), name=score), ("rounded",)),
    ]
    scores = LayerGraph.of(nodes, [port], [score])
    decision = AboveThreshold(1.0, input_formats=(scores.grids[score].format,), name="trigger")
    return TriggerGraph.of([*nodes, Node(decision, (score,))], [port], [score, "trigger"])


@pytest.fixture
def never_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    def trace(*arguments: object) -> None:
        raise AssertionError("nothing must be traced")

    monkeypatch.setattr(write, "trace_graph", trace)


@pytest.mark.parametrize("name", ["objects", "n_objects_2", "MaxPooling2D_in_0", "trigger2"])
def test_names_of_ports(name: str) -> None:
    assert check_rtl(graph_of(name)) == []


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        *((name, "be one of Verilog and of VHDL") for name in ("2nd", "a-b", "_a", "a_", "a__b")),
        *((name, "be no keyword of Verilog or VHDL") for name in ("wire", "signal", "Bit", "TO")),
        *((name, "not be the module's own") for name in ("clk", "In_Valid", "out_valid", "core")),
    ],
)
@pytest.mark.parametrize("side", ["port", "score"])
def test_names_that_no_port_has(side: str, name: str, rule: str) -> None:
    (refusal,) = check_rtl(graph_of(**{side: name}))  # type: ignore[arg-type]
    assert str(refusal) == (
        f"layer '{name}': the name of a port must {rule}, got '{name}'; choose another name"
    )


def test_names_that_differ_in_case_alone() -> None:
    (refusal,) = check_rtl(graph_of("Score", "score"))
    assert str(refusal) == (
        "layer 'score': the name of a port must be unique without regard to upper and lower case, "
        "got two; choose another name"
    )


def test_a_sign_alone() -> None:
    (refusal,) = check_rtl(graph_of(form=FixedPointFormat(1, 1)))
    assert str(refusal) == (
        "layer 'rounded': a signed format must have at least 2 bits for RTL, got fixed<1,1>; "
        "use a wider format"
    )
    for form in (FixedPointFormat(2, 1), FixedPointFormat(1, 1, signed=False)):
        assert check_rtl(graph_of(form=form)) == []


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (EVENTS[:0], "bench_inputs must hold at least one event, got 0"),
        (EVENTS + 0.1, "input 'objects' must hold multiples of 0.25 from -8 to 7.75"),
        (EVENTS[:, :1], "input 'objects' must be numbers of shape (events, 2)"),
    ],
)
@pytest.mark.usefixtures("never_traced")
def test_events_of_the_bench(events: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        write.write_rtl_project(graph_of(), tmp_path / "rtl", FirmwareSettings(), [events])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("never_traced")
def test_refused_before_it_is_traced(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="must be no keyword"):
        write.write_rtl_project(graph_of("wire"), tmp_path / "rtl", FirmwareSettings(), [EVENTS])
