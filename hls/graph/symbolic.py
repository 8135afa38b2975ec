"""Arithmetic on da4ml's symbolic variables that da4ml has not, or has otherwise.

A variable knows its interval (`low`, `high`, `step`), and what it was made of.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from keras_ae.fixed_point import FixedPointFormat

#: Wider ones are squared in two halves: beyond, a table takes more LUTs than the adders.
TABLE_BITS = 8
#: Of one LUT of an FPGA.
LUT_INPUTS = 6


def rounded(variable: Any, form: FixedPointFormat) -> Any:
    """A symbolic variable, rounded to `form` by its modes.

    da4ml has no half to even, and compares numbers where a look at their upper bits is enough.
    """
    if variable.low == variable.high:
        return _constant(variable, form)
    exact, variable = variable, _not_negated(variable)
    # As it is rounded, but for the last bit.
    above = variable
    if variable.kif[2] > form.fractional:
        if form.rounding != "TRN":
            # Of what it was: da4ml makes one constant of this and of one added before.
            above = _not_negated(exact + form.step / 2)
        half_to_even = form.rounding == "RND_CONV"
        variable = (_half_to_even if half_to_even else _floor)(variable, above, form)
        if form.width == 1:
            # Of -1 and 0, the lower end is odd: a tie below it is nearer to it above than rounded.
            above = variable = _not_negated(variable)
    return (_wrapped if form.overflow == "WRAP" else _saturated)(variable, above, form)


def _constant(variable: Any, form: FixedPointFormat) -> Any:
    """What has one value, in a format."""
    value = float(form.quantize(np.array(float(variable.low))))
    return variable.from_const(value, variable.hwconf)


def _floor(variable: Any, above: Any, form: FixedPointFormat) -> Any:
    """Rounded by the modes of `form`: what is `above` without the bits behind the last."""
    low, high = (
        Decimal(float(form.rounded(np.array(float(end))))) for end in (variable.low, variable.high)
    )
    if low == high:
        return variable.from_const(low, variable.hwconf)
    signed, integer, _ = above.kif
    # What is negative, but nearer to zero than a step, is minus a step.
    integer = max(integer, -form.fractional) if signed else integer
    result = above.quantize(signed, integer, form.fractional)
    result.low, result.high = low, high
    return result


def _wrapped(variable: Any, above: Any, form: FixedPointFormat) -> Any:
    """Without the bits over those of the format."""
    if form.low <= variable.low and variable.high <= form.high:
        return variable
    if variable.low == variable.high:
        # da4ml takes it modulo twice the range where that has no sign.
        return _constant(variable, form)
    n_bits = form.integer - form.signed
    if variable.low < 0 and not form.signed:
        # da4ml gives what was negative no more bits than it had.
        variable = _not_negated(variable + 2.0 ** max(form.integer, variable.kif[1]))
    return variable.quantize(form.signed, n_bits, form.fractional)


def _half_to_even(variable: Any, above: Any, form: FixedPointFormat) -> Any:
    """Rounded to the step of `form`: half a step `above`, without the bits behind the last.

    Where these are all zero, it was a tie, and the last bit becomes zero.
    """
    low, high = (
        Decimal(float(np.rint(float(end) / form.step) * form.step))
        for end in (variable.low, variable.high)
    )
    if low == high:
        return variable.from_const(low, variable.hwconf)
    signed, integer, fractional = above.kif
    n_dropped = max(fractional - form.fractional, 0)
    # What is negative, but nearer to zero than two steps, is minus two steps and the last bit.
    integer = max(integer, 1 - form.fractional) if signed else integer
    upper = above.quantize(signed, integer, form.fractional - 1)
    end = 1 - form.fractional
    if n_dropped < LUT_INPUTS:
        keys, tie = _bits(above, end - 1 - n_dropped, end), 2.0**n_dropped
    else:
        ranges = _ranges(end - 1 - n_dropped, end - 1)
        any_bit = [_looked_up(_bits(above, *bits), np.sign) for bits in ranges]
        keys, tie = _packed([*any_bit, _bits(above, end - 1, end)]), 2.0 ** len(any_bit)
    last = _looked_up(keys, lambda code: (code > tie) * form.step)
    result = upper + last
    # Interval arithmetic does not know that the parts belong together.
    result.low, result.high = low, high
    return result


def _saturated(variable: Any, above: Any, form: FixedPointFormat) -> Any:
    """What lies outside of `form`, which the upper bits of `above` tell, becomes its end."""
    if form.low <= variable.low and variable.high <= form.high:
        return variable
    signed, integer, _ = above.kif
    n_bits = form.integer - form.signed
    # Bits over those of the format are all zero; or all one, below zero, if it has a sign.
    ranges = _ranges(n_bits, max(integer, n_bits) + signed)
    ones = form.signed and signed
    if len(ranges) == 1:
        keys, inside = _bits(above, *ranges[0]), _sameness(*ranges[0])
    else:
        keys = _packed([_looked_up(_bits(above, *bits), _sameness(*bits)) for bits in ranges], 2)
        all_ones = sum(4**place for place in range(len(ranges)))
        inside = _one_of(0, all_ones)
    outside = _looked_up(keys, lambda code: -1.0 * (inside(code) > ones))
    edge = where_negative(above, form.low, form.high)
    return where_negative(outside, edge, variable.quantize(form.signed, n_bits, form.fractional))


def _not_negated(variable: Any) -> Any:
    """A variable of itself where da4ml has the opposite of another.

    Of that, each part of the bits would be taken with a subtraction of its own. What is added to a
    constant is subtracted from it instead.
    """
    if variable._factor > 0:
        return variable
    if variable.opr == "cadd":
        (term,) = variable._from
        constant = variable.from_const(variable._factor * variable._data, variable.hwconf)
        return type(variable)(
            variable.low,
            variable.high,
            variable.step,
            _from=(constant, term * (variable._factor / term._factor)),
            opr="vadd",
            hwconf=variable.hwconf,
        )
    return type(variable)(
        variable.low,
        variable.high,
        variable.step,
        _from=(variable,),
        _factor=-variable._factor,
        opr="wrap",
        latency=variable.latency,
        hwconf=variable.hwconf,
    )


def _ranges(bottom: int, top: int) -> list[tuple[int, int]]:
    """Of the bits from 2^bottom below 2^top, as many in each as a LUT has inputs."""
    starts = range(bottom, top, LUT_INPUTS)
    return [(start, min(start + LUT_INPUTS, top)) for start in starts]


def _bits(variable: Any, bottom: int, top: int) -> Any:
    """Bits of a variable in two's complement, from 2^bottom below 2^top, as a number from 0."""
    if variable.low < 0 and top > max(variable.kif[1], bottom) + 1:
        # da4ml gives what was negative one bit more than it had at most, not all up to the top.
        variable = _not_negated(variable + 2.0**top)
    return variable.quantize(0, top, -bottom) * 2.0**-bottom


def bits_between(variable: Any, bottom: int, top: int, signed: bool = False) -> Any:
    """Bits of what is never negative, from 2^bottom below 2^top, as a number: wires.

    With `signed` in two's complement, the highest of them being the sign.
    """
    whole = _not_negated(variable)
    return whole.quantize(int(signed), top - signed, -bottom) * 2.0**-bottom


def _packed(parts: list[Any], n_bits: int = 1) -> Any:
    """Numbers of `n_bits` one behind the other: no adder, as none overlap."""
    packed = parts[0]
    for place, part in enumerate(parts[1:], 1):
        packed = packed + part * 2.0 ** (n_bits * place)
    return packed


def _sameness(bottom: int, top: int) -> Callable[[np.ndarray], np.ndarray]:
    """Of so many bits: 0 for all zero, 1 for all one, else 2."""
    return _one_of(0, 2 ** (top - bottom) - 1)


def _one_of(*choices: int) -> Callable[[np.ndarray], np.ndarray]:
    """The index of a code among the choices, or their number."""
    return lambda code: np.select(
        [code == choice for choice in choices], range(len(choices)), len(choices)
    )


def _looked_up(variable: Any, function: Callable[[np.ndarray], np.ndarray]) -> Any:
    """A function of a symbolic variable, by a table."""
    n_values = round((variable.high - variable.low) / variable.step) + 1 if variable.step else 1
    values = float(variable.low) + float(variable.step) * np.arange(n_values)
    return looked_up(variable, np.asarray(function(values), np.float64))


def looked_up(variable: Any, entries: np.ndarray) -> Any:
    """A table of a symbolic variable, an entry for each of its values from the lowest.

    da4ml holds entries in 32 bits: the upper bits of wider ones have a table of their own.
    """
    mantissas, exponents = np.frexp(entries)
    # Of the last bit that is set in any.
    units = (np.abs(mantissas) * 2.0**53).astype(np.int64)
    last_bits = np.frexp((units & -units).astype(np.float64))[1] - 1
    step = 2.0 ** min((exponents + last_bits - 53)[units != 0], default=0)
    if np.abs(entries).max() < step * 2.0**30:
        return variable.lookup(entries)
    upper = np.floor(entries / step / 2.0**24) * 2.0**24 * step
    return looked_up(variable, upper) + looked_up(variable, entries - upper)


def where_negative(key: Any, negative: Any, other: Any) -> Any:
    """One of two symbolic variables or numbers, by the sign of a third.

    da4ml 0.5.2 takes a constant -2^n for positive, and the sign of a variable that it holds negated
    for the opposite of the variable's, which is wrong at zero.
    """
    if key.low >= 0 or key.high < 0:
        chosen = other if key.low >= 0 else negative
        return chosen if isinstance(chosen, type(key)) else key.from_const(chosen, key.hwconf)
    if key._factor < 0:
        return (-key - key.step).msb_mux(other, negative)
    return key.msb_mux(negative, other)


def is_negative(variable: Any) -> Any:
    """1 where a variable is negative, else 0: its sign, a wire."""
    if variable.low >= 0 or variable.high < 0:
        return variable.from_const(float(variable.high < 0), variable.hwconf)
    variable = _not_negated(variable)
    integer = variable.kif[1]
    return _bits(variable, integer, integer + 1)


def squared(variable: Any) -> Any:
    """v^2, without a multiplier: from a table, for few bits.

    Else of two halves a 2^n + b, as a^2 2^2n + b^2 + ((a + b)^2 - (a^2 + b^2)) 2^n.
    """
    if variable.low == variable.high:
        return variable.from_const(float(variable.low) ** 2, variable.hwconf)
    signed, integer, fractional = variable.kif
    width = signed + integer + fractional
    if width <= TABLE_BITS:
        return _looked_up(variable, np.square)
    n = width // 2
    upper = variable.quantize(signed, integer, fractional - n) * 2.0**-n
    lower = variable.quantize(0, n - fractional, fractional)
    squares = squared(upper), squared(lower)
    mixed = squared(upper + lower) - (squares[0] + squares[1])
    # Of the squares alone no bits overlap.
    result = (squares[0] * 4.0**n + squares[1]) + mixed * 2.0**n
    # Interval arithmetic does not know that the terms belong together.
    result.low, result.high = Decimal(0), max(variable.low**2, variable.high**2)
    return result


def product(x: Any, y: Any) -> Any:
    """x y of squares: ((x + y)^2 - (x - y)^2) / 4, in units of the last bit of each.

    In other units the sum has as many bits as lie between the first of one and the last of the
    other.
    """
    fractional = [variable.kif[2] for variable in (x, y)]
    a, b = x * 2.0 ** fractional[0], y * 2.0 ** fractional[1]
    # Interval arithmetic does not know that the squares belong together: neither what the result
    # can be, nor that its last two bits are zero.
    corners = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
    if min(corners) == max(corners):
        return x.from_const(float(corners[0]), x.hwconf)
    result = (squared(a + b) - squared(a - b)) * 2.0 ** -(sum(fractional) + 2)
    result.low, result.high = min(corners), max(corners)
    signed, integer, _ = result.kif
    result = _not_negated(result).quantize(signed, integer, sum(fractional))
    result.low, result.high = min(corners), max(corners)
    return result
