"""Columns beside the values of events, and what is said where a column is missing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_ae.data.source import FileSource
from keras_ae.errors import InputError

#: Names that an error lists in full.
_N_LISTED = 30


class MarkedSource(FileSource):
    """Files with columns that say more of an event, each named where the files have it.

    `weight` of the event, which is kept beside it; nothing is weighed by it. `parent`, an integer:
    events of equal parent stay on one side of a split. `label`, an integer: what the event is.
    """

    weight: str | None = None
    parent: str | None = None
    label: str | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """Names of the columns that are asked for."""
        return tuple(name for name in (self.weight, self.parent, self.label) if name is not None)

    def marked(self, path: Path, columns: Mapping[str, Any], events: slice) -> dict[str, Any]:
        """Weights, parents and labels of some events, as arguments of a chunk.

        Raises:
            InputError: weights that are not finite, or parents or labels that are not integers.
        """
        found: dict[str, Any] = {}
        if self.weight is not None:
            weights = np.asarray(columns[self.weight][events], np.float64)
            if not np.isfinite(weights).all():
                raise InputError(f"{path}: '{self.weight}' must be finite, got NaN or infinity")
            found["weights"] = weights
        for key, name in (("parents", self.parent), ("labels", self.label)):
            if name is not None:
                found[key] = _as_integers(path, name, np.asarray(columns[name][events]))
        return found


def _as_integers(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    # Text has no integers of its own.
    if values.dtype.kind == "f":
        wrong = ~np.isfinite(values) | (values != np.rint(values))
        if wrong.any():
            raise InputError(f"{path}: '{name}' must hold integers, got {values[wrong][0]}")
    wrong = (values < 0) | (values > np.iinfo(np.int64).max)
    if wrong.any():
        raise InputError(
            f"{path}: '{name}' must hold integers from 0 to 2^63 - 1, got {values[wrong][0]}"
        )
    return values.astype(np.int64)


def require_names(
    path: Path, wanted: Iterable[str], there: Iterable[str], kind: str = "columns"
) -> None:
    """Raise InputError where a file lacks a column, with those that there are.

    Of many, with those like it and how many there are.
    """
    names = list(there)
    known = set(names)
    missing = [name for name in dict.fromkeys(wanted) if name not in known]
    if not missing:
        return
    listed = ", ".join(names) or "none"
    if len(names) > _N_LISTED:
        like = difflib.get_close_matches(missing[0], names, n=5, cutoff=0.5)
        listed = f"{len(names)}, none like it"
        if like:
            listed = f"{len(names)}, like it {', '.join(like)}"
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise InputError(f"{path} must hold {kind} {missing[0]!r}{more}; there are {listed}")
