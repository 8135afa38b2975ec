"""What needs no network as firmware: physics, LUT and cycles of each observable of the front end.

    python benchmarks/baselines.py > benchmarks/baselines.md

Thresholds are set on validation background of configs/l1_vae.yaml, physics is that of its test
events; every bit of the test background is simulated in RTL.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from markdown_table import table

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


def row(name: str, data: Dataset, wires: FrontEnd) -> list[str]:
    """Of one observable."""
    graph = set_threshold(baseline_graph(wires, name), data.validation.x, FPR)
    background = data.test.x
    expected = graph.evaluate(background)
    cells: list[Any] = []
    for levels in LEVELS:
        settings = FirmwareSettings(levels_per_stage=levels, clock_ns=CLOCK_NS)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "rtl"
            design = write_rtl_project(graph, folder, settings, [background[:100]])
            with VerilogSimulation(folder) as simulation:
                found = simulation.run(background).output
            wrong = (found.score != expected.score) | (found.trigger != expected.trigger)
            report = count_cells(folder, next(iter(FAMILIES)), CLOCK_NS)
        cells += [f"{report.lut:,}", f"{design.latency_cycles}", f"{int(wrong.sum())}"]
    scores = {key: graph.evaluate(sample.x).score for key, sample in data.tested.items()}
    for quality in separation(scores, data.parents).values():
        tprs = (quality["tpr"][fpr] for fpr in FPRS)
        shown = " / ".join("–" if tpr is None else f"{100 * tpr:.3g}" for tpr in tprs)
        cells.append(f"{quality['auc']:.3f}; {shown}")
    return [name, *cells]


def main() -> None:
    experiment = load_experiment(CONFIG)
    wires = experiment.wires
    data = load_dataset(experiment.data, wires, experiment.seed)
    head = ["", *(f"{what} at {n} levels" for n in LEVELS for what in ("LUT", "cycles", "wrong"))]
    head += [f"{signal}: AUC; TPR in % at FPR {', '.join(FPRS)}" for signal in data.signals]
    print("Made by benchmarks/baselines.py: LUT by yosys for UltraScale+; wrong: test background")
    print(f"events of {len(data.test):,} in which a simulated bit is not the reference's.\n")
    print("\n".join(table(head, (row(name, data, wires) for name in observables_of(wires)))))


if __name__ == "__main__":
    main()
