"""RTL through vendors' tools: stand-ins for them, which write reports in the tools' layout.

No real tool of a vendor is run here.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from test_synthesis import bin_folder, install_tool  # noqa: F401

from hls.rtl.design import RtlDesign
from hls.synthesis.resources import ResourceReport
from hls.synthesis.vendor_rtl import synthesize_by_vendors
from keras_ae.errors import InputError

UTILIZATION = """
1. CLB Logic
+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| CLB LUTs                   | 7012 |     0 |          0 |   1728000 |  0.41 |
| CLB Registers              | 3120 |     0 |          0 |   3456000 |  0.09 |
| CARRY8                     |  912 |     0 |          0 |    216000 |  0.42 |
3. BLOCKRAM
| Block RAM Tile    |  1.5 |     0 |          0 |      2688 |  0.06 |
|   RAMB36/FIFO*    |    1 |     0 |          0 |      2688 |  0.04 |
|   RAMB18          |    1 |     0 |          0 |      5376 |  0.02 |
| URAM              |    0 |     0 |          0 |      1280 |  0.00 |
4. ARITHMETIC
| DSPs           |    0 |     0 |          0 |     12288 |  0.00 |
"""
TIMING = """
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)
    -------      -------  ---------------------  -------------------      -------
     -0.125       -1.250                     12                 3120        0.031

------------------------------------------------------------------------------------------------
| Clock Summary
| -------------
------------------------------------------------------------------------------------------------

Clock  Waveform(ns)       Period(ns)      Frequency(MHz)
-----  ------------       ----------      --------------
clk    {0.000 1.250}      2.500           400.000
"""
FITTER = """Fitter Status : Successful - Sat Nov 21 10:00:00 2026
Family : Arria 10
Logic utilization (in ALMs) : 4,321 / 427,200 ( 1 % )
Total registers : 3210
Total RAM Blocks : 0 / 2,713 ( 0 % )
Total DSP Blocks : 2 / 1,518 ( < 1 % )
"""
TIMING_ANALYSIS = """
; Slow 900mV 100C Model Fmax Summary                ;
; Fmax       ; Restricted Fmax ; Clock Name ; Note ;
; 320.0 MHz  ; 320.0 MHz       ; clk        ;      ;
; Slow 900mV 0C Model Fmax Summary                  ;
; 400.0 MHz  ; 400.0 MHz       ; clk        ;      ;
"""
VIVADO = {"reports/utilization.rpt": UTILIZATION, "reports/timing.rpt": TIMING}
QUARTUS = {
    "output_files/anomaly_trigger.fit.summary": FITTER,
    "output_files/anomaly_trigger.sta.rpt": TIMING_ANALYSIS,
}
CYCLES = {
    "latency_cycles_min": 6,
    "latency_cycles_max": 6,
    "interval_min": 1,
    "interval_max": 1,
    "clock_ns": 2.5,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "rtl"
    folder.mkdir()
    (folder / "design.json").write_text(json.dumps(asdict(RtlDesign(6, 7000.0, 3000, 600, 6900))))
    return folder


@pytest.mark.usefixtures("bin_folder")
class TestVendors:
    def test_none(self, project: Path) -> None:
        assert synthesize_by_vendors(project, 2.5) == []

    def test_vivado(self, project: Path, tmp_path: Path) -> None:
        install_tool(tmp_path / "bin", "vivado", VIVADO)
        counted = {"lut": 7012, "ff": 3120, "carry": 912, "dsp": 0, "bram": 3, "uram": 0}
        (report,) = synthesize_by_vendors(project, 2.5)
        assert report == ResourceReport("vivado", **counted, **CYCLES, clock_estimate_ns=2.625)
        assert report.latency_ns_max == 15.0 and report.latency_ns_reached == 15.75
        assert "vivado -mode batch -source vivado.tcl" in (project / "synthesis.log").read_text()

    def test_quartus(self, project: Path, tmp_path: Path) -> None:
        install_tool(tmp_path / "bin", "quartus_sh", QUARTUS)
        (report,) = synthesize_by_vendors(project, 2.5)
        counted = {"alm": 4321, "ff": 3210, "dsp": 2, "bram": 0}
        # At the slowest corner.
        expected = ResourceReport("quartus_sh", **counted, **CYCLES, clock_estimate_ns=3.125)
        assert report == expected

    def test_what_is_not_reported_is_none(self, project: Path, tmp_path: Path) -> None:
        install_tool(tmp_path / "bin", "vivado", dict.fromkeys(VIVADO, "nothing\n"))
        install_tool(tmp_path / "bin", "quartus_sh", dict.fromkeys(QUARTUS, "nothing\n"))
        for report in synthesize_by_vendors(project, 2.5):
            assert report == ResourceReport(report.tool, **CYCLES)

    def test_failure(self, project: Path, tmp_path: Path) -> None:
        install_tool(tmp_path / "bin", "vivado", VIVADO, 1, "ERROR: no licence")
        with pytest.raises(InputError, match="vivado must end with 0, got 1: ERROR: no licence"):
            synthesize_by_vendors(project, 2.5)
        install_tool(tmp_path / "bin", "vivado", {})
        with pytest.raises(InputError, match=r"vivado must write .*timing\.rpt, found none; see"):
            synthesize_by_vendors(project, 2.5)
