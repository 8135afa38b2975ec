"""L1 samples of many events: chunks of each process, made in parallel, then merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_ae.data.l1 import L1Events, read_l1_events, write_l1_events
from keras_ae.errors import InputError
from keras_ae.files import whole_file
from keras_ae.generator.chunks import (
    ChunkTask,
    check_minima,
    chunk_provenance,
    chunk_tasks,
    claim_folder,
    make_chunks,
    merge_provenance,
    random_stream,
    require_physics,
)
from keras_ae.generator.pile_up import PileUp, check_pile_up, draw_counts
from keras_ae.generator.processes import (
    COMMON_SETTINGS,
    PROCESSES,
    SIGNALS,
    background_counts,
)

#: Of pile-up, that are looked at together.
_MOST_COLLISIONS = 2000


@dataclass(frozen=True)
class SimulationSettings:
    """How the underlying event and multijet events are simulated.

    With `full`, Pythia's multiparton interactions are simulated for every event. Without it they
    are replaced by minimum-bias events overlaid from a library: several times faster.
    `n_hadronizations`: how often each parton-level multijet event is hadronized; `n_decays`: how
    often, each time, its heavy hadrons decay. `pile_up`: mean numbers of other collisions in the
    same crossing, each with its weight; none without.
    """

    full: bool = False
    n_hadronizations: int = 4
    n_decays: int = 32
    pile_up: PileUp = ()
    seed: int = 1


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
    require_physics()
    check_minima(
        ("n_background", n_background, 0),
        ("n_signal", n_signal, 0),
        ("n_hadronizations", settings.n_hadronizations, 1),
        ("n_decays", settings.n_decays, 1),
        ("seed", settings.seed, 0),
        ("n_workers", n_workers, 1),
    )
    check_pile_up(settings.pile_up)
    if n_background + n_signal == 0:
        raise InputError("n_background + n_signal must be >= 1, got 0")

    samples: dict[str, dict[str, int]] = {}
    if n_background:
        samples["background"] = background_counts(n_background)
    if n_signal:
        samples |= {name: {name: n_signal} for name in SIGNALS}

    processes = {name: process.settings for name, process in PROCESSES.items()}
    chunk_folder = claim_folder(folder, asdict(settings), processes)
    tasks = {
        name: chunk_tasks(chunk_folder, PROCESSES[name], count, settings)
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


def _make_chunks(tasks: list[ChunkTask[SimulationSettings]], n_workers: int | None) -> None:
    if _needs_library(tasks[0].settings) and not all(task.path.exists() for task in tasks):
        _make_library(tasks[0])
    # Slow processes first, so that no worker is left alone with one at the end.
    tasks.sort(key=lambda task: (task.process.chunk_size, task.index))
    make_chunks(tasks, _make_chunk, _contents, n_workers, unit="event")


def _contents(task: ChunkTask[SimulationSettings]) -> tuple[np.ndarray, Mapping[str, Any]]:
    events = read_l1_events(task.path)
    return events.parents, events.provenance[task.process.name]


def _needs_library(settings: SimulationSettings) -> bool:
    return not settings.full or bool(settings.pile_up)


def _library_path(chunk_folder: Path) -> Path:
    return chunk_folder / "overlay.npz"


def _make_library(task: ChunkTask[SimulationSettings]) -> None:
    path = _library_path(task.folder)
    if path.exists():
        return
    from keras_ae.generator.minimum_bias import make_library, save_library

    pythia_seed, _ = random_stream(task.settings.seed, 0)
    with whole_file(path) as temporary:
        save_library(temporary, make_library(pythia_seed))


def _make_chunk(task: ChunkTask[SimulationSettings]) -> None:
    from keras_ae.generator.detector import (
        PILE_UP_MITIGATION,
        pass_trigger,
        simulate_detector,
    )
    from keras_ae.generator.heavy_flavour import Repetitions
    from keras_ae.generator.minimum_bias import draw, load_library, overlay_interactions
    from keras_ae.generator.streams import open_collisions

    process, settings = task.process, task.settings
    process_key = 1 + list(PROCESSES).index(process.name)
    pythia_seed, rng = random_stream(settings.seed, process_key, task.index)
    library = load_library(_library_path(task.folder)) if _needs_library(settings) else None
    repetitions = Repetitions(settings.n_hadronizations, settings.n_decays)
    collisions = open_collisions(process, pythia_seed, settings.full, repetitions)

    objects, parents, others, n_simulated, n_accepted = [], [], [], 0, 0
    for batch in collisions:
        n_simulated += batch.n_simulated
        if len(batch.particles) == 0:
            continue
        particles = batch.particles
        counts = np.zeros(len(particles), int)
        if not settings.full:
            particles = overlay_interactions(particles, library, rng)
        if settings.pile_up:
            counts = draw_counts(settings.pile_up, len(particles), rng)
            # A few events at a time: those of a whole batch do not fit into memory.
            parts = np.array_split(np.arange(len(counts)), 1 + counts.sum() // _MOST_COLLISIONS)
            seen = np.concatenate(
                [
                    simulate_detector(
                        particles[part], rng, draw(library, counts[part], rng, mirrored=True)
                    )
                    for part in parts
                ]
            )
        else:
            seen = simulate_detector(particles, rng)
        passed = pass_trigger(seen)
        objects.append(seen[passed])
        parents.append(batch.parents[passed])
        others.append(counts[passed])
        n_accepted += int(passed.sum())
        if n_accepted >= process.chunk_size:
            break

    first_parent = (process_key << 56) + (task.index << 32)
    mitigation = {"pile_up_mitigation": PILE_UP_MITIGATION} if settings.pile_up else {}
    events = L1Events(
        objects=np.concatenate(objects)[: process.chunk_size],
        parents=np.concatenate(parents)[: process.chunk_size] + first_parent,
        process=np.zeros(process.chunk_size, np.uint8),
        process_names=(process.name,),
        provenance={
            process.name: {
                "description": process.description,
                **mitigation,
                **chunk_provenance(
                    asdict(settings),
                    (*COMMON_SETTINGS, *process.settings),
                    pythia_seed,
                    collisions.cross_section_pb(),
                    n_simulated,
                    n_accepted,
                ),
            }
        },
        pile_up=np.concatenate(others)[: process.chunk_size] if settings.pile_up else None,
    )
    write_l1_events(task.path, events)


def _merge_chunks(tasks: list[ChunkTask[SimulationSettings]], n_events: int) -> L1Events:
    """The first `n_events` of a process' chunks, with their provenance added up."""
    chunks = [read_l1_events(task.path) for task in tasks]
    (name,) = chunks[0].process_names
    record = merge_provenance([chunk.provenance[name] for chunk in chunks])
    return L1Events.join(chunks, {name: record}).take(slice(n_events))


def _mix(samples: list[L1Events], seed: int) -> L1Events:
    """One sample of all processes, in random order."""
    records = {name: rec for sample in samples for name, rec in sample.provenance.items()}
    mixed = L1Events.join(samples, records)
    return mixed.take(np.random.default_rng(seed).permutation(len(mixed)))
