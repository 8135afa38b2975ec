"""Cells as yosys counts them: by hand, twice the same, and what it says where it cannot."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from hls import yosys
from hls.rtl import write_rtl_project
from hls.trigger import build_trigger_graph
from hls.validate import stress_events
from hls.yosys import count_cells
from keras_ae.architecture import ArchitectureSpec
from keras_ae.errors import InputError
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint

#: A parity of four bits, a sum of two bytes, and a byte that waits for eight cycles.
BY_HAND = """
module anomaly_trigger (
    input wire clk,
    input wire [3:0] bits,
    input wire [7:0] a,
    input wire [7:0] b,
    output reg parity,
    output reg [7:0] sum,
    output wire [7:0] late
);
    reg [7:0] line [0:7];
    integer i;
    assign late = line[7];
    always @(posedge clk) begin
        parity <= ^bits;
        sum <= a + b;
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
    return folder


def test_cells_counted_by_hand(by_hand: Path) -> None:
    report = count_cells(by_hand, "xcup")
    assert report.tool.startswith("yosys 0.") and report.tool.endswith(", UltraScale+")
    # One LUT for the parity, one for each bit of the sum, a shift register for each bit that waits.
    assert report.lut == 1 + 8 + 8
    # Two blocks of four bits each.
    assert report.carry == 2
    assert report.ff == 1 + 8
    assert (report.dsp, report.bram) == (0, 0)
    assert [path.name for path in by_hand.iterdir()] == ["verilog"]


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
        design = write_rtl_project(graph, tmp_path / name, levels=3)
        reports.append(count_cells(tmp_path / name, "xcup"))
    assert reports[0] == reports[1]
    assert 0.3 < reports[0].lut / design.estimated_lut < 3
    assert reports[0].ff > design.latency_cycles


def test_another_family(by_hand: Path) -> None:
    with pytest.raises(InputError, match=r"^family must be one of xcup, xc7, got 'ice40'$"):
        count_cells(by_hand, "ice40")


def test_without_yosys(by_hand: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"found none: pip install 'keras-ae\[rtl\]'$"):
        count_cells(by_hand, "xcup")


def test_rtl_that_yosys_does_not_take(by_hand: Path) -> None:
    (by_hand / "verilog" / "anomaly_trigger.v").write_text("module anomaly_trigger (")
    with pytest.raises(InputError, match=r"^yosys must accept the RTL in .*, got: .*ERROR"):
        count_cells(by_hand, "xcup")
