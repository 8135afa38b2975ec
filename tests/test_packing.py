"""Words of bits: packed and unpacked as Python's integers say, both ways."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ae.errors import InputError
from keras_ae.front_end.fields import ObjectCollection
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.packing import pack, unpack
from keras_ae.front_end.presets import load_front_end

TWO = {
    "objects": {
        "sum": {"word_bits": 6, "fields": {"pt": {"format": "ufixed<4,4>", "low_bit": 1}}},
        "jet": {
            "slots": 2,
            "word_bits": 12,
            "fields": {
                # Not in the order of their places.
                "eta": {"format": "fixed<4,4>", "low_bit": 7},
                "pt": {"format": "ufixed<6,6>", "low_bit": 0},
            },
        },
    }
}


def bits_by_hand(kind: ObjectCollection, values: list[int]) -> int:
    """The word of an object, by Python's integers: Horner's rule from the highest bit down."""
    digits = ["0"] * (kind.word_bits or 0)
    for value, field in zip(values, kind.fields.values(), strict=True):
        assert field.format is not None and field.low_bit is not None
        width = field.format.width
        # Two's complement: minus one is the complement of zero.
        text = "".join("10"[int(c)] for c in f"{-value - 1:0{width}b}") if value < 0 else ""
        for place, digit in enumerate(reversed(text or f"{value:0{width}b}")):
            digits[field.low_bit + place] = digit
    word = 0
    for digit in reversed(digits):
        word = 2 * word + int(digit)
    return word


def bits_of_fields(kind: ObjectCollection) -> int:
    """A word of ones where fields are."""
    ones = 0
    for field in kind.fields.values():
        assert field.format is not None and field.low_bit is not None
        ones += (2**field.format.width - 1) * 2**field.low_bit
    return ones


@st.composite
def collections(draw: st.DrawFn) -> dict[str, Any]:
    """Words of any size, with fields of any width in any order, and gaps between them."""
    word_bits = draw(st.integers(1, 64))
    fields: dict[str, Any] = {}
    low_bit = draw(st.integers(0, word_bits - 1))
    while low_bit < word_bits and len(fields) < 6:
        width = draw(st.integers(1, min(53, word_bits - low_bit)))
        kind = draw(st.sampled_from(["fixed", "ufixed"]))
        form = f"{kind}<{width},{width}>"
        fields[f"f{len(fields)}"] = {"format": form, "low_bit": low_bit}
        low_bit += width + draw(st.integers(0, 3))
    order = draw(st.permutations(sorted(fields)))
    slots = draw(st.integers(1, 3))
    return {
        "slots": slots,
        "word_bits": word_bits,
        "fields": {name: fields[name] for name in order},
    }


@st.composite
def events(draw: st.DrawFn) -> tuple[FrontEnd, list[list[int]]]:
    """A front end, and hardware values of some events."""
    kinds = draw(st.lists(collections(), min_size=1, max_size=3))
    front_end = load_front_end({"objects": {f"c{n}": kind for n, kind in enumerate(kinds)}})
    ends = []
    for column in front_end.columns:
        form = column.field.format
        assert form is not None
        low = -(2 ** (form.width - 1)) if form.signed else 0
        ends.append(st.integers(low, low + 2**form.width - 1))
    return front_end, draw(st.lists(st.tuples(*ends).map(list), min_size=1, max_size=4))


@settings(deadline=None, max_examples=200)
@given(events())
def test_pack_and_unpack(drawn: tuple[FrontEnd, list[list[int]]]) -> None:
    front_end, rows = drawn
    words = pack(front_end, np.array(rows, np.int64))
    assert list(words) == list(front_end.collections)
    for event, row in enumerate(rows):
        left = list(row)
        for name, kind in front_end.collections.items():
            assert words[name].dtype == np.uint64 and words[name].shape == (len(rows), kind.slots)
            for slot in range(kind.slots):
                values = [left.pop(0) for _ in kind.fields]
                assert int(words[name][event, slot]) == bits_by_hand(kind, values)
    found = unpack(front_end, words)
    assert found.tolist() == rows
    assert found.dtype == (np.int32 if front_end.dtype is np.int32 else np.int64)


@settings(deadline=None, max_examples=200)
@given(events(), st.data())
def test_bits_of_no_field(drawn: tuple[FrontEnd, list[list[int]]], data: st.DataObject) -> None:
    """They count for nothing, and packing leaves them zero."""
    front_end, rows = drawn
    packed = pack(front_end, np.array(rows, np.int64))
    others = {}
    for name, kind in front_end.collections.items():
        free = 2 ** (kind.word_bits or 0) - 1 - bits_of_fields(kind)
        more = data.draw(st.integers(0, 2**64 - 1)) & free
        others[name] = packed[name] | np.uint64(more)
    found = unpack(front_end, others)
    assert found.tolist() == rows
    again = pack(front_end, found)
    for name, words in packed.items():
        np.testing.assert_array_equal(again[name], words)


def test_words_by_hand() -> None:
    front_end = load_front_end(TWO)
    hardware = [[9, -3, 5, 7, 63], [15, -8, 0, 0, 1]]
    words = pack(front_end, hardware)
    assert words["sum"].tolist() == [[0b010010], [0b011110]]
    # eta of four bits from bit 7 on: -3 is 1101, -8 is 1000; bits 6 and 11 are nobody's.
    assert words["jet"].tolist() == [
        [0b0_1101_0_000101, 0b0_0111_0_111111],
        [0b0_1000_0_000000, 0b0_0000_0_000001],
    ]
    assert unpack(front_end, words).tolist() == hardware
    # float64 and the smallest integers alike.
    for number in (np.float64, np.int8):
        assert pack(front_end, np.array(hardware, number))["jet"].tolist() == words["jet"].tolist()


def run3_event(**objects: int) -> dict[str, np.ndarray]:
    """An event of words of which all but the first of these collections are zero."""
    kinds = load_front_end("cms_ugt_run3").collections
    words = {name: np.zeros((1, kind.slots), np.uint64) for name, kind in kinds.items()}
    for name, word in objects.items():
        words[name][0, 0] = word
    return words


#: Words of the global trigger, put together bit by bit, and what stands in them.
RUN3 = [
    (
        {"jet": 100 + (246 << 11) + (77 << 19) + (1 << 27) + (2 << 28)},
        {"jet.pt": 100, "jet.eta": -10, "jet.phi": 77, "jet.displaced": 1, "jet.quality": 2},
    ),
    # The largest of all, and bits 30 and 31, which are nobody's.
    (
        {"jet": 0xFFFFFFFF},
        {"jet.pt": 2047, "jet.eta": -1, "jet.phi": 255, "jet.displaced": 1, "jet.quality": 3},
    ),
    (
        {"egamma": 0x00F82607, "tau": 511 + (128 << 9) + (143 << 17) + (3 << 25)},
        {
            "egamma.pt": 7,
            "egamma.eta": 19,
            "egamma.phi": 124,
            "tau.pt": 511,
            "tau.eta": -128,
            "tau.phi": 143,
            "tau.isolation": 3,
        },
    ),
    (
        {
            "muon": 575
            + (321 << 10)
            + (12 << 19)
            + (287 << 23)
            + (1 << 32)
            + (1 << 34)
            + (1 << 35)
            + (99 << 36)
            + (0b1000100011 << 43)
            + (200 << 53)
        },
        {
            "muon.phi_station": 575,
            "muon.pt": 321,
            "muon.quality": 12,
            "muon.eta": -225,
            "muon.isolation": 1,
            "muon.charge": 1,
            "muon.charge_valid": 1,
            "muon.index": 99,
            "muon.phi": 547,
            "muon.pt_unconstrained": 200,
        },
    ),
    # The phi at the vertex alone: bits 43 to 52.
    ({"muon": 2**53 - 2**43}, {"muon.phi": 1023}),
    (
        {"ett": 4095, "htt": 0xABC, "met": 801 + (143 << 12)},
        {"ett.pt": 4095, "htt.pt": 0xABC, "met.pt": 801, "met.phi": 143},
    ),
]


@pytest.mark.parametrize(("words", "values"), RUN3)
def test_words_of_the_global_trigger(words: dict[str, int], values: dict[str, int]) -> None:
    front_end = load_front_end("cms_ugt_run3")
    (found,) = unpack(front_end, run3_event(**words))
    names = [column.group + ("" if column.slot == 0 else "!") for column in front_end.columns]
    filled = {name: value for name, value in zip(names, found.tolist(), strict=True) if value}
    assert filled == values
    packed = pack(front_end, [found])
    for name, expected in run3_event(**words).items():
        used = bits_of_fields(front_end.collections[name])
        np.testing.assert_array_equal(packed[name], expected & np.uint64(used))


@pytest.fixture
def crossings(foreign: Path) -> dict[str, np.ndarray]:
    """Words of real test vectors, by collection."""
    path = foreign / "ugt_vectors.txt.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = [line.split() for line in file]
    # Counter, muons, e/gamma, tau, jets, and sums, the third of which is the missing ET.
    places = {"muon": 1, "egamma": 9, "tau": 21, "jet": 33, "ett": 45, "htt": 46, "met": 47}
    slots = {name: kind.slots for name, kind in load_front_end("cms_ugt_run3").collections.items()}
    return {
        name: np.array(
            [[int(word, 16) for word in row[first : first + slots[name]]] for row in rows],
            np.uint64,
        )
        for name, first in places.items()
    }


def test_real_words(crossings: dict[str, np.ndarray]) -> None:
    front_end = load_front_end("cms_ugt_run3")
    hardware = unpack(front_end, crossings)
    assert hardware.shape == (3564, front_end.n_values) and hardware.dtype == np.int32
    packed = pack(front_end, hardware)
    for name, words in crossings.items():
        used = bits_of_fields(front_end.collections[name])
        np.testing.assert_array_equal(packed[name], words & np.uint64(used), name)
    by_name = dict(zip(front_end.names, hardware.T, strict=True))
    # Read off the text of crossing 3: e/gamma 0113f408, met 00087058.
    assert [by_name[f"egamma.{part}[0]"][3] for part in ("pt", "eta", "phi")] == [8, -6, 137]
    assert [by_name[f"met.{part}"][3] for part in ("pt", "phi")] == [0x058, 0x87]
    # Ordered as the trigger orders them, which other bits would not be.
    for name in ("jet", "egamma", "tau"):
        momenta = np.stack([by_name[f"{name}.pt[{slot}]"] for slot in range(12)])
        assert (np.diff(momenta[:10], axis=0) <= 0).mean() > 0.99, name
    assert hardware[:, [c.index for c in front_end.choose(["*.phi"], "use")]].max() < 576


def changed(place: tuple[int, int], value: Any) -> np.ndarray:
    hardware = np.zeros((3, 5))
    hardware[place] = value
    return hardware


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        (np.zeros((3, 4)), r"hardware values must be .* \(events, 5\), got float64 of \(3, 4\)"),
        (np.zeros(5), "hardware values must be numbers of shape"),
        (np.full((1, 5), "a"), "hardware values must hold numbers, got <U1"),
        (
            changed((2, 4), 64),
            r"field jet.pt\[1\] must be an integer from 0 to 63 \(ufixed<6,6>\), got 64 in event 2",
        ),
        (changed((1, 2), -1), r"field jet.pt\[0\] must be .* got -1 in event 1"),
        (changed((1, 1), -9), r"field jet.eta\[0\] must be an integer from -8 to 7 .* got -9"),
        (changed((0, 3), 8).astype(int), r"field jet.eta\[1\] must be .* got 8 in event 0"),
        (changed((0, 0), 0.5), r"field sum.pt must be an integer from 0 to 15 .* got 0.5"),
        (changed((0, 0), np.nan), "field sum.pt must be an integer from 0 to 15 .* got nan"),
    ],
)
def test_values_that_do_not_fit(hardware: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        pack(load_front_end(TWO), hardware)


def test_all_the_bits_of_float64() -> None:
    field = {"format": "ufixed<53,53>", "low_bit": 1}
    front_end = load_front_end({"objects": {"a": {"word_bits": 64, "fields": {"x": field}}}})
    assert pack(front_end, [[2**53 - 1]])["a"].tolist() == [[2**54 - 2]]
    with pytest.raises(InputError, match="^field a.x must be .* got 9007199254740992 in event 0"):
        pack(front_end, [[2**53]])


GOOD = {"sum": np.zeros((2, 1), int), "jet": np.zeros((2, 2), int)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (np.zeros((2, 3)), "words must be arrays by name of each of sum, jet, got ndarray"),
        ({}, "words must be arrays by name of each of sum, jet, got none"),
        ({"sum": GOOD["sum"]}, "words must be arrays by name of each of sum, jet, got sum"),
        ({**GOOD, "tau": GOOD["sum"]}, "words must be .* got sum, jet, tau"),
        (
            {**GOOD, "jet": np.zeros((2, 3), int)},
            r"words of jet must be integers of shape \(events, 2\), got int64 of \(2, 3\)",
        ),
        ({**GOOD, "sum": np.zeros((2, 1))}, "words of sum must be integers .* got float64"),
        (
            {**GOOD, "jet": np.array([[0, 0], [0, 4096]])},
            "words of jet must be of 12 bits, got 0x1000 in event 1, slot 1",
        ),
        ({**GOOD, "sum": [[-1], [0]]}, "words of sum must be of 6 bits, got -0x1 in event 0"),
        (
            {**GOOD, "jet": np.zeros((3, 2), int)},
            "words must be of as many events in each collection, got 2 of sum, 3 of jet",
        ),
    ],
)
def test_words_that_do_not_fit(words: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        unpack(load_front_end(TWO), words)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("axol1tl", "met, egamma, muon, jet"),
        ({"features": 3}, "features"),
        ("calorimeter_regions", "image"),
    ],
)
def test_front_ends_without_words(content: Any, name: str) -> None:
    front_end = load_front_end(content)
    message = f"^front_end must have word_bits, .* to be packed, got none for {name}$"
    with pytest.raises(InputError, match=message):
        pack(front_end, np.zeros((1, front_end.n_values)))
    with pytest.raises(InputError, match=message):
        unpack(front_end, {})
