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
from keras_ae.data.fingerprint import data_fingerprint
from keras_ae.errors import InputError
from keras_ae.files import (
    locked,
    read_json,
    remove_unfinished,
    whole_file,
    whole_folder,
    write_json,
    write_text,
)
from keras_ae.run_files import RunFiles
from keras_ae.settings.adoption import RunSettings, dump_run_settings, load_run_settings
from keras_ae.settings.experiment import Experiment
from keras_ae.stages import PROVED, STAGES, stages_up_to

#: Raised when the meaning of a run directory's files changes.
FORMAT = 3


@dataclass(frozen=True)
class Run(RunFiles):
    """One experiment's directory, see `RunFiles` for what is in it, and its stages."""

    settings: RunSettings

    @property
    def experiment(self) -> Experiment:
        """What a run that trains its model does.

        Raises:
            InputError: its network came trained.
        """
        if not isinstance(self.settings, Experiment):
            raise InputError(
                f"{self.folder} must be a run that trains its model, got one whose network came "
                "trained, by 'keras-ae adopt'"
            )
        return self.settings

    def digest(self, stage: str) -> str:
        """Of all that decides a stage's result: its sections, the data, the stages before it."""
        upstream = self._before(stage)
        before = self.digest(upstream) if upstream else data_fingerprint(self.settings.data)
        inputs = {
            "version": __version__,
            "sections": self.settings.model_dump(mode="json", include=STAGES[stage].included),
            "before": before,
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    @property
    def is_quantized(self) -> bool:
        """Whether the model is there that firmware is made of."""
        before = self._before(PROVED)
        return before is not None and self.is_finished(before)

    def _before(self, stage: str) -> str | None:
        """The stage before."""
        *_, before, _ = (None, *stages_up_to(stage, self.settings))
        return before

    def is_finished(self, stage: str) -> bool:
        """Whether a stage and those before it were finished with the present experiment and data.

        And what they wrote is still as it was, and as the stages after them found it.
        """
        upstream = self._before(stage)
        if upstream and not self.is_finished(upstream):
            return False
        entry = _finished(self).get(stage, {})
        return self._holds(stage, entry) and not self._changed(stage)

    def _holds(self, stage: str, entry: dict[str, Any]) -> bool:
        """Whether an entry of the record is of the present experiment, data and stage before."""
        return entry.get("digest") == self.digest(stage) and entry.get("before") == self._found(
            stage
        )

    def _found(self, stage: str) -> dict[str, str]:
        """What a stage finds that the one before has written."""
        upstream = self._before(stage)
        return dict(_finished(self)[upstream]["outputs"]) if upstream else {}

    def changed_files(self, stage: str) -> list[str]:
        """Names of files of a stage and those before it that are gone or not as they were."""
        upstream = self._before(stage)
        return (self.changed_files(upstream) if upstream else []) + self._changed(stage)

    def _changed(self, stage: str) -> list[str]:
        """Of the stage itself."""
        written = _finished(self).get(stage, {}).get("outputs", {})
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
        written = _finished(self).get(stage, {}).get("contents", {})
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
            finished = [name for name in STAGES if self.is_finished(name)]
            changed = self.changed_files(stage)
            raise InputError(
                f"{self.folder} must have finished the stage '{stage}' first, with the present "
                f"experiment and data, finished: {', '.join(finished) or 'none'}"
                + (f"; changed since they were written: {', '.join(changed)}" if changed else "")
            )

    def stage(self, name: str, work: Callable[[], None]) -> bool:
        """Do `work`, unless the stage is finished and what it wrote is untouched.

        More files in a folder that it wrote do not count. Returns whether it was done. While it is
        at work, and after a failure, the stage counts as not finished.

        Raises:
            InputError: the stage before it is not finished with the present experiment and data; or
                another process is at work on the run.
        """
        upstream = self._before(name)
        if upstream:
            self.require(upstream)
        with self.locked():
            return self._stage(name, work)

    def _stage(self, name: str, work: Callable[[], None]) -> bool:
        outputs = STAGES[name].outputs(self)
        digest, before = self.digest(name), self._found(name)
        entry = _finished(self).get(name, {})
        contents = entry.get("contents", {})
        if (
            self._holds(name, entry)
            and entry.get("outputs") == self._fingerprint(outputs)
            and contents == self._fingerprint(self.folder / path for path in contents)
        ):
            return False
        self._record(name, None)
        remove_unfinished(self.folder)
        if name in stages_up_to(PROVED, self.settings):
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
        entry = _finished(other)[stage]
        with self.locked():
            self._record(stage, None)
            for name in entry["outputs"]:
                if (other.folder / name).is_dir():
                    with whole_folder(self.folder / name) as folder:
                        shutil.copytree(other.folder / name, folder, dirs_exist_ok=True)
                else:
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
        record = _read_record(self)
        record["stages"].pop(stage, None)
        if entry:
            record["stages"][stage] = entry
        write_json(self.record_path, record)


def create_run(folder: Path, experiment: RunSettings) -> Run:
    """Make or reuse a run directory for `experiment`.

    Raises:
        InputError: the folder holds something else, a run of another format, or one of another
            experiment at which another process is at work.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"run directory must be a directory, got the file {folder}")
    run = Run(folder, experiment)
    if not run.record_path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"run directory must be new, empty or a run, got {folder}")
        record = {"format": FORMAT, "version": __version__, "stages": {}}
        write_json(run.record_path, record)
    _read_record(run)
    text = dump_run_settings(experiment)
    path = run.experiment_path
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        # Not while another command works by what stands there.
        with run.locked():
            write_text(path, text)
    return run


def open_run(folder: Path) -> Run:
    """An existing run directory.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is of another format.
    """
    files = RunFiles(folder)
    if not files.record_path.is_file():
        raise FileNotFoundError(f"run directory not found: {folder} has no run.json")
    _read_record(files)
    return Run(folder, load_run_settings(files.experiment_path))


def _finished(run: RunFiles) -> dict[str, Any]:
    return dict(_read_record(run)["stages"])


def _read_record(run: RunFiles) -> dict[str, Any]:
    record = read_json(run.record_path, "stages")
    found = record.get("format")
    if found != FORMAT:
        raise InputError(
            f"{run.folder}: run directory must be of format {FORMAT}, got {found}, made by "
            f"keras-ae {record.get('version', 'of an unknown version')}: start anew with "
            f"'keras-ae run {run.experiment_path} --run-dir NEW'"
        )
    return record
