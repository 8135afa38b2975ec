"""Small files of every kind of source, made from numbers that are known."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import uproot
from pyarrow import parquet

from keras_ae.data import source
from keras_ae.data.chunk import Chunk
from keras_ae.data.source import parse_source
from keras_ae.front_end.front_end import FrontEnd


def read_all(
    content: dict[str, Any], front_end: FrontEnd, name: str = "background"
) -> tuple[Chunk, int]:
    """All events of a sample as one chunk, and of how many chunks."""
    chunks = list(parse_source(content).read(front_end)[name])
    return joined(iter(chunks)), len(chunks)


def joined(chunks: Iterator[Chunk]) -> Chunk:
    """One chunk of all."""
    parts = list(chunks)

    def join(name: str) -> np.ndarray | None:
        found = [getattr(part, name) for part in parts]
        assert len({array is None for array in found}) == 1
        return None if found[0] is None else np.concatenate(found)

    names = parts[0].observables
    return Chunk(
        np.concatenate([part.values for part in parts]),
        parts[0].is_hardware,
        *(join(name) for name in ("parents", "labels", "weights", "condition", "classes")),
        {name: np.concatenate([part.observables[name] for part in parts]) for name in names},
    )


def read_in_chunks(
    monkeypatch: Any, content: dict[str, Any], front_end: FrontEnd, n_events: int
) -> tuple[Chunk, int]:
    """The same, so many events at a time."""
    with monkeypatch.context() as patch:
        patch.setattr(source, "CHUNK_EVENTS", n_events)
        return read_all(content, front_end)


def assert_equal(first: Chunk, second: Chunk) -> None:
    """Equal in every bit, NaN included."""
    assert first.is_hardware == second.is_hardware
    for name in ("values", "parents", "labels", "weights", "condition"):
        a, b = getattr(first, name), getattr(second, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    assert first.observables.keys() == second.observables.keys()
    for name, values in first.observables.items():
        np.testing.assert_array_equal(values, second.observables[name])


def write_columns(path: Path, columns: Mapping[str, np.ndarray]) -> Path:
    """A table with named columns, in the format that the suffix says."""
    if path.suffix == ".npz":
        np.savez(path, **columns)
    elif path.suffix == ".parquet":
        # Row groups that are no multiple of a chunk.
        parquet.write_table(pa.table(dict(columns)), path, row_group_size=5)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(
                zip(*(map(repr, map(float, x)) for x in columns.values()), strict=True)
            )
    else:
        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                file[name] = values
    return path


def write_lists(path: Path, columns: Mapping[str, list[Any]], tree: str = "Events") -> Path:
    """A ROOT or Parquet file of numbers and lists of numbers, float32 and int32."""
    arrays = {name: ak.Array(values) for name, values in columns.items()}
    if path.suffix == ".root":
        with uproot.recreate(path) as file:
            kinds = {
                name: f"var * {_kind(array)}" if array.ndim > 1 else _kind(array)
                for name, array in arrays.items()
            }
            written = file.mktree(tree, kinds)
            written.extend({name: ak.values_astype(x, _kind(x)) for name, x in arrays.items()})
        return path
    table = {}
    for name, array in arrays.items():
        kind = pa.int32() if _kind(array) == "int32" else pa.float32()
        table[name] = pa.array(columns[name], pa.list_(kind) if array.ndim > 1 else kind)
    parquet.write_table(pa.table(table), path, row_group_size=5)
    return path


def _kind(array: ak.Array) -> str:
    flat = np.asarray(ak.flatten(array, axis=None))
    return "int32" if flat.dtype.kind in "iu" else "float32"


def ugt_line(words: Mapping[str, list[int]], counter: int = 0) -> str:
    """A line of a test vector; words that are not given are zero."""
    places = {"muon": (8, 16), "egamma": (12, 8), "tau": (12, 8), "jet": (12, 8), "sums": (6, 8)}
    parts = [f"{counter:04x}"]
    for name, (n_slots, n_digits) in places.items():
        given = [*words.get(name, []), *[0] * n_slots][:n_slots]
        parts += [f"{word:0{n_digits}x}" for word in given]
    return " ".join(parts)
