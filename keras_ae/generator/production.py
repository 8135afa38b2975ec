"""Samples of many events: chunks made in parallel, continued after an interruption, then merged.

A chunk is a file of `Process.chunk_size` accepted events from one seed, so that what a chunk holds
depends on its process, its index and the production's settings alone: neither on the number of
workers nor on how many chunks are asked for.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from tqdm import tqdm

from keras_ae.data.l1 import L1Events, read_l1_events, write_l1_events
from keras_ae.errors import InputError
from keras_ae.files import whole_file, write_text
from keras_ae.generator.processes import (
    COMMON_SETTINGS,
    PROCESSES,
    SIGNALS,
    Process,
    background_counts,
)

_PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy")
_MAX_PYTHIA_SEED = 900_000_000


@dataclass(frozen=True)
class SimulationSettings:
    """How the underlying event and multijet events are simulated.

    With `full`, Pythia's multiparton interactions are simulated for every event. Without it they
    are replaced by minimum-bias events overlaid from a library: several times faster.
    `n_hadronizations`: how often each parton-level multijet event is hadronized.
    """

    full: bool = False
    n_hadronizations: int = 50
    seed: int = 1


@dataclass(frozen=True)
class _ChunkTask:
    folder: Path
    process: Process
    index: int
    settings: SimulationSettings

    @property
    def path(self) -> Path:
        return self.folder / self.process.name / f"{self.index:05d}.h5"


def generate_sample(
    folder: Path,
    n_background: int,
    n_signal: int,
    settings: SimulationSettings,
    n_workers: int | None = None,
) -> dict[str, Path]:
    """Write `background.h5` and one file a signal into `folder`, in the ADC2021 layout.

    Chunks stay in `folder/chunks`: a later call for more events continues from them.

    Args:
        folder: created if needed.
        n_background: events of the cocktail in the proportions of `BACKGROUND_PERCENT`.
        n_signal: events of each signal; 0 for none.
        settings: what is simulated; must be those of the chunks already there.
        n_workers: processes; by default one for each core.

    Returns:
        The files by name of the sample.

    Raises:
        InputError: a number below its minimum, or chunks of other settings in the folder.
        ImportError: the extra `physics` is not installed.
    """
    _require_physics()
    for name, value, minimum in (
        ("n_background", n_background, 0),
        ("n_signal", n_signal, 0),
        ("n_hadronizations", settings.n_hadronizations, 1),
        ("seed", settings.seed, 0),
        ("n_workers", 1 if n_workers is None else n_workers, 1),
    ):
        if value < minimum:
            raise InputError(f"{name} must be >= {minimum}, got {value}")
    if n_background + n_signal == 0:
        raise InputError("n_background + n_signal must be >= 1, got 0")

    if folder.exists() and not folder.is_dir():
        raise InputError(f"folder of a sample must be a directory, got the file {folder}")

    samples: dict[str, dict[str, int]] = {}
    if n_background:
        samples["background"] = background_counts(n_background)
    if n_signal:
        samples |= {name: {name: n_signal} for name in SIGNALS}

    chunk_folder = folder / "chunks"
    _claim_folder(chunk_folder, settings)
    tasks = {
        name: [
            _ChunkTask(chunk_folder, PROCESSES[name], index, settings)
            for index in range(-(-count // PROCESSES[name].chunk_size))
        ]
        for counts in samples.values()
        for name, count in counts.items()
        if count
    }
    _make_chunks([task for per_process in tasks.values() for task in per_process], n_workers)

    paths = {}
    for sample, counts in samples.items():
        paths[sample] = folder / f"{sample}.h5"
        per_process = [_merge_chunks(tasks[name], n) for name, n in counts.items() if n]
        write_l1_events(paths[sample], _mix(per_process, settings.seed))
    return paths


def _require_physics() -> None:
    missing = [
        name for name in ("pythia8mc", "fastjet", "awkward", "vector") if not find_spec(name)
    ]
    if missing:
        raise ImportError(
            f"{', '.join(missing)} needed to generate events: pip install 'keras-ae[physics]'"
        )


def _claim_folder(chunk_folder: Path, settings: SimulationSettings) -> None:
    """Make sure that all chunks in a folder are of one production."""
    record = {
        "settings": asdict(settings),
        "versions": {name: version(name) for name in _PACKAGES},
        "processes": {name: list(process.settings) for name, process in PROCESSES.items()},
    }
    path = chunk_folder / "production.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in record if found.get(key) != record[key]]
        if changed:
            raise InputError(
                f"{chunk_folder} must hold chunks of the same {' and '.join(changed)}, "
                f"got {found.get(changed[0])} there and {record[changed[0]]} now: "
                "choose another folder or delete it"
            )
    else:
        write_text(path, json.dumps(record, indent=2))


def _make_chunks(tasks: list[_ChunkTask], n_workers: int | None) -> None:
    missing = [task for task in tasks if not task.path.exists()]
    n_events = sum(task.process.chunk_size for task in tasks)
    done = n_events - sum(task.process.chunk_size for task in missing)
    with tqdm(
        total=n_events, initial=done, unit="event", desc="generate", smoothing=0, disable=None
    ) as bar:
        if not missing:
            return
        if not missing[0].settings.full:
            _make_overlay_library(missing[0])
        # Slow processes first, so that no worker is left alone with one at the end.
        missing.sort(key=lambda task: (task.process.chunk_size, task.index))
        context = multiprocessing.get_context("spawn")
        n_workers = min(n_workers or os.cpu_count() or 1, len(missing))
        with context.Pool(n_workers, _start_worker) as pool:
            for chunk_size in pool.imap_unordered(_make_chunk, missing):
                bar.update(chunk_size)


def _start_worker() -> None:
    # Ctrl-C is the parent's business; FastJet's greeting is nobody's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _random_stream(settings: SimulationSettings, *key: int) -> tuple[int, np.random.Generator]:
    """An independent Pythia seed and numpy generator for each key."""
    sequence = np.random.SeedSequence([settings.seed, *key])
    pythia_seed = 1 + int(sequence.generate_state(1)[0]) % _MAX_PYTHIA_SEED
    return pythia_seed, np.random.default_rng(sequence.spawn(1)[0])


def _overlay_path(chunk_folder: Path) -> Path:
    return chunk_folder / "overlay.npz"


def _make_overlay_library(task: _ChunkTask) -> None:
    path = _overlay_path(task.folder)
    if path.exists():
        return
    from keras_ae.generator.collisions import make_overlay_library, save_particles

    pythia_seed, _ = _random_stream(task.settings, 0)
    with whole_file(path) as temporary:
        save_particles(temporary, make_overlay_library(pythia_seed))


def _make_chunk(task: _ChunkTask) -> int:
    from keras_ae.generator.collisions import load_particles, open_collisions, overlay
    from keras_ae.generator.detector import pass_trigger, simulate_detector

    process, settings = task.process, task.settings
    process_key = 1 + list(PROCESSES).index(process.name)
    pythia_seed, rng = _random_stream(settings, process_key, task.index)
    library = None if settings.full else load_particles(_overlay_path(task.folder))
    collisions = open_collisions(process, pythia_seed, settings.full, settings.n_hadronizations)

    objects, parents, n_simulated, n_accepted = [], [], 0, 0
    for batch in collisions:
        n_simulated += batch.n_simulated
        if len(batch.particles) == 0:
            continue
        particles = batch.particles
        if library is not None:
            particles = overlay(particles, library, rng)
        seen = simulate_detector(particles, rng)
        passed = pass_trigger(seen)
        objects.append(seen[passed])
        parents.append(batch.parents[passed])
        n_accepted += int(passed.sum())
        if n_accepted >= process.chunk_size:
            break

    first_parent = (process_key << 56) + (task.index << 32)
    events = L1Events(
        objects=np.concatenate(objects)[: process.chunk_size],
        parents=np.concatenate(parents)[: process.chunk_size] + first_parent,
        process=np.zeros(process.chunk_size, np.uint8),
        process_names=(process.name,),
        provenance={
            process.name: {
                "description": process.description,
                "settings": [*COMMON_SETTINGS, *process.settings],
                "simulation": json.dumps(asdict(settings)),
                "versions": json.dumps({name: version(name) for name in _PACKAGES}),
                "pythia_seeds": [pythia_seed],
                "cross_section_pb": collisions.cross_section_pb(),
                "n_simulated": n_simulated,
                "n_accepted": n_accepted,
                "acceptance": n_accepted / n_simulated,
            }
        },
    )
    write_l1_events(task.path, events)
    return process.chunk_size


def _merge_chunks(tasks: list[_ChunkTask], n_events: int) -> L1Events:
    """The first `n_events` of a process' chunks, with their provenance added up."""
    chunks = [read_l1_events(task.path) for task in tasks]
    (name,) = chunks[0].process_names
    records = [chunk.provenance[name] for chunk in chunks]
    n_simulated = sum(int(record["n_simulated"]) for record in records)
    n_accepted = sum(int(record["n_accepted"]) for record in records)
    record = {
        **records[0],
        "pythia_seeds": np.concatenate([record["pythia_seeds"] for record in records]),
        "cross_section_pb": float(np.mean([record["cross_section_pb"] for record in records])),
        "n_simulated": n_simulated,
        "n_accepted": n_accepted,
        "acceptance": n_accepted / n_simulated,
    }
    return L1Events(
        objects=np.concatenate([chunk.objects for chunk in chunks])[:n_events],
        parents=np.concatenate([chunk.parents for chunk in chunks])[:n_events],
        process=np.zeros(n_events, np.uint8),
        process_names=(name,),
        provenance={name: record},
    )


def _mix(samples: list[L1Events], seed: int) -> L1Events:
    """One sample of all processes, in random order."""
    mixed = L1Events(
        objects=np.concatenate([sample.objects for sample in samples]),
        parents=np.concatenate([sample.parents for sample in samples]),
        process=np.repeat(np.arange(len(samples)), [len(sample) for sample in samples]),
        process_names=tuple(name for sample in samples for name in sample.process_names),
        provenance={name: rec for sample in samples for name, rec in sample.provenance.items()},
    )
    return mixed.take(np.random.default_rng(seed).permutation(len(mixed)))
