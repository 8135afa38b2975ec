"""Reference, C-simulation and simulation of RTL take the same values, and refuse the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hls.cpp.convert import convert_trigger_graph
from hls.cpp.csim import Simulation
from hls.graph.interface import Interface, Port, read_interface
from hls.graph.layer import GraphInput
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.node import Node
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from hls.proof.stress import stress_events
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.errors import InputError, ProofError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.settings.firmware import FirmwareSettings

INTEGERS = FixedPointFormat(13, 13)
Evaluate = Callable[..., TriggerOutput]


@pytest.fixture(scope="module")
def graph() -> TriggerGraph:
    """The squared norm of three integers in a row."""
    norm = SquaredNorm(input_formats=(INTEGERS,), name="score")
    score = FixedPointFormat(27, 27, signed=False)
    return TriggerGraph.of(
        [
            Node(GraphInput(INTEGERS, (3,), name="objects")),
            Node(norm, ("objects",)),
            Node(AboveThreshold(100.0, input_formats=(score,), name="trigger"), ("score",)),
        ],
        ["objects"],
        ["score", "trigger"],
    )


@pytest.fixture(scope="module", params=["reference", "C-simulation", "RTL"])
def evaluate(
    request: pytest.FixtureRequest, graph: TriggerGraph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evaluate]:
    folder = tmp_path_factory.mktemp("project") / "project"
    bench = [stress_events(INTEGERS, (3,), 10, seed=1)]
    settings = FirmwareSettings(levels_per_stage=16)
    if request.param == "reference":
        yield graph.evaluate
    elif request.param == "C-simulation":
        convert_trigger_graph(graph, folder, settings, bench)
        with Simulation(folder, with_bench=False) as simulation:
            yield simulation.run
    else:
        write_rtl_project(graph, folder, settings, bench)
        with VerilogSimulation(folder) as simulated:
            yield lambda *values: simulated.run(*values).output


def with_value(value: float) -> np.ndarray:
    events = np.zeros((5, 3))
    events[3, 1] = value
    return events


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (with_value(2.3), "multiples of 1 from -4096 to 4095 .* got 2.3 in event 3, value 1"),
        (with_value(5000), "got 5000 in event 3, value 1"),
        (with_value(-4097), "got -4097 in event 3"),
        (with_value(np.nan), "got nan in event 3, value 1"),
        (with_value(np.inf), "got inf in event 3"),
        (with_value(1e300), r"got 1e\+300 in event 3"),
        (np.zeros((5, 4)), r"numbers of shape \(events, 3\), got float64 of shape \(5, 4\)"),
        (np.zeros((5, 3, 1)), r"got float64 of shape \(5, 3, 1\)"),
        (np.zeros(3), r"got float64 of shape \(3,\)"),
        (np.array([["1", "2", "3"]]), "be numbers"),
        (with_value(1 - 2.0**-53), "got 0.9999999999999999 in event 3"),
        ([[1, 2, 3], [4, 5]], "be an array of numbers: "),
        (np.ma.masked_equal(with_value(7), 7), "have no masked values"),
    ],
)
def test_refused(evaluate: Evaluate, values: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=f"^input 'objects' must .*{message}"):
        evaluate(values)


def test_another_number_of_inputs(evaluate: Evaluate) -> None:
    with pytest.raises(
        InputError, match=r"^inputs must be one array for each of 'objects', in a tuple, got 2$"
    ):
        evaluate(np.zeros((5, 3)), np.zeros((5, 1)))


@pytest.mark.parametrize(
    "values", [[[1, 2, 3]], np.array([[1, 2, 3]], np.int16), [[4095, 0, -4096]]]
)
def test_taken(evaluate: Evaluate, values: Any) -> None:
    expected = (np.array(values, float) ** 2).sum()
    assert evaluate(values).score == [expected]


def test_no_events(evaluate: Evaluate) -> None:
    assert evaluate(np.zeros((0, 3))).score.shape == (0,)


def test_inputs_of_different_lengths() -> None:
    ports = tuple(Port.of(name, INTEGERS, (1,)) for name in "ab")
    with pytest.raises(InputError, match=r"^inputs must be of as many events each, got \[2, 3\]$"):
        Interface(ports, ()).check([np.zeros((2, 1)), np.zeros((3, 1))])


def test_images_have_their_shape(tmp_path: Path) -> None:
    interface = Interface((Port.of("image", FixedPointFormat(8, 4), (2, 3, 1)),), ())
    interface.write(tmp_path, {})
    assert read_interface(tmp_path) == interface
    assert interface.rows(np.zeros((4, 2, 3, 1))).shape == (4, 6)
    message = (
        r"'image' must be numbers of shape \(events, 2, 3, 1\), got float64 of shape \(4, 3, 2"
    )
    with pytest.raises(InputError, match=message):
        interface.rows(np.zeros((4, 3, 2, 1)))
    with pytest.raises(InputError, match=r"got 0.3 in event 1, value 4$"):
        interface.rows(np.pad([[[[0.0], [0], [0]], [[0], [0.3], [0]]]], [(1, 0), *[(0, 0)] * 3]))


def test_a_shape_that_is_not_the_ports(tmp_path: Path) -> None:
    interface = Interface((Port.of("image", FixedPointFormat(8, 4), (2, 3, 1)),), ())
    interface.write(tmp_path, {})
    path = tmp_path / "interface.json"
    path.write_text(path.read_text().replace('"n_values": 6', '"n_values": 7'))
    with pytest.raises(ProofError, match="must hold the ports"):
        read_interface(tmp_path)
