"""RTL of trained triggers beside published ones: LUT, registers, latency, adders.

make firmware

which trains, proves and synthesizes the triggers, and then calls

python benchmarks/firmware.py runs/l1_encoder_6bit ... > benchmarks/firmware.md

The convolutional student of 18 x 14 regions is not trained, as the events of this package have no
calorimeter: its weights are random, its resources are estimates.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from hls.cost.model import estimate_cost
from hls.graph.build import build_trigger_graph
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.report.spread import deployed_separation
from hls.rtl.design import RtlDesign
from hls.rtl.write import plan_rtl
from keras_ae.files import read_json
from keras_ae.models import build_student
from keras_ae.precision import FixedPoint
from keras_ae.runs import Run, open_run
from keras_ae.settings.architecture import ConvolutionalSpec

_COLUMNS = (
    *("design", "LUT", "FF", "DSP", "BRAM", "cycles", "II", "ns", "levels in a stage"),
    *("cells in the longest", "cycles at 4 levels", "adders", "adder bits", "from"),
)
_DEFAULT_LEVELS = 4
#: What the sources say, in their own units, by the title of a column; elsewhere nothing.
_PUBLISHED: dict[str, dict[str, str]] = {
    "57-32-16-3, VU9P at 200 MHz": {
        "LUT": "< 3 % of the device",
        "ns": '"as little as 80"',
        "from": "arXiv:2108.03986",
    },
    "ToyVAE, same encoder, fixed<32,16>, VU9P at 40 MHz": {
        "LUT": "126.6k",
        "DSP": "4,692",
        "II": "1",
        "ns": "25",
        "from": "HLS estimate",
    },
    "CMS AXOL1TL v3, 57-32-16-8, Σμ²": {"ns": "50", "from": "in the menu at 40 MHz"},
    "CMS AXOL1TL v6, 57-29-10 and a decoder, distributed arithmetic": {
        "adders": "1,110",
        "adder bits": "17.4k",
        "from": "counted from its source",
    },
    "FAD, distributed-arithmetic RTL, the public ADC2021 data": {
        "LUT": "12,069",
        "FF": "5,162",
        "cycles": "12",
        "from": "its estimates; no multipliers",
    },
    "decision-tree AE, VU9P": {"ns": "30", "from": "arXiv:2304.03836"},
    "CICADA student": {"ns": "< 200", "from": "its authors"},
}
_NOTE = """
LUT, FF, DSP and BRAM by yosys for UltraScale+, before placement, or, where it says so, da4ml's
estimates; cycles are of the simulation, and ns those at the clock that the config asks for. No
vendor's tool has confirmed that an UltraScale+ reaches it: eight levels in a stage, up to so many
LUTs and carry blocks as the table says, are ambitious at 240 MHz; the default of four takes the
cycles in its own column. Stages of other designs have other logic in them. Published designs differ
in data, scaling and preprocessing; these take integers as the trigger gives them, and hold scaling,
score and decision; the weights of l1_encoder_* are pruned.

AUC in firmware, and less that of the float model on the same events:
"""
_PLACED = """
Placed and routed by nextpnr in an ECP5, whose numbers are its own; LUT4 are cells that hold one,
those of carry chains among them:
"""
_UNTRAINED = """
Estimates of a design that is neither trained nor proved, a student of 18 x 14 regions with one
convolution of 4 filters and layers of 16 and 1, random weights, beside "CICADA student" above:
"""


def main(folders: list[str]) -> None:
    print("Made by benchmarks/firmware.py, which says how.\n")
    runs = [open_run(Path(folder)) for folder in folders]
    _print_table(_COLUMNS, map(resources, runs))
    for name, values in _PUBLISHED.items():
        print(_row([name, *(values.get(column, "") for column in _COLUMNS[1:])]))
    print(_NOTE)
    signals = list(deployed_separation(runs[0]))
    _print_table(("design", "mean", *signals), [*map(physics, runs), counting(runs[0])])
    print(_PLACED)
    columns = ("design", "LUT4", "FF", "clock reached in ns", "MHz", "latency in ns")
    _print_table(columns, filter(None, map(placed, runs)))
    print(_UNTRAINED)
    columns = ("LUT", "LUT by da4ml", "register bits", "cycles at 8 levels", "adders", "adder bits")
    _print_table(columns, [regions()])


def resources(run: Run) -> list[Any]:
    """Of synthesis, or else of da4ml."""
    simulated = read_json(run.rtl_path, "design", "mismatching_bits", "events")
    design = RtlDesign(**simulated["design"])
    settings = run.experiment.require_firmware(str(run.folder))
    ns = design.latency_cycles * settings.clock_ns
    counted = _report(run, "UltraScale+")
    source, cells = "da4ml", ""
    counts = [f"{design.estimated_lut:,.0f}", f"{design.register_bits:,}", "", ""]
    if counted is not None:
        source, cells = "yosys", max(counted["stage_path_cells"])
        counts = [f"{counted[key]:,}" for key in ("lut", "ff", "dsp", "bram")]
    cycles = design.latency_cycles
    if settings.levels_per_stage != _DEFAULT_LEVELS:
        graph = TriggerGraph.load(run.trigger_graph_path)
        cycles = plan_rtl(graph, _DEFAULT_LEVELS).latency_cycles
    return [
        f"`{run.folder.name}`, {run.experiment.deployed}",
        *counts,
        design.latency_cycles,
        design.timing["interval_max"],
        f"{ns:.3g} at {1000 / settings.clock_ns:.0f} MHz",
        settings.levels_per_stage,
        cells,
        cycles,
        f"{design.n_adders:,}",
        f"{design.adder_bits:,}",
        f"{source}; {simulated['mismatching_bits']} bits off in {simulated['events']:,} events",
    ]


def physics(run: Run) -> list[str]:
    """AUC of each signal, and their mean."""
    methods = read_json(run.metrics_path, "methods")["methods"]
    of_float = methods[run.experiment.learned_method]
    pairs = [
        (found["auc"], of_float[name]["auc"]) for name, found in deployed_separation(run).items()
    ]
    mean = tuple(sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    cells = [f"{auc:.3f} ({auc - before:+.3f})" for auc, before in (mean, *pairs)]
    return [f"`{run.folder.name}`", *cells]


def counting(run: Run) -> list[str]:
    """What a trigger gets that counts objects."""
    found = read_json(run.metrics_path, "methods")["methods"]["baseline/n_objects"]
    values = [found[name]["auc"] for name in deployed_separation(run)]
    return [
        "number of objects, no network",
        *(f"{auc:.3f}" for auc in (sum(values) / len(values), *values)),
    ]


def placed(run: Run) -> list[str] | None:
    """In an ECP5, if it was."""
    found = _report(run, "nextpnr")
    if found is None:
        return None
    reached = found["clock_estimate_ns"]
    return [
        f"`{run.folder.name}`",
        f"{found['lut']:,}",
        f"{found['ff']:,}",
        f"{reached:.2f}",
        f"{1000 / reached:.0f}",
        f"{found['latency_ns_reached']:.1f}",
    ]


def _report(run: Run, tool: str) -> dict[str, Any] | None:
    """That of a tool with this in its name, if there is one."""
    if not run.resources_path.exists():
        return None
    reports = read_json(run.resources_path, "reports")["reports"]
    return next((report for report in reports if tool in report["tool"]), None)


def regions() -> list[Any]:
    """Of a student of 18 x 14 regions: 4 filters, dense 16, dense 1."""
    keras.utils.set_random_seed(1)
    precision = FixedPoint(
        input="fixed<9,9>",
        weight="fixed<6,2>",
        bias="fixed<8,4>",
        activation="ufixed<8,6>",
        latent="fixed<10,6>",
    )
    spec = ConvolutionalSpec(
        kind="convolutional",
        image_shape=(18, 14, 1),
        filters=(4,),
        kernel_size=3,
        hidden_dims=(16,),
        latent_dim=1,
    )
    model = build_student(spec, precision, seed=1)
    events = stress_events(precision.input, (18, 14, 1), 200, seed=1)
    graph = build_trigger_graph(model, ["student_score"], (events,), 0.1)
    design, estimate = plan_rtl(graph, 8), estimate_cost(graph, 8)
    return [
        f"{estimate.lut:,.0f}",
        f"{design.estimated_lut:,.0f}",
        f"{design.register_bits:,}",
        design.latency_cycles,
        f"{design.n_adders:,}",
        f"{design.adder_bits:,}",
    ]


def _print_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    for row in (head, ["---"] * len(head), *rows):
        print(_row(row), flush=True)


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main(sys.argv[1:])
