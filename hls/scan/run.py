"""The loop of a scan: which trial comes next, who works on it, what came of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hls.scan.results import one_line, write_figures, write_tables
from hls.scan.study import Study, Trial
from hls.scan.trial import run_trial
from hls.scan.workers import Workers
from keras_ae import __version__
from keras_ae.data.fingerprint import data_fingerprint
from keras_ae.errors import InputError
from keras_ae.events import check_against_events, load_events
from keras_ae.files import locked
from keras_ae.metrics import check_rate
from keras_ae.settings.scan import Scan, check_objectives


def check_scan(scan: Scan, subject: str) -> None:
    """Find what would spoil every trial, before the first.

    Raises:
        FileNotFoundError: a file of the data is missing.
        InputError: an experiment without firmware, a signal that the data do not have, too little
            data, or a TPR that they cannot give.
    """
    base, wanted = scan.base, scan.settings.objectives
    base.require_firmware(subject)
    check_objectives(base, wanted, subject)
    data = load_events(base)
    check_against_events(base, data)
    counted = set(data.signals) - set(base.report.background_like)
    if wanted.of_signals and wanted.signal is None and not counted:
        raise InputError(
            f"{subject}: data must hold a signal for {wanted.maximize}, but for those of "
            "report.background_like, got none"
        )
    if wanted.signal is not None and wanted.signal not in data.signals:
        raise InputError(
            f"{subject}: objectives.signal must be one of {', '.join(data.signals)}, "
            f"got {wanted.signal!r}"
        )
    if wanted.fpr is not None:
        check_rate(len(data.validation), wanted.fpr, "the validation part of data.background")
        check_rate(len(data.test), wanted.fpr, "the test part of data.background")
    if wanted.maximize == "stability":
        for name, part in (("validation", data.validation), ("test", data.test)):
            half = f"half of the {name} part of data.background"
            check_rate(len(part) // 2, base.trigger.fpr, half)


def run_scan(
    scan: Scan, folder: Path, workers: Workers, report: Callable[[str], None] = print
) -> Study:
    """Work on trials until there are as many as the settings ask for, and write the results.

    What is in the folder's journal counts; trials of a process that has ended go on where they
    were. Tables are written after each trial, figures at the end.

    Args:
        scan: checked, see `check_scan`.
        folder: of the scan; absolute where workers have another working directory.
        workers: who works.
        report: is given a line for each trial.

    Raises:
        InputError: the folder holds another scan, or another process is at work on it.
        OSError: what no trial would be spared, or a worker that ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / ".lock"):
            study = Study(folder, scan, _identity(scan))
            _work(study, workers, report)
            write_tables(study)
            write_figures(study)
            return study
    except BlockingIOError as error:
        raise InputError(
            f"{folder} must have one command at a time, but another is at work"
        ) from error


def _work(study: Study, workers: Workers, report: Callable[[str], None]) -> None:
    settings = study.scan.settings
    interrupted = [study.resume(trial) for trial in study.trials if trial.state == "running"]
    at_work: dict[Future[dict[str, Any]], Trial] = {}
    counted = sum(t.state not in ("running", "repeated") for t in study.trials)
    exhausted = False
    report(
        f"{study.folder}: {counted} of {settings.n_trials} trials done, {len(interrupted)} go on "
        f"where they were, {workers.count()} at once"
    )

    def finish(trial: Trial, result: dict[str, Any]) -> None:
        nonlocal counted
        counted += 1
        report(one_line(study, study.tell(trial, result)))
        write_tables(study)

    while True:
        while len(at_work) < workers.count() and counted + len(at_work) < settings.n_trials:
            trial = interrupted.pop(0) if interrupted else study.next()
            if trial is None:
                exhausted = True
                break
            try:
                experiment = study.scan.experiment(trial.number, trial.values)
                experiment.require_firmware(f"trial {trial.number}")
            except InputError as error:
                finish(trial, {"refused": " ".join(str(error).split())})
                continue
            arguments = (study.folder, trial.number, experiment, settings.objectives)
            at_work[workers.executor.submit(run_trial, *arguments)] = trial
        if not at_work:
            break
        done, _ = wait(at_work, return_when=FIRST_COMPLETED)
        for future in done:
            finish(at_work.pop(future), _result(future))
    if exhausted:
        report(f"the search holds no more values that are new, after {counted} trials")


def _result(future: Future[dict[str, Any]]) -> dict[str, Any]:
    try:
        return future.result()
    except Exception as error:
        # A Dask worker that is lost raises KilledWorker.
        if isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker":
            raise ChildProcessError(
                "a worker of the scan ended, killed or out of memory: the same command continues, "
                "with fewer --processes perhaps"
            ) from error
        raise


def _identity(scan: Scan) -> dict[str, Any]:
    """What trials of one scan have in common: how many there are, and where, does not matter."""
    settings = scan.settings.model_dump(mode="json")
    return {
        "search": settings["search"],
        "objectives": settings["objectives"],
        "seed": settings["seed"],
        "experiment": scan.base.model_dump(mode="json", exclude={"name"}),
        "data": data_fingerprint(scan.base.data),
        "version of keras-ae": __version__,
    }
