"""Who works on trials: this process, others on this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from keras_ae.errors import InputError


@dataclass(frozen=True)
class Workers:
    """An executor, and how many trials it works on at once."""

    executor: Executor
    count: Callable[[], int]


@contextmanager
def local_workers(n_processes: int) -> Iterator[Workers]:
    """Processes of this machine, which share its cores.

    They end with this one, even where it is killed, and at once where it is interrupted: TensorFlow
    may swallow an interruption in a process of its own.
    """
    others = set(multiprocessing.active_children())
    n_threads = max(1, (os.cpu_count() or 1) // n_processes)
    pool = ProcessPoolExecutor(
        n_processes,
        # TensorFlow does not survive a fork.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_process,
        initargs=(n_threads,),
    )
    try:
        yield Workers(pool, lambda: n_processes)
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_process(n_threads: int) -> None:
    """Before TensorFlow is imported."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(n_threads)
    # Without it, the first process takes all memory of a GPU.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    # Ctrl-C is for the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """Those of a Dask cluster, one trial each, as many as there are at each moment.

    They must see the files of this machine under the same names, and have keras-ae installed.

    Raises:
        ImportError: without distributed.
        OSError: no scheduler at that address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            "distributed is needed for --dask: pip install 'keras-ae[scan,dask]'"
        ) from error
    if not re.fullmatch(r"inproc://.+|\w+://.+:\d+", address):
        raise InputError(
            f"address of the Dask scheduler must be like tcp://HOST:8786, got {address!r}"
        )
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except ValueError as error:
        raise InputError(
            f"address of the Dask scheduler must be like tcp://HOST:8786, got {address!r}: {error}"
        ) from error
    try:
        # The same trial is never given to it twice, and not tried again: the journal does that.
        executor = client.get_executor(pure=False, retries=0)
        yield Workers(executor, lambda: max(1, len(client.nthreads())))
    finally:
        client.close()
