"""Run directories: stages are skipped, repeated, and never half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keras_ae.errors import InputError
from keras_ae.files import whole_file, write_text
from keras_ae.runs import Run, create_run, open_run
from keras_ae.settings.experiment import Experiment


@pytest.fixture
def run(experiment_content: dict[str, Any], tmp_path: Path) -> Run:
    return create_run(tmp_path / "run", Experiment.model_validate(experiment_content))


def changed(run: Run, **sections: dict[str, Any]) -> Run:
    """The same folder with another experiment."""
    content = run.experiment.model_dump(mode="json")
    for name, section in sections.items():
        content[name] |= section
    return create_run(run.folder, Experiment.model_validate(content))


def test_stage_is_skipped_until_inputs_or_outputs_change(run: Run) -> None:
    output = run.model_path("float")
    calls = []

    def work() -> None:
        calls.append(1)
        write_text(output, "done")

    assert run.stage("train", work)
    assert not run.stage("train", work)
    assert not changed(run, firmware={"clock_ns": 2.5}).stage("train", work)
    assert changed(run, training={"epochs": 7}).stage("train", work)
    run = changed(run, training={"epochs": 7})
    output.write_text("tampered")
    assert run.stage("train", work)
    output.unlink()
    assert run.stage("train", work)
    assert len(calls) == 4


def test_no_such_stage(run: Run) -> None:
    message = (
        "^stage must be one of adopt, embed, train, distill, .*, convert, rtl, got 'validate'$"
    )
    for call in (run.require, run.is_finished, run.digest, run.changed_files):
        with pytest.raises(InputError, match=message):
            call("validate")


def test_files_in_a_folder_that_a_stage_wrote(run: Run) -> None:
    folder = run.firmware_folder

    def work() -> None:
        write_text(folder / "deep" / "weights", "1")

    for stage in ("train", "quantize"):
        run.stage(stage, lambda: None)
    assert run.stage("convert", work)
    write_text(folder / "build" / "made later", "x")
    assert not run.stage("convert", work)
    (folder / "deep" / "weights").write_text("2")
    # What comes after may look at what was changed; the stage itself mends it.
    assert run.is_finished("convert")
    assert run.stage("convert", work)
    assert (folder / "deep" / "weights").read_text() == "1"
    (folder / "deep" / "weights").unlink()
    assert run.stage("convert", work)


def test_failed_stage_is_not_finished(run: Run) -> None:
    run.stage("train", lambda: None)
    run = changed(run, training={"epochs": 7})

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run.stage("train", fail)
    with pytest.raises(InputError, match="must have finished the stage 'train' first, .* none"):
        run.require("train")


def test_later_stages_do_not_outlive_a_change_before_them(run: Run) -> None:
    for stage in ("train", "quantize", "evaluate", "convert"):
        run.stage(stage, lambda: None)
        assert run.is_finished(stage)
    write_text(run.validation_path, "{}")
    other = changed(run, inputs={"quantiles": {"pt_spread": 0.75}})
    with pytest.raises(InputError, match="must have finished the stage 'quantize' first"):
        other.stage("convert", lambda: None)
    other.stage("train", lambda: None)
    assert not run.validation_path.exists()
    with pytest.raises(InputError, match="'quantize' first, .*, finished: train$"):
        other.stage("convert", lambda: None)
    assert not other.is_finished("evaluate")


def test_stage_that_is_repeated_is_another(run: Run) -> None:
    content = iter("123456")
    paths = {
        "train": run.model_path("float"),
        "quantize": run.model_path("quantized"),
        "convert": run.trigger_path,
    }

    def write(name: str) -> bool:
        return run.stage(name, lambda: write_text(paths[name], next(content)))

    for stage in ("train", "quantize", "convert"):
        assert write(stage)
    # Made again with the same settings, but not the same bits.
    paths["quantize"].unlink()
    assert write("quantize") and not write("train")
    assert not run.is_finished("convert")
    assert write("convert") and run.is_finished("convert")
    paths["train"].unlink()
    assert write("train")
    assert not run.is_finished("quantize") and not run.is_finished("convert")


def test_one_process_at_a_time(run: Run) -> None:
    def work() -> None:
        with pytest.raises(InputError, match="one command at a time, but another is at work"):
            run.stage("train", lambda: None)

    assert run.stage("train", work)
    assert run.is_finished("train")


def test_experiment_is_read_back(run: Run) -> None:
    assert open_run(run.folder) == run


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"format": 1, "version": "0.1.0"}, "format 3, got 1, made by keras-ae 0.1.0"),
        ({"format": 99, "version": "7.0.0"}, "format 3, got 99, made by keras-ae 7.0.0"),
        ({"format": None, "version": None}, "format 3, got None, made by keras-ae of an unknown v"),
    ],
)
def test_run_of_another_format(run: Run, record: dict[str, Any], message: str) -> None:
    written = json.loads((run.folder / "run.json").read_text()) | record
    kept = {name: value for name, value in written.items() if value is not None}
    write_text(run.folder / "run.json", json.dumps(kept))
    remedy = f"start anew with 'keras-ae run {run.folder / 'experiment.yaml'} --run-dir NEW'$"
    for use in (open_run, lambda folder: create_run(folder, run.experiment)):
        with pytest.raises(InputError, match=f"run directory must be of {message}.*: {remedy}"):
            use(run.folder)


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


class TestTakeOver:
    @pytest.fixture
    def finished(self, run: Run, tmp_path: Path) -> Run:
        other = create_run(tmp_path / "other", run.experiment)
        for stage, path in (("train", "float"), ("quantize", "quantized")):
            written = other.model_path(path)
            other.stage(stage, lambda w=written: write_text(w, w.stem))
        return other

    def test_what_is_finished_with_the_same_inputs(self, run: Run, finished: Run) -> None:
        run.take_over(finished, "quantize")
        assert run.is_finished("quantize")
        assert run.model_path("float").read_text() == "float"
        assert run.model_path("quantized").read_text() == "quantized"
        # Another time there is nothing to do.
        finished.model_path("float").unlink()
        run.take_over(finished, "quantize")

    def test_only_what_has_the_same_inputs(
        self, experiment_content: dict[str, Any], finished: Run, tmp_path: Path
    ) -> None:
        experiment_content["quantization"]["epochs"] += 1
        another = create_run(tmp_path / "c", Experiment.model_validate(experiment_content))
        with pytest.raises(InputError, match="must have the inputs of the stage 'quantize' of the"):
            another.take_over(finished, "quantize")
        another.take_over(finished, "train")
        assert another.is_finished("train") and not another.is_finished("quantize")

    def test_only_what_is_finished(self, run: Run, finished: Run) -> None:
        finished.model_path("quantized").unlink()
        with pytest.raises(InputError, match="must have finished the stage 'quantize' first"):
            run.take_over(finished, "quantize")


class TestWhileAnotherIsAtWork:
    def test_nothing_is_written(self, run: Run) -> None:
        before = run.experiment_path.read_text(encoding="utf-8")
        content = run.experiment.model_dump(mode="json")
        content["training"] |= {"epochs": 7}
        other = Experiment.model_validate(content)
        with run.locked(), pytest.raises(InputError, match="one command at a time"):
            create_run(run.folder, other)
        assert run.experiment_path.read_text(encoding="utf-8") == before
        create_run(run.folder, other)
        assert run.experiment_path.read_text(encoding="utf-8") != before

    def test_a_lock_is_no_link(self, run: Run, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.write_text("mine")
        lock = run.folder / ".lock"
        lock.unlink(missing_ok=True)
        lock.symlink_to(precious)
        with pytest.raises(InputError, match="lock must be a file, got a link"):
            run.stage("train", lambda: None)
        assert precious.read_text() == "mine"
