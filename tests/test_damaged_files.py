"""Files that were cut or overwritten: they are refused as such, or read as what stands there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from source_files import read_all, write_columns, write_lists

from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end

N_EVENTS = 400
TABLE = load_front_end({"features": ["a", "b", "c"]})
JETS = load_front_end(
    {"objects": {"jet": {"slots": 2, "empty": "pt == 0", "fields": {"pt": {}, "eta": {}}}}}
)


def table(path: Path) -> dict[str, Any]:
    values = np.random.default_rng(1).normal(size=(3, N_EVENTS))
    write_columns(path, dict(zip("abc", values, strict=True)))
    return {"kind": "table", "background": str(path)}


def array(path: Path) -> dict[str, Any]:
    np.save(path, np.random.default_rng(2).normal(size=(N_EVENTS, 3)))
    return {"kind": "table", "background": str(path)}


def objects(path: Path) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 3, N_EVENTS)
    lists = {
        name: [rng.exponential(20.0, n).tolist() for n in counts] for name in ("Jet_pt", "Jet_eta")
    }
    write_lists(path, lists)
    branches = {"jet": {"pt": "Jet_pt", "eta": "Jet_eta"}}
    return {"kind": "objects", "background": str(path), "branches": branches}


EXAMPLES = {
    **{f"table{suffix}": (table, TABLE) for suffix in (".npz", ".h5", ".parquet", ".csv")},
    "array.npy": (array, TABLE),
    **{f"objects{suffix}": (objects, JETS) for suffix in (".root", ".parquet")},
}


def read_or_refuse(content: dict[str, Any], front_end: FrontEnd, path: Path) -> str:
    """Read all; of a refusal, one line that names the file."""
    try:
        found, _ = read_all(content, front_end)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return "refused"
    assert found.values.ndim == 2 and found.values.shape[1] == front_end.n_values
    return "read"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXAMPLES)
def test_damage_is_no_traceback(name: str, tmp_path: Path) -> None:
    make, front_end = EXAMPLES[name]
    path = tmp_path / name
    content = make(path)
    whole = path.read_bytes()
    assert read_or_refuse(content, front_end, path) == "read"
    rng = np.random.default_rng(4)
    ends = set()
    for place in np.linspace(0, len(whole) - 1, 12).astype(int):
        path.write_bytes(whole[:place])
        ends.add(read_or_refuse(content, front_end, path))
        for length in (1, 40, 2000):
            damaged = bytearray(whole)
            part = slice(place, min(place + length, len(whole)))
            damaged[part] = rng.bytes(part.stop - part.start)
            path.write_bytes(damaged)
            ends.add(read_or_refuse(content, front_end, path))
    assert "refused" in ends
