"""Ports of the C++ of a project, as its text declares them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from hls.graph.interface import PROJECT_NAME, REMEDY, Interface
from keras_ae.errors import ProofError

#: Events of the test bench and their expected results, in `tb_data`.
BENCH_INPUTS = "tb_input_features.dat"
BENCH_OUTPUTS = "tb_output_predictions.dat"


def read_code(path: Path) -> str:
    """Text of a file of a project.

    Raises:
        ProofError: there is none.
    """
    if not path.is_file():
        raise ProofError(f"{path} must be there, got none: {REMEDY}")
    return path.read_text(encoding="utf-8", errors="replace")


def check_port_types(folder: Path, interface: Interface) -> None:
    """Raise ProofError unless the project's C++ has ports of these names and formats.

    Numbers alone do not tell: a port that is wider than its format gives the same ones.
    """
    code = [folder / "firmware" / file for file in (f"{PROJECT_NAME}.h", "defines.h")]
    top, types = map(read_code, code)
    for port in (*interface.inputs, *interface.outputs):
        declared = re.search(rf"(\w+)>?\s+&?{port.name}(?:_stream)?\s*[\[,)\n;]", top)
        found = _format_of_type(types, declared[1]) if declared else None
        # One bit of ac_fixed is two bits to hls4ml, the last of which is always zero.
        of_ac = str(replace(port.form, width=2)) if port.form.width == 1 else port.format
        if found not in (port.format, of_ac):
            raise ProofError(
                f"{code[1]} must give port {port.name} the format {port.format}, got {found}: "
                f"{REMEDY}"
            )


def _format_of_type(types: str, name: str) -> str | None:
    """`fixed<W,I>` of a typedef, also of an array of it; None if there is none."""
    number = r"a[pc]_(u?)(fixed|int)<(\d+)(?:, ?(-?\d+))?(?:, ?(true|false))?"
    found = re.search(rf"typedef (?:nnet::array<)?{number}[^;]*\b{name};", types)
    if found is None:
        return None
    unsigned, kind, width, integer, signed = found.groups()
    form = f"<{width},{width if kind == 'int' else integer}>"
    return ("u" if unsigned or signed == "false" else "") + "fixed" + form
