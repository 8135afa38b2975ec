"""A project as programs that simulate it, compiled with g++."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from hls.graph.interface import REMEDY, read_interface
from keras_ae.errors import InputError, ProofError


class CompiledProject(ABC):
    """Programs of the project in `folder`, for as long as the context lasts.

    Raises:
        FileNotFoundError: the folder holds no project.
        InputError: a compiler is missing.
        ProofError: one does not take the project.
    """

    #: Of a damaged project.
    _remedy = REMEDY

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._interface = read_interface(folder, self._remedy)
        self._n_events, self._seconds = 0, 0.0
        self._temporary = tempfile.TemporaryDirectory()
        self._build = Path(self._temporary.name)
        try:
            self._compile()
        except BaseException:
            self._temporary.cleanup()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._temporary.cleanup()

    @property
    def events_per_second(self) -> float:
        """Of all events so far, in as many processes as they were run in."""
        return self._n_events / self._seconds if self._seconds else 0.0

    @abstractmethod
    def _compile(self) -> None:
        """Make programs in `_build`."""

    @contextmanager
    def _timed(self, n_events: int) -> Iterator[None]:
        """What is done within counts as the simulation of so many events."""
        start = time.monotonic()
        yield
        self._seconds += time.monotonic() - start
        self._n_events += n_events

    def _compile_objects(
        self, sources: Sequence[Path], options: Sequence[str], run_once: Collection[Path] = ()
    ) -> list[str]:
        """Object files of the sources, which are compiled side by side.

        Those that are `run_once`, not for each event, are not optimized.
        """
        objects = [str(self._build / f"{number}_{s.stem}.o") for number, s in enumerate(sources)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            commands = [
                # More than -O1 takes g++ half as long again for dense networks and three times for
                # Verilator's programs, and makes neither much faster.
                ["-O0" if s in run_once else "-O1", *options, "-c", str(s), "-o", built]
                for s, built in zip(sources, objects, strict=True)
            ]
            list(pool.map(self._call_compiler, commands))
        return objects

    def _link(self, objects: Sequence[str], name: str) -> None:
        self._call_compiler([*objects, "-o", str(self._build / name), "-pthread"])

    def _call_compiler(self, arguments: Sequence[str]) -> None:
        self._call_tool("g++", [find_compiler(), *arguments])

    def _call_tool(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Call a compiler in `folder`, by default the project's, and quote its first error."""
        result = subprocess.run(
            command,
            cwd=folder or self._folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if result.returncode != 0:
            lines = (result.stderr or result.stdout).splitlines()
            first_error = next((line for line in lines if "rror" in line), "no message")
            raise ProofError(f"project {self._folder} must compile with {name}, got: {first_error}")


def find_compiler() -> str:
    """The path of g++.

    Raises:
        InputError: there is none.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise InputError("g++ must be on PATH for simulation, found none: install g++")
    return compiler


def call_program(command: Sequence[str | Path], folder: Path) -> None:
    """Call a program that simulates.

    Raises:
        ProofError: it fails.
    """
    result = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        said = (result.stdout + result.stderr).strip().splitlines()[-1:] or ["nothing"]
        raise ProofError(
            f"{Path(command[0]).name} must end with 0, got {result.returncode}: {said[0]}"
        )
