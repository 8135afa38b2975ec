"""Of one run, the HLS project and the RTL side by side: bits, resources, latency, simulators.

What a tool did not report stays empty; it is never taken for zero.
"""

from __future__ import annotations

from typing import Any

from hls.rtl.design import RtlDesign
from hls.synthesis.resources import ResourceReport
from keras_ae.files import read_json
from keras_ae.runs import Run
from keras_ae.settings.firmware import FirmwareSettings

#: Of a row, by the keys of a `ResourceReport` and of the comparisons.
_COLUMNS = {
    "LUT": "lut",
    "ALM": "alm",
    "FF": "ff",
    "carry": "carry",
    "DSP": "dsp",
    "BRAM": "bram",
    "cells by stage": "stage_path_cells",
    "cycles": "latency_cycles_max",
    "II": "interval_max",
    "clock": "clock_ns",
    "ns": "latency_ns_max",
    "clock reached": "clock_estimate_ns",
    "ns reached": "latency_ns_reached",
    "bits off": "mismatching_bits",
    "events": "events",
    "events/s": "events_per_second",
}


def implementations(run: Run, settings: FirmwareSettings) -> list[dict[str, Any]]:
    """A row for each simulator and each tool that has seen the firmware of a run, with its `name`.

    Values are as in a `ResourceReport`, and of the simulators the events that were compared, the
    bits of them that differ from the exact reference, and the events per second.
    """
    rows = []
    if run.is_finished("convert") and run.validation_path.exists():
        found = read_json(run.validation_path, "events", "mismatching_bits")
        rows.append({"name": f"HLS project ({settings.backend}): C-simulation", **found})
    if run.is_finished("convert") and run.synthesis_path.exists():
        found = read_json(run.synthesis_path, "tool")
        rows.append({"name": f"HLS project: {found['tool']}", **found})
    if run.is_finished("rtl") and run.rtl_path.exists():
        found = read_json(run.rtl_path, "events", "mismatching_bits", "design")
        design = RtlDesign(**found["design"])
        estimated = ResourceReport(
            "Verilator; LUT, FF estimated by da4ml",
            lut=round(design.estimated_lut),
            ff=design.register_bits,
            **design.timing,
            clock_ns=settings.clock_ns,
        )
        rows.append({"name": f"RTL: {estimated.tool}", **found, **estimated.as_dict()})
    if run.is_finished("rtl") and run.resources_path.exists():
        reports = read_json(run.resources_path, "reports")["reports"]
        rows += [{"name": f"RTL: {report['tool']}", **report} for report in reports]
    return rows


def as_text(rows: list[dict[str, Any]]) -> str:
    """A table of columns that are not empty, a line for each row."""
    cells = table(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Cells of a head and of each row, without columns that are empty in all."""
    columns = {
        title: key
        for title, key in _COLUMNS.items()
        if any(row.get(key) is not None for row in rows)
    }
    body = [[row["name"], *(_text(row.get(key)) for key in columns.values())] for row in rows]
    return [["", *columns], *body]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:,.0f}" if value >= 1000 or isinstance(value, int) else f"{value:.4g}"
