"""Processes that work through tasks: order, errors, deaths."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from keras_ae.errors import InputError
from keras_ae.generator.workers import WorkerError, work_through


@dataclass(frozen=True)
class Task:
    """Writes its number; dies, or fails, so often before that."""

    folder: Path
    number: int
    deaths: int = 0
    fails: bool = False

    def __str__(self) -> str:
        return f"task {self.number}"


def do(task: Task) -> None:
    if task.fails:
        raise InputError(f"{task} must not fail")
    died = len(list(task.folder.glob(f"died_{task.number}_*")))
    if died < task.deaths:
        (task.folder / f"died_{task.number}_{died}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (task.folder / str(task.number)).write_text(str(os.getpid()))


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., tuple[list[int], list[str]]]:
    def work(n_workers: int, *tasks: Task) -> tuple[list[int], list[str]]:
        done: list[int] = []
        lines: list[str] = []
        work_through(tasks, do, n_workers, lambda task, _: done.append(task.number), lines.append)
        return done, lines

    return work


def test_each_task_is_done_once_by_as_many_processes(tmp_path: Path, work: Callable) -> None:
    done, lines = work(2, *(Task(tmp_path, number) for number in range(6)))
    assert sorted(done) == list(range(6)) and not lines
    pids = {(tmp_path / str(number)).read_text() for number in range(6)}
    assert 1 <= len(pids) <= 2 and str(os.getpid()) not in pids


def test_no_tasks(work: Callable) -> None:
    assert work(2) == ([], [])


def test_a_worker_that_dies_is_named_and_replaced(tmp_path: Path, work: Callable) -> None:
    done, lines = work(2, Task(tmp_path, 0, deaths=1), Task(tmp_path, 1), Task(tmp_path, 2))
    assert sorted(done) == [0, 1, 2]
    (line,) = lines
    assert "was killed by SIGKILL at task 0: another one begins it anew" in line


def test_a_worker_that_dies_before_it_begins(
    tmp_path: Path, work: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that cannot import what it needs."""
    monkeypatch.setattr("keras_ae.generator.workers._work", exit_at_once)
    with pytest.raises(WorkerError, match="task 0 must come to an end, but 2 workers died of it"):
        work(1, Task(tmp_path, 0))


def exit_at_once(do: object, pipe: object) -> None:
    os._exit(3)


def test_a_task_that_kills_every_worker_ends_the_work(tmp_path: Path, work: Callable) -> None:
    with pytest.raises(WorkerError, match="task 0 must come to an end, but 2 workers died of it"):
        work(1, Task(tmp_path, 0, deaths=9), Task(tmp_path, 1))
    assert len(list(tmp_path.glob("died_0_*"))) == 2


def test_an_error_in_a_worker_is_raised_here(tmp_path: Path, work: Callable) -> None:
    with pytest.raises(InputError, match="task 1 must not fail"):
        work(1, Task(tmp_path, 0), Task(tmp_path, 1, fails=True), Task(tmp_path, 2))
    assert (tmp_path / "0").exists() and not (tmp_path / "2").exists()
