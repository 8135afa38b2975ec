"""Scans: the same trials again, also after a kill; the front; what a trial is worth and costs."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_search import load

from hls.scan import run as running
from hls.scan.results import front_table
from hls.scan.run import check_scan, run_scan
from hls.scan.study import Study
from hls.scan.workers import Workers, dask_workers
from keras_ae.errors import InputError
from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.scan import Objectives, Scan

Result = dict[str, Any]


def made_up(number: int, experiment: Any) -> Result:
    """What a trial might give: more bits are better and larger."""
    width = experiment.precision.weight.width
    rate = experiment.quantization.learning_rate
    one = {"value": 0.9 - 1 / width - 10 * rate, "error": 0.01}
    measured = {
        **{
            "search": one,
            "test": one,
            **{key: {"value": 0.9, "error": 0.01} for key in ("float_search", "float_test")},
        },
        **{"lut": 100.0 * width, "register_bits": 10 * width, "latency_cycles": 12 - width},
    }
    return {"measured": measured, "seconds": 1.0}


@pytest.fixture
def scan(experiment_content: dict[str, Any], tmp_path: Path) -> Scan:
    return load(tmp_path, experiment_content, n_trials=12)


def run_made_up(
    monkeypatch: pytest.MonkeyPatch,
    scan: Scan,
    folder: Path,
    result: Callable[[int, Any], Result] = made_up,
    figures: bool = False,
) -> tuple[Study, list[str]]:
    """A scan in which no model is trained, and its lines."""
    lines: list[str] = []
    monkeypatch.setattr(
        running, "run_trial", lambda folder, number, experiment, wanted: result(number, experiment)
    )
    if not figures:
        monkeypatch.setattr(running, "write_figures", lambda study: None)
    with this_process() as workers:
        return run_scan(scan, folder, workers, lines.append), lines


class ThisProcess(Executor):
    """Does at once what is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def this_process() -> Iterator[Workers]:
    yield Workers(ThisProcess(), lambda: 1)


def with_settings(scan: Scan, **changes: Any) -> Scan:
    return replace(scan, settings=scan.settings.model_copy(update=changes))


def drawn(study: Study) -> list[tuple[int, dict[str, Any]]]:
    return [(trial.number, trial.values) for trial in study.trials]


def test_same_seed_same_trials(monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path) -> None:
    first, _ = run_made_up(monkeypatch, scan, tmp_path / "a")
    again, _ = run_made_up(monkeypatch, scan, tmp_path / "b")
    other, _ = run_made_up(monkeypatch, with_settings(scan, seed=2), tmp_path / "c")
    assert drawn(first) == drawn(again)
    # The experiment itself comes first.
    assert first.trials[0].values == scan.values_of_base() == other.trials[0].values
    assert drawn(first)[1:] != drawn(other)[1:]
    assert len(first.trials) == 12
    assert len({str(trial.values) for trial in first.trials}) == 12


@pytest.mark.parametrize("n_done", [0, 1, 7, 11])
def test_killed_scan_goes_on_as_it_would_have(
    monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path, n_done: int
) -> None:
    class Killed(BaseException):
        pass

    def killed(number: int, experiment: Any) -> Result:
        if number == n_done:
            raise Killed
        return made_up(number, experiment)

    expected, _ = run_made_up(monkeypatch, scan, tmp_path / "whole")
    with pytest.raises(Killed):
        run_made_up(monkeypatch, scan, tmp_path / "killed", killed)
    journal = tmp_path / "killed" / "journal.log"
    # And in the midst of writing.
    (journal.parent / "journal.log.lock").symlink_to(journal)
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"wor')
    repeated: list[int] = []

    def counted(number: int, experiment: Any) -> Result:
        repeated.append(number)
        return made_up(number, experiment)

    found, lines = run_made_up(monkeypatch, scan, tmp_path / "killed", counted)
    assert found.trials == expected.trials
    assert repeated == list(range(n_done, 12))
    assert f"{n_done} of 12 trials done, 1 go on where they were, 1 at once" in lines[0]
    assert not list(tmp_path.glob("killed/.writing*"))


def test_a_finished_scan_goes_on_only_for_more_trials(
    monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path
) -> None:
    run_made_up(monkeypatch, scan, tmp_path / "s")

    def none(number: int, experiment: Any) -> Result:
        raise AssertionError(number)

    again, lines = run_made_up(monkeypatch, scan, tmp_path / "s", none)
    assert len(again.trials) == 12 and len(lines) == 1
    more, _ = run_made_up(monkeypatch, with_settings(scan, n_trials=14), tmp_path / "s")
    assert len(more.trials) == 14


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 2}, "seed"),
        ({"objectives": Objectives(minimize=("register_bits",))}, "objectives"),
        ({"objectives": Objectives(minimize=("lut", "latency_cycles"))}, "objectives"),
        ({"search": {}}, "search"),
    ],
)
def test_another_scan_in_the_folder(
    monkeypatch: pytest.MonkeyPatch,
    scan: Scan,
    tmp_path: Path,
    changes: dict[str, Any],
    named: str,
) -> None:
    run_made_up(monkeypatch, with_settings(scan, n_trials=2), tmp_path / "s")
    before = (tmp_path / "s" / "journal.log").read_bytes()
    message = (
        f"^{tmp_path}/s holds a scan with another {named}: give a new folder with --scan-dir, or "
        "another name$"
    )
    with pytest.raises(InputError, match=message):
        run_made_up(monkeypatch, with_settings(scan, **changes), tmp_path / "s")
    assert (tmp_path / "s" / "journal.log").read_bytes() == before


def test_another_experiment_in_the_folder(
    monkeypatch: pytest.MonkeyPatch,
    scan: Scan,
    experiment_content: dict[str, Any],
    tmp_path: Path,
) -> None:
    run_made_up(monkeypatch, with_settings(scan, n_trials=2), tmp_path / "s")
    experiment_content["training"]["epochs"] += 1
    with pytest.raises(InputError, match="holds a scan with another experiment: "):
        run_made_up(monkeypatch, load(tmp_path, experiment_content), tmp_path / "s")


def test_something_else_for_a_journal(
    monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "journal.log").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"journal\.log must be the journal of a scan: "):
        run_made_up(monkeypatch, scan, tmp_path / "s")


def test_two_at_a_time(monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path) -> None:
    def nested(number: int, experiment: Any) -> Result:
        run_made_up(monkeypatch, scan, tmp_path / "s")
        return made_up(number, experiment)

    with pytest.raises(InputError, match="must have one command at a time, but another is at work"):
        run_made_up(monkeypatch, scan, tmp_path / "s", nested)


@pytest.mark.parametrize("minimize", [("lut",), ("lut", "latency_cycles")])
def test_front_is_that_of_brute_force(
    monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path, minimize: tuple[Any, ...]
) -> None:
    rng = np.random.default_rng(2)
    values: dict[int, tuple[float, ...]] = {}

    def at_random(number: int, experiment: Any) -> Result:
        result = made_up(number, experiment)
        # Coarse, so that some are equal.
        auc, lut, cycles = rng.integers(1, 9, size=3)
        result["measured"] |= {"lut": float(lut), "latency_cycles": int(cycles)}
        result["measured"]["search"] = {"value": auc / 10.0, "error": 0.01}
        values[number] = (-auc, lut, cycles)[: 1 + len(minimize)]
        return result

    scan = with_settings(scan, n_trials=40, objectives=Objectives(minimize=minimize))
    study, _ = run_made_up(monkeypatch, scan, tmp_path / "s", at_random)
    front = {
        number
        for number, own in values.items()
        if not any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True))
            for other in values.values()
        )
    }
    assert {trial.number for trial in study.front} == front
    assert 1 < len(front) < 40
    assert {path.stem for path in (tmp_path / "s" / "pareto").iterdir()} == {
        f"{number:04d}" for number in front
    }


def test_results(monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path) -> None:
    study, lines = run_made_up(monkeypatch, scan, tmp_path / "s", figures=True)
    folder = tmp_path / "s"
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(12))
    assert {row["state"] for row in rows} == {"measured"}
    on_front = [int(row["trial"]) for row in rows if row["on_front"] == "1"]
    assert sorted(on_front) == sorted(trial.number for trial in study.front)
    for trial, row in zip(study.trials, rows, strict=True):
        assert float(row["lut"]) == 100 * trial.values["precision.weight.width"]
        assert int(row["precision.weight.width"]) == trial.values["precision.weight.width"]
    assert (folder / "pareto.png").stat().st_size > 5000
    assert (folder / "pareto.svg").read_text().startswith("<?xml")
    for trial in study.front:
        path = folder / "pareto" / f"{trial.number:04d}.yaml"
        experiment = load_experiment(path)
        assert experiment == scan.experiment(trial.number, trial.values)
        assert experiment.name == f"small_{trial.number:04d}"
        text = path.read_text()
        assert text.startswith(f"# Trial {trial.number} of the scan small, on its Pareto front.\n")
        assert trial.measurement is not None
        assert f"mean AUC of the signals {trial.measurement.search.value:.4f} ± 0.0100" in text
        assert f"estimated LUT {trial.measurement.lut:,.0f}," in text
        assert f"--run-dir {folder}/trials/{trial.number:04d}" in text
    assert len(lines) == 13
    assert "trial    0  auc 0." in lines[1] and "precision.weight.width 1" in lines[1]
    table = front_table(study).splitlines()
    assert len(table) == 3 + len(study.front)
    # From the smallest.
    luts = [trial.measurement.lut for trial in study.front if trial.measurement]
    assert luts == sorted(luts)


def test_refused_and_failed_trials_are_kept_with_their_reason(
    monkeypatch: pytest.MonkeyPatch, experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    search = {
        # One bit is too few.
        "precision.weight.width": {"low": 1, "high": 4},
        "trigger.score": {"choices": ["kl_divergence", "absolute_latent_norm", "latent_norm"]},
    }
    scan = load(tmp_path, experiment_content, search=search, n_trials=100)

    def result(number: int, experiment: Any) -> Result:
        width = experiment.precision.weight.width
        if width == 3:
            return {"failed": "ZeroDivisionError: by nothing", "seconds": 2.0}
        return {"refused": "sums too wide"} if width == 4 else made_up(number, experiment)

    study, lines = run_made_up(monkeypatch, scan, tmp_path / "s", result)
    reasons = {
        (trial.state, trial.values["precision.weight.width"]): trial.reason
        for trial in study.trials
        if trial.values["trigger.score"] == "kl_divergence" and trial.state != "repeated"
    }
    assert set(reasons) == {("refused", 1), ("measured", 2), ("failed", 3), ("refused", 4)}
    assert "format of weight must have at least 2 bits, got fixed<1," in reasons["refused", 1]
    assert reasons["failed", 3] == "ZeroDivisionError: by nothing"
    assert any("refused: sums too wide" in line for line in lines)
    others = [t for t in study.trials if t.values["trigger.score"] != "kl_divergence"]
    assert {trial.state for trial in others} <= {"refused", "repeated"}
    assert any("trigger.score" in trial.reason for trial in others)
    # There are no more than these.
    assert lines[-1] == "the search holds no more values that are new, after 12 trials"


def test_what_spoils_every_trial_is_found_before_the_first(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    for sections, message in (
        ({"objectives": {"signal": "top"}}, r"objectives.signal must be one of A -> 4l, .* 'top'"),
        (
            {"objectives": {"maximize": "tpr", "fpr": 1e-4}},
            "the validation part of data.background must hold at least 100000 events",
        ),
        ({"fixed": {"data.signals": {}}}, "data must hold a signal for auc, .*, got none"),
        ({"fixed": {"firmware": None}}, "section firmware must be given for firmware, got null"),
        ({"fixed": {"firmware.part": "ep4"}}, "firmware: part must start with one of"),
    ):
        with pytest.raises(InputError, match=message):
            check_scan(load(tmp_path, experiment_content, **sections), "scan.yaml")


def test_a_worker_that_dies_ends_the_scan(
    monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path
) -> None:
    from concurrent.futures.process import BrokenProcessPool

    def lost(*arguments: object) -> Result:
        raise BrokenProcessPool("a process was killed")

    monkeypatch.setattr(running, "run_trial", lost)
    with (
        this_process() as workers,
        pytest.raises(ChildProcessError, match="killed or out of memory: the same command contin"),
    ):
        run_scan(scan, tmp_path / "s", workers, lambda line: None)
    study, lines = run_made_up(monkeypatch, scan, tmp_path / "s")
    assert "0 of 12 trials done, 1 go on" in lines[0]
    assert len(study.trials) == 12


def test_workers_that_come_later(
    monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path
) -> None:
    """More trials are begun as soon as there are more workers."""
    monkeypatch.setattr(running, "run_trial", lambda f, number, e, w: made_up(number, e))
    monkeypatch.setattr(running, "write_figures", lambda study: None)
    n_at_once: list[int] = []
    n_workers = [1]

    class Waiting(ThisProcess):
        """Results come when all workers have something to do."""

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            waiting.append(functools.partial(fn, *args, **kwargs))
            futures.append(Future())
            return futures[-1]

    waiting: list[Callable[[], Result]] = []
    futures: list[Future[Any]] = []

    def all_done(pending: Any, return_when: str) -> tuple[set[Future[Any]], set[Future[Any]]]:
        n_at_once.append(len(waiting))
        for work, future in zip(waiting, futures, strict=True):
            future.set_result(work())
        done = set(futures)
        waiting.clear(), futures.clear()
        n_workers[0] = 3
        return done, set()

    monkeypatch.setattr(running, "wait", all_done)
    workers = Workers(Waiting(), lambda: n_workers[0])
    study = run_scan(scan, tmp_path / "s", workers, lambda line: None)
    assert len(study.trials) == 12
    assert n_at_once == [1, 3, 3, 3, 2]


class TestDask:
    @pytest.fixture(autouse=True)
    def needed(self) -> None:
        pytest.importorskip("distributed", reason="needs the extra dask")

    def test_trials_on_a_cluster(
        self, monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path
    ) -> None:
        from distributed import LocalCluster

        monkeypatch.setattr(running, "run_trial", made_up_elsewhere)
        monkeypatch.setattr(running, "write_figures", lambda study: None)
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        )
        with cluster, dask_workers(cluster.scheduler_address) as workers:
            assert workers.count() == 2
            study = run_scan(scan, tmp_path / "s", workers, lambda line: None)
        states = [trial.state for trial in study.trials if trial.state != "repeated"]
        assert states == ["measured"] * 12

    def test_no_scheduler(self) -> None:
        with (
            pytest.raises(InputError, match="must be like tcp://HOST:8786, got 'nowhere://x:1'"),
            dask_workers("nowhere://x:1"),
        ):
            pass
        for address in ("nonsense", "", "tcp://host"):
            with (
                pytest.raises(InputError, match=f"like tcp://HOST:8786, got '{address}'$"),
                dask_workers(address),
            ):
                pass

    def test_lost_worker(self, monkeypatch: pytest.MonkeyPatch, scan: Scan, tmp_path: Path) -> None:
        from distributed import KilledWorker

        def lost(*arguments: object) -> Result:
            raise KilledWorker("trial", None, 3)

        monkeypatch.setattr(running, "run_trial", lost)
        with (
            this_process() as workers,
            pytest.raises(ChildProcessError, match="a worker of the scan ended"),
        ):
            run_scan(scan, tmp_path / "s", workers, lambda line: None)


def made_up_elsewhere(folder: Path, number: int, experiment: Any, wanted: Any) -> Result:
    """For processes that know nothing of this one."""
    return made_up(number, experiment)
