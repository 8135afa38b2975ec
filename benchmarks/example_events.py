"""The package's own trigger events as users have theirs: a table, NanoAOD files, images of regions.

    python benchmarks/example_events.py build/examples

For `configs/own_table.yaml`, `configs/own_nanoaod.yaml` and `configs/own_regions.yaml`. In
`table_*.npz` an event is 20 numbers: the pT of the 19 slots and their sum. In `regions_*.h5` the pT
of electrons and jets is in 18 x 14 bins of phi and eta.
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
from nanoaod_file import write_nanoaod

from keras_ae.data.l1 import ELECTRON, JET, L1Events, read_l1_events
from keras_ae.data.source import resolve_path

#: The first so many of each sample.
SAMPLES = {
    "background": 40_000,
    "a_4l": 5000,
    "lq_btau": 5000,
    "h0_tautau": 5000,
    "hch_taunu": 5000,
}
#: Of the calorimeter's regions: phi goes around, eta reaches as far as jets do.
N_PHI, N_ETA, MAX_ETA = 18, 14, 4.0


def write_table(path: Path, events: L1Events) -> None:
    """An array `features` (events, 20) in GeV, and `parent` (events,)."""
    pt = events.objects[:, :, 0]
    features = np.column_stack([pt, pt.sum(axis=1)])
    np.savez_compressed(path, features=features, parent=events.parents)


def write_regions(path: Path, events: L1Events) -> None:
    """Images `regions` (events, 18, 14) in GeV, and `parent` (events,)."""
    images = np.zeros((len(events), N_PHI, N_ETA), np.float32)
    for kind in (ELECTRON, JET):
        pt, eta, phi = np.moveaxis(events.objects[:, kind.slots, :3], -1, 0)
        rows = np.floor(phi / (2 * np.pi) * N_PHI).astype(int) % N_PHI
        columns = np.floor((eta / MAX_ETA + 1) / 2 * N_ETA).astype(int).clip(0, N_ETA - 1)
        event = np.broadcast_to(np.arange(len(events))[:, None], pt.shape)
        np.add.at(images, (event, rows, columns), pt)
    with h5py.File(path, "w") as file:
        for name, values in (("regions", images), ("parent", events.parents)):
            file.create_dataset(name, data=values, compression="gzip", shuffle=True)


def write_examples(folder: Path) -> None:
    """All of them into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample, n_events in SAMPLES.items():
        source = resolve_path(f"package:l1/{sample}.h5")
        events = read_l1_events(source, n_events)
        write_table(folder / f"table_{sample}.npz", events)
        write_regions(folder / f"regions_{sample}.h5", events)
        write_nanoaod(folder / f"nanoaod_{sample}.root", source, max_events=n_events)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_examples(Path(sys.argv[1]))
