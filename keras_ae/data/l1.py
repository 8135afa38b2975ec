"""Level-1 trigger events in the public ADC2021 layout (arXiv:2107.02157).

An event is 19 objects: the missing transverse momentum (MET), up to 4 electrons, 4 muons and 10
jets, each class ordered by pT and padded with zeros; an object is (pT [GeV], eta, phi, class).
On disk: HDF5 with `Particles` (events, 19, 4) and the name tables `Particles_Names` and
`Particles_Classes`. In files of our own generator `Particles` are integers, in the last bits that
the attribute `last_bits` states; they also hold `Process`, `Parent` and, with pile-up, `PileUp`,
one integer an event, and a group `Processes` with the provenance of each process in its attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_ae.arrays import check_finite
from keras_ae.data.damage import whole
from keras_ae.errors import InputError
from keras_ae.files import whole_file


@dataclass(frozen=True)
class ObjectClass:
    """One class of trigger objects and the rows of the event that it fills."""

    name: str
    class_id: int
    first_slot: int
    n_slots: int
    max_eta: float
    pdg_id: int | None = None

    @property
    def slots(self) -> slice:
        return slice(self.first_slot, self.first_slot + self.n_slots)


MET = ObjectClass("met", class_id=1, first_slot=0, n_slots=1, max_eta=0.0)
ELECTRON = ObjectClass("electron", class_id=2, first_slot=1, n_slots=4, max_eta=3.0, pdg_id=11)
MUON = ObjectClass("muon", class_id=3, first_slot=5, n_slots=4, max_eta=2.1, pdg_id=13)
JET = ObjectClass("jet", class_id=4, first_slot=9, n_slots=10, max_eta=4.0)

OBJECT_CLASSES = (MET, ELECTRON, MUON, JET)
LEPTONS = (ELECTRON, MUON)
N_OBJECTS = 19
TRIGGER_LEPTON_PT_GEV = 23.0

COLUMN_NAMES = ("Pt", "Eta", "Phi", "Class")
#: Of the columns in files of our own: the finest of any front end, those of muons in the CMS global
#: trigger; pT in GeV.
LAST_BITS = (0.5, 0.087 / 8, 2 * np.pi / 576, 1.0)
CLASS_NAMES = ("MET_class_1", "Four_Ele_class_2", "Four_Mu_class_3", "Ten_Jet_class_4")


@dataclass(frozen=True)
class L1Events:
    """Events of one file.

    `objects` (events, 19, 4) float32: pT [GeV], eta, phi, class. `parents` (events,): events of
    equal parent share a parton-level event and must stay on one side of a split. `process`
    (events,): index into `process_names`. `provenance`: attributes by process. `pile_up` (events,):
    other collisions in the same crossing, where that is known.
    """

    objects: np.ndarray
    parents: np.ndarray
    process: np.ndarray
    process_names: tuple[str, ...] = ("unknown",)
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pile_up: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.objects)

    def take(self, index: np.ndarray | slice) -> L1Events:
        """The events at `index`."""
        return L1Events(
            self.objects[index],
            self.parents[index],
            self.process[index],
            self.process_names,
            self.provenance,
            None if self.pile_up is None else self.pile_up[index],
        )

    @classmethod
    def join(
        cls, parts: Sequence[L1Events], provenance: Mapping[str, Mapping[str, Any]]
    ) -> L1Events:
        """The events of all parts, one part after the other; numbers of processes are made anew."""
        names = tuple(dict.fromkeys(name for part in parts for name in part.process_names))
        numbers = [
            np.array([names.index(name) for name in part.process_names])[part.process]
            for part in parts
        ]
        pile_up = [part.pile_up for part in parts if part.pile_up is not None]
        return cls(
            np.concatenate([part.objects for part in parts]),
            np.concatenate([part.parents for part in parts]),
            np.concatenate(numbers),
            names,
            provenance,
            np.concatenate(pile_up) if len(pile_up) == len(parts) else None,
        )


def read_l1_events(path: Path, max_events: int | None = None) -> L1Events:
    """Read a file in the ADC2021 layout, the public ones as well as our own.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not HDF5, no `Particles`, another shape, no events, values that are not finite,
            or `Parent`, `Process` or `PileUp` that are not one integer >= 0 an event.
    """
    with _open(path) as file:
        events = _read_events(path, file, slice(0, max_events))
    if len(events) == 0:
        raise InputError(f"{path} must hold at least one event, got 0")
    check_finite(events.objects, str(path))
    return events


def iterate_l1_events(path: Path, n_events: int) -> Iterator[L1Events]:
    """The same events, `n_events` at a time; values need not be finite, and there may be none.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: as `read_l1_events`.
    """
    with _open(path) as file:
        for first in range(0, len(file["Particles"]), n_events):
            yield _read_events(path, file, slice(first, first + n_events))


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """A file whose datasets have the shapes and kinds that they must have."""
    if path.is_dir():
        raise InputError(f"{path} must be an HDF5 file, got a directory")
    if not path.is_file():
        raise FileNotFoundError(f"L1 event file not found: {path}")
    with whole(path, "HDF5 file"), h5py.File(path) as file:
        _check_particles(path, file)
        _check_numbers(path, file)
        if _is_own(file):
            _check_names(path, file)
        yield file


def _read_events(path: Path, file: h5py.File, events: slice) -> L1Events:
    particles = file["Particles"]
    objects = particles[events] * np.asarray(particles.attrs.get("last_bits", 1))
    first = events.start
    own = _is_own(file)
    process_names = tuple(file["Process"].attrs["names"]) if own else ("unknown",)
    return L1Events(
        objects=objects.astype(np.float32),
        parents=file["Parent"][events] if own else np.arange(first, first + len(objects)),
        process=file["Process"][events] if own else np.zeros(len(objects), np.uint8),
        process_names=process_names,
        provenance={name: dict(file["Processes"][name].attrs) for name in process_names}
        if own
        else {},
        pile_up=file["PileUp"][events] if "PileUp" in file else None,
    )


def _is_own(file: h5py.File) -> bool:
    """Whether it is of our generator."""
    return {"Parent", "Process", "Processes"} <= set(file)


def _check_particles(path: Path, file: h5py.File) -> None:
    particles = file.get("Particles")
    if not isinstance(particles, h5py.Dataset):
        raise InputError(
            f"{path} must hold the dataset 'Particles', found: {', '.join(file) or 'nothing'}"
        )
    if particles.dtype.kind not in "fiu":
        raise InputError(f"{path}: 'Particles' must hold numbers, got {particles.dtype}")
    if particles.ndim != 3 or particles.shape[1:] != (N_OBJECTS, 4):
        raise InputError(
            f"{path}: 'Particles' must have shape (events, {N_OBJECTS}, 4), got {particles.shape}"
        )
    last_bits = np.asarray(particles.attrs.get("last_bits", LAST_BITS))
    if last_bits.shape != (4,) or last_bits.dtype.kind not in "fiu" or not (last_bits > 0).all():
        raise InputError(
            f"{path}: attribute 'last_bits' of 'Particles' must be 4 numbers > 0, one a column, "
            f"got {last_bits.tolist()}"
        )


def _check_numbers(path: Path, file: h5py.File) -> None:
    """Of parents, processes and pile-up, also where one of them stands alone."""
    n_events = len(file["Particles"])
    for name in {"Parent", "Process", "PileUp"} & set(file):
        stored = file[name]
        if not isinstance(stored, h5py.Dataset):
            raise InputError(f"{path}: '{name}' must hold {n_events} integers, got a group")
        if stored.shape != (n_events,) or stored.dtype.kind not in "iu":
            raise InputError(
                f"{path}: '{name}' must hold {n_events} integers, one an event, got "
                f"{stored.dtype} {stored.shape}"
            )
        lowest = stored[:].min(initial=0)
        if lowest < 0:
            event = int(np.argmin(stored[:]))
            raise InputError(f"{path}: '{name}' must be >= 0, got {lowest} in event {event}")


def _check_names(path: Path, file: h5py.File) -> None:
    names = list(file["Process"].attrs.get("names", ()))
    highest = int(file["Process"][:].max(initial=0))
    if not names or set(names) - set(file["Processes"]) or highest >= len(names):
        raise InputError(
            f"{path}: 'Process' must have the attribute 'names' with a name for each number, each "
            f"a group of 'Processes', got {', '.join(map(str, names)) or 'none'}"
        )


def write_l1_events(path: Path, events: L1Events) -> None:
    """Write `events` in the ADC2021 layout, rounded to `LAST_BITS`; equal events give equal bytes.

    What has no pT left is empty.

    Raises:
        InputError: a value is not finite, or needs more than 16 bits.
    """
    check_finite(events.objects, "objects")
    # In memory first: HDF5 does not survive a full disk in an orderly way.
    with h5py.File("events.h5", "w", driver="core", backing_store=False) as file:
        compression = {
            "compression": "gzip",
            "compression_opts": 9,
            "shuffle": True,
            "track_times": False,
        }
        file.create_dataset("Particles", data=_rounded(events.objects), **compression)
        file["Particles"].attrs["last_bits"] = LAST_BITS
        file.create_dataset("Parent", data=events.parents.astype(np.int64), **compression)
        file.create_dataset("Process", data=events.process.astype(np.uint8), **compression)
        if events.pile_up is not None:
            file.create_dataset("PileUp", data=events.pile_up.astype(np.uint16), **compression)
        file["Particles_Names"] = np.array(COLUMN_NAMES, dtype="S")
        file["Particles_Classes"] = np.array(CLASS_NAMES, dtype="S")
        # A group that tracks its order would carry the time of writing.
        file["Process"].attrs["names"] = list(events.process_names)
        for name in events.process_names:
            file.create_group(f"Processes/{name}").attrs.update(events.provenance.get(name, {}))
        file.flush()
        content = file.id.get_file_image()
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def _rounded(objects: np.ndarray) -> np.ndarray:
    """Objects (events, 19, 4) in last bits, int16."""
    integers = np.rint(objects.astype(np.float64) / LAST_BITS)
    integers[integers[:, :, 0] == 0] = 0
    limits = np.iinfo(np.int16)
    if integers.size and not limits.min <= integers.min() <= integers.max() <= limits.max:
        raise InputError(
            f"objects must be within {limits.max} last bits of {LAST_BITS}, got "
            f"{objects[np.abs(integers) > limits.max].ravel()[0]:g}"
        )
    return integers.astype(np.int16)
