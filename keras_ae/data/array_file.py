"""Events of any network as arrays in one npz file of NumPy's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from keras_ae.data.damage import whole
from keras_ae.errors import InputError

BACKGROUND = "background"
_CONDITION = ".condition"


def read_array_file(
    path: Path, max_events: int | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By sample, `background` and signals: events (events, ...) and condition (events, n).

    Without a second input, conditions are (events, 0).

    Raises:
        FileNotFoundError: there is no such file.
        InputError: another kind of file, no background, or arrays that do not fit together.
    """
    if not path.is_file():
        raise FileNotFoundError(f"events not found: {path}, an npz file of arrays")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} must be an npz file, by np.savez(path, background=...), got another"
        )
    signs = (ValueError, LookupError, AttributeError)
    with (
        whole(path, "npz file of arrays of numbers", *signs),
        path.open("rb") as opened,
        np.load(opened, allow_pickle=False) as file,
    ):
        arrays = {name: file[name][:max_events] for name in file.files}
    events = {name: x for name, x in arrays.items() if not name.endswith(_CONDITION)}
    if BACKGROUND not in events:
        raise InputError(
            f"{path} must hold an array '{BACKGROUND}', got {', '.join(arrays) or 'none'}"
        )
    for name in arrays.keys() - events.keys():
        if name.removesuffix(_CONDITION) not in events:
            raise InputError(
                f"{path}: '{name}' must stand beside the events '{name.removesuffix(_CONDITION)}', "
                f"got {', '.join(arrays)}"
            )
    shape = events[BACKGROUND].shape[1:]
    samples = {}
    for name, x in events.items():
        _check_array(path, name, x, shape)
        condition = arrays.get(name + _CONDITION, np.zeros((len(x), 0)))
        if condition.ndim != 2 or len(condition) != len(x):
            raise InputError(
                f"{path}: '{name}{_CONDITION}' must have shape ({len(x)}, n), got {condition.shape}"
            )
        samples[name] = x, condition
    return samples


def _check_array(path: Path, name: str, x: np.ndarray, shape: tuple[int, ...]) -> None:
    if x.dtype.kind not in "fiub" or x.ndim < 2 or x.shape[1:] != shape:
        wanted = ", ".join(map(str, ("events", *shape))) or "events, ..."
        raise InputError(
            f"{path}: '{name}' must be numbers of shape ({wanted}), got {x.dtype} of {x.shape}"
        )
    if not len(x):
        raise InputError(f"{path}: '{name}' must hold at least one event, got 0")
    if not np.isfinite(x).all():
        raise InputError(f"{path}: '{name}' must hold finite numbers, got NaN or infinity")
