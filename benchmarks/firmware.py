"""RTL of trained triggers beside published ones: LUT, registers, latency, adders.

for name in l1_encoder_6bit l1_encoder_8bit l1_axol1tl_like; do
    keras-ae run configs/$name.yaml && keras-ae rtl runs/$name && keras-ae synthesize runs/$name
done
python benchmarks/firmware.py runs/l1_encoder_6bit runs/l1_encoder_8bit runs/l1_axol1tl_like \
    > benchmarks/firmware.md

The convolutional student of 18 x 14 regions is not trained, as the events of this package have no
calorimeter: its weights are random, its resources are estimates.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from hls.cost.model import estimate_cost
from hls.rtl.project import plan_rtl
from hls.trigger import build_trigger_graph
from hls.validate import stress_events
from keras_ae.architecture import ConvolutionalSpec
from keras_ae.models import build_student
from keras_ae.precision import FixedPoint
from keras_ae.runs import open_run, read_json

_COLUMNS = (
    *("design", "AUC by signal (− float)", "LUT", "FF", "DSP", "BRAM", "cycles", "II", "ns"),
    *("adders", "adder bits", "from"),
)
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
    "CMS AXOL1TL v6, 57-29-10 + AE, distributed arithmetic": {
        "adders": "1,110",
        "adder bits": "17.4k",
        "from": "counted from its source",
    },
    "FAD, distributed-arithmetic RTL for the same data": {
        "LUT": "12,069",
        "FF": "5,162",
        "cycles": "12",
        "from": "its estimates; no multipliers",
    },
    "decision-tree AE, VU9P": {"ns": "30", "from": "arXiv:2304.03836"},
    "CICADA student": {"ns": "< 200", "from": "its authors"},
}
_NOTE = """
LUT, FF, DSP and BRAM of trained designs by yosys for UltraScale+, before placement; cycles are of
the simulation, and ns those at the target clock of the config: no vendor's tool has confirmed
that an UltraScale+ reaches it. Published designs differ in data, scaling and preprocessing; these
take integers as the trigger gives them, and hold scaling, score and decision.

Placed and routed by nextpnr in an ECP5, whose numbers are its own:
"""


def main(folders: list[str]) -> None:
    print("Made by benchmarks/firmware.py, which says how.\n")
    found = [trained(Path(folder)) for folder in folders]
    print(_row(_COLUMNS))
    print(_row(["---"] * len(_COLUMNS)))
    for row in [*(row for row, _ in found), regions()]:
        print(_row(row))
    for name, values in _PUBLISHED.items():
        print(_row([name, *(values.get(column, "") for column in _COLUMNS[1:])]))
    print(_NOTE)
    columns = ("design", "LUT4", "FF", "clock reached in ns", "MHz", "latency in ns")
    print(_row(columns))
    print(_row(["---"] * len(columns)))
    for _, placed in found:
        if placed:
            print(_row(placed))


def trained(folder: Path) -> tuple[list[Any], list[Any] | None]:
    """Rows of a run: by synthesis, and placed, if it was."""
    run = open_run(folder)
    methods = read_json(run.metrics_path, "methods")["methods"]
    score = run.experiment.trigger.score
    levels = read_json(run.validation_path, "levels")["levels"]
    changes = [
        f"{found['auc']:.3f} ({found['auc'] - methods[f'float/{score}'][signal]['auc']:+.3f})"
        for signal, found in levels["firmware"]["separation"].items()
    ]
    simulated = read_json(run.rtl_path, "design", "mismatching_bits", "events")
    reports = read_json(run.resources_path, "reports")["reports"]
    counted = next(report for report in reports if "UltraScale+" in report["tool"])
    placed = next((report for report in reports if "nextpnr" in report["tool"]), None)
    design = simulated["design"]
    clock_ns = float(run.experiment.firmware["clock_ns"])
    ns = design["latency_cycles"] * clock_ns
    name = f"`{folder.name}`, {run.experiment.deployed}"
    row = [
        name,
        " ".join(changes),
        *(f"{counted[key]:,}" for key in ("lut", "ff", "dsp", "bram")),
        design["latency_cycles"],
        1,
        f"{ns:g} at {1000 / clock_ns:g} MHz",
        f"{design['n_adders']:,}",
        f"{design['adder_bits']:,}",
        f"yosys; {simulated['mismatching_bits']} bits off in {simulated['events']:,} events",
    ]
    if placed is None:
        return row, None
    reached = placed["clock_estimate_ns"]
    place = [
        f"`{folder.name}`",
        f"{placed['lut']:,}",
        f"{placed['ff']:,}",
        f"{reached:.2f}",
        f"{1000 / reached:.0f}",
        f"{placed['latency_ns_reached']:.1f}",
    ]
    return row, place


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
    levels = 8
    design, estimate = plan_rtl(graph, levels), estimate_cost(graph, levels)
    return [
        "student of 18 x 14 regions, one convolution of 4 filters, 16-1, random weights",
        "not trained",
        f"{estimate.lut:,.0f}; {design.estimated_lut:,.0f} by da4ml",
        f"{design.register_bits:,}",
        0,
        0,
        design.latency_cycles,
        1,
        f"{design.latency_cycles * 4:g} at 250 MHz",
        f"{design.n_adders:,}",
        f"{design.adder_bits:,}",
        "estimates",
    ]


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main(sys.argv[1:])
