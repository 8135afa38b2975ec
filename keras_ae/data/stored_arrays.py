"""Arrays by name in npz, npy and HDF5 files, read slice by slice where the format allows it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_ae.data.damage import whole
from keras_ae.errors import InputError

#: How files that hold arrays are called.
SUFFIXES = (".npz", ".npy", ".h5", ".hdf5")


@contextmanager
def open_arrays(path: Path) -> Iterator[Mapping[str, Any]]:
    """Arrays by name, each with shape, dtype and slices; that of an npy file is called `array`.

    Datasets in groups of HDF5 are called by their path, `group/name`.

    Raises:
        InputError: another suffix or content.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} must end in {', '.join(SUFFIXES)}, got {path.suffix or 'none'!r}")
    if path.suffix in (".h5", ".hdf5"):
        # Slices are read while the file is open.
        with whole(path, "HDF5 file"), h5py.File(path) as file:
            yield _datasets(file)
    else:
        yield _numpy_arrays(path)


def _datasets(file: h5py.File) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(keep)
    return found


def _numpy_arrays(path: Path) -> dict[str, Any]:
    kind = path.suffix.removeprefix(".")
    signs = (ValueError, LookupError, AttributeError)
    with whole(path, f"{kind} file of arrays of numbers", *signs):
        if path.suffix == ".npy":
            with path.open("rb") as file:
                np.lib.format.read_magic(file)
            return {"array": np.load(path, mmap_mode="r", allow_pickle=False)}
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no zip file")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def choose_array(
    path: Path, arrays: Mapping[str, Any], key: str | None, n_dims: tuple[int, ...], shape: str
) -> Any:
    """The array called `key`, or without a key the only one of so many dimensions.

    Raises:
        InputError: there is none, several without a key, or no numbers of that shape.
    """
    fitting = [name for name, array in arrays.items() if len(array.shape) in n_dims]
    if key is None and len(arrays) == 1:
        (key,) = arrays
    if key is None:
        if len(fitting) != 1:
            raise InputError(
                f"{path} must hold one array of {shape}, or key must name one of "
                f"{', '.join(arrays) or 'none'}, got {len(fitting)} of that shape"
            )
        key = fitting[0]
    if key not in arrays:
        raise InputError(f"{path}: key must name one of {', '.join(arrays) or 'none'}, got {key!r}")
    array = arrays[key]
    if key not in fitting or array.dtype.kind not in "fiub":
        raise InputError(
            f"{path}: '{key}' must be numbers of shape {shape}, got {array.dtype} of {array.shape}"
        )
    return array


def beside(path: Path, arrays: Mapping[str, Any], name: str, n_events: int) -> Any:
    """The array (events,) of a name.

    Raises:
        InputError: there is none, or it is not one number an event.
    """
    if name not in arrays:
        raise InputError(f"{path} must hold '{name}', got {', '.join(arrays)}")
    array = arrays[name]
    if tuple(array.shape) != (n_events,) or array.dtype.kind not in "fiub":
        raise InputError(
            f"{path}: '{name}' must hold {n_events} numbers, one an event, got {array.dtype} of "
            f"{tuple(array.shape)}"
        )
    return array
