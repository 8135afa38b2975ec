"""Several seeds of one experiment: each a whole run, and mean and deviation of what they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from test_cli import assert_one_line, run_cli

from hls.graph.trigger_graph import TriggerGraph
from hls.report.spread import Spread, spread_table
from hls.rtl.write import plan_rtl
from keras_ae.files import read_json
from keras_ae.runs import open_run


@pytest.mark.slow
def test_mean_and_deviation_are_those_of_the_runs(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left_out = "h+- -> tau nu"
    content = experiment_content | {"firmware": None, "report": {"background_like": [left_out]}}
    config = tmp_path / "experiment.yaml"
    config.write_text(yaml.safe_dump(content))
    code, out, _ = run_cli(capsys, "run", config, "--run-dir", tmp_path / "run", "--n-seeds", 2)
    assert code == 0
    score = content["trigger"]["score"]
    found = [
        read_json(tmp_path / folder / "metrics.json")["methods"][f"quantized/{score}"]
        for folder in ("run", f"run_seed_{content['seed'] + 1}")
    ]
    lines = out[out.index("mean and standard deviation of 2 runs") :].splitlines()
    aucs = {signal: [run[signal]["auc"] for run in found] for signal in found[0]}
    assert aucs["A -> 4l"][0] != aucs["A -> 4l"][1]
    counted = [values for signal, values in aucs.items() if signal != left_out]
    aucs["mean of the signals"] = list(np.mean(counted, axis=0))
    aucs["worst of the signals"] = list(np.min(counted, axis=0))
    for signal, values in aucs.items():
        (line,) = (line for line in lines if line.startswith(signal))
        assert f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" in line


def test_of_firmware_with_resources(finished_run: Path) -> None:
    run = open_run(finished_run)
    lines = spread_table([run, run]).splitlines()
    found = read_json(run.validation_path)["levels"]["firmware"]["separation"]
    (line,) = (line for line in lines if line.startswith("A -> 4l"))
    assert f"{found['A -> 4l']['auc']:.3f} ± 0.000" in line
    levels = run.experiment.require_firmware("run").levels_per_stage
    design = plan_rtl(TriggerGraph.load(run.trigger_graph_path), levels)
    assert f"LUT by da4ml: {design.estimated_lut:,.0f} ± 0" in lines
    assert f"cycles: {design.latency_cycles} ± 0" in lines


def test_a_seed_without_a_value_leaves_none() -> None:
    assert Spread.of([0.1, None]) is None
    assert Spread.of([0.5]) == Spread(0.5, None)


def test_signals_that_are_not_there(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "experiment.yaml"
    content = experiment_content | {"report": {"background_like": ["h+-"]}}
    config.write_text(yaml.safe_dump(content))
    assert_one_line(
        run_cli(capsys, "run", config, "--run-dir", tmp_path / "run"),
        "report.background_like must name signals, got 'h+-'; choices: A -> 4l",
    )
    assert not (tmp_path / "run").exists()
