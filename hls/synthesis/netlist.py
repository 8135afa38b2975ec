"""Paths between the registers of a synthesized pipeline."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

_REGISTER = re.compile(r"FD[RCSP]E(_1)?")
_SHIFT_REGISTER = re.compile(r"SRL\w+")
#: Clocks, and addresses of shift registers.
_NOT_READ = frozenset({"C", "CLK", "A", "A0", "A1", "A2", "A3"})


def stage_paths(cells: Mapping[str, Mapping[str, Any]]) -> tuple[int, ...]:
    """Cells on the longest path into each register of a pipeline, from the ports on.

    A LUT is a cell, a block of a carry chain too, whatever they take of a clock period.

    Args:
        cells: of the top module in a netlist of AMD's cells, as yosys writes it in JSON.
    """
    drivers: dict[int, str] = {}
    for name, cell in cells.items():
        for port, direction in cell["port_directions"].items():
            if direction == "output":
                drivers |= dict.fromkeys(cell["connections"][port], name)
    before = {
        name: {drivers[bit] for bit in _read_bits(cell) if bit in drivers}
        for name, cell in cells.items()
    }
    longest: dict[int, int] = defaultdict(int)
    # Registers before each cell's results, and cells behind the last of them.
    reached: dict[str, tuple[int, int]] = {}
    for name in TopologicalSorter(before).static_order():
        stage = max((reached[other][0] for other in before[name]), default=0)
        length = max((reached[other][1] for other in before[name]), default=0)
        n_registers = _n_registers(cells[name])
        if n_registers:
            longest[stage] = max(longest[stage], length)
        reached[name] = (stage + n_registers, 0 if n_registers else length + 1)
    return tuple(longest[stage] for stage in range(max(longest, default=-1) + 1))


def _read_bits(cell: Mapping[str, Any]) -> list[int]:
    """What the cell's results depend on; of a register all but its clock, also what resets it."""
    ports, directions = cell["connections"], cell["port_directions"]
    skipped = _NOT_READ if _n_registers(cell) else frozenset()
    return [
        bit
        for name, bits in ports.items()
        if directions[name] == "input" and name not in skipped
        for bit in bits
    ]


def _n_registers(cell: Mapping[str, Any]) -> int:
    """How many cycles the cell holds a value."""
    if _REGISTER.fullmatch(cell["type"]):
        return 1
    if not _SHIFT_REGISTER.fullmatch(cell["type"]):
        return 0
    ports = cell["connections"]
    # In binary, the lowest bit first; SRL16E has a port for each bit.
    address = ports["A"] if "A" in ports else [ports[f"A{place}"][0] for place in range(4)]
    return 1 + sum(2**place for place, bit in enumerate(address) if bit == "1")
