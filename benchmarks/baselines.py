"""What needs no network as firmware: physics, LUT and cycles of each observable of the front end.

    python benchmarks/baselines.py > benchmarks/baselines.md

Thresholds are set on validation background of configs/l1_vae.yaml, physics is that of its test
events; every bit of the test background is simulated in RTL.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_table import quality_cell, table

from hls.graph.baselines import baseline_graph
from hls.graph.build import set_threshold
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from hls.synthesis.yosys import FAMILIES, count_cells
from keras_ae.data.dataset import Dataset, load_dataset
from keras_ae.data.observables import observables_of
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.metrics import separation
from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.firmware import FirmwareSettings

CONFIG = Path(__file__).parents[1] / "configs" / "l1_vae.yaml"
LEVELS = (4, 8)
FPR, FPRS = 1e-2, ("0.01", "0.001", "0.0001")
CLOCK_NS = 4.166


@dataclass(frozen=True)
class Baseline:
    """One observable as a trigger.

    Args:
        lut: by yosys, by levels of logic in a stage.
        cycles: likewise.
        wrong: events of the test background in which a simulated bit is not the reference's.
        separation: AUC and TPR by signal, see `metrics.separation`.
    """

    lut: dict[int, int]
    cycles: dict[int, int]
    wrong: dict[int, int]
    separation: dict[str, Any]


def measured(name: str, data: Dataset, wires: FrontEnd) -> Baseline:
    """Of the observable with this name."""
    graph = set_threshold(baseline_graph(wires, name), data.validation.x, FPR)
    background = data.test.x
    expected = graph.evaluate(background)
    lut, cycles, wrong = {}, {}, {}
    for levels in LEVELS:
        settings = FirmwareSettings(levels_per_stage=levels, clock_ns=CLOCK_NS)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "rtl"
            design = write_rtl_project(graph, folder, settings, [background[:100]])
            with VerilogSimulation(folder) as simulation:
                found = simulation.run(background).output
            differs = (found.score != expected.score) | (found.trigger != expected.trigger)
            report = count_cells(folder, next(iter(FAMILIES)), CLOCK_NS)
        lut[levels], cycles[levels] = report.lut or 0, design.latency_cycles
        wrong[levels] = int(differs.sum())
    scores = {key: graph.evaluate(sample.x).score for key, sample in data.tested.items()}
    return Baseline(lut, cycles, wrong, separation(scores, data.parents))


def row(name: str, found: Baseline) -> list[str]:
    """Of the table."""
    cells = [name]
    for levels in LEVELS:
        cells += [f"{of[levels]:,}" for of in (found.lut, found.cycles, found.wrong)]
    cells += [quality_cell(quality, FPRS) for quality in found.separation.values()]
    return cells


def all_measured() -> dict[str, Baseline]:
    """Of each observable of the front end, on the events of `CONFIG`."""
    experiment = load_experiment(CONFIG)
    wires = experiment.wires
    data = load_dataset(experiment.data, wires, experiment.seed)
    return {name: measured(name, data, wires) for name in observables_of(wires)}


def print_table(baselines: dict[str, Baseline]) -> None:
    """With what it is."""
    signals = next(iter(baselines.values())).separation
    head = ["", *(f"{what} at {n} levels" for n in LEVELS for what in ("LUT", "cycles", "wrong"))]
    head += [f"{signal}: AUC; TPR in % at FPR {', '.join(FPRS)}" for signal in signals]
    print("LUT by yosys for UltraScale+; wrong: events of the test background in which a simulated")
    print("bit is not the reference's.\n")
    print("\n".join(table(head, (row(name, found) for name, found in baselines.items()))))


if __name__ == "__main__":
    print("Made by benchmarks/baselines.py.\n")
    print_table(all_measured())
