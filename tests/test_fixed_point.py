"""Formats against QKeras and against exact integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat


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
    with pytest.raises(InputError, match="precision must be 'fixed<W,I>' or 'ufixed<W,I>', got"):
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
