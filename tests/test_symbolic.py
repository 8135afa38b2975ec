"""Arithmetic on symbolic variables == the same on numbers, for every value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from da4ml.trace import FixedVariableArray, comb_trace
from hypothesis import given, settings
from hypothesis import strategies as st

from hls.graph.symbolic import (
    bits_between,
    is_negative,
    looked_up,
    product,
    rounded,
    squared,
    where_negative,
)
from hls.rtl.levels import adder_widths
from keras_ae.fixed_point import OVERFLOWS, ROUNDINGS, FixedPointFormat

FORMATS = st.builds(FixedPointFormat, st.integers(2, 11), st.integers(-2, 9), signed=st.booleans())
IN_MODES = st.builds(
    FixedPointFormat,
    st.integers(1, 11),
    st.integers(-2, 9),
    st.booleans(),
    st.sampled_from(ROUNDINGS),
    st.sampled_from(OVERFLOWS),
)
#: Negated variables and constants added: da4ml keeps both as factors of what it has.
FACTORS = st.sampled_from([1.0, -1.0, 4.0, -0.125])
SETTINGS = settings(deadline=None, max_examples=60)


def all_values(form: FixedPointFormat) -> np.ndarray:
    return np.arange(round(form.low / form.step), round(form.high / form.step) + 1) * form.step


def computed(function: Callable[..., Any], *columns: tuple[FixedPointFormat, np.ndarray]) -> Any:
    """(values,) of the logic of a function of variables of these formats."""
    bits = [np.array(parts) for parts in zip(*(form.kif for form, _ in columns), strict=True)]
    inputs = FixedVariableArray.from_kif(*bits)
    logic = comb_trace(inputs, [function(*inputs)], keep_dead_inputs=True)
    return logic.predict(np.stack([values for _, values in columns], axis=1).astype(float))[:, 0]


@settings(deadline=None, max_examples=300)
@given(FORMATS, IN_MODES, FACTORS, st.sampled_from([0.0, 0.375, -2.0, 100.0]))
def test_rounded(
    form: FixedPointFormat, to: FixedPointFormat, factor: float, offset: float
) -> None:
    x = all_values(form)
    found = computed(lambda v: rounded(v * factor + offset, to), (form, x))
    np.testing.assert_array_equal(found, to.quantize(x * factor + offset))


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 10), st.integers(0, 11), st.integers(1, 12), st.booleans(), st.booleans())
def test_bits_between(width: int, bottom: int, n_bits: int, signed: bool, negated: bool) -> None:
    form = FixedPointFormat(width, width, signed=False)
    x = all_values(form)
    largest = 2**width - 1
    found = computed(
        lambda v: bits_between(largest - v if negated else v, bottom, bottom + n_bits, signed),
        (form, x),
    )
    expected = [(int(largest - v if negated else v) >> bottom) % 2**n_bits for v in x]
    ends = 2 ** (n_bits - 1) if signed else 2**n_bits
    np.testing.assert_array_equal(found, [v - 2**n_bits * (v >= ends) for v in expected])


@SETTINGS
@given(FORMATS, FACTORS)
def test_squared(form: FixedPointFormat, factor: float) -> None:
    x = all_values(form)
    found = computed(lambda v: squared(v * factor), (form, x))
    np.testing.assert_array_equal(found, (x * factor) ** 2)


@SETTINGS
@given(FORMATS, FORMATS, FACTORS, st.integers(0, 100))
def test_product(x: FixedPointFormat, y: FixedPointFormat, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.choice(all_values(form), 500) for form in (x, y))
    a[:4], b[:4] = [x.low, x.low, x.high, x.high], [y.low, y.high, y.low, y.high]
    found = computed(lambda v, w: product(v * factor, w), (x, a), (y, b))
    np.testing.assert_array_equal(found, a * factor * b)


@SETTINGS
@given(FORMATS, FACTORS, st.sampled_from([0.0, 0.5, -1.0, -4.0]))
def test_where_negative(form: FixedPointFormat, factor: float, offset: float) -> None:
    x = all_values(form)
    found = computed(lambda v: where_negative(v * factor + offset, 1.0, 3.5 + 0 * v), (form, x))
    np.testing.assert_array_equal(found, np.where(x * factor + offset < 0, 1.0, 3.5))


@SETTINGS
@given(FORMATS, FACTORS, st.sampled_from([0.0, 0.5, -1.0, 100.0, -1000.0]))
def test_is_negative(form: FixedPointFormat, factor: float, offset: float) -> None:
    x = all_values(form)
    found = computed(lambda v: is_negative(v * factor + offset), (form, x))
    np.testing.assert_array_equal(found, x * factor + offset < 0)


def test_a_constant_less_a_variable_is_rounded_with_one_adder() -> None:
    x = FixedVariableArray.from_kif(*(np.array([bits]) for bits in FixedPointFormat(8, 4).kif))
    to = FixedPointFormat(7, 6, rounding="RND")
    for factor in (1.0, -1.0):
        logic = comb_trace(x, [rounded(x[0] * factor + 0.25, to)])
        assert [len(adder_widths(logic)), adder_widths(logic)[0]] == [1, 9], factor


@SETTINGS
@given(FORMATS, FACTORS, st.integers(1, 50), st.integers(0, 100))
def test_tables_of_wide_entries(
    form: FixedPointFormat, factor: float, bits: int, seed: int
) -> None:
    x = all_values(form)
    entries = np.random.default_rng(seed).integers(-(2**bits), 2**bits, len(x)) * 2.0**-7
    found = computed(lambda v: looked_up(v * factor, entries), (form, x))
    np.testing.assert_array_equal(found, entries[:: int(np.sign(factor))])


def test_a_step_far_beyond_the_largest_value() -> None:
    """Bits over the first of a negative number are ones, though da4ml has them not."""
    form, to = FixedPointFormat(2, 0), FixedPointFormat(5, 7)
    x = all_values(form)
    found = computed(lambda v: rounded(v - 2.0, to), (form, x))
    np.testing.assert_array_equal(found, [-4.0, -4.0, 0.0, 0.0])


def test_constants() -> None:
    form = FixedPointFormat(4, 2)
    x = all_values(form)
    for value in (-2.0, 0.0, 1.25, -0.3125):
        for to in (FixedPointFormat(3, 2), FixedPointFormat(2, 1, signed=False)):
            found = computed(lambda v, c=value, f=to: rounded(0 * v + c, f) + v, (form, x))
            np.testing.assert_array_equal(found, to.quantize(np.array(value)) + x)
        found = computed(lambda v, c=value: squared(0 * v + c) + v, (form, x))
        np.testing.assert_array_equal(found, value**2 + x)
        if value >= 0:
            found = computed(lambda v, c=value: product(squared(v), 0 * v + c) + v, (form, x))
            np.testing.assert_array_equal(found, value * x**2 + x)


def test_a_product_has_no_bits_beyond_its_last() -> None:
    """Ports of the RTL have the bits of exact results."""
    inputs = FixedVariableArray.from_kif(*np.array([[0, 0], [3, 2], [4, -1]]))
    result = product(*inputs)
    assert (float(result.step), result.low) == (2.0**-3, 0)
