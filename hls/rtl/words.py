"""Values of ports as bits: two's complement, one behind the other, the first lowest."""

from __future__ import annotations

import numpy as np

from hls.graph.interface import Port
from keras_ae.fixed_point import FixedPointFormat

_CHUNK = 10_000


def to_words(values: np.ndarray, port: Port) -> np.ndarray:
    """Values (events, n) of a port in words of 32 bits, the lowest first, (events, words)."""
    n_events, form = len(values), port.form
    words = np.zeros((n_events, port.n_words), np.uint32)
    places = np.arange(form.width)
    for first in range(0, n_events, _CHUNK):
        units = np.rint(values[first : first + _CHUNK] / form.step).astype(np.int64)
        bits = ((units[..., None] >> places) & 1).astype(np.uint8).reshape(len(units), -1)
        bits = np.pad(bits, [(0, 0), (0, 32 * port.n_words - bits.shape[1])])
        packed = np.packbits(bits, axis=1, bitorder="little")
        words[first : first + _CHUNK] = packed.view("<u4")
    return words


def from_words(words: np.ndarray, form: FixedPointFormat) -> np.ndarray:
    """One value an event, (events,), of its words."""
    units = words[:, 0].astype(np.int64)
    if words.shape[1] > 1:
        units |= words[:, 1].astype(np.int64) << 32
    if form.signed:
        units = np.where(units >> (form.width - 1) & 1, units - (1 << form.width), units)
    return units * form.step


def to_hexadecimal(values: np.ndarray, port: Port) -> list[str]:
    """Values (events, n) of a port as one number an event, without leading zeros."""
    words = to_words(values, port).astype("<u4")
    return [f"{int.from_bytes(row.tobytes(), 'little'):x}" for row in words]
