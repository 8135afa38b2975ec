"""Several thresholds on one score: several bits, as constants and as inputs, in C++ and RTL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import run_chain
from trigger_objects import FRONT_END, fitted_scaler

from hls import cli
from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.interface import read_interface
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.errors import InputError
from keras_ae.files import read_json
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.trigger import TriggerSettings
from keras_ae.yaml_files import validate_settings

POINTS = {"medium": 0.05, "tight": 0.01}


def graph_of(events: np.ndarray, threshold_input: bool) -> TriggerGraph:
    spec = ArchitectureSpec(input_dim=57, hidden_dims=(8,), latent_dim=2)
    model = build_autoencoder("variational", spec, FixedPoint(), seed=1)
    return build_trigger_graph(
        model,
        ["squared_latent_norm", "kl_divergence"],
        (events,),
        0.2,
        fitted_scaler(events),
        FRONT_END,
        threshold_input,
        working_points=POINTS,
    )


@pytest.mark.parametrize(
    ("threshold_input", "io_type"),
    [
        pytest.param(False, "io_parallel", marks=pytest.mark.slow),
        (True, "io_parallel"),
        pytest.param(True, "io_stream", marks=pytest.mark.slow),
    ],
)
def test_every_bit(events: np.ndarray, threshold_input: bool, io_type: str, tmp_path: Path) -> None:
    graph = graph_of(events, threshold_input)
    assert graph.decision_names == ("trigger_medium", "trigger_tight", "trigger")
    assert list(graph.thresholds) == ["trigger", "trigger_medium", "trigger_tight"]
    inputs = {"threshold_medium", "threshold_tight", "threshold"} if threshold_input else set()
    assert set(graph.threshold_inputs) == inputs
    values = graph.with_threshold((events,))
    found = graph.evaluate(*values)
    for name, limit in graph.thresholds.items():
        np.testing.assert_array_equal(found.bits[name], found.score > limit)
        fpr = {"trigger": 0.2, "trigger_medium": 0.05, "trigger_tight": 0.01}[name]
        assert fpr / 2 < found.bits[name].mean() <= fpr
    np.testing.assert_array_equal(found.trigger, found.bits["trigger"])
    settings = FirmwareSettings(io_type=io_type)
    bench = [part[:50] for part in values]
    stress = graph.with_threshold((stress_events(FRONT_END.port_format, (57,), 3000, 1),))
    if threshold_input:
        # Thresholds that move from event to event.
        rng = np.random.default_rng(1)
        limits = [rng.permutation(found.score)[:, np.newaxis] for _ in graph.threshold_inputs]
        values = (events, *limits)
    convert_trigger_graph(graph, tmp_path / "hls", settings, bench)
    validation = validate_project(graph, tmp_path / "hls", {"background": values, "stress": stress})
    assert validation.is_proved
    write_rtl_project(graph, tmp_path / "rtl", settings, bench)
    with VerilogSimulation(tmp_path / "rtl") as simulation:
        rtl = simulation.run(*values).output
    expected = graph.evaluate(*values)
    for name, fired in expected.bits.items():
        np.testing.assert_array_equal(rtl.bits[name], fired)
        np.testing.assert_array_equal(validation.outputs["background"].bits[name], fired)
    for folder in ("hls", "rtl"):
        interface = read_interface(tmp_path / folder)
        decisions = [port.name for port in interface.outputs if port.is_decision]
        assert decisions == ["trigger_medium", "trigger_tight", "trigger"]
        content = json.loads((tmp_path / folder / "interface.json").read_text())
        kind = "input" if threshold_input else "constant"
        limits = {name: {"is": kind, "value": limit} for name, limit in graph.thresholds.items()}
        assert content["thresholds"] == limits
    text = (tmp_path / "hls" / "README.md").read_text()
    limit = f"{graph.thresholds['trigger_tight']!r}"
    if threshold_input:
        limit = f"the input `threshold_tight`; in `tb_data` it is {limit}"
    assert f"| threshold of `trigger_tight` | {limit} |" in text


def test_saved_as_a_whole(events: np.ndarray, tmp_path: Path) -> None:
    graph = graph_of(events, threshold_input=False)
    graph.save(tmp_path / "graph.npz")
    loaded = TriggerGraph.load(tmp_path / "graph.npz")
    assert loaded.thresholds == graph.thresholds


@pytest.mark.slow
def test_whole_chain(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment_content["trigger"] |= {
        "target_fpr": 0.2,
        "input_rate_khz": 1000.0,
        "working_points": {"tight": {"target_rate_khz": 50.0}},
    }
    run_chain(tmp_path, experiment_content)
    trigger = read_json(tmp_path / "run" / "trigger.json")
    validation = read_json(tmp_path / "run" / "validation.json")
    assert validation["mismatching_bits"] == 0
    tight = trigger["working_points"]["tight"]
    assert tight["target_fpr"] == 0.05 and tight["threshold"] > trigger["threshold"]
    assert tight["calibration_fpr"] <= 0.05
    tight_bit, first = validation["decisions"]["trigger_tight"], validation["decisions"]["trigger"]
    for sample, found in tight_bit["samples"].items():
        rate, pure = found["rate"], found["pure"]
        assert rate["low"] <= rate["value"] <= rate["high"]
        assert pure["value"] <= rate["value"] <= first["samples"][sample]["rate"]["value"]
    for name, rate in validation["levels"]["firmware"]["trigger_rate"].items():
        assert rate == first["samples"][name]["rate"]
    out = capsys.readouterr().out
    assert f"threshold tight {tight['threshold']:g} for FPR 0.05" in out
    page = (tmp_path / "run" / "fidelity.html").read_text()
    assert "trigger_tight, FPR 0.05" in page and "trigger_tight, in bins" in page


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"loose": {"target_fpr": 0.5}}, "in falling order of what may pass, got 0.5 of 'loose'"),
        (
            {"a": {"target_fpr": 0.001}, "b": {"target_fpr": 0.002}},
            "falling order of what may pass, got 0.002 of 'b' after 0.001 of 'a'",
        ),
        (
            {"tight one": {"target_fpr": 0.001}},
            "names of working_points .*'tight one",
        ),
        ({"a__b": {"target_fpr": 0.001}}, "names of working_points must be small .*'a__b"),
        ({"Tight": {"target_fpr": 0.001}}, "names of working_points must be small .*'Tight"),
        (
            {f"p{n}": {"target_fpr": 0.001 / (n + 1)} for n in range(6)},
            "working_points must be 5 at most, got 6",
        ),
        ({"a": {}}, "one of target_fpr and target_rate_khz must be given, got neither"),
        ({"a": {"target_rate_khz": 1.0}}, "working_points.a: target_rate_khz must be below input_"),
    ],
)
def test_refused(points: dict[str, Any], message: str) -> None:
    content = {"score": "kl_divergence", "target_fpr": 0.01, "working_points": points}
    with pytest.raises(InputError, match=message):
        validate_settings(TriggerSettings, content, "trigger")


def test_too_few_events_before_training(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment_content["trigger"]["working_points"] = {"tight": {"target_fpr": 1e-4}}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", str(tmp_path / "e.yaml"), "--run-dir", str(tmp_path / "run")])
    assert caught.value.code == 2
    assert "must hold at least 100000 events for a threshold" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
