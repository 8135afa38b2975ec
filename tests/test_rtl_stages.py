"""`keras-ae rtl` and `keras-ae synthesize` on a run: what they write, show and refuse."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import made_once, run_chain

from hls import cli
from hls.cost import model
from hls.graph.trigger_graph import TriggerGraph
from hls.report.implementations import as_text
from hls.rtl.design import RtlDesign
from hls.stages import rtl as rtl_stages
from hls.synthesis import nextpnr, open_tools, yosys
from hls.synthesis.resources import ResourceReport
from keras_ae.errors import InputError
from keras_ae.runs import Run, open_run


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.fixture(scope="session")
def encoder_run(small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a small encoder in its firmware."""
    content = copy.deepcopy(small_experiment)
    content["architecture"] |= {"hidden_dims": [4], "latent_dim": 2}
    content["precision"] |= {
        "input": "fixed<6,4>",
        "weight": "fixed<4,2>",
        "activation": "ufixed<6,4>",
    }
    content["trigger"]["score"] = "squared_latent_norm"
    folder = made_once(tmp_path_factory, "encoder", lambda folder: run_chain(folder, content))
    return folder / "run"


@pytest.fixture
def run(encoder_run: Path, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(encoder_run, tmp_path / "copy")))


@pytest.mark.slow
def test_before_convert(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((run.folder / "run.json").read_text())
    del record["stages"]["convert"]
    (run.folder / "run.json").write_text(json.dumps(record))
    code, _, err = command(capsys, "rtl", str(run.folder))
    assert code == 2 and "must have finished the stage 'convert' first" in err


def test_synthesize_before_rtl(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command(capsys, "synthesize", str(run.folder))
    assert code == 2 and "must have finished the stage 'rtl' first" in err
    assert not run.resources_path.exists()


@pytest.mark.slow
def test_rtl_and_its_resources(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = command(capsys, "rtl", str(run.folder), "--n-events", "30000")
    assert (code, err) == (0, "")
    found = json.loads(run.rtl_path.read_text())
    assert found["mismatching_bits"] == 0 and found["events"] >= 30000
    assert found["latency_cycles"] == [found["design"]["latency_cycles"]]
    assert f"events simulated: {found['events']}   mismatching bits: 0" in out
    assert "HLS project (Vitis): C-simulation" in out and "RTL: Verilator" in out
    page = run.fidelity_page_path.read_text()
    assert page.count("<h2>Implementations</h2>") == 1 and "RTL: Verilator" in page
    # What tools say is shown beside; nothing is synthesized here.
    report = ResourceReport("yosys 0.70, UltraScale+", lut=1234, dsp=0)
    monkeypatch.setattr(rtl_stages, "count_cells", lambda folder, family, clock_ns: report)
    monkeypatch.setattr(rtl_stages, "place_and_route", lambda folder, clock_ns: report)
    code, out, err = command(capsys, "synthesize", str(run.folder), "--no-place")
    assert (code, err) == (0, "")
    assert out.count("yosys 0.70, UltraScale+") == 2 and "1,234" in out
    assert run.fidelity_page_path.read_text().count("1,234") == 2
    # Of RTL that was not simulated nothing is said.
    path = run.rtl_folder / "verilog" / "anomaly_trigger.v"
    text = path.read_text()
    path.write_text(text + "// changed\n")
    code, _, err = command(capsys, "synthesize", str(run.folder), "--no-place")
    assert code == 2 and "must be as it was simulated, but its Verilog is another" in err
    assert run.resources_path.exists()
    # It belongs to this RTL.
    code, out, _ = command(capsys, "rtl", str(run.folder), "--n-events", "1")
    assert code == 0 and "rtl/verilog/anomaly_trigger.v" in out and "yosys" not in out
    assert path.read_text() == text and not run.resources_path.exists()


@pytest.mark.slow
def test_rtl_that_differs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys, "rtl", str(run.folder), "--n-events", "1")[0] == 0
    path = run.rtl_folder / "verilog" / "anomaly_trigger.v"
    before, after = "assign trigger = {results[", "assign trigger = {~results["
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    code, out, err = command(capsys, "rtl", str(run.folder), "--n-events", "1", "--as-is")
    assert code == 1 and "mismatching bits: 0" not in out
    assert "error: RTL and quantized model must be the same function" in err
    assert json.loads(run.rtl_path.read_text())["mismatching_bits"] > 0
    code, _, err = command(capsys, "synthesize", str(run.folder))
    assert (
        code == 1 and "must be the same function as the model, with its latency, but differs" in err
    )


def test_a_design_that_is_too_large(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def traced(*arguments: object) -> None:
        raise AssertionError("it must be refused before")

    estimate = model.estimate_cost
    small = estimate(TriggerGraph.load(run.trigger_graph_path), 4)
    monkeypatch.setattr(model, "estimate_cost", lambda *given: replace(estimate(*given), lut=1.2e6))
    monkeypatch.setattr(rtl_stages, "write_rtl_project", traced)
    code, _, err = command(capsys, "rtl", str(run.folder))
    assert code == 2 and len(err.strip().splitlines()) == 1
    rule = "RTL must have at most firmware.max_rtl_lut = 300,000 LUT, estimated 1,200,000: RTL does"
    assert rule in err
    assert 10 < small.lut < 300_000 and not run.rtl_folder.exists()


def test_a_design_that_the_device_does_not_hold(tmp_path: Path) -> None:
    design = RtlDesign(6, 50_000.0, 3000, 600, 6900)
    (tmp_path / "design.json").write_text(json.dumps(asdict(design)))
    rule = r"at most 40,000 LUT to be placed in an LFE5UM5G-85, .* 50,000: leave it out with --no-"
    with pytest.raises(InputError, match=rule):
        nextpnr.place_and_route(tmp_path, 5.0)


@pytest.mark.parametrize(("module", "tool"), [(yosys, "YOSYS"), (nextpnr, "NEXTPNR")])
def test_a_missing_tool_names_its_command(
    module: object, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_tools.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    rule = r"must be installed, found none: pip install 'keras-ae\[rtl\]'"
    with pytest.raises(InputError, match=rule):
        getattr(module, tool).find()
    # A newer one on PATH is taken.
    program = tmp_path / getattr(module, tool).program
    program.write_text("#!/bin/sh\necho 'Yosys 99.1 (git sha1 x)'\n")
    program.chmod(0o755)
    assert getattr(module, tool).find() == ([str(program)], "99.1")


def test_what_is_missing_is_empty_not_zero() -> None:
    rows = [
        {"name": "first", "lut": 12345, "dsp": 0, "clock_estimate_ns": 4.5312, "bram": None},
        {"name": "second", "lut": None, "dsp": None, "clock_estimate_ns": None, "bram": None},
    ]
    assert as_text(rows).splitlines() == [
        "           LUT  DSP  clock reached",
        "first   12,345    0          4.531",
        "second",
    ]
