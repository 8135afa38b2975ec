"""Adders, multiplexers and tables of RTL by distributed arithmetic, counted without tracing it.

A constant matrix is counted as a tree of shifted additions of the signed digits of its weights,
output by output; what da4ml then shares between outputs is estimated. All else follows from which
values a tensor can take, its grid.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import keras
import numpy as np

from hls.cost.liveness import live_values
from hls.cost.shift_add import (
    EXTRA_LEVELS,
    enclosed_bits,
    patches,
    shared_fraction,
    signed_digits,
    traced_grids,
)
from hls.graph.exact import ExactGraph
from hls.graph.grid import Grid
from hls.graph.operation import Operation
from hls.graph.quantized_weights import QuantizedWeights, exact_format
from hls.graph.refusal import Refusal
from hls.graph.symbolic import LUT_INPUTS, TABLE_BITS


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


@dataclass(frozen=True)
class _Place:
    """A layer in its graph, with its exact form; the depths of its output are yet to be found."""

    layer: keras.Layer
    operation: Operation
    out: Signal
    inputs: list[Signal]

    @property
    def x(self) -> Signal:
        """The first input, for most layers the only one."""
        return self.inputs[0]

    @property
    def from_kernel(self) -> bool:
        """Whether the first input is a sum of products."""
        tensor = self.layer.input
        first = tensor[0] if isinstance(tensor, list | tuple) else tensor
        return hasattr(first._keras_history.operation, "kernel")

    @property
    def kind(self) -> str:
        """Of the layer."""
        return type(self.layer).__name__


#: The logic of a layer, and the depth of each of its values; and what counts them.
Counted = tuple[Logic, np.ndarray]
Rule = Callable[[_Place], Counted]


def count_logic(exact: ExactGraph, graph: keras.Model) -> tuple[Logic, dict[str, Signal]]:
    """The logic of a trigger graph, and the signal of each of its layers.

    Raises:
        Refusal: a layer that is not among those of the trigger graph.
    """
    grids = traced_grids(exact, graph)
    live = live_values(exact, graph, grids)
    signals = {name: Signal.of(grid, live[name]) for name, grid in grids.items()}
    logic = Logic()
    for operation in exact.operations:
        layer, out = graph.get_layer(operation.name), signals[operation.name]
        at = _Place(layer, operation, out, [signals[name] for name in operation.inputs])
        if at.kind not in _RULES:
            kinds = ", ".join(_RULES)
            raise Refusal(layer.name, f"kind must be one of {kinds}", at.kind, "use these")
        more, depth = _RULES[at.kind](at)
        logic += more
        signals[operation.name] = replace(out, depth=np.where(out.bits > 0, depth, 0))
    return logic, signals


def _kernel(at: _Place) -> Counted:
    """Of a dense layer or a convolution, at each of its places."""
    weights = QuantizedWeights.of(at.layer)
    bits, depth = (
        patches(part, at.layer, weights.kernel.shape) for part in (at.x.bits, at.x.depth)
    )
    units = np.rint(weights.kernel / weights.kernel_step).reshape(-1, weights.kernel.shape[-1])
    digits, live = signed_digits(units), bits > 0
    needed = at.out.bits.reshape(len(bits), -1)  # (places, outputs)
    n_terms = np.where(needed > 0, live @ digits, 0)
    n_adders = np.maximum(n_terms - 1, 0)
    # A sum of two is a bit wider than its terms; in a tree that makes two bits on average.
    tree = ((bits + 2) * live) @ digits * n_adders / np.maximum(n_terms, 1)
    logic = Logic(
        ebops=int(((bits @ enclosed_bits(units)) * (needed > 0)).sum()),
        n_adders=int(n_adders.sum()),
        tree_bits=float(tree.sum()),
        shared_bits=float(tree.sum()) * shared_fraction(digits * (needed > 0).any(0), units),
        rounding_bits=float((needed * (weights.bias != 0)).sum()),
    )
    # The shallowest tree takes what is there first at first.
    levels = np.log2(np.maximum((live * 2.0**depth) @ digits, 1))
    extra = EXTRA_LEVELS * np.log2(np.maximum(n_terms, 1)) + (weights.bias != 0)
    return logic, (np.ceil(levels - 1e-9) + extra).reshape(at.out.bits.shape)


def _quantizer(at: _Place) -> Counted:
    """Half to even: half a step more, and a table for ties; what saturates is multiplexed."""
    form = exact_format(at.layer, "output", at.layer.activation)
    width = at.out.bits
    live = width > 0
    n_dropped = at.x.grid.kif[2] - form.fractional
    rounded = live & (n_dropped > 0)
    saturated = live & ((at.x.grid.low < form.low) | (at.x.grid.high > form.high))
    ends = saturated & form.signed & (at.x.grid.low < form.low) & (at.x.grid.high > form.high)
    logic = Logic(
        rounding_bits=float((at.x.bits * rounded).sum()),
        saturation_bits=float((width * saturated).sum() + (width * ends).sum()),
        table_luts=float(rounded.sum() + saturated.sum()),
    )
    # Half a step is added with the bias, where there is one.
    alone = rounded & (not at.from_kernel)
    ties = rounded * (1 + (n_dropped >= LUT_INPUTS))
    return logic, at.x.depth + alone + np.maximum(ties, saturated) + saturated


def _move(at: _Place) -> Counted:
    return Logic(), at.operation.exact(*(x.depth[None] for x in at.inputs))[0]


def _pool(at: _Place) -> Counted:
    """Maxima one after the other, each a comparison and a multiplexer; or a sum."""
    n = math.prod(at.layer.pool_size)
    bits, maximum = float(at.x.bits.sum()) * (1 - 1 / n), at.kind == "MaxPooling2D"
    logic = Logic(adder_bits=bits, saturation_bits=bits * maximum)
    return logic, at.operation.exact(at.x.depth[None])[0] + (n - 1) * (1 + maximum)


def _scale(at: _Place) -> Counted:
    """Where there is an offset: a subtraction, a comparison of pT, and zero for empty slots."""
    shifted = np.array(at.layer.scaler.offset) != 0
    bits = float((at.x.bits * shifted).sum())
    return Logic(adder_bits=2 * bits, saturation_bits=bits), at.x.depth + shifted


def _table(at: _Place) -> Counted:
    width = at.layer.output_format.width
    luts = sum(_table_luts(int(bits), width) for bits in at.x.bits.ravel())
    return Logic(table_luts=luts), at.x.depth + np.where(
        at.x.bits > 0, 1 + np.maximum(-(-(at.x.bits - 8) // 2), 0), 0
    )


def _table_luts(n_in: int, n_out: int) -> float:
    """By da4ml: a LUT of 6 inputs is two of 5."""
    return 2.0 ** max(n_in - 5, 0) * math.ceil(n_out / 2) * min(n_in / 5, 1.0)


@functools.cache
def _square(width: int) -> tuple[Logic, int]:
    """Of one number, see `symbolic.squared`: the logic and its depth."""
    if width <= TABLE_BITS:
        return Logic(table_luts=_table_luts(width, 2 * width)), int(width > 0)
    lower = width // 2
    upper = width - lower
    both = upper + 1
    parts = [_square(part) for part in (upper, lower, both)]
    # The sum of the halves, of their squares, the difference, and that with the squares.
    sums = Logic(adder_bits=both + 2 * upper + 1 + 2 * both + 2 * width - lower)
    depth = max(parts[0][1] + 1, parts[1][1] + 1, parts[2][1] + 1) + 2
    return sum((logic for logic, _ in parts), sums), depth


def _squares(bits: np.ndarray, depth: np.ndarray) -> tuple[Logic, np.ndarray]:
    found = [_square(int(width)) for width in bits]
    logic = sum((part for part, _ in found), Logic())
    return logic, depth + np.array([more for _, more in found])


def _products(x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> tuple[Logic, np.ndarray]:
    """Of squares, see `symbolic.product`."""
    widths = np.maximum(x, y) + 1
    logic, depth = _squares(widths, depth + 1)
    return logic + logic + Logic(adder_bits=float(2 * widths.sum() + (x + y).sum())), depth + 1


def _sum(bits: np.ndarray, depth: np.ndarray) -> tuple[Logic, np.ndarray]:
    """Of all terms, in a tree that takes what is there first at first."""
    live = bits > 0
    n_adders = max(int(live.sum()) - 1, 0)
    logic = Logic(adder_bits=n_adders * float(bits[live].mean() + 1) if n_adders else 0.0)
    total = float((2.0 ** depth[live]).sum())
    return logic, np.array([math.ceil(math.log2(total) - 1e-9) if total else 0])


def _score(at: _Place) -> Counted:
    """Terms and their sum."""
    bits, depths = [x.bits.ravel() for x in at.inputs], [x.depth.ravel() for x in at.inputs]
    logic = Logic()
    width, depth = bits[0], depths[0]
    if "Error" in at.kind:
        (x, y), masked = at.inputs, 2 * at.layer.masked
        step = np.minimum(x.grid.step, y.grid.step)
        difference = Grid(step, x.grid.low - y.grid.high, x.grid.high - y.grid.low)
        width, depth = Signal.of(difference).bits.ravel(), np.maximum(*depths) + 1 + masked
        logic = Logic(
            adder_bits=float(width.sum()),
            saturation_bits=float(width.sum() * masked),
        )
    if at.kind == "AbsoluteError":
        logic += Logic(adder_bits=float(width.sum()), saturation_bits=float(width.sum()))
        depth = depth + 2
    elif at.kind != "Total":
        squares, depth = _squares(width, depth)
        logic, width = logic + squares, 2 * width
    if at.kind == "NormalizedNorm":
        products, depth = _products(width, bits[1], np.maximum(depth, depths[1]))
        logic, width = logic + products, width + bits[1]
    elif at.kind == "GaussianDivergence":
        width, depth = np.concatenate([width, bits[1]]), np.concatenate([depth, depths[1]])
    total, result = _sum(width, depth)
    return logic + total, result


def _decision(at: _Place) -> Counted:
    return Logic(adder_bits=float(at.x.bits.sum())), at.x.depth + 1 + at.layer.from_input


_RULES: dict[str, Rule] = {
    "QDense": _kernel,
    "QConv2D": _kernel,
    "QActivation": _quantizer,
    "MaxPooling2D": _pool,
    "AveragePooling2D": _pool,
    "ScaleObjects": _scale,
    "LookupTable": _table,
    "AboveThreshold": _decision,
    **dict.fromkeys(("Flatten", "Reshape", "Concatenate", "UpSampling2D", "ZeroPadding2D"), _move),
    **dict.fromkeys(
        (
            "SquaredNorm",
            "NormalizedNorm",
            "GaussianDivergence",
            "SquaredError",
            "AbsoluteError",
            "Total",
        ),
        _score,
    ),
}
