"""Tables as a source: N numbers an event, by the names of columns or as one array."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from keras_ae.data.chunk import Chunk
from keras_ae.data.damage import whole
from keras_ae.data.marks import MarkedSource, require_names
from keras_ae.data.parquet_file import ParquetEvents
from keras_ae.data.stored_arrays import SUFFIXES, beside, choose_array, open_arrays
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd

_ALL_SUFFIXES = (*SUFFIXES, ".parquet", ".csv")


class Table(MarkedSource):
    """Tables of npz, npy, HDF5, Parquet or CSV files.

    Columns are taken by the names of the front end's, in whatever order a file has them. An array
    (events, N), called `key` or the only one of its kind, is taken as it stands: N must be the
    front end's number of columns. In CSV the first line has the names, or there are none. With
    `hardware` the numbers are hardware values, else physical ones.
    """

    kind: Literal["table"] = "table"
    key: str | None = None
    hardware: bool = False

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError where hardware values have no format."""
        if self.hardware and not front_end.is_hardware:
            raise InputError(
                "hardware must be false unless the front end states the format of every field, got "
                "true"
            )

    def read_file(self, path: Path, front_end: FrontEnd, n_events: int) -> Iterator[Chunk]:
        if path.suffix not in _ALL_SUFFIXES:
            raise InputError(
                f"{path} must end in {', '.join(_ALL_SUFFIXES)}, got {path.suffix or 'none'!r}"
            )
        if path.suffix in SUFFIXES:
            yield from self._from_arrays(path, front_end, n_events)
            return
        if self.key is not None:
            raise InputError(f"key must be unset for {path}, which has no arrays, got {self.key!r}")
        read = _csv_columns if path.suffix == ".csv" else _parquet_columns
        for columns in read(path, front_end.names, self.marks, n_events):
            everything = slice(None)
            yield self._to_chunk(path, front_end, columns, everything)

    def _from_arrays(self, path: Path, front_end: FrontEnd, n_events: int) -> Iterator[Chunk]:
        with open_arrays(path) as arrays:
            columns = self._find(path, front_end, arrays)
            n_all = len(next(iter(columns.values())))
            for name in self.marks:
                columns[name] = beside(path, arrays, name, n_all)
            for first in range(0, n_all, n_events):
                events = slice(first, first + n_events)
                yield self._to_chunk(path, front_end, columns, events)

    def _find(self, path: Path, front_end: FrontEnd, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Columns by name, or one array under no name."""
        flat = [name for name, array in arrays.items() if len(array.shape) == 1]
        has_table = path.suffix == ".npy" or any(len(array.shape) > 1 for array in arrays.values())
        if self.key is None and (not has_table or set(front_end.names) <= set(flat)):
            require_names(path, front_end.names, arrays)
            n_events = arrays[front_end.names[0]].shape[:1]
            return {name: beside(path, arrays, name, *n_events or (1,)) for name in front_end.names}
        array = choose_array(path, arrays, self.key, (2,), "(events, columns)")
        _check_width(path, array.shape[1], front_end)
        return {"": array}

    def _to_chunk(
        self, path: Path, front_end: FrontEnd, columns: Mapping[str, Any], events: slice
    ) -> Chunk:
        if "" in columns:
            values = np.asarray(columns[""][events], np.float64)
        else:
            values = np.stack(
                [np.asarray(columns[name][events], np.float64) for name in front_end.names], axis=1
            )
        if self.hardware:
            _check_hardware(path, values, front_end)
        marks = self.marked(path, columns, events)
        return Chunk(values, is_hardware=self.hardware, **marks)


def _check_width(path: Path, n_columns: int, front_end: FrontEnd) -> None:
    if n_columns != front_end.n_values:
        raise InputError(
            f"{path} must hold {front_end.n_values} columns, as many as the front end, got "
            f"{n_columns}"
        )


def _check_hardware(path: Path, values: np.ndarray, front_end: FrontEnd) -> None:
    """Raise InputError where a number is none of its format."""
    for column in front_end.columns:
        given = values[:, column.index]
        form = column.field.format
        # What is not finite is for the front end to refuse.
        wrong = np.isfinite(given) & (form is not None and form.quantize(given) != given)
        if np.any(wrong):
            event = int(np.flatnonzero(wrong)[0])
            raise InputError(
                f"{path}: {column.name} must be hardware values of {form}, got {given[event]:g}"
            )


def _parquet_columns(
    path: Path, names: tuple[str, ...], marks: tuple[str, ...], n_events: int
) -> Iterator[dict[str, np.ndarray]]:
    with ParquetEvents(path) as file:
        wanted = (*names, *marks)
        require_names(path, wanted, file.names)
        for columns in file.chunks(wanted, n_events):
            for name, column in columns.items():
                if not isinstance(column, np.ndarray):
                    raise InputError(f"{path}: '{name}' must be a number an event, got a list")
            yield {name: np.asarray(column) for name, column in columns.items()}


def _csv_columns(
    path: Path, names: tuple[str, ...], marks: tuple[str, ...], n_events: int
) -> Iterator[dict[str, np.ndarray]]:
    """Columns by name; without a header all of them, under no name."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        # Where a row stands: a field may have lines of its own.
        numbered: Iterator[tuple[int, list[str]]] = ((lines.line_num, row) for row in lines if row)
        with whole(path, "text of comma-separated values", csv.Error, UnicodeDecodeError):
            head = next(numbered, None)
            if head is None:
                return
            header = None if _all_numbers(head[1]) else [name.strip() for name in head[1]]
            if header is None:
                numbered = itertools.chain([head], numbered)
                _check_header(path, len(head[1]), names, marks)
            else:
                twice = [name for name in (*names, *marks) if header.count(name) > 1]
                if twice:
                    raise InputError(f"{path} must hold each column once, got {twice[0]!r} twice")
                require_names(path, (*names, *marks), header)
            while rows := list(itertools.islice(numbered, n_events)):
                array = _numbers(path, rows, len(head[1]))
                if header is None:
                    yield {"": array}
                else:
                    yield {name: array[:, header.index(name)] for name in (*names, *marks)}


def _check_header(
    path: Path, n_columns: int, names: tuple[str, ...], marks: tuple[str, ...]
) -> None:
    if n_columns != len(names) or marks:
        raise InputError(
            f"{path} must have the names of its columns in the first line, or hold "
            f"{len(names)} columns, as many as the front end, got {n_columns} without names"
        )


def _all_numbers(row: list[str]) -> bool:
    try:
        return all(np.isreal(float(text)) for text in row)
    except ValueError:
        return False


def _numbers(path: Path, rows: list[tuple[int, list[str]]], n_columns: int) -> np.ndarray:
    """Rows of text (events, columns) in float64."""
    for number, row in rows:
        if len(row) != n_columns:
            raise InputError(f"{path}: line {number} must hold {n_columns} values, got {len(row)}")
    try:
        return np.array([row for _, row in rows], np.float64)
    except ValueError as error:
        for number, row in rows:
            if not _all_numbers(row):
                raise InputError(f"{path}: line {number} must hold numbers: {error}") from None
        raise
