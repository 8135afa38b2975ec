"""Resources and timing of a project, by the vendor's tool where one is on PATH.

hls4ml's build script in the project runs C-simulation, synthesis and RTL simulation. In which files
the numbers stand, and under which names, is taken from hls4ml's readers; these themselves end with
an exception where a number is missing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hls.cpp.backends import Backend, Tool
from hls.synthesis.resources import ResourceReport
from keras_ae.errors import InputError

LOG_NAME = "synthesis.log"


def find_tool(backend: Backend) -> Tool | None:
    """The first of the backend's tools that is on PATH."""
    return next((tool for tool in backend.tools if shutil.which(tool.program)), None)


def synthesize_project(folder: Path, name: str, backend: Backend) -> ResourceReport | None:
    """Run the vendor's tool in the project; what it says goes to `synthesis.log` there.

    Args:
        folder: of the project.
        name: of the project.
        backend: that it was written for.

    Returns:
        What the tool's reports hold, or None where no tool of the backend is on PATH.

    Raises:
        InputError: the tool fails, or leaves no report.
    """
    tool = find_tool(backend)
    if tool is None:
        return None
    pattern, read = _READERS[backend.name]
    pattern = pattern.format(name=name)
    # What an earlier run left would be taken for the result of this one.
    shutil.rmtree(folder / pattern.split("/")[0], ignore_errors=True)
    log = run_tool(tool.command, folder)
    reports = sorted(folder.glob(pattern))
    if not reports:
        raise InputError(f"{tool.program} must write {folder / pattern}, found none; see {log}")
    return ResourceReport(tool.program, **read(reports[-1]))


def run_tool(command: Sequence[str], folder: Path) -> Path:
    """Run a vendor's tool in `folder`; returns the log, of what it says.

    Raises:
        InputError: it fails.
    """
    log = folder / LOG_NAME
    with log.open("w", encoding="utf-8") as output:
        result = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode != 0:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise InputError(
            f"{command[0]} must end with 0, got {result.returncode}: "
            f"{said[-1] if said else 'it said nothing'} (all of it is in {log})"
        )
    return log


def _read_amd(path: Path) -> dict[str, Any]:
    """Of Vitis HLS or Vivado HLS: csynth.xml, and the report of the RTL simulation if there."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"{path} must be XML: {error}") from error

    def text(place: str) -> str | None:
        return root.findtext(place)

    latency, resources = "PerformanceEstimates/SummaryOfOverallLatency", "AreaEstimates/Resources"
    timing = "PerformanceEstimates/SummaryOfTimingAnalysis"
    return {
        "lut": _integer(text(f"{resources}/LUT")),
        "ff": _integer(text(f"{resources}/FF")),
        # Vivado HLS names the block.
        "dsp": _integer(text(f"{resources}/DSP") or text(f"{resources}/DSP48E")),
        "bram": _integer(text(f"{resources}/BRAM_18K")),
        "uram": _integer(text(f"{resources}/URAM")),
        "latency_cycles_min": _integer(text(f"{latency}/Best-caseLatency")),
        "latency_cycles_max": _integer(text(f"{latency}/Worst-caseLatency")),
        "interval_min": _integer(text(f"{latency}/Interval-min")),
        "interval_max": _integer(text(f"{latency}/Interval-max")),
        "clock_ns": _number(text("UserAssignments/TargetClockPeriod")),
        "clock_estimate_ns": _number(text(f"{timing}/EstimatedClockPeriod")),
        "cosim": _read_cosim(path.parents[2] / "sim" / "report"),
    }


def _read_cosim(folder: Path) -> str | None:
    """The status in a row such as `| Verilog| Pass| 12| 12| 12| 1| 1| 1|`."""
    for path in folder.glob("*_cosim.rpt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) > 2 and cells[1] in ("VHDL", "Verilog") and cells[2] != "NA":
                return cells[2]
    return None


def _read_intel(path: Path) -> dict[str, Any]:
    """Of i++: JSON in the JavaScript of its HTML report."""
    area = _json_variable(path, "areaJSON")
    lut, ff, bram, dsp = ([*_items(area.get("total")), None, None, None, None])[:4]
    found = {"lut": lut, "ff": ff, "bram": bram, "dsp": dsp}
    measured = _json_variable(path.with_name("verification_data.js"), "verifJSON")
    functions = _items(measured.get("functions"))
    # Number of calls, then latency and interval as "min,max,average".
    data = [str(part).split(",") for part in _items(functions[0].get("data"))] if functions else []
    for name, column in (("latency_cycles", 1), ("interval", 2)):
        for kind, place in (("min", 0), ("max", 1)):
            known = len(data) > column and len(data[column]) > place
            found[f"{name}_{kind}"] = data[column][place] if known else None
    return {name: _integer(value) for name, value in found.items()}


def _json_variable(path: Path, name: str) -> dict[str, Any]:
    """The object that `var NAME=` is set to; empty if there is none."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    start = re.search(rf"var {name}\s*=\s*", text)
    if start is None:
        return {}
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start.end())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def read_utilization(path: Path) -> dict[str, Any]:
    """Of Vivado, also behind Catapult: rows such as `| CLB LUTs | 1234 | ...`."""
    rows: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3:
            rows.setdefault(cells[1].rstrip("*"), cells[2])
    names = {
        "lut": ("CLB LUTs", "Slice LUTs"),
        "ff": ("CLB Registers", "Slice Registers"),
        "carry": ("CARRY8", "CARRY4"),
        "dsp": ("DSPs",),
        "uram": ("URAM",),
    }
    found = {
        field: next((_integer(rows[name]) for name in choices if name in rows), None)
        for field, choices in names.items()
    }
    # Of 18 kbit; the others are two of them.
    halves, wholes = (_integer(rows.get(name)) for name in ("RAMB18", "RAMB36/FIFO"))
    known = [count for count in (halves, 2 * wholes if wholes else wholes) if count is not None]
    return {**found, "bram": sum(known) if known else None}


#: Backend -> the report, below the project `name`, and its reader.
_READERS: dict[str, tuple[str, Callable[[Path], dict[str, Any]]]] = {
    "Vitis": ("{name}_prj/solution1/syn/report/{name}_csynth.xml", _read_amd),
    "Vivado": ("{name}_prj/solution1/syn/report/{name}_csynth.xml", _read_amd),
    "Quartus": ("{name}-fpga.prj/reports/lib/report_data.js", _read_intel),
    "Catapult": ("{name}_prj/{name}.v*/vivado_concat_v/utilization_synth.rpt", read_utilization),
}


def _integer(value: Any) -> int | None:
    """None for what is no number, such as `undef`."""
    number = _number(value)
    return None if number is None else round(number)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
