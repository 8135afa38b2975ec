"""Words of bits, in which the objects of a trigger travel: packed and unpacked, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from keras_ae.arrays import as_numbers
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.fields import ObjectCollection
from keras_ae.front_end.front_end import FrontEnd

#: Of the machine's numbers that hold a word.
_MACHINE_BITS = 64


def check_words(front_end: FrontEnd) -> None:
    """Raise InputError unless every collection of a front end is carried by words."""
    kinds = front_end.collections
    without = [name or "features" for name, kind in kinds.items() if kind.word_bits is None]
    if front_end.image is not None:
        without = ["image"]
    if without:
        raise InputError(
            "front_end must have word_bits, and low_bit of each field, for every collection to be "
            f"packed, got none for {', '.join(without)}"
        )


def pack(front_end: FrontEnd, hardware: Any) -> dict[str, np.ndarray]:
    """Hardware values (events, n_values) as words by collection, (events, slots) uint64 each.

    Fields stand at their places, signed ones in two's complement; bits of no field are zero.

    Raises:
        InputError: a front end without words, another shape, or a value that is none of its
            field's format.
    """
    check_words(front_end)
    values = _checked(front_end, hardware)
    words = {}
    for name, kind, first in _collections(front_end):
        n_fields = len(kind.fields)
        objects = values[:, first : first + kind.slots * n_fields]
        objects = objects.reshape(len(values), kind.slots, n_fields)
        packed = np.zeros((len(values), kind.slots), np.uint64)
        for number, label in enumerate(kind.fields):
            low_bit, form = _place(kind, label)
            found = objects[:, :, number]
            if not _holds(form, found).all():
                raise _beyond(front_end, form, found, first + number, n_fields)
            bits = found.astype(np.int64).view(np.uint64) & np.uint64(2**form.width - 1)
            packed |= bits << np.uint64(low_bit)
        words[name] = packed
    return words


def unpack(front_end: FrontEnd, words: Mapping[str, Any]) -> np.ndarray:
    """Hardware values (events, n_values) of words by collection, (events, slots) each.

    Returns int32 where that holds every field, else int64. Bits of no field count for nothing.

    Raises:
        InputError: a front end without words, other collections, words that are no integers or of
            another shape, or with bits beyond `word_bits`.
    """
    check_words(front_end)
    taken = _checked_words(front_end, words)
    n_events = len(next(iter(taken.values())))
    number = np.int32 if front_end.dtype is np.int32 else np.int64
    values = np.empty((n_events, front_end.n_values), number)
    for name, kind, first in _collections(front_end):
        for place, label in enumerate(kind.fields):
            low_bit, form = _place(kind, label)
            # The field's first bit becomes that of the machine's number.
            above = np.uint64(_MACHINE_BITS - low_bit - form.width)
            shifted = taken[name] << above
            behind = _MACHINE_BITS - form.width
            end = first + kind.slots * len(kind.fields)
            # Of a signed number, >> repeats the first bit.
            values[:, first + place : end : len(kind.fields)] = (
                shifted.view(np.int64) >> np.int64(behind)
                if form.signed
                else shifted >> np.uint64(behind)
            )
    return values


def _collections(front_end: FrontEnd) -> Iterator[tuple[str, ObjectCollection, int]]:
    """Name, collection and the index of its first number among all."""
    first = 0
    for name, kind in front_end.collections.items():
        yield name, kind, first
        first += kind.slots * len(kind.fields)


def _place(kind: ObjectCollection, label: str) -> tuple[int, FixedPointFormat]:
    """Lowest bit and format of a field, which those of a word have."""
    field = kind.fields[label]
    if field.low_bit is None or field.format is None:
        raise InputError(f"low_bit of field '{label}' must be given with word_bits")
    return field.low_bit, field.format


def _holds(form: FixedPointFormat, values: np.ndarray) -> np.ndarray:
    """Which numbers are integers of a format."""
    low, high = _ends(form)
    if values.dtype.kind != "f":
        return np.asarray((values >= low) & (values <= high))
    # float64 holds a power of two, where it does not hold the number below; NaN is in no range.
    return np.asarray((values >= low) & (values < float(high + 1)) & (np.floor(values) == values))


def _ends(form: FixedPointFormat) -> tuple[int, int]:
    """Smallest and largest integer of a format, in Python's numbers."""
    low = -(2 ** (form.width - 1)) if form.signed else 0
    return low, low + 2**form.width - 1


def _beyond(
    front_end: FrontEnd, form: FixedPointFormat, found: np.ndarray, first: int, n_fields: int
) -> InputError:
    """Of numbers (events, slots) of a field, some of which its format does not hold."""
    event, slot = np.argwhere(~_holds(form, found))[0]
    column = front_end.columns[first + slot * n_fields]
    low, high = _ends(form)
    value = repr(found[event, slot].item()).removesuffix(".0")
    return InputError(
        f"field {column.name} must be an integer from {low} to {high} ({form.values}), got {value} "
        f"in event {event}"
    )


def _checked(front_end: FrontEnd, hardware: Any) -> np.ndarray:
    values = as_numbers(hardware, "hardware values")
    shape = (front_end.n_values,)
    if values.ndim != 2 or values.shape[1:] != shape or values.dtype.kind not in "fiub":
        raise InputError(
            f"hardware values must be numbers of shape (events, {front_end.n_values}), got "
            f"{values.dtype} of {values.shape}"
        )
    return values.astype(np.int64) if values.dtype.kind == "b" else values


def _checked_words(front_end: FrontEnd, words: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """As uint64, (events, slots) each."""
    kinds = front_end.collections
    if not isinstance(words, Mapping) or set(words) != set(kinds):
        is_mapping = isinstance(words, Mapping)
        found = ", ".join(map(str, words)) or "none" if is_mapping else type(words).__name__
        raise InputError(f"words must be arrays by name of each of {', '.join(kinds)}, got {found}")
    taken = {name: _checked_word(name, kind, words[name]) for name, kind in kinds.items()}
    sizes = {name: len(part) for name, part in taken.items()}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise InputError(f"words must be of as many events in each collection, got {counts}")
    return taken


def _checked_word(name: str, kind: ObjectCollection, words: Any) -> np.ndarray:
    array = np.asarray(words)
    if array.dtype.kind not in "iu" or array.shape[1:] != (kind.slots,):
        raise InputError(
            f"words of {name} must be integers of shape (events, {kind.slots}), got {array.dtype} "
            f"of {array.shape}"
        )
    # Python's integers, which any of NumPy's is compared with.
    wrong = (array < 0) | (array > 2 ** (kind.word_bits or 0) - 1)
    if wrong.any():
        event, slot = np.argwhere(wrong)[0]
        raise InputError(
            f"words of {name} must be of {kind.word_bits} bits, got {array[event, slot]:#x} in "
            f"event {event}, slot {slot}"
        )
    return array.astype(np.uint64)
