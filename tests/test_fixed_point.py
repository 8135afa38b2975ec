"""Formats against QKeras and against exact integers."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ae.errors import InputError
from keras_ae.fixed_point import OVERFLOWS, ROUNDINGS, FixedPointFormat, FixedPointFormats


def formats(signed: bool) -> st.SearchStrategy[FixedPointFormat]:
    return st.integers(3, 12).flatmap(
        lambda width: st.integers(1, width - 1).map(
            lambda integer: FixedPointFormat(width, integer, signed)
        )
    )


@pytest.mark.parametrize("text", ["fixed<8,3>", "ufixed<10,6>", "fixed<4,-2>", "ufixed<1,1>"])
def test_text_round_trip(text: str) -> None:
    assert str(FixedPointFormat.parse(text)) == text


@pytest.mark.parametrize("text", ["fixed<8>", "fix<8,3>", "fixed<a,b>", "", "ap_fixed<8,3>x"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(
        InputError, match="precision must be 'fixed<W,I>' or 'ufixed<W,I>', with .*, got"
    ):
        FixedPointFormat.parse(text)


@pytest.mark.parametrize("width", [0, 64])
def test_impossible_width(width: int) -> None:
    with pytest.raises(InputError, match=rf"width of fixed<{width},3> must be 1 to 63 bits"):
        FixedPointFormat.parse(f"fixed<{width},3>")


def test_impossible_integer_bits() -> None:
    with pytest.raises(InputError, match=r"integer bits of fixed<8,-99> must be -63 to 63"):
        FixedPointFormat.parse("fixed<8,-99>")


@given(formats(signed=True))
def test_range_is_that_of_twos_complement(form: FixedPointFormat) -> None:
    raw = np.arange(-(2 ** (form.width - 1)), 2 ** (form.width - 1))
    values = raw * 2.0**-form.fractional
    assert (form.low, form.high) == (values[0], values[-1])
    np.testing.assert_array_equal(form.quantize(values), values)


def test_rounds_half_to_even_and_saturates() -> None:
    form = FixedPointFormat.parse("fixed<4,3>")  # -4 ... 3.5 in steps of 0.5
    np.testing.assert_array_equal(
        form.quantize(np.array([0.25, 0.75, -0.25, 9.0, -9.0])), [0.0, 1.0, 0.0, 3.5, -4.0]
    )


@settings(deadline=None)
@given(st.booleans().flatmap(formats), st.integers(0, 2**32 - 1))
def test_equals_qkeras(form: FixedPointFormat, seed: int) -> None:
    import qkeras

    from keras_ae.precision import quantizer_format

    quantizer = (
        qkeras.quantized_bits(form.width, form.integer - 1, alpha=1)
        if form.signed
        else qkeras.quantized_relu(form.width, form.integer)
    )
    assert quantizer_format(quantizer) == form
    # Twice the range, on a grid eight times as fine: rounding ties and saturation.
    steps = np.random.default_rng(seed).integers(-(2**form.width), 2**form.width, 200)
    values = (steps * form.step / 4).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(quantizer(values)), form.quantize(values))


MODES = [(rounding, overflow) for rounding in ROUNDINGS for overflow in OVERFLOWS]


@pytest.mark.parametrize(
    "text",
    [
        *("fixed<8,6,TRN,WRAP>", "ufixed<10,6,RND>", "fixed<18,13,TRN>"),
        *("fixed<8,6,RND_CONV,WRAP>", "ufixed<18,14,TRN>", "fixed<4,-2,RND,WRAP>"),
    ],
)
def test_text_with_modes(text: str) -> None:
    assert str(FixedPointFormat.parse(text)) == text
    assert FixedPointFormat.parse(text).has_modes


def test_modes_that_need_not_be_written() -> None:
    form = FixedPointFormat.parse("fixed<8, 6, RND_CONV, SAT>")
    assert form == FixedPointFormat(8, 6) and str(form) == "fixed<8,6>" and not form.has_modes
    assert FixedPointFormat.parse("ufixed<8,6,TRN,WRAP>").values == FixedPointFormat(8, 6, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed<8,6,RND_ZERO>", "rounding of a format must be one of RND_CONV, RND, TRN, got 'RND"),
        ("fixed<8,6,TRN,SAT_SYM>", "overflow of a format must be one of SAT, WRAP, got 'SAT_SYM'"),
        ("fixed<8,6,TRN,WRAP,0>", "precision must be 'fixed<W,I>' or 'ufixed<W,I>', with rounding"),
    ],
)
def test_other_modes(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        FixedPointFormat.parse(text)


def in_fractions(value: float, form: FixedPointFormat) -> float:
    """What a number becomes, by integers."""
    steps = Fraction(value) * Fraction(2) ** form.fractional
    below, rest = math.floor(steps), steps - math.floor(steps)
    if form.rounding == "TRN":
        rounded = below
    elif form.rounding == "RND":
        rounded = below + (rest >= Fraction(1, 2))
    else:
        rounded = below + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1))
    low = -(2 ** (form.width - 1)) if form.signed else 0
    n_values = 2**form.width
    if form.overflow == "WRAP":
        rounded = (rounded - low) % n_values + low
    else:
        rounded = min(max(rounded, low), low + n_values - 1)
    return float(rounded * Fraction(2) ** -form.fractional)


@pytest.mark.parametrize(("rounding", "overflow"), MODES)
@settings(deadline=None, max_examples=50)
@given(st.data())
def test_modes_in_fractions(rounding: str, overflow: str, data: st.DataObject) -> None:
    """In float64, and in the type of float32 numbers by NumPy and by Keras."""
    from keras import ops

    width, signed = data.draw(st.integers(1, 24)), data.draw(st.booleans())
    form = FixedPointFormat(width, data.draw(st.integers(-3, 20)), signed, rounding, overflow)
    # Halves and quarters of a step, and numbers of any exponent.
    near = st.integers(-(2**23), 2**23).map(lambda n: n * form.step / 4)
    # TensorFlow takes subnormal numbers for zero.
    floats = st.floats(-(2**30), 2**30, width=32, allow_subnormal=False)
    values = data.draw(st.lists(near | floats, min_size=1))
    single = np.array(values, np.float32)
    expected = [in_fractions(float(value), form) for value in single]
    in_keras = form.quantized(ops, ops.convert_to_tensor(single))
    assert np.asarray(in_keras).dtype == form.quantized(np, single).dtype == np.float32
    for found in (form.quantize(single), form.quantized(np, single), np.asarray(in_keras)):
        np.testing.assert_array_equal(found, expected)


@given(st.integers(40, 52), st.sampled_from(MODES), st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_wide_formats_in_float64(width: int, modes: tuple[str, str], seed: int) -> None:
    form = FixedPointFormat(width, 20, True, *modes)
    values = np.random.default_rng(seed).integers(-(2**52), 2**52, 50) * form.step / 4
    expected = [in_fractions(float(value), form) for value in values]
    np.testing.assert_array_equal(form.quantize(values), expected)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("latent", "ufixed<8,3>", "format of latent must be fixed, got ufixed<8,3>"),
        ("activation", "ufixed<8,3,TRN,WRAP>", "overflow of activation must be SAT (it is the Re"),
        ("weight", "fixed<1,1>", "format of weight must have at least 2 bits, got fixed<1,1>"),
        ("bias", "ufixed<33,3>", "format of bias must have at most 32 bits, got ufixed<33,3>"),
    ],
)
def test_formats_of_kinds(kind: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        FixedPointFormats(**{kind: text})


def test_unsigned_and_other_modes_of_kinds() -> None:
    # Counts of a calorimeter; biases of AXOL1TL v5.
    formats = FixedPointFormats(
        input="ufixed<10,10>",
        bias="ufixed<3,0>",
        weight="fixed<8,2,TRN,WRAP>",
        latent="fixed<8,4,RND>",
    )
    assert str(formats.input) == "ufixed<10,10>" and str(formats.latent) == "fixed<8,4,RND>"
