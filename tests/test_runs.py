"""Run directories: stages are skipped, repeated, and never half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keras_ae.config import Experiment
from keras_ae.errors import InputError
from keras_ae.files import whole_file, write_text
from keras_ae.runs import Run, create_run, open_run


@pytest.fixture
def run(experiment_content: dict[str, Any], tmp_path: Path) -> Run:
    return create_run(tmp_path / "run", Experiment.model_validate(experiment_content))


def test_stage_is_skipped_until_inputs_or_outputs_change(run: Run) -> None:
    output = run.folder / "result"
    calls = []

    def work() -> None:
        calls.append(1)
        write_text(output, "done")

    assert run.stage("train", {"a": 1}, (output,), work)
    assert not run.stage("train", {"a": 1}, (output,), work)
    assert run.stage("train", {"a": 2}, (output,), work)
    output.unlink()
    assert run.stage("train", {"a": 2}, (output,), work)
    assert len(calls) == 3


def test_failed_stage_is_not_finished(run: Run) -> None:
    run.stage("train", {"a": 1}, (), lambda: None)

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run.stage("train", {"a": 2}, (), fail)
    with pytest.raises(InputError, match="must have finished the stage 'train' first, finished: n"):
        run.digest_of("train")


def test_experiment_is_read_back(run: Run) -> None:
    assert open_run(run.folder) == run


def test_run_of_another_format(run: Run) -> None:
    record = json.loads((run.folder / "run.json").read_text())
    write_text(run.folder / "run.json", json.dumps(record | {"format": 99}))
    with pytest.raises(InputError, match="run directory must be of format 1, got 99"):
        open_run(run.folder)
    with pytest.raises(InputError, match="run directory must be of format 1, got 99"):
        create_run(run.folder, run.experiment)


def test_damaged_record(run: Run) -> None:
    write_text(run.folder / "run.json", "{")
    with pytest.raises(InputError, match=r"run.json must be JSON"):
        open_run(run.folder)


def test_folder_with_something_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="run directory must be new, empty or a run"):
        create_run(tmp_path / "other", run.experiment)
    with pytest.raises(InputError, match="must be a directory, got the file"):
        create_run(tmp_path / "other" / "thesis.tex", run.experiment)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run directory not found"):
        open_run(tmp_path)


def test_interrupted_write_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
