"""Physics against LUT: triggers, observables without a network, and what others have published.

    make firmware

which makes the runs, and then calls

    python benchmarks/physics_per_lut.py runs/l1_trigger runs/l1_trigger_seed_* runs/l1_encoder_* \\
        > benchmarks/physics_per_lut.md

Runs of one experiment with several seeds are one point, with the deviation of the seeds. Writes
benchmarks/physics_per_lut.svg beside the table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from baselines import all_measured, print_table
from markdown_table import table

from hls.graph.trigger_graph import TriggerGraph
from hls.report.spread import Separation, Spread, deployed_separation, resources_of
from hls.rtl.write import plan_rtl
from keras_ae import plots
from keras_ae.files import read_json
from keras_ae.runs import Run, open_run

FIGURE = Path(__file__).with_suffix(".svg")
FPR = "0.001"
#: Of the observables' designs.
LEVELS = 4
#: On the public ADC2021 data, whose signals are others than those of the same names here: LUT, AUC
#: of A, LQ, h0 and h+-; no TPR at this FPR is published.
ELSEWHERE = {"FAD (public data)": (12_069, (0.718, 0.719, 0.617, 0.772))}
LABELS = ("mean AUC of four signals", f"mean TPR in % of three at FPR {FPR}")


def lut_of(run: Run) -> float:
    """By yosys for UltraScale+, or where it was not run, da4ml's estimate."""
    if run.resources_path.exists() and run.is_finished("rtl"):
        for report in read_json(run.resources_path, "reports")["reports"]:
            if "UltraScale+" in report["tool"]:
                return float(report["lut"])
    return resources_of(run)["LUT by da4ml"]


def levels_of(run: Run) -> int:
    """Of logic in a stage, at most."""
    return run.experiment.require_firmware(str(run.folder)).levels_per_stage


def cycles_of(run: Run) -> float:
    """Of the design whose LUT are counted."""
    return float(plan_rtl(TriggerGraph.load(run.trigger_graph_path), levels_of(run)).latency_cycles)


def qualities(separation: Separation, left_out: Sequence[str]) -> list[float | None]:
    """Mean AUC of all signals, and mean TPR in % of those that count."""
    tprs = [found["tpr"][FPR] for name, found in separation.items() if name not in left_out]
    tpr = None if None in tprs else 100 * float(np.mean(tprs))
    return [float(np.mean([found["auc"] for found in separation.values()])), tpr]


def design_of(name: str, runs: Sequence[Run], left_out: Sequence[str]) -> plots.Design:
    """Of the runs of one experiment."""
    columns = list(
        zip(*(qualities(deployed_separation(run), left_out) for run in runs), strict=True)
    )
    spreads = [Spread.of(column) for column in columns]
    lut = Spread.of([lut_of(run) for run in runs])
    seeds = f" ({len(runs)} seeds)" if len(runs) > 1 else ""
    return plots.Design(
        f"{name}{seeds}",
        "networks",
        lut.mean if lut else 0.0,
        [spread and spread.mean for spread in spreads],
        [(spread and spread.deviation) or 0.0 for spread in spreads],
    )


def signal_table(groups: Mapping[str, Sequence[Run]]) -> list[str]:
    """Each signal of each experiment: AUC, and TPR in % at three rates; its lines."""
    rows = []
    for name, runs in groups.items():
        found = [deployed_separation(run) for run in runs]
        cells = [name, str(len(runs)), str(levels_of(runs[0]))]
        for resource in (lut_of, cycles_of):
            cells.append(_text(Spread.of([resource(run) for run in runs]), ",.0f"))
        means = [np.mean([quality["auc"] for quality in each.values()]) for each in found]
        cells.append(_text(Spread.of(means), ".3f"))
        for signal in found[0]:
            auc = Spread.of([each[signal]["auc"] for each in found])
            tprs = (
                _text(Spread.of([each[signal]["tpr"][fpr] for each in found]), ".3g", 100)
                for fpr in ("0.01", "0.001", "0.0001")
            )
            cells.append(f"{_text(auc, '.3f')}; {' / '.join(tprs)}")
        rows.append(cells)
    head = [
        "",
        "seeds",
        "levels in a stage",
        "LUT",
        "cycles",
        "mean AUC",
        *(f"{signal}: AUC; TPR in %" for signal in found[0]),
    ]
    return table(head, rows)


def _text(spread: Spread | None, form: str, factor: float = 1.0) -> str:
    return spread.text(form, factor) if spread else "–"


def main(folders: list[str]) -> None:
    groups: dict[str, list[Run]] = {}
    for folder in folders:
        run = open_run(Path(folder))
        groups.setdefault(run.experiment.name, []).append(run)
    shown = (run.experiment.report.background_like for (run, *_) in groups.values())
    left_out = next(filter(None, shown), ())
    baselines = all_measured()
    designs = [design_of(name, runs, left_out) for name, runs in groups.items()]
    for name, found in baselines.items():
        values = qualities(found.separation, left_out)
        designs.append(plots.Design(name, "no network", found.lut[LEVELS], values, (0.0, 0.0)))
    for name, (lut, aucs) in ELSEWHERE.items():
        values = [float(np.mean(aucs)), None]
        designs.append(plots.Design(name, "published, other data", lut, values, (0.0, 0.0)))
    plots.save(plots.designs_compared(designs, "LUT", LABELS), FIGURE)
    print(
        "Made by benchmarks/physics_per_lut.py: firmware, mean and deviation of the seeds; LUT by"
    )
    print("yosys for UltraScale+, where it was run, or else by da4ml.\n")
    print("\n".join(signal_table(groups)))
    print("\nTPR at FPR 0.01 / 0.001 / 0.0001. Observables without a network as firmware:\n")
    print_table(baselines)


if __name__ == "__main__":
    main(sys.argv[1:])
