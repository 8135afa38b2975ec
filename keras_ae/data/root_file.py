"""Branches of ROOT trees, some events at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np

from keras_ae.data.damage import whole
from keras_ae.data.jagged import Jagged
from keras_ae.errors import InputError


def _reading(path: Path) -> AbstractContextManager[None]:
    """For what uproot reads meanwhile."""
    import uproot

    return whole(
        path, "ROOT file", uproot.DeserializationError, ValueError, LookupError, AssertionError
    )


class RootEvents:
    """A tree of a ROOT file, with an entry for each event; a context.

    Raises:
        ImportError: uproot is not installed.
        InputError: not a ROOT file, or no such tree in it.
    """

    def __init__(self, path: Path, tree: str) -> None:
        if not find_spec("uproot"):
            raise ImportError("uproot is needed to read ROOT: pip install 'keras-ae[root]'")
        import uproot

        self.path = path
        with _reading(path):
            self._file = uproot.open(path)
        try:
            with _reading(path):
                self._tree = self._find(tree)
                paths = self._tree.keys(recursive=True)
        except BaseException:
            self._file.close()
            raise
        #: Without the branches that they lie in.
        self.names: tuple[str, ...] = tuple(dict.fromkeys(name.split("/")[-1] for name in paths))

    def _find(self, tree: str) -> Any:
        trees = [
            name
            for name, kind in self._file.classnames(cycle=False).items()
            if kind in ("TTree", "ROOT::RNTuple")
        ]
        if tree not in trees:
            raise InputError(
                f"{self.path}: tree must be one of {', '.join(trees) or 'none'}, got {tree!r}"
            )
        return self._file[tree]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def chunks(
        self, names: tuple[str, ...], n_events: int
    ) -> Iterator[dict[str, np.ndarray | Jagged]]:
        """Branches by name: (events,) numbers, or lists of numbers.

        Raises:
            InputError: a branch of something else.
        """
        paths = {path.split("/")[-1]: path for path in reversed(self._tree.keys(recursive=True))}
        wanted = {name: paths[name] for name in names}
        n_all = self._tree.num_entries
        for first in range(0, n_all, n_events):
            last = min(first + n_events, n_all)
            with _reading(self.path):
                found = {
                    name: self._tree[path].array(entry_start=first, entry_stop=last)
                    for name, path in wanted.items()
                }
            yield {name: self._column(name, array) for name, array in found.items()}

    def _column(self, name: str, array: Any) -> np.ndarray | Jagged:
        import awkward as ak

        if array.ndim > 2 or array.fields:
            raise InputError(
                f"{self.path}: '{name}' must hold numbers or lists of numbers, got {array.type}"
            )
        flat = array if array.ndim == 1 else ak.flatten(array)
        try:
            values = ak.to_numpy(flat, allow_missing=False)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{self.path}: '{name}' must hold numbers or lists of numbers, got {array.type}"
            ) from error
        if values.dtype.kind not in "fiub":
            raise InputError(
                f"{self.path}: '{name}' must hold numbers or lists of numbers, got {array.type}"
            )
        return values if array.ndim == 1 else Jagged(ak.to_numpy(ak.num(array)), values)
