"""The command line: help at once, one line and exit code 2 for every mistake, the whole chain."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hls import cli

ROOT = Path(__file__).parents[1]


@pytest.fixture
def config(experiment_content: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
    return path


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def assert_one_line(result: tuple[int, str, str], *words: str, code: int = 2) -> None:
    found, _, err = result
    assert found == code
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "--help")
    assert code == 0
    for command in ("run", "train", "distill", "quantize", "evaluate", "check", "convert"):
        assert command in out
    assert "validate" in out


def test_whole_chain(finished_run: Path) -> None:
    validation = json.loads((finished_run / "validation.json").read_text())
    assert validation["events"] > 20_000
    assert validation["mismatching_bits"] == 0
    comparisons = validation["comparisons"]
    assert {found["mismatching_events"] for found in comparisons["keras"].values()} == {0}
    assert comparisons["bench"]["events"] > 500
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert {"float/kl_divergence", "baseline/pca", "untrained/squared_latent_norm"} <= set(
        metrics["methods"]
    )
    tpr = metrics["methods"]["baseline/pca"]["A -> 4l"]["tpr"]
    assert tpr["0.01"] is None and tpr["1e-05"] is None  # fewer than 10 background events
    assert {path.name for path in (finished_run / "plots").iterdir()} == {
        "latent_map.png",
        "roc.png",
        "scores.png",
        "training_float.png",
        "training_quantized.png",
    }
    readme = (finished_run / "firmware" / "README.md").read_text()
    assert "| model | l1_vae: variational autoencoder 57-16-8-3 |" in readme
    assert "| `electron.pt` | 3, 6, … 12 | GeV | 0.5 |" in readme
    assert not list(finished_run.rglob("*writing*"))
    assert not list(finished_run.glob("checkpoint*"))


@pytest.mark.slow
def test_finished_stages_are_skipped(
    finished_run: Path, run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = finished_run.parent / "experiment.yaml"
    code, out, _ = run_cli(capsys, "run", config, "--run-dir", run_copy)
    assert code == 0
    assert out.count("already done") == 4
    assert "mismatching bits: 0" in out
    assert "AUC float" in out
    assert str(run_copy) in out.splitlines()[-2]


def test_changed_section_repeats_only_what_depends_on_it(
    run_copy: Path, experiment_content: dict[str, Any], config: Path
) -> None:
    experiment_content["firmware"]["clock_ns"] = 2.5
    config.write_text(yaml.safe_dump(experiment_content))
    with pytest.raises(SystemExit):
        cli.main(["run", str(config), "--run-dir", str(run_copy)])
    assert "2.5" in (run_copy / "firmware" / "project.tcl").read_text()


@pytest.mark.slow
def test_more_events_can_be_validated_without_an_evaluation(
    run_copy: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from keras_ae.data.source import resolve_path

    path = resolve_path("package:l1/a_4l.h5")
    before = json.loads((run_copy / "validation.json").read_text())["events"]
    (run_copy / "metrics.json").unlink()
    code, out, _ = run_cli(capsys, "validate", run_copy, "--events", path)
    assert code == 0
    assert "AUC float" not in out
    assert f"events checked: {before + 5000}   mismatching bits: 0" in out
    assert_one_line(
        run_cli(capsys, "validate", run_copy, "--events", tmp_path / "none.h5"),
        "--events: event file not found",
        "none.h5",
    )


def test_damaged_output_is_made_again(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_copy / "metrics.json"
    before = path.read_bytes()
    path.write_text("{")
    code, out, _ = run_cli(capsys, "evaluate", run_copy)
    assert code == 0
    assert "already done" not in out
    assert path.read_bytes() == before


@pytest.mark.slow
def test_run_without_signals(
    experiment_content: dict[str, Any],
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiment_content["data"]["signals"] = {}
    config.write_text(yaml.safe_dump(experiment_content))
    code, out, _ = run_cli(capsys, "run", config, "--run-dir", tmp_path / "run")
    assert code == 0
    assert "mismatching bits: 0" in out
    assert "AUC" not in out


def test_weights_that_only_synthesis_sees_are_exit_code_1(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = max(run_copy.glob("firmware/firmware/weights/w*.h"), key=lambda p: p.stat().st_size)
    text = header.read_text()
    start = text.index("{") + 1
    first, rest = text[start:].split(",", 1)
    header.write_text(f"{text[:start]}{float(first) + 0.5:.12f},{rest}")
    code, _, err = run_cli(capsys, "validate", run_copy, "--as-is")
    assert code == 1
    assert "must hold the same weights, but differ" in err
    # The proof of before does not survive.
    assert not (run_copy / "validation.json").exists()


@pytest.mark.slow
def test_flipped_weight_is_exit_code_1(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = max(run_copy.glob("firmware/firmware/weights/w*.txt"), key=lambda p: p.stat().st_size)
    for path in (weights, weights.with_suffix(".h")):
        text = path.read_text()
        start = text.index("{") + 1 if path.suffix == ".h" else 0
        first, rest = text[start:].split(",", 1)
        path.write_text(f"{text[:start]}{float(first) + 0.5:.12f},{rest}")
    code, out, _ = run_cli(capsys, "validate", run_copy, "--as-is")
    assert code == 1
    assert "mismatching bits: 0" not in out


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_missing_compiler_is_said_before_training(
    command: str,
    experiment_content: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(experiment_content))
    monkeypatch.setenv("PATH", str(tmp_path))
    place = ["--run-dir", tmp_path / "run"] if command == "run" else []
    found = run_cli(capsys, command, tmp_path / "e.yaml", *place)
    assert_one_line(found, "g++ must be on PATH for simulation, found none: install g++")
    assert not (tmp_path / "run" / "float.keras").exists()


@pytest.mark.filterwarnings("ignore:score 'squared_latent_norm' must leave")
def test_a_constant_score_is_proved_and_is_no_trigger(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # No weight is left of so coarse a format.
    content = experiment_content | {
        "training": {"epochs": 1, "batch_size": 256},
        "quantization": {"epochs": 1, "batch_size": 256},
    }
    content["precision"] = content["precision"] | {"weight": "fixed<2,6>", "bias": "fixed<2,6>"}
    content["trigger"] = content["trigger"] | {"score": "squared_latent_norm"}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(content))
    code, out, err = run_cli(capsys, "run", tmp_path / "e.yaml", "--run-dir", tmp_path / "run")
    assert code == 0, err
    assert "mismatching bits: 0" in out
    assert "warning: score is" in out and "the firmware tells nothing apart" in out
    page = (tmp_path / "run" / "fidelity.html").read_text()
    assert "Not what was asked for" in page and "tells nothing apart" in page


def no_dead_code(text: str) -> str:
    """What a synthesis sees, and a simulation does not."""
    start = text.index("{", text.index("void anomaly_trigger(")) + 1
    return f"{text[:start]}\n#ifdef __SYNTHESIS__\n    trigger[0] = 1;\n#endif\n{text[start:]}"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("firmware/anomaly_trigger.cpp", no_dead_code),
        ("project.tcl", lambda text: text + "\nset clock_period 9\n"),
        ("README.md", lambda text: f"{text}\n"),
    ],
)
def test_a_project_that_was_changed_is_no_proof(
    run_copy: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    change: Callable[[str], str],
) -> None:
    path = run_copy / "firmware" / name
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    found = run_cli(capsys, "validate", run_copy)
    message = f"must be as 'keras-ae convert' wrote it, but 1 files are not: firmware/{name}"
    assert_one_line(found, message, code=1)
    assert not (run_copy / "validation.json").exists()
    code, out, err = run_cli(capsys, "validate", run_copy, "--as-is")
    assert code == 0, err
    assert "mismatching bits: 0   no proof: files were changed" in out
    page = (run_copy / "fidelity.html").read_text()
    assert "This is no proof" in page and "are the same function" not in page


@pytest.mark.parametrize(
    ("damaged", "command"),
    [
        ("run.json", "convert"),
        ("experiment.yaml", "convert"),
        ("inputs_float.json", "evaluate"),
        ("float.keras", "evaluate"),
        ("quantized.keras", "convert"),
        ("trigger.npz", "validate"),
        ("trigger.json", "validate"),
    ],
)
def test_damaged_file_of_a_run(
    run_copy: Path, capsys: pytest.CaptureFixture[str], damaged: str, command: str
) -> None:
    path = run_copy / damaged
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_one_line(run_cli(capsys, command, run_copy), damaged)


@pytest.mark.parametrize("command", ["quantize", "convert"])
def test_missing_file_of_a_run(
    run_copy: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    # Not "already done": what it was made from cannot be checked any more.
    (run_copy / "float.keras").unlink()
    assert_one_line(run_cli(capsys, command, run_copy), "since they were written: float.keras")


class TestMistakes:
    def test_missing_config(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        assert_one_line(
            run_cli(capsys, "run", tmp_path / "none.yaml"), "experiment file not found", "none.yaml"
        )

    def test_unknown_key(
        self,
        capsys: pytest.CaptureFixture[str],
        experiment_content: dict[str, Any],
        config: Path,
        tmp_path: Path,
    ) -> None:
        experiment_content["training"]["epoch"] = 3
        config.write_text(yaml.safe_dump(experiment_content))
        result = run_cli(capsys, "run", config, "--run-dir", tmp_path / "run")
        assert_one_line(result, "unknown key training.epoch; choices: epochs")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("key", "value", "word"),
        [
            ("part", "ep4ce6", "xcvu"),
            ("io_type", "io_serial", "'io_parallel'"),
            ("x", 1, "backend"),
        ],
    )
    def test_firmware_settings(
        self,
        capsys: pytest.CaptureFixture[str],
        experiment_content: dict[str, Any],
        config: Path,
        tmp_path: Path,
        key: str,
        value: object,
        word: str,
    ) -> None:
        experiment_content["firmware"][key] = value
        config.write_text(yaml.safe_dump(experiment_content))
        result = run_cli(capsys, "run", config, "--run-dir", tmp_path / "run")
        assert_one_line(result, "firmware", key, word)
        assert not (tmp_path / "run").exists()

    def test_missing_data(
        self,
        capsys: pytest.CaptureFixture[str],
        experiment_content: dict[str, Any],
        config: Path,
        tmp_path: Path,
    ) -> None:
        experiment_content["data"]["background"] = str(tmp_path / "none.h5")
        config.write_text(yaml.safe_dump(experiment_content))
        result = run_cli(capsys, "train", config, "--run-dir", tmp_path / "run")
        assert_one_line(result, "data.background: event file not found", "none.h5")
        assert not (tmp_path / "run").exists()

    def test_too_few_events_for_the_rate_are_refused_before_training(
        self,
        capsys: pytest.CaptureFixture[str],
        experiment_content: dict[str, Any],
        config: Path,
        tmp_path: Path,
    ) -> None:
        experiment_content["trigger"]["target_fpr"] = 0.01
        config.write_text(yaml.safe_dump(experiment_content))
        result = run_cli(capsys, "train", config, "--run-dir", tmp_path / "run")
        assert_one_line(
            result, "must hold at least 1000 events for a threshold at target_fpr 0.01, got"
        )
        assert not list((tmp_path / "run").glob("*.keras"))

    def test_file_in_the_place_of_a_folder(
        self, capsys: pytest.CaptureFixture[str], config: Path
    ) -> None:
        result = run_cli(capsys, "train", config, "--run-dir", config / "run")
        assert_one_line(result, str(config), "Not a directory")

    @pytest.mark.parametrize("command", ["distill", "quantize", "evaluate", "convert", "validate"])
    def test_no_run(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
        assert_one_line(run_cli(capsys, command, tmp_path), "run directory not found")

    @pytest.mark.parametrize(
        ("command", "needed"),
        [
            ("quantize", "train"),
            ("evaluate", "quantize"),
            ("convert", "quantize"),
            ("validate", "convert"),
        ],
    )
    def test_stage_out_of_order(
        self,
        capsys: pytest.CaptureFixture[str],
        experiment_content: dict[str, Any],
        tmp_path: Path,
        command: str,
        needed: str,
    ) -> None:
        from keras_ae.runs import create_run
        from keras_ae.settings.experiment import Experiment

        create_run(tmp_path / "run", Experiment.model_validate(experiment_content))
        assert_one_line(
            run_cli(capsys, command, tmp_path / "run"),
            f"must have finished the stage '{needed}' first",
            "finished: none",
        )

    def test_unknown_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert_one_line(run_cli(capsys, "fly"), "No such command 'fly'")

    def test_debug_shows_the_traceback(self, capsys: pytest.CaptureFixture[str]) -> None:
        for arguments in (("--debug", "run", "none.yaml"), ("run", "none.yaml", "--debug")):
            code, _, err = run_cli(capsys, *arguments)
            assert code == 2
            assert "Traceback" in err


def test_ctrl_c_ends_with_130_and_leaves_a_checkpoint(
    experiment_content: dict[str, Any], config: Path, tmp_path: Path
) -> None:
    experiment_content["training"] |= {"epochs": 400, "early_stopping_patience": 400}
    config.write_text(yaml.safe_dump(experiment_content))
    command = [sys.executable, "-m", "hls.cli", "train", config, "--run-dir", tmp_path / "run"]
    state = tmp_path / "run" / "checkpoint_float" / "state.json"
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets its background jobs, such as these tests may be, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while not state.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            # C code below may drop an exception that is raised while it asks for an attribute:
            # then one presses again.
            for _ in range(3):
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=8)
                    break
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted" in err
    assert json.loads(state.read_text())["epoch"] >= 1
    assert not (tmp_path / "run" / "float.keras").exists()


@pytest.mark.skipif(
    shutil.which("mount") is None or os.geteuid() != 0, reason="needs root to mount a full disk"
)
def test_full_disk(config: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        result = subprocess.run(
            [sys.executable, "-m", "hls.cli", "train", config, "--run-dir", disk / "run"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        leftovers = [p.name for p in disk.rglob("*") if "writing" in p.name]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert result.returncode == 2, result.stderr
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    assert leftovers == []


def test_options_of_training_reach_keras(
    experiment_content: dict[str, Any], config: Path, tmp_path: Path
) -> None:
    import keras

    from keras_ae.run_contents import load_model
    from keras_ae.runs import create_run
    from keras_ae.settings.experiment import load_experiment
    from keras_ae.training import train

    experiment_content["training"] |= {"mixed_precision": True, "tensorboard": True}
    config.write_text(yaml.safe_dump(experiment_content))
    run = create_run(tmp_path / "run", load_experiment(config))
    assert train(run, progress=False)
    model = load_model(run, "float")
    assert model.encoder.get_layer("encoder_dense_1").compute_dtype == "float16"
    assert model.encoder.get_layer("encoder_dense_1").variable_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    assert list((run.folder / "tensorboard_float").rglob("events.out*"))


def test_seeds_reach_the_weights(config: Path, tmp_path: Path) -> None:
    from keras_ae.experiment_models import build_model
    from keras_ae.precision import Float
    from keras_ae.settings.experiment import load_experiment

    experiment = load_experiment(config)
    same = [build_model(experiment, Float()).encoder.get_weights()[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    other = build_model(experiment.model_copy(update={"seed": 7}), Float()).encoder.get_weights()[0]
    assert not np.array_equal(same[0], other)
