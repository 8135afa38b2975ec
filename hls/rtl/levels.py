"""When each operation of traced logic is done, in levels of logic, so that a pipeline can be cut.

A level is what a delay target is counted in: an adder, a multiplexer, a table of up to 256 entries.
da4ml counts adders alone: its constants, negations and tables take no time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from da4ml.cmvm.types import CombLogic, Op

from hls.rtl.logic import width_of
from keras_ae.errors import InputError

#: Opcodes of da4ml, and their levels. A rectifier and other bits of a number (2, 3) are counted as
#: nothing: a LUT behind takes them up, most of the time. Inputs are -1, constants 5.
_LEVELS = {-1: 0, 0: 1, 1: 1, 2: 0, 3: 0, -2: 1, -3: 1, 4: 1, 5: 0, 6: 1, -6: 2}
_ADD, _ADDERS, _MUX, _MULTIPLY, _TABLE = 0, (0, 1, 4), (6, -6), 7, 8
#: Address bits of a table that is one level: four LUTs of six, and the multiplexers behind them.
_ONE_LEVEL_BITS = 8
#: da4ml counts steps in 64-bit integers.
MAX_BITS = 62


def timed(logic: CombLogic, levels: int) -> CombLogic:
    """The same logic, each operation with the level at which it is done.

    None begins in one stage of `levels` and ends in the next. Numbers that are put one behind the
    other take neither time nor cost.

    Raises:
        InputError: an operation has more levels than a stage, or a number more bits than
            `MAX_BITS`, or than da4ml counts.
    """
    widest = max(
        (float(op.qint.max - op.qint.min) / op.qint.step for op in logic.ops if op.qint.step),
        default=1.0,
    )
    if widest >= 2.0**MAX_BITS:
        raise InputError(
            f"numbers inside the RTL must have at most {MAX_BITS} bits, got "
            f"{math.ceil(math.log2(widest + 1))}: use fewer bits"
        )
    for op in logic.ops:
        if _width(op) < _exact_width(op):
            raise InputError(
                f"numbers inside the RTL must have at most as many bits as da4ml counts, but it "
                f"counts {_width(op)} for one of {_exact_width(op)}: use fewer bits"
            )
    slowest = max(logic.ops, key=lambda op: _n_levels(op, logic.ops))
    if _n_levels(slowest, logic.ops) > levels:
        raise InputError(
            f"levels_per_stage must be >= {_n_levels(slowest, logic.ops)} for the slowest "
            f"operation, {_name(slowest, logic.ops)}, got {levels}"
        )
    ops: list[Op] = []
    for op in logic.ops:
        n_levels = _n_levels(op, logic.ops)
        start = max((ops[number].latency for number in _operands(op)), default=0.0)
        if start % levels + n_levels > levels:
            start = math.ceil(start / levels) * levels
        cost = 0.0 if _is_concatenation(op, logic.ops) else op.cost
        ops.append(op._replace(latency=float(start + n_levels), cost=cost))
    return logic._replace(ops=ops)


def adder_widths(logic: CombLogic) -> list[int]:
    """Bits of each adder and subtracter, those of constants among them."""
    return [
        _width(op)
        for op in logic.ops
        if op.opcode in _ADDERS and not _is_concatenation(op, logic.ops)
    ]


def _operands(op: Op) -> list[int]:
    """Numbers of the operations whose results one takes; of an input, none."""
    if op.opcode == -1:
        return []
    # A multiplexer has its key in the lower half.
    key = [op.data & 0xFFFFFFFF] if op.opcode in _MUX else []
    return [number for number in (op.id0, op.id1, *key) if number >= 0]


def _n_levels(op: Op, ops: Sequence[Op]) -> int:
    if op.opcode == _TABLE:
        # Each LUT of six is a multiplexer of four.
        return 1 + max(0, -(-(_width(ops[op.id0]) - _ONE_LEVEL_BITS) // 2))
    if op.opcode == _MULTIPLY:
        return max(_width(ops[op.id0]), _width(ops[op.id1]))
    if op.opcode not in _LEVELS:
        raise ValueError(f"opcode must be one of {sorted(_LEVELS)}, got {op.opcode}: another da4ml")
    return 0 if _is_concatenation(op, ops) else _LEVELS[op.opcode]


def _name(op: Op, ops: Sequence[Op]) -> str:
    if op.opcode == _TABLE:
        return f"a table of {2 ** _width(ops[op.id0])} entries"
    if op.opcode == _MULTIPLY:
        return f"a multiplier of {_width(ops[op.id0])} x {_width(ops[op.id1])} bits"
    name = "a multiplexer" if op.opcode in _MUX else "an adder" if op.opcode >= 0 else "a negation"
    return f"{name} of {_width(op)} bits"


def _width(op: Op) -> int:
    return width_of(op.qint)


def _exact_width(op: Op) -> int:
    """As `_width`, which takes a logarithm, wrong where 2^n + 1 is 2^n to floating point."""
    low, high, step = op.qint
    if not step:
        return 0
    first, last = round(low / step), round(high / step)
    return max(max(last, 0).bit_length(), max(-first - 1, 0).bit_length()) + (first < 0)


def _is_concatenation(op: Op, ops: Sequence[Op]) -> bool:
    """Whether it adds a number without sign to one that has zeros where the other has bits."""
    if op.opcode != _ADD:
        return False
    (low, high, step), other = ops[op.id0].qint, ops[op.id1].qint
    scale = 2.0**op.data
    other_low, other_high, other_step = (value * scale for value in other)
    return (other_low >= 0 and other_high < step) or (low >= 0 and high < other_step)
