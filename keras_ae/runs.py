"""The run directory: what is in it, and which of its stages are finished."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_ae import __version__
from keras_ae.data.sources import data_fingerprint
from keras_ae.errors import InputError
from keras_ae.files import locked, remove_unfinished, whole_file, write_text
from keras_ae.settings.experiment import Experiment, dump_experiment, load_experiment

#: Stage -> the stage before it, and the sections of the experiment, or keys in them, that decide
#: it. A run without a student leaves out `distill`.
_STAGES: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "train": (None, ("seed", "data", "scaling", "architecture", "objective", "training")),
    "distill": ("train", ("student", "trigger.score")),
    "quantize": ("distill", ("precision", "quantization")),
    "evaluate": ("quantize", ("trigger",)),
    "convert": ("quantize", ("trigger", "firmware")),
    "rtl": ("convert", ("firmware",)),
}

#: Raised when the meaning of a run directory's files changes.
FORMAT = 1


@dataclass(frozen=True)
class Run:
    """One experiment's directory.

    experiment.yaml     what was asked for, with every default
    run.json            format, version, finished stages with the digest of their inputs
    scaler.json         hardware integers -> network inputs
    float.keras, student.keras (with a student), quantized.keras, history_*.json
    metrics.json, plots/
    trigger.keras, trigger.json, firmware/
    validation.json, fidelity.html, synthesis.json
    rtl/, rtl.json, resources.json
    """

    folder: Path
    experiment: Experiment

    @property
    def scaler_path(self) -> Path:
        return self.folder / "scaler.json"

    def model_path(self, precision: str) -> Path:
        """`precision`: float, student or quantized."""
        return self.folder / f"{precision}.keras"

    def history_path(self, precision: str) -> Path:
        return self.folder / f"history_{precision}.json"

    @property
    def metrics_path(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def plots_folder(self) -> Path:
        return self.folder / "plots"

    @property
    def trigger_graph_path(self) -> Path:
        return self.folder / "trigger.keras"

    @property
    def trigger_path(self) -> Path:
        return self.folder / "trigger.json"

    @property
    def firmware_folder(self) -> Path:
        return self.folder / "firmware"

    @property
    def validation_path(self) -> Path:
        return self.folder / "validation.json"

    @property
    def fidelity_page_path(self) -> Path:
        return self.folder / "fidelity.html"

    @property
    def synthesis_path(self) -> Path:
        return self.folder / "synthesis.json"

    @property
    def rtl_folder(self) -> Path:
        return self.folder / "rtl"

    @property
    def rtl_path(self) -> Path:
        return self.folder / "rtl.json"

    @property
    def resources_path(self) -> Path:
        return self.folder / "resources.json"

    @property
    def _record_path(self) -> Path:
        return self.folder / "run.json"

    def digest(self, stage: str) -> str:
        """Of all that decides a stage's result: its sections, the data, the stages before it."""
        upstream = self._before(stage)
        before = self.digest(upstream) if upstream else data_fingerprint(self.experiment.data)
        inputs = {
            "version": __version__,
            "sections": self.experiment.model_dump(mode="json", include=_included(stage)),
            "before": before,
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def _before(self, stage: str) -> str | None:
        """The stage before."""
        before, _ = _STAGES[stage]
        return "train" if before == "distill" and self.experiment.student is None else before

    def is_finished(self, stage: str) -> bool:
        """Whether a stage and those before it were finished with the present experiment and data.

        And what they wrote is still as it was, and as the stages after them found it.
        """
        upstream = self._before(stage)
        if upstream and not self.is_finished(upstream):
            return False
        entry = _finished(self.folder).get(stage, {})
        return self._holds(stage, entry) and not self._changed(stage)

    def _holds(self, stage: str, entry: dict[str, Any]) -> bool:
        """Whether an entry of the record is of the present experiment, data and stage before."""
        return entry.get("digest") == self.digest(stage) and entry.get("before") == self._found(
            stage
        )

    def _found(self, stage: str) -> dict[str, str]:
        """What a stage finds that the one before has written."""
        upstream = self._before(stage)
        return dict(_finished(self.folder)[upstream]["outputs"]) if upstream else {}

    def changed_files(self, stage: str) -> list[str]:
        """Names of files of a stage and those before it that are gone or not as they were."""
        upstream = self._before(stage)
        return (self.changed_files(upstream) if upstream else []) + self._changed(stage)

    def _changed(self, stage: str) -> list[str]:
        """Of the stage itself."""
        written = _finished(self.folder).get(stage, {}).get("outputs", {})
        found = self._fingerprint(self.folder / name for name in written)
        return [name for name, content in written.items() if found.get(name) != content]

    def _fingerprint(self, outputs: Iterable[Path]) -> dict[str, str]:
        """What the files hold; of a folder, only that it is there: `validate` looks into it."""
        return {
            str(path.relative_to(self.folder)): (
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            )
            for path in outputs
            if path.exists()
        }

    def changed_contents(self, stage: str) -> list[str]:
        """Names of files in folders of a stage that are gone or not as they were written."""
        written = _finished(self.folder).get(stage, {}).get("contents", {})
        found = self._fingerprint(self.folder / name for name in written)
        return [name for name, content in written.items() if found.get(name) != content]

    def _contents(self, outputs: Iterable[Path]) -> dict[str, str]:
        """What the files in folders among the outputs hold."""
        folders = (path for path in outputs if path.is_dir())
        return self._fingerprint(
            path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()
        )

    def require(self, stage: str) -> None:
        """Raise InputError unless `stage` is finished with the present experiment and data."""
        if not self.is_finished(stage):
            finished = [name for name in _STAGES if self.is_finished(name)]
            changed = self.changed_files(stage)
            raise InputError(
                f"{self.folder} must have finished the stage '{stage}' first, with the present "
                f"experiment and data, finished: {', '.join(finished) or 'none'}"
                + (f"; changed since they were written: {', '.join(changed)}" if changed else "")
            )

    def stage(self, name: str, outputs: tuple[Path, ...], work: Callable[[], None]) -> bool:
        """Do `work`, unless it is finished and its `outputs` are untouched.

        More files in a folder among them do not count. Returns whether it was done. While it is at
        work, and after a failure, the stage counts as not finished.

        Raises:
            InputError: the stage before it is not finished with the present experiment and data; or
                another process is at work on the run.
        """
        upstream = self._before(name)
        if upstream:
            self.require(upstream)
        with self.locked():
            return self._stage(name, outputs, work)

    def _stage(self, name: str, outputs: tuple[Path, ...], work: Callable[[], None]) -> bool:
        digest, before = self.digest(name), self._found(name)
        entry = _finished(self.folder).get(name, {})
        contents = entry.get("contents", {})
        if (
            self._holds(name, entry)
            and entry.get("outputs") == self._fingerprint(outputs)
            and contents == self._fingerprint(self.folder / path for path in contents)
        ):
            return False
        self._record(name, None)
        remove_unfinished(self.folder)
        if name not in ("evaluate", "rtl"):
            # What was found of the firmware before does not hold any more.
            self.forget_validation()
            self.synthesis_path.unlink(missing_ok=True)
        work()
        self._record(
            name,
            {
                "digest": digest,
                "before": before,
                "outputs": self._fingerprint(outputs),
                "contents": self._contents(outputs),
            },
        )
        return True

    def take_over(self, other: Run, stage: str) -> None:
        """Copy a finished stage of another run, and those before it, unless it is finished here.

        Raises:
            InputError: the other run has not finished it, or with other inputs; or another process
                is at work on this one.
        """
        if self.is_finished(stage):
            return
        other.require(stage)
        if other.digest(stage) != self.digest(stage):
            raise InputError(
                f"{self.folder} must have the inputs of the stage '{stage}' of the run that it is "
                f"taken from, {other.folder}, but they differ"
            )
        upstream = self._before(stage)
        if upstream:
            self.take_over(other, upstream)
        entry = _finished(other.folder)[stage]
        with self.locked():
            self._record(stage, None)
            for name in entry["outputs"]:
                with whole_file(self.folder / name) as temporary:
                    shutil.copyfile(other.folder / name, temporary)
            self._record(stage, entry)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing into the run.

        Raises:
            InputError: another one does.
        """
        with ExitStack() as held:
            try:
                held.enter_context(locked(self.folder / ".lock"))
            except BlockingIOError as error:
                raise InputError(
                    f"{self.folder} must have one command at a time, but another is at work"
                ) from error
            yield

    def forget_validation(self) -> None:
        """Remove what `validate` wrote."""
        for path in (self.validation_path, self.fidelity_page_path):
            path.unlink(missing_ok=True)

    def _record(self, stage: str, entry: dict[str, Any] | None) -> None:
        record = _read_record(self.folder)
        record["stages"].pop(stage, None)
        if entry:
            record["stages"][stage] = entry
        write_json(self._record_path, record)


def create_run(folder: Path, experiment: Experiment) -> Run:
    """Make or reuse a run directory for `experiment`.

    Raises:
        InputError: the folder holds something else, or a run of another format.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"run directory must be a directory, got the file {folder}")
    if not (folder / "run.json").exists():
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"run directory must be new, empty or a run, got {folder}")
        record = {"format": FORMAT, "version": __version__, "stages": {}}
        write_json(folder / "run.json", record)
    _read_record(folder)
    write_text(folder / "experiment.yaml", dump_experiment(experiment))
    return Run(folder, experiment)


def open_run(folder: Path) -> Run:
    """An existing run directory.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is of another format.
    """
    if not (folder / "run.json").is_file():
        raise FileNotFoundError(f"run directory not found: {folder} has no run.json")
    _read_record(folder)
    return Run(folder, load_experiment(folder / "experiment.yaml"))


def write_json(path: Path, content: Any) -> None:
    """Write a whole JSON file, floats as short as they can be read back exactly."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, *keys: str) -> Any:
    """Read a JSON file of a run, a mapping with at least `keys`.

    Raises:
        InputError: it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} must be JSON: {error}") from error
    missing = set(keys) - set(content if isinstance(content, dict) else ())
    if missing:
        raise InputError(f"{path} must hold {', '.join(sorted(missing))}: run the stage again")
    return content


def _included(stage: str) -> dict[str, Any]:
    """The sections that decide a stage, and keys in them, as pydantic asks for them."""
    _, sections = _STAGES[stage]
    paths = [section.split(".") for section in sections]
    return {section: dict.fromkeys(keys, True) or True for section, *keys in paths}


def _finished(folder: Path) -> dict[str, Any]:
    return dict(_read_record(folder)["stages"])


def _read_record(folder: Path) -> dict[str, Any]:
    record = read_json(folder / "run.json", "stages")
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else record
        raise InputError(
            f"{folder}: run directory must be of format {FORMAT}, got {found}: "
            "start a new one with 'keras-ae run CONFIG --run-dir NEW'"
        )
    return record
