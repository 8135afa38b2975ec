"""What the logic of a layer is counted in, and how much of it squares, products and sums take."""

from __future__ import annotations

import functools
import math
from dataclasses import astuple, dataclass

import numpy as np

from hls.graph.grid import Grid
from hls.graph.symbolic import LUT_INPUTS, TABLE_BITS
from keras_ae.fixed_point import FixedPointFormat

#: Of a table that is one level of logic.
_ONE_LEVEL_BITS = 8


@dataclass(frozen=True)
class Logic:
    """What is counted; bits are those of the results.

    `ebops`: effective bit operations; `n_adders` and `tree_bits`: of constant matrices before
    anything is shared; `shared_bits`: after; `rounding_bits`: sums to which a bias or half a step
    is added, which synthesis merges into the adder before; `saturation_bits`: comparisons and
    multiplexers, also of maxima and masks; `adder_bits`: in scores, decision, pools and scaling;
    `table_luts`: of look-up tables, by da4ml's count.
    """

    ebops: int = 0
    n_adders: int = 0
    tree_bits: float = 0.0
    shared_bits: float = 0.0
    rounding_bits: float = 0.0
    saturation_bits: float = 0.0
    adder_bits: float = 0.0
    table_luts: float = 0.0

    def __add__(self, other: Logic) -> Logic:
        return Logic(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Signal:
    """The values of a tensor.

    `bits`: width of each, with its sign; 0 where it is constant, or the result does not depend on
    it. `depth`: after how many levels of logic each is there.
    """

    grid: Grid
    bits: np.ndarray
    depth: np.ndarray

    @classmethod
    def of(cls, grid: Grid, live: np.ndarray | bool = True) -> Signal:
        """At once."""
        bits = np.where(live & (grid.low < grid.high), sum(grid.kif), 0)
        return cls(grid, bits, np.zeros(grid.shape))


#: Logic, and the depth of each value that it gives.
Counted = tuple[Logic, np.ndarray]


def table(bits: np.ndarray, width: int, depth: np.ndarray) -> Counted:
    """A table with entries of `width` bits for each number of `bits`."""
    luts = sum(table_luts(int(n), width) for n in bits.ravel())
    levels = np.where(bits > 0, 1 + np.maximum(-(-(bits - _ONE_LEVEL_BITS) // 2), 0), 0)
    return Logic(table_luts=luts), depth + levels


def table_luts(n_in: int, n_out: int) -> float:
    """By da4ml: a LUT of 6 inputs is two of 5."""
    return 2.0 ** max(n_in - 5, 0) * math.ceil(n_out / 2) * min(n_in / 5, 1.0)


def squares(bits: np.ndarray, depth: np.ndarray) -> Counted:
    """Of numbers (n,) of so many bits, see `symbolic.squared`."""
    found = [_square(int(width)) for width in bits]
    logic = sum((part for part, _ in found), Logic())
    return logic, depth + np.array([more for _, more in found])


@functools.cache
def _square(width: int) -> tuple[Logic, int]:
    """Of one number."""
    if width <= TABLE_BITS:
        return Logic(table_luts=table_luts(width, 2 * width)), int(width > 0)
    lower = width // 2
    upper = width - lower
    both = upper + 1
    parts = [_square(part) for part in (upper, lower, both)]
    # The sum of the halves, of their squares, the difference, and that with the squares.
    sums = Logic(adder_bits=both + 2 * upper + 1 + 2 * both + 2 * width - lower)
    depth = max(parts[0][1] + 1, parts[1][1] + 1, parts[2][1] + 1) + 2
    return sum((logic for logic, _ in parts), sums), depth


def products(x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> Counted:
    """Of numbers (n,) of x and y bits, of squares: see `symbolic.product`."""
    widths = np.maximum(x, y) + 1
    logic, depth = squares(widths, depth + 1)
    return logic + logic + Logic(adder_bits=float(2 * widths.sum() + (x + y).sum())), depth + 1


def rounding(form: FixedPointFormat, x: Signal, width: np.ndarray, alone: bool) -> Counted:
    """Of numbers that become `width` bits of a format; 0 where the result does not depend on them.

    Half a step more, which is an adder of its own where it is `alone`, and a table for ties. What
    saturates is multiplexed; what wraps is wires, but for a sign that is lost.
    """
    live = width > 0
    n_dropped = x.grid.kif[2] - form.fractional
    rounds = live & (n_dropped > 0) & (form.rounding != "TRN")
    below, above = x.grid.low < form.low, x.grid.high > form.high
    saturates = live & (below | above) & (form.overflow == "SAT")
    ends = saturates & form.signed & below & above
    ties = rounds * (1 + (n_dropped >= LUT_INPUTS)) * (form.rounding == "RND_CONV")
    # da4ml gives what was negative no more bits than it had.
    turns = live & below & (form.overflow == "WRAP") & (form.integer > x.grid.kif[1])
    turns &= not form.signed
    logic = Logic(
        rounding_bits=float((x.bits * rounds).sum()),
        saturation_bits=float((width * saturates).sum() + (width * ends).sum()),
        adder_bits=float((width * turns).sum()),
        table_luts=float((ties > 0).sum() + saturates.sum()),
    )
    return logic, x.depth + (rounds & alone) + turns + np.maximum(ties, saturates) + saturates


def total(bits: np.ndarray, depth: np.ndarray) -> Counted:
    """The sum of all numbers (n,), in a tree that takes what is there first at first."""
    live = bits > 0
    n_adders = max(int(live.sum()) - 1, 0)
    logic = Logic(adder_bits=n_adders * float(bits[live].mean() + 1) if n_adders else 0.0)
    weight = float((2.0 ** depth[live]).sum())
    return logic, np.array([math.ceil(math.log2(weight) - 1e-9) if weight else 0])
