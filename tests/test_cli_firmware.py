"""The command line around firmware: `check`, the fidelity report, and what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_cli import ROOT, assert_one_line, run_cli
from test_fidelity import read_page

from hls.cpp import linter
from hls.cpp.ports import BENCH_INPUTS, BENCH_OUTPUTS
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.validate import bench_reference
from hls.stages import check as stages_check
from keras_ae.errors import ProofError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.runs import open_run
from keras_ae.summary import summary


class TestCheck:
    def test_config_and_run(self, finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for path in (finished_run.parent / "experiment.yaml", finished_run):
            code, out, _ = run_cli(capsys, "check", path)
            assert code == 0, out
            said, estimated = out.splitlines()
            assert said == "nothing keeps it from becoming firmware"
            untrained = ", untrained and not pruned" if path.is_file() else ""
            assert re.fullmatch(rf"RTL by .*: [\d,]+ LUT, \d+ cycles{untrained}", estimated)

    def test_everything_is_made_once(
        self, finished_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = []

        def count(module: Any, name: str) -> None:
            make = getattr(module, name)

            def counted(*given: Any) -> Any:
                made.append(name)
                return make(*given)

            monkeypatch.setattr(module, name, counted)

        count(stages_check, "load_model")
        count(linter, "build_score_graph")
        run = open_run(finished_run)
        refusals, cost = stages_check.check_and_estimate(run.experiment, "run", run)
        assert refusals == [] and cost is not None and cost.lut > 0
        assert made == ["load_model", "build_score_graph"]

    def test_every_refusal_is_a_line(
        self, capsys: pytest.CaptureFixture[str], experiment_content: dict[str, Any], tmp_path: Path
    ) -> None:
        experiment_content["architecture"] |= {"hidden_dims": [80, 60]}
        config = tmp_path / "experiment.yaml"
        config.write_text(yaml.safe_dump(experiment_content))
        code, out, err = run_cli(capsys, "check", config)
        assert code == 1 and not err
        lines = out.splitlines()
        assert [line.split("'")[1] for line in lines] == [
            "encoder_dense_1",
            "encoder_dense_2",
            "decoder_dense_2",
            "reconstruction",
        ]
        assert lines[0].endswith(
            "got 4560; choose firmware.strategy 'resource' or 'distributed_arithmetic'"
        )

    def test_before_training(
        self, capsys: pytest.CaptureFixture[str], experiment_content: dict[str, Any], tmp_path: Path
    ) -> None:
        experiment_content["architecture"] |= {"hidden_dims": [80]}
        config = tmp_path / "experiment.yaml"
        config.write_text(yaml.safe_dump(experiment_content))
        result = run_cli(capsys, "train", config, "--run-dir", tmp_path / "run")
        assert_one_line(result, "layer 'encoder_dense_1': weights must be <= 4096")
        assert not (tmp_path / "run" / "float.keras").exists()

    def test_without_firmware(
        self, capsys: pytest.CaptureFixture[str], experiment_content: dict[str, Any], tmp_path: Path
    ) -> None:
        experiment_content["firmware"] = None
        config = tmp_path / "experiment.yaml"
        config.write_text(yaml.safe_dump(experiment_content))
        result = run_cli(capsys, "check", config)
        assert_one_line(result, "section firmware must be given for firmware, got null")


def test_fidelity_report(finished_run: Path) -> None:
    report = json.loads((finished_run / "validation.json").read_text())
    assert list(report["levels"]) == ["float", "post_training", "quantized", "firmware"]
    for level in report["levels"].values():
        assert set(level["separation"]) == set(level["trigger_rate"]) - {"background"}
        for rate in level["trigger_rate"].values():
            assert rate["low"] <= rate["value"] <= rate["high"]
    # The quantized model in Keras and the firmware decide alike.
    levels = report["levels"]
    assert levels["quantized"]["trigger_rate"] == levels["firmware"]["trigger_rate"]
    metrics = json.loads((finished_run / "metrics.json").read_text())["methods"]
    for level in ("float", "quantized"):
        expected = metrics[f"{level}/reconstruction_error"]
        assert levels[level]["separation"] == expected
    for level in ("post_training", "firmware"):
        for name, change in report["auc_changes"][level].items():
            aucs = [levels[one]["separation"][name]["auc"] for one in (level, "float")]
            assert change["value"] == pytest.approx(aucs[0] - aucs[1])
    assert report["tables"] == [] and report["table_effects"] == {}
    assert report["layers"][0]["layer"] == "encoder_input_format"
    assert report["comparisons"]["divergences"] == {}

    page = read_page(finished_run / "fidelity.html")
    assert page.loaded == []
    assert "0 mismatching bits in " in page.text
    for name in ("background/test", "encoder_relu_1", "quantization-aware training", "A -> 4l"):
        assert name in page.text


@pytest.mark.slow
def test_rate_in_khz_and_scores_with_tables(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_copy / "experiment.yaml"
    content = yaml.safe_load(path.read_text())
    content["trigger"] |= {
        "target_fpr": None,
        "target_rate_khz": 2000.0,
        "input_rate_khz": 40_000.0,
    }
    content["firmware"] = {"scores": ["kl_divergence"]}
    path.write_text(yaml.safe_dump(content))
    for command in ("convert", "validate"):
        assert run_cli(capsys, command, run_copy)[0] == 0
    trigger = json.loads((run_copy / "trigger.json").read_text())
    assert trigger["target_fpr"] == 0.05
    assert 0 < trigger["calibration_fpr"] <= 0.05
    text = read_page(run_copy / "fidelity.html").text
    assert "In kHz for 40,000 kHz of input; the target is 2,000 kHz." in text
    report = json.loads((run_copy / "validation.json").read_text())
    for level in report["levels"].values():
        assert f"{40_000 * level['trigger_rate']['background']['value']:,.0f} (" in text

    (table,) = report["tables"]
    assert (table["layer"], table["function"]) == ("kl_divergence_table", "exp(x)-1-x")
    assert table["layer"] in text and f"≤ {table['max_error']:g}" in text
    effects = report["table_effects"]
    # The deciding score needs none.
    assert list(effects) == ["kl_divergence"]
    for name, effect in effects["kl_divergence"].items():
        levels = report["other_scores"]["kl_divergence"]
        aucs = [levels[level][name]["auc"] for level in ("firmware", "quantized")]
        assert effect["value"] == pytest.approx(aucs[0] - aucs[1])
        half = effect["high"] - effect["value"]
        assert 0 < half < 0.01
        assert f"{effect['value']:+.4f} ± {half:.4f}" in text


@pytest.mark.slow
def test_number_of_events(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "validate", run_copy, "--n-events", 60_000)
    assert code == 0
    report = json.loads((run_copy / "validation.json").read_text())
    assert report["events"] == 60_000
    assert "events checked: 60000   mismatching bits: 0" in out


@pytest.mark.parametrize(
    "moment",
    [
        "compiled",
        pytest.param("simulated", marks=pytest.mark.slow),
        pytest.param("decided", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_killed_validation_can_be_repeated(
    moment: str, run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = run_copy / "validation.json"
    proof.write_text("{}")
    kill(
        "validate",
        run_copy,
        {
            # Of the programs' parts the first is there; events are there for them; before the page.
            "compiled": lambda: any((tmp_path / "scratch").rglob("*.o")),
            "simulated": lambda: any((tmp_path / "scratch").rglob("events_*.bin")),
            "decided": lambda: proof.exists() and proof.read_text() != "{}",
        }[moment],
        tmp_path / "scratch",
    )
    run = open_run(run_copy)
    assert run.is_finished("convert") and not run.fidelity_page_path.exists()
    assert proof.exists() == (moment == "decided")
    # Readable, with the verdict if there is one.
    assert ("mismatching bits: 0" in summary(run)) == (moment == "decided")

    code, out, err = run_cli(capsys, "validate", run_copy)
    assert code == 0, err
    assert "mismatching bits: 0" in out
    assert run.fidelity_page_path.exists() and not any(run_copy.glob(".writing-*"))


@pytest.mark.slow
def test_killed_conversion_can_be_repeated(
    run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Another threshold, so that there is work to do.
    path = run_copy / "experiment.yaml"
    content = yaml.safe_load(path.read_text())
    content["trigger"]["target_fpr"] = 0.06
    path.write_text(yaml.safe_dump(content))
    kill(
        "convert", run_copy, lambda: any(run_copy.glob(".writing-*/firmware")), tmp_path / "scratch"
    )
    run = open_run(run_copy)
    assert run.is_finished("quantize") and not run.is_finished("convert")
    assert not run.validation_path.exists() and not run.fidelity_page_path.exists()
    # A project that is there is whole.
    assert not run.firmware_folder.exists() or (run.firmware_folder / "interface.json").exists()

    for command in ("convert", "validate"):
        code, out, err = run_cli(capsys, command, run_copy)
        assert code == 0, err
    assert "mismatching bits: 0" in out
    assert not any(run_copy.glob(".writing-*"))


def kill(stage: str, folder: Path, moment: Callable[[], bool], scratch: Path) -> None:
    """Kill a stage at a moment of its work; `scratch` is its folder for temporary files."""
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "hls.cli", stage, str(folder)],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while not moment() and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_threshold_that_no_event_is_near(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = run_copy / "firmware" / "firmware" / "weights"
    limit = weights / "trigger_limit.txt"
    threshold = float(limit.read_text())
    last_bit = (
        2.0
        ** -FixedPointFormat.parse(
            json.loads((run_copy / "trigger.json").read_text())["score_format"]
        ).fractional
    )
    for path in (limit, limit.with_suffix(".h")):
        path.write_text(path.read_text().replace(f"{threshold!r}", f"{threshold + last_bit!r}"))
    assert float(limit.read_text()) == threshold + last_bit
    code, _, err = run_cli(capsys, "validate", run_copy, "--as-is")
    assert code == 1
    assert err.count("\n") == 1
    assert "constants that are not the model's: trigger_limit" in err
    assert f"'keras-ae convert {run_copy}' writes the project again" in err
    page = read_page(run_copy / "fidelity.html").text
    assert "This is no proof" in page
    assert "constants are not those of the model, trigger_limit" in page
    # The remedy.
    code, out, err = run_cli(capsys, "convert", run_copy)
    assert code == 0 and "already done" not in out, err
    assert float(limit.read_text()) == threshold


class TestDamagedProject:
    """One line, which names the file, and exit code 1: it is not the function that was proved."""

    @pytest.mark.parametrize(
        ("name", "change", "message"),
        [
            ("interface.json", lambda text: "{", "must hold the ports of the project"),
            ("interface.json", lambda text: '{"inputs": []}', "must hold the ports"),
            ("firmware/weights/b*.txt", lambda text: f"abc, {text}", "must hold numbers: "),
            ("firmware/weights/b*.h", lambda text: "// none", "must hold an initializer"),
            ("firmware/weights/b*.txt", None, "beside it, got none"),
        ],
    )
    def test_constants(
        self,
        run_copy: Path,
        capsys: pytest.CaptureFixture[str],
        name: str,
        change: Callable[[str], str] | None,
        message: str,
    ) -> None:
        path = sorted((run_copy / "firmware").glob(name))[0]
        if change is None:
            path.unlink()
        else:
            path.write_text(change(path.read_text()))
        found = run_cli(capsys, "validate", run_copy)
        assert_one_line(found, "must be as 'keras-ae convert' wrote it, but 1 files", code=1)
        found = run_cli(capsys, "validate", run_copy, "--as-is")
        assert_one_line(found, message, path.name, code=1)

    def test_bench_data(self, finished_run: Path, tmp_path: Path) -> None:
        # Without compiling it each time.
        graph = TriggerGraph.load(finished_run / "trigger.npz")
        bench = tmp_path / "tb_data"
        shutil.copytree(finished_run / "firmware" / "tb_data", bench)
        inputs, outputs = (bench / name for name in (BENCH_INPUTS, BENCH_OUTPUTS))
        lines = outputs.read_text().splitlines(keepends=True)
        n = len(lines)
        for path, text, message in (
            (outputs, "".join(lines[:-1]), f"must hold {n} events of 2 numbers, got {n - 1}"),
            (outputs, "".join(["999 1\n", *lines[1:]]), "got others for 1 events, first in line 1"),
            (outputs, "1 x\n", "must hold as many numbers in each line"),
            (inputs, "", "must hold some events of 57 numbers"),
            (inputs, inputs.read_text()[:-40], "must hold as many numbers in each line"),
        ):
            before = path.read_text()
            path.write_text(text)
            with pytest.raises(ProofError, match=message):
                bench_reference(tmp_path, graph)
            path.write_text(before)
        assert len(bench_reference(tmp_path, graph).trigger) == n
        outputs.unlink()
        with pytest.raises(ProofError, match="must be there, got none"):
            bench_reference(tmp_path, graph)


def test_mistakes_leave_the_proof(
    run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = (run_copy / "validation.json").read_text()
    garbage = tmp_path / "garbage.h5"
    garbage.write_text("no HDF5")
    for arguments in (["--events", tmp_path / "none.h5"], ["--events", garbage]):
        assert_one_line(run_cli(capsys, "validate", run_copy, *arguments), arguments[1].name)
    assert_one_line(run_cli(capsys, "validate", run_copy, "--n-events", -5), "-5 is not in the r")
    # An experiment that cannot become firmware does not take the place of one that has.
    content = yaml.safe_load((run_copy / "experiment.yaml").read_text())
    content["architecture"]["hidden_dims"] = [128, 64]
    config = tmp_path / "wide.yaml"
    config.write_text(yaml.safe_dump(content))
    for command in ("run", "train"):
        result = run_cli(capsys, command, config, "--run-dir", run_copy)
        assert_one_line(result, "weights must be <= 4096")
    assert open_run(run_copy).is_finished("convert")
    assert (run_copy / "validation.json").read_text() == proof
    result = run_cli(capsys, "train", config, "--run-dir", tmp_path / "new")
    assert_one_line(result, "weights must be <= 4096")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_mutated_project_names_the_layer(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two layers of equal size: their weights change places.
    weights = run_copy / "firmware" / "firmware" / "weights"
    text = (weights.parent / "anomaly_trigger.cpp").read_text().splitlines()
    names = {
        line.split("<")[1].split("_weight_t")[0]: line.split('"')[1]
        for line in text
        if "_weight_t" in line
    }
    pair = [weights / names[layer] for layer in ("encoder_dense_2", "decoder_dense_2")]
    first = pair[0].read_text().split(",")
    second = pair[1].read_text().split(",")
    assert len(first) == len(second)
    for path, other in zip(pair, (second, first), strict=True):
        path.write_text(",".join(other))
        header = path.with_suffix(".h")
        old = header.read_text()
        header.write_text(old[: old.index("{") + 1] + ",".join(other) + old[old.index("}") :])
    code, _, _ = run_cli(capsys, "validate", run_copy)
    assert code == 1
    divergence = json.loads((run_copy / "validation.json").read_text())["comparisons"][
        "divergences"
    ]["firmware"]
    assert divergence["layer"] == "encoder_dense_2"
    assert divergence["expected_bits"] != divergence["found_bits"]
    page = read_page(run_copy / "fidelity.html").text
    assert "encoder_dense_2_weight" in page and "Constants of the project are not" in page
    assert "First difference between reference and firmware" in page
