"""What goes into the firmware and comes out: names, formats, files of a project."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from hls.graph.exact import ExactGraph
from keras_ae.errors import InputError, ProofError
from keras_ae.files import write_text
from keras_ae.fixed_point import FixedPointFormat

FILE_NAME = "interface.json"

#: Name of the top function, of the project and of its files.
PROJECT_NAME = "anomaly_trigger"

#: Events of the test bench and their expected results, in `tb_data`.
BENCH_INPUTS = "tb_input_features.dat"
BENCH_OUTPUTS = "tb_output_predictions.dat"

#: What to do about a project that was changed or damaged.
REMEDY = "'keras-ae convert' writes the project again"


@dataclass(frozen=True)
class Port:
    """`n_values` fixed-point numbers; the last bit of format `fixed<W,I>` is 2^(I-W)."""

    name: str
    format: str
    n_values: int

    @property
    def form(self) -> FixedPointFormat:
        """Format of each value."""
        return FixedPointFormat.parse(self.format)

    @property
    def width(self) -> int:
        """Bits of all values."""
        return self.n_values * self.form.width

    @property
    def n_words(self) -> int:
        """Words of 32 bits that hold them, in which simulators exchange ports."""
        return -(-self.width // 32)


@dataclass(frozen=True)
class Interface:
    """Ports of the top function in their order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def n_inputs(self) -> int:
        """Numbers of one event."""
        return sum(port.n_values for port in self.inputs)

    @property
    def n_outputs(self) -> int:
        """Numbers of one result."""
        return sum(port.n_values for port in self.outputs)

    @classmethod
    def of(cls, exact: ExactGraph) -> Interface:
        """Of a trigger graph and of its firmware."""

        def port(name: str) -> Port:
            grid = exact.grids[name]
            return Port(name, str(grid.format), math.prod(grid.shape))

        return cls(tuple(map(port, exact.input_names)), tuple(map(port, exact.output_names)))

    def rows(self, *inputs: np.ndarray) -> np.ndarray:
        """All numbers of an event in a row: (events, n_inputs) of the inputs (events, ...).

        Raises:
            InputError: inputs of another size.
        """
        flat = [part.reshape(len(part), -1).astype(np.float64) for part in inputs]
        if [part.shape[1] for part in flat] != [port.n_values for port in self.inputs]:
            expected = ", ".join(f"({port.name}: {port.n_values})" for port in self.inputs)
            raise InputError(
                f"inputs of the project must be {expected} values an event, got arrays of shape "
                f"{', '.join(str(part.shape) for part in inputs)}"
            )
        return np.hstack(flat)

    def write(self, folder: Path) -> None:
        """Write `interface.json` into a project."""
        write_text(folder / FILE_NAME, json.dumps(asdict(self), indent=2) + "\n")


def read_interface(folder: Path, remedy: str = REMEDY) -> Interface:
    """Of the project in `folder`, which the `remedy` writes again.

    Raises:
        FileNotFoundError: the folder holds no project.
        ProofError: its file is damaged.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"project not found: {folder} must hold {FILE_NAME}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sides = {
            side: tuple(
                Port(port["name"], port["format"], port["n_values"]) for port in content[side]
            )
            for side in ("inputs", "outputs")
        }
    except (ValueError, TypeError, KeyError) as error:
        raise ProofError(f"{path} must hold the ports of the project: {remedy}") from error
    return Interface(**sides)


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
