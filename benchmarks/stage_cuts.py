"""What da4ml's options and the cuts between stages of a pipeline change: LUT, cycles, clock.

    python benchmarks/stage_cuts.py runs/l1_trigger runs/l1_trigger_small runs/l1_encoder_6bit \\
        > benchmarks/stage_cuts.md

The first table has the solver's options, with four levels of logic in a stage. The second cuts the
same logic after so many levels, each adder one, as the package does, or after so much delay, where
an adder counts the more the wider it is: `1 + width / 8`, in units of one of ten bits. The clock
period is nextpnr's, the better of two placements in an ECP5, 40 nm: it compares cuts, and says
nothing of an UltraScale+.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import da4ml.trace.fixed_variable_array as tracer
import numpy as np
from da4ml.cmvm import solve
from markdown_table import table

from hls.graph.trigger_graph import TriggerGraph
from hls.rtl import levels
from hls.rtl.design import RtlDesign
from hls.rtl.write import write_rtl_project
from hls.synthesis.nextpnr import place_and_route
from hls.synthesis.yosys import FAMILIES, count_cells
from keras_ae.errors import InputError
from keras_ae.runs import open_run
from keras_ae.settings.firmware import FirmwareSettings

CLOCK_NS, DEFAULT_LEVELS, LEVELS = 4.166, 4, (2, 3, 4, 5, 6, 8)
METHODS, DEPTHS = ("wmc", "mc", "wmc-dc", "mc-dc"), (-1, 0, 1, 2)
_PLACEMENTS = (1, 2)
#: Bits that take as long as the LUTs before them, and the width of an adder that counts as one.
_BITS, _USUAL = 8, 10

_n_levels = levels._n_levels


def delay(op: Any, ops: Any) -> float:
    """Of an operation, in units of an adder of `_USUAL` bits."""
    n_levels = _n_levels(op, ops)
    if op.opcode not in levels._ADDERS or not n_levels:
        return n_levels
    return (1 + levels._width(op) / _BITS) / (1 + _USUAL / _BITS)


#: How long an operation takes.
CUTS: dict[str, Callable[[Any, Any], float]] = {"levels": _n_levels, "delay": delay}


@contextmanager
def solver(**options: Any) -> Iterator[None]:
    """da4ml with other options than its defaults."""

    def solved(*args: Any, **kwargs: Any) -> Any:
        return solve(*args, **kwargs | options)

    with mock.patch.object(tracer, "solve", solved):
        yield


def written(graph: TriggerGraph, folder: Path, n_levels: int) -> RtlDesign:
    events = [np.zeros((1, *graph.grids[name].shape)) for name in graph.input_names]
    settings = FirmwareSettings(levels_per_stage=n_levels, clock_ns=CLOCK_NS)
    return write_rtl_project(graph, folder, settings, events)


def cells_of(folder: Path, design: RtlDesign) -> list[str]:
    """Cycles, and LUT and FF by yosys."""
    report = count_cells(folder, next(iter(FAMILIES)), CLOCK_NS)
    return [str(design.latency_cycles), f"{report.lut:,}", f"{report.ff:,}"]


def of_options(graph: TriggerGraph, folder: Path) -> Iterator[list[str]]:
    """A row for each choice of options."""
    for method, depth in product(METHODS, DEPTHS):
        with solver(method0=method, hard_dc=depth):
            design = written(graph, folder, DEFAULT_LEVELS)
        yield [method, str(depth), *cells_of(folder, design)]


def of_cuts(graph: TriggerGraph, folder: Path) -> Iterator[list[str]]:
    """A row for each way to cut."""
    for (name, measure), n_levels in product(CUTS.items(), LEVELS):
        cells = [name, str(n_levels)]
        with mock.patch.object(levels, "_n_levels", measure):
            try:
                design = written(graph, folder, n_levels)
            except InputError:
                # One operation alone takes longer.
                continue
        periods = [
            place_and_route(folder, CLOCK_NS, seed).clock_estimate_ns or np.inf
            for seed in _PLACEMENTS
        ]
        ns = min(periods)
        latency = f"{ns * design.latency_cycles:.0f}"
        yield [*cells, *cells_of(folder, design), f"{ns:.2f}", latency]


def main(runs: list[str]) -> None:
    print("Made by benchmarks/stage_cuts.py, with its command. LUT, FF by yosys for UltraScale+;")
    print("clock by nextpnr for an ECP5. `hard_dc` -1 and `wmc` are what the package takes.")
    counted = ("cycles", "LUT", "FF")
    with tempfile.TemporaryDirectory() as place:
        for head, rows_of in (
            (("method0", "hard_dc", *counted), of_options),
            (("cut by", "of a stage", *counted, "clock, ns", "latency, ns"), of_cuts),
        ):
            rows = []
            for folder in runs:
                run = open_run(Path(folder))
                graph = TriggerGraph.load(run.trigger_graph_path)
                for row in rows_of(graph, Path(place) / "rtl"):
                    rows.append([run.experiment.name, *row])
                    print(rows[-1], file=sys.stderr, flush=True)
            print()
            print("\n".join(table(["", *head], rows)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
