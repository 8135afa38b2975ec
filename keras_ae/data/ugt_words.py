"""Test vectors of the CMS global trigger: a line of hexadecimal words for each bunch crossing.

Columns of a line: a counter; 8 words of muons, 64 bits each; 12 words each of e/gamma, tau and
jets, 32 bits; 6 energy sums, 32 bits: ET, HT, missing ET, missing HT, missing ET and missing HT
with the forward calorimeter. What stands behind them is not read.
"""

from __future__ import annotations

import gzip
import itertools
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from keras_ae.data.chunk import Chunk
from keras_ae.data.damage import whole
from keras_ae.data.source import FileSource, check_columns, fill
from keras_ae.errors import InputError
from keras_ae.front_end.fields import ObjectCollection, WireField
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end

#: The front end whose collections say where a field stands in its word.
_WORDS = "cms_ugt_run3"
#: Missing sums, beside the one that the front end has: each like it.
_LIKE_MET = ("htm", "etmhf", "htmhf")
#: First column of the words of each collection.
_FIRST_COLUMN = {
    "muon": 1,
    "egamma": 9,
    "tau": 21,
    "jet": 33,
    "ett": 45,
    "htt": 46,
    "met": 47,
    "htm": 48,
    "etmhf": 49,
    "htmhf": 50,
}
_N_COLUMNS = 51
#: Of sums that have none, so that front ends of equal fields for all can name it.
_NO_ETA = "eta"


class UgtWords(FileSource):
    """Crossings of the global trigger's test vectors, plain text or gz, as hardware values.

    A front end takes those that it names by collection and field, as `cms_ugt_run3` calls them,
    and `htm`, `etmhf`, `htmhf`, each like `met`; `met.eta` is 0. Values are what the words carry,
    also those of empty slots.
    """

    kind: Literal["ugt_words"] = "ugt_words"

    def default_front_end(self) -> FrontEnd | None:
        return load_front_end(_WORDS)

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError unless the words carry every number of the front end, in its units."""
        words = _collections()
        fields = {
            name: (*kind.fields, _NO_ETA) if "phi" in kind.fields else tuple(kind.fields)
            for name, kind in words.items()
        }
        check_columns(front_end, {name: kind.slots for name, kind in words.items()}, fields)
        for name, kind in front_end.collections.items():
            for field_name, field in kind.fields.items():
                if field_name in words[name].fields:
                    _check_field(f"{name}.{field_name}", field, words[name].fields[field_name])

    def read_file(self, path: Path, front_end: FrontEnd, n_events: int) -> Iterator[Chunk]:
        for lines in _some_lines(path, n_events):
            words = _words_of(path, lines)
            values = decode(words, front_end)
            yield Chunk(values.astype(front_end.dtype), is_hardware=True)


@cache
def _collections() -> dict[str, ObjectCollection]:
    """Collections that have words, by name."""
    found = load_front_end(_WORDS).collections
    return {**found, **dict.fromkeys(_LIKE_MET, found["met"])}


def _check_field(name: str, field: WireField, word: WireField) -> None:
    """Raise InputError unless a front end's field holds what the words carry."""
    # Written in another way it may be rounded otherwise.
    if not math.isclose(field.last_bit.value, word.last_bit.value, rel_tol=1e-12):
        raise InputError(
            f"last_bit of {name} must be {word.last_bit}, as in the words, got {field.last_bit}"
        )
    assert word.format is not None
    low, high = word.format.low, word.format.high
    form = field.format
    if form is None or form.fractional < 0 or form.low > low or form.high < high:
        raise InputError(
            f"format of {name} must hold {low:g} to {high:g}, as the words carry, got {form}"
        )


def decode(words: dict[str, np.ndarray], front_end: FrontEnd) -> np.ndarray:
    """Hardware values (events, n_values) of words (events, slots) by collection, in float64."""
    places = _collections()
    n_events = len(next(iter(words.values())))
    return fill(
        front_end,
        n_events,
        lambda column: (
            field_of(
                words[column.collection][:, column.slot],
                places[column.collection].fields[column.field_name],
            )
            if column.field_name in places[column.collection].fields
            else 0.0
        ),
    )


def field_of(words: np.ndarray, field: WireField) -> np.ndarray:
    """What uint64 words carry in a field, int64."""
    form, low_bit = field.format, field.low_bit
    assert form is not None and low_bit is not None
    bits = (words >> np.uint64(low_bit)) & np.uint64((1 << form.width) - 1)
    value = bits.astype(np.int64)
    if form.signed:
        value -= (value >> (form.width - 1)) << form.width
    return value


def _some_lines(path: Path, n_lines: int) -> Iterator[dict[int, list[str]]]:
    """What stands in each line that is not empty, by its number, some lines at a time."""
    with path.open("rb") as file:
        is_gz = file.read(2) == b"\x1f\x8b"
    with (gzip.open if is_gz else open)(path, "rt", encoding="ascii") as text:
        numbered = enumerate(text, 1)
        with whole(path, "text of hexadecimal words, or gz of it", UnicodeDecodeError):
            while lines := list(itertools.islice(numbered, n_lines)):
                yield {number: line.split() for number, line in lines if line.strip()}


def _words_of(path: Path, lines: dict[int, list[str]]) -> dict[str, np.ndarray]:
    """Words (events, slots) uint64 of each collection."""
    for number, line in lines.items():
        if len(line) < _N_COLUMNS:
            raise InputError(
                f"{path}: line {number} must hold {_N_COLUMNS} words at least, got {len(line)}"
            )
    found = {}
    for name, kind in _collections().items():
        begin = _FIRST_COLUMN[name]
        n_digits = (kind.word_bits or 0) // 4
        parts = {number: line[begin : begin + kind.slots] for number, line in lines.items()}
        for number, part in parts.items():
            _check_words(path, number, name, part, n_digits)
        digits = "".join(word for part in parts.values() for word in part)
        big_endian = np.frombuffer(bytes.fromhex(digits), f">u{n_digits // 2}")
        found[name] = big_endian.astype(np.uint64).reshape(len(lines), kind.slots)
    return found


_DIGITS = frozenset("0123456789abcdefABCDEF")


def _check_words(path: Path, line: int, name: str, words: list[str], n_digits: int) -> None:
    for word in words:
        if len(word) != n_digits or not _DIGITS.issuperset(word):
            raise InputError(
                f"{path}: line {line} must hold words of {n_digits} hexadecimal digits for {name}, "
                f"got {word[:40]!r}"
            )
