"""What goes into the firmware and comes out, as a file beside the project."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hls.exact import ExactGraph
from keras_ae.errors import InputError, ProofError
from keras_ae.files import write_text

FILE_NAME = "interface.json"


@dataclass(frozen=True)
class Port:
    """`n_values` fixed-point numbers; the last bit of format `fixed<W,I>` is 2^(I-W)."""

    name: str
    format: str
    n_values: int


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


def read_interface(folder: Path) -> Interface:
    """Of the project in `folder`.

    Raises:
        FileNotFoundError: the folder holds no project.
        ProofError: its file is damaged.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"HLS project not found: {folder} must hold {FILE_NAME}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sides = {
            side: tuple(Port(**port) for port in content[side]) for side in ("inputs", "outputs")
        }
    except (ValueError, TypeError, KeyError) as error:
        raise ProofError(
            f"{path} must hold the ports of the project: 'keras-ae convert' writes it again"
        ) from error
    return Interface(**sides)
