"""Samples of jet images: QCD jets and top jets, chunk by chunk, then merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_ae.data.jets import JetImages, make_jet_images, read_jet_images, write_jet_images
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
from keras_ae.generator.processes import COMMON_SETTINGS, JET_PROCESSES


@dataclass(frozen=True)
class JetSettings:
    """How collisions are simulated: with `full`, multiparton interactions as well."""

    full: bool = False
    seed: int = 1


def generate_jet_sample(
    folder: Path, n_jets: int, settings: JetSettings, n_workers: int | None = None
) -> dict[str, Path]:
    """Write `qcd.h5` and `top.h5` into `folder`: images of jets of 550 to 650 GeV.

    Anti-kT jets of radius 0.8, |eta| < 2, at 14 TeV, all of a collision; a top jet holds the three
    quarks of its decay. Chunks stay in `folder/chunks`: a later call for more jets
    continues from them.

    Args:
        folder: created if needed.
        n_jets: of each sample.
        settings: what is simulated; must be those of the chunks already there.
        n_workers: processes; by default one for each core.

    Returns:
        The files by name of the sample.

    Raises:
        InputError: a number below its minimum, or chunks of other settings in the folder.
        ImportError: the extra `physics` is not installed.
    """
    require_physics()
    check_minima(("n_jets", n_jets, 1), ("seed", settings.seed, 0), ("n_workers", n_workers, 1))
    processes = {name: process.settings for name, process in JET_PROCESSES.items()}
    chunk_folder = claim_folder(folder, asdict(settings), processes)
    tasks = {
        name: chunk_tasks(chunk_folder, process, n_jets, settings)
        for name, process in JET_PROCESSES.items()
    }
    all_tasks = [task for chunks in tasks.values() for task in chunks]
    make_chunks(all_tasks, _make_chunk, _contents, n_workers, unit="jet")

    paths = {name: folder / f"{name}.h5" for name in tasks}
    for name, path in paths.items():
        chunks = [read_jet_images(task.path) for task in tasks[name]]
        provenance = merge_provenance([chunk.provenance for chunk in chunks])
        write_jet_images(path, JetImages.join(chunks, provenance).take(slice(n_jets)))
    return paths


def _contents(task: ChunkTask[JetSettings]) -> tuple[np.ndarray, Mapping[str, Any]]:
    jets = read_jet_images(task.path)
    return jets.parents, jets.provenance


def _make_chunk(task: ChunkTask[JetSettings]) -> None:
    from keras_ae.generator.boosted_jets import BoostedJets

    process, settings = task.process, task.settings
    process_key = 1 + list(JET_PROCESSES).index(process.name)
    pythia_seed, _ = random_stream(settings.seed, process_key, task.index)
    collisions = BoostedJets(process, pythia_seed, settings.full, process.name == "top")

    first_parent = (process_key << 56) + (task.index << 32)
    batches: list[JetImages] = []
    n_simulated = n_accepted = 0
    for batch in collisions:
        parents = first_parent + n_simulated + batch.collisions
        batches.append(make_jet_images(batch.constituents, parents))
        n_simulated += batch.n_simulated
        n_accepted += len(batch.constituents)
        if n_accepted >= process.chunk_size:
            break

    provenance = {
        "description": process.description,
        **chunk_provenance(
            asdict(settings),
            (*COMMON_SETTINGS, *process.settings),
            pythia_seed,
            collisions.cross_section_pb(),
            n_simulated,
            n_accepted,
        ),
    }
    jets = JetImages.join(batches, provenance).take(slice(process.chunk_size))
    write_jet_images(task.path, jets)
