"""Columns of Parquet files, some events at a time."""

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
    """For what pyarrow reads meanwhile."""
    import pyarrow

    return whole(path, "Parquet file", pyarrow.ArrowException)


class ParquetEvents:
    """A Parquet file with a row for each event; a context.

    Raises:
        ImportError: pyarrow is not installed.
        InputError: not a Parquet file.
    """

    def __init__(self, path: Path) -> None:
        if not find_spec("pyarrow"):
            raise ImportError("pyarrow is needed to read Parquet: pip install 'keras-ae[parquet]'")
        from pyarrow import parquet

        self.path = path
        with _reading(path):
            self._file = parquet.ParquetFile(path)
        self.names: tuple[str, ...] = tuple(self._file.schema_arrow.names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def chunks(
        self, names: tuple[str, ...], n_events: int
    ) -> Iterator[dict[str, np.ndarray | Jagged]]:
        """Columns by name: (events,) numbers, or lists of numbers. Row groups are not joined.

        Raises:
            InputError: a column of something else, or a damaged file.
        """
        unique = list(dict.fromkeys(names))
        with _reading(self.path):
            for batch in self._file.iter_batches(n_events, columns=unique):
                # A name with a dot can also choose what lies in another column.
                yield {name: self._column(name, batch.column(name)) for name in unique}

    def _column(self, name: str, column: Any) -> np.ndarray | Jagged:
        import pyarrow

        column = _stored(column)
        kinds = pyarrow.types
        kind = column.type
        if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
            counts = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
            return Jagged(counts.astype(np.int64), self._numbers(name, _stored(column.flatten())))
        return self._numbers(name, column)

    def _numbers(self, name: str, column: Any) -> np.ndarray:
        """What is null becomes NaN."""
        array: np.ndarray = np.asarray(column.to_numpy(zero_copy_only=False))
        if array.dtype == object and column.null_count and array.size:
            import pyarrow

            if pyarrow.types.is_boolean(column.type):
                array = column.cast(pyarrow.int8()).to_numpy(zero_copy_only=False)
        if array.dtype.kind not in "fiub":
            raise InputError(
                f"{self.path}: '{name}' must hold numbers or lists of numbers, got {column.type}"
            )
        return array


def _stored(column: Any) -> Any:
    """What a type of somebody's own, such as awkward's, is stored as."""
    while hasattr(column, "storage"):
        column = column.storage
    return column
