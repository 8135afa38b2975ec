"""Levels of logic of hand-made logic, and the pipeline that is cut by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from da4ml.trace import FixedVariableArray, comb_trace
from da4ml.trace.pipeline import to_pipeline

from hls.rtl.levels import adder_widths, timed
from keras_ae.errors import InputError


def logic_of(function: Callable[..., Any], *kif: tuple[int, int, int]) -> Any:
    """Of a function of variables with sign, integer and fractional bits."""
    inputs = FixedVariableArray.from_kif(*(np.array(bits) for bits in zip(*kif, strict=True)))
    return comb_trace(inputs, [function(*inputs)], keep_dead_inputs=True)


BYTE = (0, 8, 0)


def test_a_chain_of_adders() -> None:
    logic = timed(logic_of(lambda a, b, c: (a + b) + c, BYTE, BYTE, BYTE), 1)
    assert max(op.latency for op in logic.ops) == 2
    assert adder_widths(logic) == [9, 10]
    assert len(to_pipeline(logic, 1, retiming=False, verbose=False).solutions) == 2
    logic = timed(logic_of(lambda a, b, c: (a + b) + c, BYTE, BYTE, BYTE), 2)
    assert len(to_pipeline(logic, 2, retiming=False, verbose=False).solutions) == 1


def test_a_constant_is_an_adder() -> None:
    logic = timed(logic_of(lambda a: a + 3.0, BYTE), 4)
    assert max(op.latency for op in logic.ops) == 1
    assert adder_widths(logic) == [9]


def test_bits_side_by_side_are_no_adder() -> None:
    logic = timed(logic_of(lambda a, b: a * 256.0 + b, BYTE, BYTE), 1)
    assert max(op.latency for op in logic.ops) == 0
    assert adder_widths(logic) == [] and logic.cost == 0
    # A sign reaches into the other number.
    logic = timed(logic_of(lambda a, b: a * 256.0 + b, BYTE, (1, 8, 0)), 1)
    assert adder_widths(logic) == [17]


@pytest.mark.parametrize(("bits", "levels"), [(1, 1), (8, 1), (9, 2), (10, 2), (12, 3)])
def test_tables(bits: int, levels: int) -> None:
    logic = logic_of(lambda a: a.lookup(np.arange(2.0**bits) % 5), (0, bits, 0))
    assert max(op.latency for op in timed(logic, 4).ops) == levels


def test_no_operation_lies_in_two_stages() -> None:
    table = np.arange(1023.0) % 7
    logic = timed(logic_of(lambda a, b: (a + b).lookup(table), (0, 9, 0), (0, 9, 0)), 2)
    # An adder, and a table of two levels that begins in the next stage.
    assert [op.latency for op in logic.ops][-2:] == [1, 4]


def test_a_stage_that_is_too_short() -> None:
    logic = logic_of(lambda a: a.lookup(np.arange(4096.0)), (0, 12, 0))
    rule = "levels_per_stage must be >= 3 for the slowest operation, a table of 4096 entries, got 2"
    with pytest.raises(InputError, match=rule):
        timed(logic, 2)
    multiplier = logic_of(lambda a, b: a * b, BYTE, BYTE)
    with pytest.raises(InputError, match=r">= 8 for the slowest operation, a multiplier of 8 x 8"):
        timed(multiplier, 7)


def test_numbers_that_are_too_wide() -> None:
    logic = logic_of(lambda a, b: a + b, (0, 40, 0), (0, 0, 30))
    with pytest.raises(InputError, match=r"must have at most 62 bits, got 70: use fewer bits"):
        timed(logic, 4)


def test_numbers_whose_bits_are_counted_wrongly() -> None:
    # The largest is 2^50 of the last bits, which da4ml takes for 50 bits.
    logic = logic_of(lambda a: a + 2.0**-12, (0, 38, 12))
    with pytest.raises(InputError, match="but it counts 50 for one of 51: use fewer bits"):
        timed(logic, 4)
    timed(logic_of(lambda a: a + 2.0**-12, (0, 28, 12)), 4)
