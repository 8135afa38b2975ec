"""Synthesis, place and route of RTL by a vendor's tool, where one is on PATH.

The scripts are those of the project; what the tools report is read by what its lines say.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hls.rtl.design import read_design
from hls.synthesis.resources import ResourceReport
from hls.synthesis.vendor_hls import read_utilization, run_tool
from keras_ae.errors import InputError


def synthesize_by_vendors(folder: Path, clock_ns: float) -> list[ResourceReport]:
    """What Vivado and Quartus make of the RTL project in `folder`; empty where none is on PATH.

    Args:
        folder: of the project, in which the tools work.
        clock_ns: the period that the project's scripts ask for.

    Raises:
        InputError: a tool fails, or leaves no report.
    """
    timing = read_design(folder).timing
    return [
        ResourceReport(program, **timing, clock_ns=clock_ns, **_run(folder, program))
        for program in _TOOLS
        if shutil.which(program)
    ]


def _run(folder: Path, program: str) -> dict[str, Any]:
    arguments, reports, read = _TOOLS[program]
    # What an earlier run left would be taken for the result of this one.
    shutil.rmtree(folder / reports, ignore_errors=True)
    log = run_tool((program, *arguments), folder)
    try:
        return read(folder / reports)
    except FileNotFoundError as error:
        raise InputError(f"{program} must write {error.filename}, found none; see {log}") from error


def _read_vivado(folder: Path) -> dict[str, Any]:
    """Of `report_utilization` and `report_timing_summary`."""
    timing = (folder / "timing.rpt").read_text(encoding="utf-8")
    # In the row below the names of the columns, of which the first is WNS.
    slack = re.search(r"WNS\(ns\).*\n[\s-]+\n\s*(-?[\d.]+)", timing)
    period = re.search(r"^clk\s+\{[^}]*\}\s+([\d.]+)", timing, re.MULTILINE)
    reached = float(period[1]) - float(slack[1]) if period and slack else None
    return {**read_utilization(folder / "utilization.rpt"), "clock_estimate_ns": reached}


def _read_quartus(folder: Path) -> dict[str, Any]:
    """Of the summaries of the fitter, and of the timing analysis at the slowest corner."""
    summary = next(iter(sorted(folder.glob("*.fit.summary"))), folder / "*.fit.summary")
    rows = {}
    for line in summary.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        number = re.match(r"\s*([\d,]+)", value)
        rows[name.strip()] = int(number[1].replace(",", "")) if number else None
    timing = next(iter(sorted(folder.glob("*.sta.rpt"))), folder / "*.sta.rpt")
    fmax = re.findall(
        r";\s*([\d.]+) MHz\s*;\s*[\d.]+ MHz\s*;\s*clk\b", timing.read_text(encoding="utf-8")
    )
    return {
        "lut": rows.get("Combinational ALUT usage for logic"),
        "alm": rows.get("Logic utilization (in ALMs)"),
        "ff": rows.get("Total dedicated logic registers", rows.get("Total registers")),
        "dsp": rows.get("Total DSP Blocks"),
        "bram": rows.get("Total RAM Blocks"),
        "clock_estimate_ns": 1000 / min(map(float, fmax)) if fmax else None,
    }


#: Program -> its arguments, the folder of its reports, and their reader.
_TOOLS: dict[str, tuple[tuple[str, ...], str, Callable[[Path], dict[str, Any]]]] = {
    "vivado": (("-mode", "batch", "-source", "vivado.tcl"), "reports", _read_vivado),
    "quartus_sh": (("-t", "quartus.tcl"), "output_files", _read_quartus),
}
