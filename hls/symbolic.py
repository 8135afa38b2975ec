"""Arithmetic on da4ml's symbolic variables that da4ml has not, or has otherwise.

A variable knows its interval (`low`, `high`, `step`), and what it was made of.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_ae.fixed_point import FixedPointFormat

#: Wider ones are squared in two halves: beyond, a table takes more LUTs than the adders.
TABLE_BITS = 8


def rounded(variable: Any, form: FixedPointFormat) -> Any:
    """A symbolic variable, rounded half to even to `form`, with saturation.

    da4ml knows half up alone. Here, half a step less one unit is added, and one more unit where the
    last bit that stays is set: a tie then is carried to the even neighbour.
    """
    if variable.low == variable.high:
        value = float(form.quantize(np.array(float(variable.low))))
        return variable.from_const(value, variable.hwconf)
    fractional = variable.kif[2]
    if fractional > form.fractional:
        unit, kept = 2.0**-fractional, form.step
        odd = variable.quantize(0, 1 - form.fractional, form.fractional)
        variable = variable + (kept / 2 - unit) + odd * (unit / kept)
        signed, integer, _ = variable.kif
        # What is negative, but nearer to zero than a step, becomes a step.
        integer = max(integer, -form.fractional) if signed else integer
        variable = variable.quantize(signed, integer, form.fractional)
    # da4ml would scale constants as the variable, and cut them off at 32 bits behind the point.
    low, high = (variable.from_const(end, variable.hwconf) for end in (form.low, form.high))
    return variable.max_of(low).min_of(high)


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


def squared(variable: Any) -> Any:
    """v^2, without a multiplier: from a table, for few bits; of two halves a 2^n + b, else, as

    a^2 2^2n + ((a + b)^2 - a^2 - b^2) 2^n + b^2.
    """
    if variable.low == variable.high:
        return variable.from_const(float(variable.low) ** 2, variable.hwconf)
    signed, integer, fractional = variable.kif
    width = signed + integer + fractional
    if width <= TABLE_BITS:
        n_values = round((variable.high - variable.low) / variable.step) + 1
        values = float(variable.low) + float(variable.step) * np.arange(n_values)
        return variable.lookup(values**2)
    n = width // 2
    upper = variable.quantize(signed, integer, fractional - n) * 2.0**-n
    lower = variable.quantize(0, n - fractional, fractional)
    squares = squared(upper), squared(lower)
    mixed = squared(upper + lower) - squares[0] - squares[1]
    result = squares[0] * 4.0**n + mixed * 2.0**n + squares[1]
    # Interval arithmetic does not know that the terms belong together.
    result.low, result.high = 0, max(variable.low**2, variable.high**2)
    return result


def product(x: Any, y: Any) -> Any:
    """x y of squares: ((x + y)^2 - (x - y)^2) / 4."""
    result = (squared(x + y) - squared(x - y)) * 0.25
    corners = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
    result.low, result.high = min(corners), max(corners)
    return result
