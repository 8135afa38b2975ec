"""What goes into the firmware and comes out, as a file beside the project."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from hls.exact import ExactGraph
from hls.trigger import output_names
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


def graph_interface(graph: keras.Model) -> Interface:
    """Of a trigger graph and of its firmware."""
    grids = ExactGraph(graph).grids

    def port(name: str) -> Port:
        return Port(name, str(grids[name].format), math.prod(grids[name].shape))

    names = [tensor._keras_history.operation.name for tensor in graph.inputs]
    return Interface(tuple(map(port, names)), tuple(map(port, output_names(graph))))


def write_interface(graph: keras.Model, folder: Path) -> None:
    """Write `interface.json` into a project."""
    write_text(folder / FILE_NAME, json.dumps(asdict(graph_interface(graph)), indent=2) + "\n")


def read_interface(folder: Path) -> Interface:
    """Of the project in `folder`.

    Raises:
        FileNotFoundError: the folder holds no project.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"HLS project not found: {folder} must hold {FILE_NAME}")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Interface(
        **{side: tuple(Port(**port) for port in content[side]) for side in ("inputs", "outputs")}
    )
