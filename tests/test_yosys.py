"""Cells as yosys counts them: by hand, twice the same, and what it says where it cannot."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import keras
import pytest

from hls.graph.build import build_trigger_graph
from hls.proof.stress import stress_events
from hls.rtl.design import RtlDesign
from hls.rtl.write import write_rtl_project
from hls.synthesis.nextpnr import place_and_route
from hls.synthesis.yosys import count_cells
from keras_ae.errors import InputError, ProofError
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings

#: A parity of four bits, a sum of two bytes, a byte that waits for eight cycles, and that sum, or
#: zero where it is less than the byte.
BY_HAND = """
module anomaly_trigger (
    input wire clk,
    input wire [3:0] bits,
    input wire [7:0] a,
    input wire [7:0] b,
    output reg parity,
    output reg [7:0] sum,
    output reg [7:0] limited,
    output wire [7:0] late
);
    wire [8:0] difference = sum - {1'b0, late};
    reg [7:0] line [0:7];
    integer i;
    assign late = line[7];
    always @(posedge clk) begin
        parity <= ^bits;
        sum <= a + b;
        // The sign resets the register, by a pin of its own.
        limited <= difference[8] ? 8'd0 : sum;
        line[0] <= a;
        for (i = 1; i < 8; i = i + 1) line[i] <= line[i - 1];
    end
endmodule
"""


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    folder = tmp_path / "rtl"
    (folder / "verilog").mkdir(parents=True)
    (folder / "verilog" / "anomaly_trigger.v").write_text(BY_HAND)
    (folder / "design.json").write_text(json.dumps(asdict(RtlDesign(8, 17.0, 73, 1, 8))))
    return folder


def test_cells_counted_by_hand(by_hand: Path) -> None:
    report = count_cells(by_hand, "xcup")
    assert report.tool.startswith("yosys 0.") and report.tool.endswith(", UltraScale+")
    # One LUT for the parity, one for each bit of the sum and of the difference, a shift register
    # for each bit that waits.
    assert report.lut == 1 + 8 + 8 + 8
    # Blocks of four bits each, two of the sum and three of the difference.
    assert report.carry == 2 + 3
    assert report.ff == 1 + 8 + 8
    assert (report.dsp, report.bram) == (0, 0)
    # From the ports into the sum, a LUT and both blocks; from the eighth of the shift registers
    # to the reset of the last one, a LUT and three.
    assert report.stage_path_cells == (3, 0, 0, 0, 0, 0, 0, 0, 4)
    assert report.latency_cycles_max == 8 and report.interval_max == 1
    assert report.clock_estimate_ns is None and report.uram is None
    assert sorted(path.name for path in by_hand.iterdir()) == ["design.json", "verilog"]


def test_placed_and_routed(by_hand: Path) -> None:
    report = place_and_route(by_hand, 4.0)
    assert report.tool.startswith("nextpnr 0.") and report.tool.endswith(", ECP5, LUT4")
    # Shift registers are flip-flops there.
    assert report.ff == 1 + 8 + 8 + 64
    assert (report.dsp, report.bram) == (0, 0)
    assert report.clock_ns == 4.0 and report.latency_ns_max == 32.0
    assert report.clock_estimate_ns is not None and 0.3 < report.clock_estimate_ns < 6
    assert report.latency_ns_reached == 8 * report.clock_estimate_ns
    assert report == place_and_route(by_hand, 4.0)


def test_verilog_that_is_none(by_hand: Path) -> None:
    (by_hand / "verilog" / "anomaly_trigger.v").write_text("module anomaly_trigger (")
    with pytest.raises(ProofError, match=r"yosys must accept the RTL in .*, got: .*ERROR: "):
        count_cells(by_hand, "xcup")


@pytest.mark.slow
def test_the_same_cells_twice(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    precision = FixedPoint(
        input="fixed<5,3>", weight="fixed<4,2>", activation="ufixed<5,3>", latent="fixed<5,3>"
    )
    spec = ArchitectureSpec(input_dim=4, hidden_dims=(3,), latent_dim=1)
    model = build_autoencoder("plain", spec, precision)
    events = stress_events(precision.input, (4,), 500, seed=1)
    graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
    reports = []
    for name in ("first", "second"):
        settings = FirmwareSettings(levels_per_stage=3)
        design = write_rtl_project(graph, tmp_path / name, settings, [events[:10]])
        reports.append(count_cells(tmp_path / name, "xcup"))
    assert reports[0] == reports[1]
    assert 0.3 < reports[0].lut / design.estimated_lut < 3
    assert reports[0].ff > design.latency_cycles
    # As many registers behind one another as cycles are stated; ports are registered at once.
    first, *paths = reports[0].stage_path_cells
    assert first == 0 and len(paths) == design.latency_cycles - 1 and min(paths) > 0


def test_another_family(by_hand: Path) -> None:
    with pytest.raises(InputError, match=r"^family must be one of xcup, xc7, got 'ice40'$"):
        count_cells(by_hand, "ice40")
