"""Processes that work through tasks; one that dies is named, and another takes its place."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")

#: How often one task may cost a process before it is given up.
_MAX_DEATHS = 2


class WorkerError(OSError):
    """A task whose processes die, killed from outside or for want of memory."""


@dataclass
class _Worker(Generic[Task]):
    """A process, its end of a pipe, and what it works on."""

    process: BaseProcess
    pipe: Connection
    task: Task
    began: float = 0.0

    def give(self, task: Task) -> None:
        self.task, self.began = task, time.monotonic()
        # A worker that is dead already is found so when it is listened to.
        with contextlib.suppress(ConnectionError):
            self.pipe.send(task)


def work_through(
    tasks: Sequence[Task],
    do: Callable[[Task], None],
    n_workers: int | None,
    done: Callable[[Task, float], None],
    warn: Callable[[str], None],
) -> None:
    """Do all tasks in processes of their own.

    Args:
        tasks: given out in this order.
        do: does one, in another process; what it raises is raised here.
        n_workers: processes; by default one for each core.
        done: called here after each task, with the seconds that it took.
        warn: called here with a line about a process that died.

    Raises:
        WorkerError: two processes have died of the same task.
    """
    left = list(reversed(tasks))
    n_workers = min(n_workers or os.cpu_count() or 1, len(left))
    deaths = Counter[int]()
    workers: list[_Worker[Task]] = []
    try:
        for _ in range(n_workers):
            workers.append(_start(do, left.pop()))
        while workers:
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                try:
                    error = worker.pipe.recv()
                # Reset, where it died before it had read what to do.
                except (EOFError, ConnectionError):
                    workers.remove(worker)
                    workers.append(_replace(worker, do, deaths, warn))
                    continue
                if error is not None:
                    raise error
                done(worker.task, time.monotonic() - worker.began)
                if left:
                    worker.give(left.pop())
                else:
                    workers.remove(worker)
                    worker.pipe.close()
                    worker.process.join()
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.join()


def _start(do: Callable[[Task], None], task: Task) -> _Worker[Task]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(do, theirs), daemon=True)
    process.start()
    # Held by the worker alone, its end closes when it dies.
    theirs.close()
    worker = _Worker(process, ours, task)
    worker.give(task)
    return worker


def _replace(
    dead: _Worker[Task],
    do: Callable[[Task], None],
    deaths: Counter[int],
    warn: Callable[[str], None],
) -> _Worker[Task]:
    """Another worker with the same task."""
    dead.process.join()
    code = dead.process.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    deaths[id(dead.task)] += 1
    if deaths[id(dead.task)] == _MAX_DEATHS:
        raise WorkerError(
            f"{dead.task} must come to an end, but {_MAX_DEATHS} workers died of it, the last one "
            f"{how}: what is finished stays"
        )
    warn(f"worker {dead.process.pid} {how} at {dead.task}: another one begins it anew")
    return _start(do, dead.task)


def _work(do: Callable[[Any], None], pipe: Connection) -> None:
    # Ctrl-C is the parent's business; FastJet's greeting is nobody's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Without a parent, nobody is there to give tasks or to take results.
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(_error_of(do, pipe.recv()))


def _error_of(do: Callable[[Any], None], task: Any) -> Exception | None:
    try:
        do(task)
    except Exception as error:
        return error
    return None
