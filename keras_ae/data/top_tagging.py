"""The public top-tagging reference set (arXiv:1902.09914), read as jet images.

HDF5 with the pandas table `table`: for each jet the columns E_i, PX_i, PY_i, PZ_i [GeV] of up to
200 constituents, i = 0..199, padded with zeros, and `is_signal_new`, 1 for top jets.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_ae.data.damage import whole
from keras_ae.data.jets import JetImages, check_file, make_jet_images
from keras_ae.errors import InputError

_N_CONSTITUENTS = 200
_LABEL = "is_signal_new"
_COLUMNS = tuple(f"{name}_{i}" for i in range(_N_CONSTITUENTS) for name in ("E", "PX", "PY", "PZ"))

_JETS_PER_READ = 5000


def read_top_tagging(
    path: Path, signal: bool | None = None, max_jets: int | None = None
) -> JetImages:
    """Images of the jets of a file in the layout of the reference set.

    Args:
        path: the file.
        signal: only top jets, only QCD jets, or None for both.
        max_jets: read no more than the first so many of those.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: pandas or PyTables is not installed.
        InputError: no such table, columns missing, no such jets, or values that are not finite.
    """
    check_file(path, max_jets)
    parts: list[JetImages] = []
    n_jets = 0
    for constituents, label in _read_table(path):
        wanted = constituents if signal is None else constituents[label == signal]
        wanted = wanted[: None if max_jets is None else max_jets - n_jets]
        if len(wanted):
            # Each is of a collision of its own.
            parts.append(make_jet_images(wanted, n_jets + np.arange(len(wanted))))
            n_jets += len(wanted)
        if n_jets == max_jets:
            break
    if n_jets == 0:
        kind = {None: "", True: "top ", False: "QCD "}[signal]
        raise InputError(f"{path} must hold at least one {kind}jet, got 0")
    return JetImages.join(parts, {"source": path.name})


def _read_table(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Constituents (jets, 200, 4) and labels (jets,) bool, some thousand jets at a time."""
    missing = [name for name in ("pandas", "tables") if not find_spec(name)]
    if missing:
        raise ImportError(
            f"{', '.join(missing)} needed to read the top-tagging reference set: "
            "pip install 'keras-ae[top-tagging]'"
        )
    import pandas as pd

    # PyTables' own errors for a file that is not HDF5 are no OSErrors.
    with whole(path, "HDF5 file"):
        h5py.File(path).close()
    with pd.HDFStore(path, mode="r") as store:
        try:
            chunks = store.select("table", chunksize=_JETS_PER_READ)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{path} must hold the key 'table' in the table format of pandas: {error}"
            ) from error
        for rows in chunks:
            yield _to_arrays(path, rows)


def _to_arrays(path: Path, rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Constituents (jets, 200, 4) and labels (jets,) of a data frame."""
    absent = [name for name in (*_COLUMNS, _LABEL) if name not in rows]
    if absent:
        raise InputError(
            f"{path} must hold the columns E_i, PX_i, PY_i, PZ_i (i = 0..199) and "
            f"{_LABEL}, {len(absent)} are missing: {', '.join(absent[:8])}"
        )
    try:
        flat = rows[list(_COLUMNS)].to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: momenta must be numbers: {error}") from error
    label = rows[_LABEL].to_numpy().astype(bool)
    return flat.reshape(len(rows), _N_CONSTITUENTS, 4), label
