"""Of one run, the HLS project and the RTL side by side: bits, resources, latency, simulators.

What a tool did not report stays empty; it is never taken for zero.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from hls.settings import FirmwareSettings
from keras_ae.files import write_text
from keras_ae.runs import Run, read_json

#: Of a row, by the keys of a `ResourceReport` and of the comparisons.
_COLUMNS = {
    "LUT": "lut",
    "FF": "ff",
    "carry": "carry",
    "DSP": "dsp",
    "BRAM": "bram",
    "cycles": "latency_cycles_max",
    "II": "interval_max",
    "ns at target": "latency_ns_max",
    "clock reached": "clock_estimate_ns",
    "ns reached": "latency_ns_reached",
    "bits off": "mismatching_bits",
    "events": "events",
    "events/s": "events_per_second",
}
_SECTION = re.compile(r'<section id="implementations">.*?</section>', re.DOTALL)


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
        cycles = found["design"]["latency_cycles"]
        rows.append(
            {
                "name": "RTL: Verilator; LUT, FF estimated by da4ml",
                **found,
                "lut": round(found["design"]["estimated_lut"]),
                "ff": found["design"]["register_bits"],
                "latency_cycles_max": cycles,
                "interval_max": 1,
                "latency_ns_max": cycles * settings.clock_ns,
            }
        )
    if run.is_finished("rtl") and run.resources_path.exists():
        reports = read_json(run.resources_path, "reports")["reports"]
        rows += [{"name": f"RTL: {report['tool']}", **report} for report in reports]
    return rows


def as_text(rows: list[dict[str, Any]]) -> str:
    """A table of columns that are not empty, a line for each row."""
    cells = _cells(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def as_html(rows: list[dict[str, Any]]) -> Markup:
    """The section of the fidelity report."""
    if not rows:
        return Markup('<section id="implementations"></section>')
    head, *body = _cells(rows)
    lines = [Markup("<tr>{}</tr>").format(Markup("").join(map(Markup("<th>{}</th>").format, head)))]
    lines += [
        Markup("<tr>{}</tr>").format(Markup("").join(map(Markup("<td>{}</td>").format, line)))
        for line in body
    ]
    note = escape(
        "BRAM of 18 kbit on AMD's and 20 kbit on Intel's parts; times in ns. What a tool did not "
        "report is empty. nextpnr's clock is that of an ECP5, and says nothing of other families."
    )
    return Markup(
        '<section id="implementations">\n<h2>Implementations</h2>\n'
        '<div class="wide"><table>\n{}\n</table></div>\n<p class="note">{}</p>\n</section>'
    ).format(Markup("\n").join(lines), note)


def update_page(path: Path, rows: list[dict[str, Any]]) -> None:
    """Put the table into a fidelity report that was written before."""
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        section = str(as_html(rows))
        write_text(path, _SECTION.sub(lambda _: section, text))


def _cells(rows: list[dict[str, Any]]) -> list[list[str]]:
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
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
