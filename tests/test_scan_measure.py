"""Scans with models, on the command line: what a trial is worth and costs, mistakes, a kill."""

from __future__ import annotations

import copy
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import made_once
from test_cli import ROOT, assert_one_line, run_cli
from test_search import write_scan

from hls import cli
from hls.scan import measure as measuring
from hls.scan.trial import run_trial
from hls.stages.events import hardware_values
from hls.stages.firmware import trigger_graph
from keras_ae.data.dataset import halves
from keras_ae.errors import InputError
from keras_ae.events import load_events
from keras_ae.files import read_json
from keras_ae.fixed_point import FixedPointFormat, FixedPointFormats
from keras_ae.runs import create_run
from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.scan import Objectives, Scan, load_scan

SIGNALS = ["A -> 4l", "LQ -> b tau", "h0 -> tau tau", "h+- -> tau nu"]
FORMATS = {"input": "fixed<6,5>", "activation": "ufixed<5,4>", "latent": "fixed<6,4>"}


def write_tiny(folder: Path, base: dict[str, Any], **sections: Any) -> Path:
    """A scan of trials that take seconds."""
    return write_scan(
        folder,
        base,
        **{
            "search": {"precision.weight.width": {"low": 3, "high": 8}},
            "fixed": {
                **{f"precision.{name}": text for name, text in FORMATS.items()},
                **{"architecture.hidden_dims": [4], "trigger.score": "squared_latent_norm"},
            },
            "n_trials": 2,
            **sections,
        },
    )


@pytest.fixture(scope="session")
def finished_scan(
    small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a scan of two trials, scan.yaml beside it. It is only read."""

    def make(folder: Path) -> None:
        config = write_tiny(folder, copy.deepcopy(small_experiment))
        with pytest.raises(SystemExit) as caught:
            cli.main(["scan", str(config), "--scan-dir", str(folder / "scan")])
        assert not caught.value.code

    return made_once(tmp_path_factory, "small_scan", make) / "scan"


@pytest.fixture
def tiny(experiment_content: dict[str, Any], tmp_path: Path) -> Scan:
    return load_scan(write_tiny(tmp_path, experiment_content))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_trials_that_share_a_float_model_train_it_once(
    finished_scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = rows_of(finished_scan)
    assert first["state"] == second["state"] == "measured"
    assert first["auc_float"] == second["auc_float"]
    assert first["lut"] != second["lut"]
    assert 0.4 < float(first["auc"]) < 0.9
    assert first["auc"] != first["auc_test"]
    (shared,) = (path for path in (finished_scan / "float").iterdir() if path.is_dir())
    for number in (0, 1):
        trial = finished_scan / "trials" / f"{number:04d}"
        assert (trial / "float.keras").read_bytes() == (shared / "float.keras").read_bytes()
        assert set(read_json(trial / "run.json")["stages"]) == {"train", "quantize"}
    assert set(read_json(shared / "run.json")["stages"]) == {"train"}


def test_a_point_of_the_front_is_trained_already(finished_scan: Path) -> None:
    from keras_ae import training

    path = min((finished_scan / "pareto").iterdir())
    run = create_run(finished_scan / "trials" / path.stem, load_experiment(path))
    assert not training.train(run) and not training.quantize(run)
    # And gives what the table says.
    data = training.load_data(run)
    graph = trigger_graph(run, data.validation)
    row = rows_of(finished_scan)[int(path.stem)]
    for column, samples in zip(("auc", "auc_test"), measuring.samples(data, 2), strict=True):
        scores = {
            name: graph.evaluate(*hardware_values(run, sample, graph.interface)).score
            for name, sample in samples.items()
        }
        assert measuring.quality(scores, Objectives()).value == float(row[column])


def test_a_finished_scan_prints_its_front_again(
    finished_scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = finished_scan.parent / "scan.yaml"
    code, out, err = run_cli(capsys, "scan", config, "--scan-dir", finished_scan)
    assert (code, err) == (0, "")
    assert "2 of 2 trials done, 0 go on where they were" in out
    assert "Pareto front: mean AUC of the signals, on validation background and the half" in out
    assert "trials: 2 measured, 0 refused, 0 failed" in out
    for name in ("trials.csv", "pareto.png", "pareto.svg"):
        assert str(finished_scan / name) in out
        assert (finished_scan / name).is_file()


class TestMistakes:
    @pytest.fixture
    def config(self, experiment_content: dict[str, Any], tmp_path: Path) -> Path:
        return write_tiny(tmp_path, experiment_content)

    def test_missing_files(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        result = run_cli(capsys, "scan", tmp_path / "none.yaml")
        assert_one_line(result, "scan file not found", "none.yaml")

    def test_unknown_key(
        self, capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
    ) -> None:
        content = yaml.safe_load(config.read_text())
        content["search"] = {"precision.weights.width": {"low": 3, "high": 4}}
        config.write_text(yaml.safe_dump(content))
        result = run_cli(capsys, "scan", config, "--scan-dir", tmp_path / "s")
        assert_one_line(result, "search: unknown key precision.weights; choices: input, weight")
        assert not (tmp_path / "s").exists()

    def test_options(self, capsys: pytest.CaptureFixture[str], config: Path) -> None:
        assert_one_line(run_cli(capsys, "scan", config, "--processes", 0), "--processes", "0")
        result = run_cli(capsys, "scan", config, "--processes", 2, "--dask", "tcp://x:1")
        assert_one_line(result, "one of --processes and --dask must be given, got both")

    def test_a_file_for_the_folder(self, capsys: pytest.CaptureFixture[str], config: Path) -> None:
        result = run_cli(capsys, "scan", config, "--scan-dir", config)
        assert_one_line(result, str(config), "File exists")

    def test_relative_data_on_a_cluster(
        self,
        capsys: pytest.CaptureFixture[str],
        experiment_content: dict[str, Any],
        tmp_path: Path,
    ) -> None:
        experiment_content["data"]["background"] = "background.h5"
        config = write_tiny(tmp_path, experiment_content)
        result = run_cli(capsys, "scan", config, "--dask", "tcp://127.0.0.1:1")
        assert_one_line(result, "data must have absolute paths for workers", "got background.h5")

    def test_nothing_but_refused_trials(
        self, capsys: pytest.CaptureFixture[str], experiment_content: dict[str, Any], tmp_path: Path
    ) -> None:
        search = {"precision.weight.width": {"low": 0, "high": 1}}
        config = write_tiny(tmp_path, experiment_content, search=search)
        result = run_cli(capsys, "scan", config, "--scan-dir", tmp_path / "s")
        assert_one_line(result, "one trial at least must give a result, got none: trial")
        assert result[1].count("refused: ") == 2

    @pytest.mark.parametrize(
        ("library", "options", "message"),
        [
            (
                "optuna",
                [],
                "optuna is needed for keras-ae scan: pip install 'keras-ae[scan]'",
            ),
            (
                "distributed",
                ["--dask", "tcp://127.0.0.1:1"],
                "distributed is needed for --dask: pip install 'keras-ae[scan,dask]'",
            ),
        ],
    )
    def test_missing_libraries(
        self, config: Path, tmp_path: Path, library: str, options: list[str], message: str
    ) -> None:
        command = f"import sys; sys.modules[{library!r}] = None; from hls.cli import main; main()"
        found = subprocess.run(
            [sys.executable, "-c", command, "scan", config, "--scan-dir", tmp_path / "s", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (found.returncode, found.stderr) == (2, f"error: {message}\n")


@pytest.mark.slow
def test_killed_processes(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    """What is finished stays; what was at work goes on; nobody is left behind."""
    config = write_tiny(tmp_path, experiment_content, n_trials=4)
    folder = tmp_path / "s"
    arguments = ["scan", str(config), "--scan-dir", str(folder), "--processes", "2"]
    command = [sys.executable, "-m", "hls.cli", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 240
        table = folder / "trials.csv"
        while time.monotonic() < deadline and process.poll() is None:
            if table.exists() and ",measured," in table.read_text():
                break
            time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    assert len(children) >= 2
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(map(is_alive, children)):
        time.sleep(0.1)
    assert not any(map(is_alive, children))
    done = {row["trial"]: row for row in rows_of(folder) if row["state"] == "measured"}
    assert 1 <= len(done) < 4
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    rows = {row["trial"]: row for row in rows_of(folder)}
    assert sum(row["state"] == "measured" for row in rows.values()) == 4
    for number, row in done.items():
        assert {**row, "on_front": ""} == {**rows[number], "on_front": ""}
        assert f"\ntrial {int(number):4d} " not in again.stdout
    # Whatever else was begun, was not begun again under another number.
    assert {row["state"] for row in rows.values()} <= {"measured", "repeated"}


def is_alive(child: str) -> bool:
    try:
        os.kill(int(child), 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{child}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("n_processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_ctrl_c_ends_the_processes_at_once(
    experiment_content: dict[str, Any], n_processes: str, tmp_path: Path
) -> None:
    experiment_content["training"] |= {"epochs": 400, "early_stopping_patience": 400}
    config = write_tiny(tmp_path, experiment_content)
    command = [sys.executable, "-m", "hls.cli", "scan", str(config)]
    command += ["--processes", n_processes]
    with subprocess.Popen(
        [*command, "--scan-dir", str(tmp_path / "s")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "s").glob("float/*/checkpoint_float/state.json")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "interrupted; the same command continues"


def test_what_is_refused_and_what_fails(
    monkeypatch: pytest.MonkeyPatch, tiny: Scan, tmp_path: Path
) -> None:
    wanted = tiny.settings.objectives
    experiment = tiny.experiment(0, {"precision.weight.width": 4})
    with pytest.raises(FileNotFoundError, match="none, which all workers must see under this name"):
        run_trial(tmp_path / "none", 0, experiment, wanted)
    wide = FixedPointFormat(32, 5)
    too_wide = experiment.model_copy(
        update={"precision": FixedPointFormats(input=wide, weight=wide, latent=wide)}
    )
    result = run_trial(tmp_path, 0, too_wide, wanted)
    assert "sums must stay within 2^53" in result["refused"]
    # Before any training.
    assert not (tmp_path / "float").exists()
    assert experiment.firmware is not None
    firmware = experiment.firmware.model_copy(update={"max_rtl_lut": 10})
    too_large = experiment.model_copy(update={"firmware": firmware})
    result = run_trial(tmp_path, 2, too_large, wanted)
    assert "RTL must have at most firmware.max_rtl_lut = 10 LUT, estimated " in result["refused"]

    def fault(*arguments: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(measuring, "take_float_stages", fault)
    result = run_trial(tmp_path, 1, experiment, wanted)
    assert result["failed"] == "ZeroDivisionError: by nothing"
    assert "in fault" in (tmp_path / "trials" / "0001.error.txt").read_text()


def test_the_test_has_no_event_of_the_search(tiny: Scan) -> None:
    base = tiny.base
    data = load_events(base)
    for_search, for_test = measuring.samples(data, base.seed)
    assert set(for_search) == set(for_test) == {"background", *data.signals}
    assert for_search["background"] is data.validation and for_test["background"] is data.test
    for name, sample in data.signals.items():
        one, other = for_search[name], for_test[name]
        assert len(one) + len(other) == len(sample)
        assert 0.45 < len(one) / len(sample) < 0.55
        assert not set(one.parents) & set(other.parents)
    with pytest.raises(InputError, match="at least 2 independent events, got 1"):
        halves(data.test.take(np.array([0])), 1)


def test_quality() -> None:
    rng = np.random.default_rng(1)
    scores = {"background": rng.normal(size=2000)}
    scores |= {name: rng.normal(mean, size=500) for name, mean in (("a", 1.0), ("b", 2.0))}
    found = {
        signal: measuring.quality(scores, Objectives(signal=signal)) for signal in ("a", "b", None)
    }
    assert found[None].value == pytest.approx((found["a"].value + found["b"].value) / 2)
    assert found["a"].value == pytest.approx(0.76, abs=0.03)
    tpr = measuring.quality(scores, Objectives(maximize="tpr", fpr=0.1, signal="b"))
    assert tpr.value == pytest.approx(0.76, abs=0.06)
    coarse = {name: np.minimum(values, 0) for name, values in scores.items()}
    with pytest.raises(InputError, match="at least 10 background events above the threshold"):
        measuring.quality(coarse, Objectives(maximize="tpr", fpr=0.1))


@pytest.mark.parametrize(
    ("content", "objectives", "message"),
    [
        (
            {"report": {"background_like": SIGNALS}},
            {"maximize": "auc"},
            "data must hold a signal for auc, but for those of report.background_like, got none",
        ),
        (
            {"report": {"background_like": ["h+-"]}},
            {"maximize": "agreement"},
            "report.background_like must name signals, got 'h+-'",
        ),
        (
            {"trigger": {"score": "reconstruction_error", "target_fpr": 0.02}},
            {"maximize": "stability"},
            "half of the validation part of data.background",
        ),
    ],
)
def test_what_would_spoil_every_trial(
    experiment_content: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: dict[str, Any],
    objectives: dict[str, Any],
    message: str,
) -> None:
    config = write_tiny(tmp_path, experiment_content | content, objectives=objectives, fixed={})
    result = run_cli(capsys, "scan", config, "--scan-dir", tmp_path / "scan")
    assert_one_line(result, message)
    assert not (tmp_path / "scan").exists()


def test_likelihood_needs_one(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = experiment_content | {"objective": {"kind": "plain"}}
    config = write_tiny(tmp_path, content, objectives={"maximize": "likelihood"}, fixed={})
    assert_one_line(
        run_cli(capsys, "scan", config, "--scan-dir", tmp_path / "scan"),
        "objectives.maximize 'likelihood' must be of an autoencoder whose encoder gives a",
        "got plain",
    )
    assert not (tmp_path / "scan").exists()
