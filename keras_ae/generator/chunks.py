"""Whole chunks of a production: made in parallel, continued after an interruption.

A chunk is a file of `n_items` accepted events or jets from one seed, so that what a chunk holds
depends on its process, its index and the production's settings alone: neither on the number of
workers nor on how many chunks are asked for.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from keras_ae.errors import InputError
from keras_ae.files import write_text
from keras_ae.generator.processes import Process
from keras_ae.generator.progress import Progress
from keras_ae.generator.workers import work_through

_PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy", "scipy")
#: To be raised whenever the same settings give other events.
_RECIPE = 2
_MAX_PYTHIA_SEED = 900_000_000


Settings = TypeVar("Settings")


@dataclass(frozen=True)
class ChunkTask(Generic[Settings]):
    """One chunk to make: events or jets of a process."""

    folder: Path
    process: Process
    index: int
    settings: Settings

    @property
    def path(self) -> Path:
        """The file it goes to."""
        return self.folder / self.process.name / f"{self.index:05d}.h5"

    @property
    def n_items(self) -> int:
        """How many events or jets it will hold."""
        return self.process.chunk_size

    def __str__(self) -> str:
        return f"chunk {self.index} of {self.process.name}"


def chunk_tasks(
    folder: Path, process: Process, n_items: int, settings: Settings
) -> list[ChunkTask[Settings]]:
    """The chunks of `process` that together hold at least `n_items`."""
    n_chunks = -(-n_items // process.chunk_size)
    return [ChunkTask(folder, process, index, settings) for index in range(n_chunks)]


def require_physics() -> None:
    """Raise ImportError with the install command unless the extra `physics` is there."""
    missing = [
        name for name in ("pythia8mc", "fastjet", "awkward", "vector") if not find_spec(name)
    ]
    if missing:
        raise ImportError(
            f"{', '.join(missing)} needed to generate events: pip install 'keras-ae[physics]'"
        )


def check_minima(*limits: tuple[str, int | None, int]) -> None:
    """Raise InputError for the first (name, value, minimum) below its minimum; None passes."""
    for name, value, minimum in limits:
        if value is not None and value < minimum:
            raise InputError(f"{name} must be >= {minimum}, got {value}")


def package_versions() -> dict[str, str]:
    """Versions of the recipe and of the packages that a chunk's content depends on."""
    return {"recipe": str(_RECIPE), **{name: version(name) for name in _PACKAGES}}


def random_stream(seed: int, *key: int) -> tuple[int, np.random.Generator]:
    """An independent Pythia seed and numpy generator for each key."""
    sequence = np.random.SeedSequence([seed, *key])
    pythia_seed = 1 + int(sequence.generate_state(1)[0]) % _MAX_PYTHIA_SEED
    return pythia_seed, np.random.default_rng(sequence.spawn(1)[0])


def claim_folder(
    folder: Path, settings: Mapping[str, Any], processes: Mapping[str, Sequence[str]]
) -> Path:
    """Make sure that all chunks in `folder/chunks` are of one production.

    Returns:
        The folder of the chunks.

    Raises:
        InputError: `folder` is a file, or holds chunks of other settings, versions or processes.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"folder of a sample must be a directory, got the file {folder}")
    record = {
        "settings": dict(settings),
        "versions": package_versions(),
        "processes": {name: list(lines) for name, lines in processes.items()},
    }
    # As it is read: without tuples.
    record = json.loads(json.dumps(record))
    chunk_folder = folder / "chunks"
    path = chunk_folder / "production.json"
    if not path.exists():
        write_text(path, json.dumps(record, indent=2))
        return chunk_folder
    found = json.loads(path.read_text(encoding="utf-8"))
    changed = [key for key in record if found.get(key) != record[key]]
    if changed:
        differ = [
            f"{name} {there} there and {now} now"
            for key in changed
            for name, there, now in _differences(found.get(key) or {}, record[key])
        ]
        raise InputError(
            f"{chunk_folder} must hold chunks of the same {' and '.join(changed)}, got "
            f"{', '.join(differ)}: give another folder, or delete {chunk_folder}"
        )
    return chunk_folder


def _differences(
    there: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Names of what differs, with both values; None of what one of them has not."""
    for name in dict.fromkeys([*there, *now]):
        if there.get(name) != now.get(name):
            yield name, there.get(name), now.get(name)


def make_chunks(
    tasks: Sequence[ChunkTask[Settings]],
    make: Callable[[ChunkTask[Settings]], None],
    contents: Callable[[ChunkTask[Settings]], tuple[np.ndarray, Mapping[str, Any]]],
    n_workers: int | None,
    unit: str,
) -> None:
    """Make the chunks that are not there yet; show how far they are, and a table at the end.

    Args:
        tasks: all chunks of the production; slow ones are best put first.
        make: writes one chunk as a whole; runs in another process.
        contents: of a chunk that is there, the parents of its items and its provenance.
        n_workers: processes; by default one for each core.
        unit: what a chunk holds.

    Raises:
        WorkerError: two processes have died of the same chunk.
    """
    totals = Counter[str]()
    for task in tasks:
        totals[task.process.name] += task.n_items
    missing = [task for task in tasks if not task.path.exists()]
    n_workers = n_workers or os.cpu_count() or 1
    progress = Progress(totals, min(n_workers, len(missing)), unit)

    def add(task: ChunkTask[Settings], seconds: float | None) -> None:
        progress.add(task.process.name, *contents(task), seconds)

    for task in tasks:
        if task.path.exists():
            add(task, None)
    try:
        work_through(_one_of_each_first(missing), make, n_workers, add, progress.warn)
    finally:
        progress.close()


def _one_of_each_first(tasks: Sequence[ChunkTask[Settings]]) -> list[ChunkTask[Settings]]:
    """In the same order otherwise: so that the rate of each process is known soon."""
    seen: set[str] = set()
    first = []
    for task in tasks:
        if task.process.name not in seen:
            seen.add(task.process.name)
            first.append(task)
    return first + [task for task in tasks if task not in first]


def chunk_provenance(
    settings: Mapping[str, Any],
    lines: Sequence[str],
    pythia_seed: int,
    cross_section_pb: float,
    n_simulated: int,
    n_accepted: int,
) -> dict[str, Any]:
    """How a chunk was made, as attributes of a file.

    Args:
        settings: of the simulation.
        lines: Pythia's.
        pythia_seed: of this chunk.
        cross_section_pb: of the hard process.
        n_simulated: events.
        n_accepted: events or jets of those; at least what the chunk holds.
    """
    return {
        "settings": list(lines),
        "simulation": json.dumps(dict(settings)),
        "versions": json.dumps(package_versions()),
        "pythia_seeds": [pythia_seed],
        "cross_section_pb": cross_section_pb,
        "n_simulated": n_simulated,
        "n_accepted": n_accepted,
        "acceptance": n_accepted / n_simulated,
    }


def merge_provenance(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The provenance of one process' chunks, added up."""
    n_simulated = sum(int(record["n_simulated"]) for record in records)
    n_accepted = sum(int(record["n_accepted"]) for record in records)
    return {
        **records[0],
        "pythia_seeds": np.concatenate([record["pythia_seeds"] for record in records]),
        "cross_section_pb": float(np.mean([record["cross_section_pb"] for record in records])),
        "n_simulated": n_simulated,
        "n_accepted": n_accepted,
        "acceptance": n_accepted / n_simulated,
    }
