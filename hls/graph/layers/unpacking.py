"""Words of bits as they arrive at the trigger -> the numbers that stand in them.

A word may have more bits than float64 has: it is carried as parts of 32, the low one first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import EXACT_FLOAT32, Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register
from hls.graph.symbolic import bits_between
from keras_ae.fixed_point import FixedPointFormat

#: Of one part of a word.
PART_FORMAT = FixedPointFormat(32, 32, signed=False)
_PART_BITS = PART_FORMAT.width
#: The C++ puts the parts of a word together in a number of so many bits.
_MAX_PARTS = 2


class _Piece(NamedTuple):
    """The bits from `bottom` below `top` of a part; in the field they begin at `place`."""

    part: int
    bottom: int
    top: int
    place: int
    signed: bool


@register()
@dataclass(frozen=True, eq=False)
class UnpackWords(Layer):
    """Words (events, slots, parts) -> numbers (events, slots * fields), slot by slot.

    Args:
        field_formats: of the fields of a word, in the order of the numbers; of integers.
        low_bits: the lowest bit of each.
    """

    field_formats: tuple[FixedPointFormat, ...]
    low_bits: tuple[int, ...]

    #: Of 32 bits each, which float32 does not hold.
    in_float32: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        # Which values come in; how they were rounded is no matter here.
        object.__setattr__(self, "field_formats", tuple(f.values for f in self.field_formats))
        sizes = len(self.field_formats), len(self.low_bits)
        rule = "field_formats and low_bits must be as many, one at least"
        self.require(sizes[0] == sizes[1] > 0, rule, sizes, "give one of each for every field")
        for form, low_bit in zip(self.field_formats, self.low_bits, strict=True):
            remedy = "give the bits of the word"
            self.require(form.step == 1, "field_formats must be of integers", form, remedy)
            self.require(low_bit >= 0, "low_bits must be >= 0", low_bit, remedy)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        # Of a word of two parts a field lies in both; of one part alone, all bits but some.
        forms = "fixed<7,7>", "ufixed<5,5>", "fixed<12,12>", "ufixed<1,1>"
        layers = (
            (cls(tuple(map(FixedPointFormat.parse, forms)), (3, 59, 26, 0)), 2),
            (cls(tuple(map(FixedPointFormat.parse, forms[:2])), (25, 4)), 1),
        )
        return tuple(Example(layer, ((PART_FORMAT, (2, parts)),)) for layer, parts in layers)

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        rule = f"words must be of shape (slots, parts), at most {_MAX_PARTS} parts of 32 bits"
        fits = len(x.shape) == 2 and x.shape[1] <= _MAX_PARTS
        self.require(fits, rule, x.shape, "give each word as parts, the low one first")
        in_range = x.low.min() >= 0 and x.high.max() <= PART_FORMAT.high and x.step.min() >= 1
        rule = f"parts of words must be numbers of {PART_FORMAT}"
        self.require(bool(in_range), rule, x.format, "give an input of that format")
        end = max(form.width + low for form, low in self._fields)
        n_bits = x.shape[1] * _PART_BITS
        rule = f"fields must end within the {n_bits} bits of {x.shape[1]} parts"
        self.require(end <= n_bits, rule, end, "give more parts")

    # What it computes --------------------------------------------------------------------------

    @property
    def _fields(self) -> list[tuple[FixedPointFormat, int]]:
        """Format and lowest bit of each."""
        return list(zip(self.field_formats, self.low_bits, strict=True))

    @property
    def _pieces(self) -> list[list[_Piece]]:
        """Of each field, the parts that it lies in, low bits first."""
        found = []
        for form, low_bit in self._fields:
            end, pieces, bit = low_bit + form.width, [], low_bit
            while bit < end:
                part, bottom = divmod(bit, _PART_BITS)
                top = min(_PART_BITS, end - part * _PART_BITS)
                last = part * _PART_BITS + top == end
                pieces.append(_Piece(part, bottom, top, bit - low_bit, form.signed and last))
                bit += top - bottom
            found.append(pieces)
        return found

    def _unpacked(self, xp: Any, words: Any) -> Any:
        """By `numpy` or `keras.ops`: floor(word / 2^low), modulo 2^width; every step is exact."""
        numbers = [
            sum(_number(xp, words[..., piece.part], piece) for piece in pieces)
            for pieces in self._pieces
        ]
        return xp.reshape(xp.stack(numbers, axis=-1), (-1, words.shape[1] * len(numbers)))

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self._unpacked(np, inputs[0]))

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        numbers = self._unpacked(ops, ops.cast(inputs[0], "float64"))
        # As the layers behind want it, where nothing is lost.
        narrow = all(2.0**form.width <= EXACT_FLOAT32 for form in self.field_formats)
        return ops.cast(numbers, "float32" if narrow else "float64")

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        values = np.array([(form.step, form.low, form.high) for form in self.field_formats])
        step, low, high = (np.tile(part, x.shape[0]) for part in values.T)
        return Grid(step, low, high)

    def trace(self, *inputs: Any) -> Any:
        (words,) = inputs
        numbers = [_joined(word, pieces) for word in words for pieces in self._pieces]
        return type(words)(np.array(numbers))

    # As C++ and as cost ------------------------------------------------------------------------

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        # Shifted up, a field begins with the first bit of 64; shifted down, it is a number.
        up, down = (
            np.array([64.0 - form.width - low * by for form, low in self._fields]) for by in (1, 0)
        )
        signed = np.array([float(form.signed) for form in self.field_formats])
        attributes = {
            "function": "unpack_words",
            "output_kif": out.kif,
            "index_format": str(PART_FORMAT),
            "config": {"n_parts": inputs[0].shape[1], "n_fields": len(self.low_bits)},
        }
        return CppForm("TriggerLogic", attributes, {"up": up, "down": down, "signed": signed})

    def count(self, at: Place) -> Counted:
        """Wires alone."""
        depths = [
            max(float(word[piece.part]) for piece in pieces)
            for word in at.x.depth
            for pieces in self._pieces
        ]
        return Logic(), np.array(depths)

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        (shape,) = shapes
        found = np.zeros(shape, bool)
        for number, pieces in enumerate(self._pieces):
            for piece in pieces:
                found[:, piece.part] |= out[number :: len(self.low_bits)]
        return [found]


def _number(xp: Any, part: Any, piece: _Piece) -> Any:
    """What bits of a part are worth in their field."""
    n_bits = piece.top - piece.bottom
    shifted = xp.floor(part * 2.0**-piece.bottom)
    number = shifted - xp.floor(shifted * 2.0**-n_bits) * 2.0**n_bits
    if piece.signed:
        number = number - xp.floor(number * 2.0 ** (1 - n_bits)) * 2.0**n_bits
    return number * 2.0**piece.place


def _joined(word: Any, pieces: Sequence[_Piece]) -> Any:
    """A field of a word of symbolic parts: no adder, as no bits overlap."""
    first, *others = (
        bits_between(word[piece.part], piece.bottom, piece.top, piece.signed) * 2.0**piece.place
        for piece in pieces
    )
    for other in others:
        first = first + other
    return first
