"""Where firmware and reference part: the first layer, element and event, in bits.

hls4ml fuses quantizers into the layers before them, so that its layers are not the graph's one by
one. A copy of the project is made to record what each of its layers gives, and each is compared
with the last of the graph's layers that it stands for.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hls.cpp.csim import Simulation
from hls.graph.interface import PROJECT_NAME
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.quantizer import Quantizer
from keras_ae.fixed_point import FixedPointFormat

_HEADER = Path(__file__).parent / "templates" / "trace.h"

#: Of an array or a stream; the arguments of the top function; the call of a layer, which gives
#: numbers of the last type, with the layer's name behind it for AMD's and Siemens' tools.
_DECLARATION = re.compile(
    r"^ *(?:static )?(?:(?:hls::stream|stream|ac_channel)<\w+>|\w+_t) (\w+)[^;\n]*;", re.MULTILINE
)
_SIGNATURE = re.compile(rf"{PROJECT_NAME}\)?\(([^{{}}]*)\) \{{")
_CALL = re.compile(r"^( *)nnet::(\w+)<.*?(\w+)_t, \w+>\((.*)\);(?: // (\w+))?$", re.MULTILINE)
#: hls4ml's helpers, which are no layers.
_COPIES = ("clone_stream", "repack_stream")


@dataclass(frozen=True)
class Divergence:
    """The first difference: `event` of the sample, `element` of the output of `layer`.

    Bits are two's complement, in `format`; a value between two of its points is rounded.
    """

    event: int
    layer: str
    element: tuple[int, ...]
    format: str
    expected: float
    found: float
    expected_bits: str
    found_bits: str


def firmware_divergence(
    graph: LayerGraph, folder: Path, event: int, values: tuple[np.ndarray, ...]
) -> Divergence | None:
    """Where the project in `folder` first differs from the reference.

    None where it does not.

    Args:
        graph: the trigger graph that the project was made of.
        folder: the HLS project.
        event: number by which the result names the event.
        values: of each input for that one event, (1, ...).
    """
    found = trace_project(folder, {name: grid.shape for name, grid in graph.grids.items()}, values)
    stands_for = {name: _last_fused(graph, name, found) for name in found}
    expected = graph.trace(*values)
    pairs = {name: (expected[stands_for[name]], found[name]) for name in found}
    return _first(graph, stands_for, event, pairs)


def keras_divergence(
    graph: LayerGraph, event: int, values: tuple[np.ndarray, ...]
) -> Divergence | None:
    """Where Keras first differs from the reference: it rounds there, see `firmware_divergence`."""
    expected = graph.trace(*values)
    found = graph.in_keras(*values, layers=list(expected))
    pairs = {name: (expected[name], found[name]) for name in expected}
    return _first(graph, {name: name for name in expected}, event, pairs)


def trace_project(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], values: tuple[np.ndarray, ...]
) -> dict[str, np.ndarray]:
    """What each of the project's layers gives, in their order: name -> (events, *shape).

    Args:
        folder: the HLS project; stays as it is.
        shapes: of the graph's layers by name; hls4ml's helpers, which it has not, are left out.
        values: of each input, (events, ...).
    """
    with tempfile.TemporaryDirectory() as name:
        copy, records = Path(name) / "project", Path(name) / "records"
        shutil.copytree(folder, copy)
        records.mkdir()
        shutil.copy(_HEADER, copy / "firmware" / _HEADER.name)
        top = copy / "firmware" / f"{PROJECT_NAME}.cpp"
        text, layers = _with_records(top.read_text(encoding="utf-8"), shapes)
        # The folder is known to this copy alone.
        place = '#include "parameters.h"\n'
        include = f'{place}#define TRACE_DIR "{records}"\n#include "{_HEADER.name}"\n'
        top.write_text(text.replace(place, include), encoding="utf-8")
        with Simulation(copy) as simulation:
            simulation.run(*values, n_processes=1)
        return {
            layer: np.fromfile(records / f"{layer}.bin").reshape(-1, *shapes[layer])
            for layer in layers
        }


def _with_records(text: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, list[str]]:
    """The top function with a record after the call of each layer, and their names in order."""
    declared = set(_DECLARATION.findall(text))
    for signature in _SIGNATURE.findall(text):
        declared |= set(re.findall(r"(\w+)(?:\[[^\]]*\])?(?: /\*.*?\*/)?(?=\s*(?:,|$))", signature))
    layers: list[str] = []

    def record(match: re.Match[str]) -> str:
        indent, function, kind, arguments, comment = match.groups()
        layer = comment or kind
        if function in _COPIES or layer not in shapes:
            return match[0]
        # Behind the output there are only weights, which are declared elsewhere. Intel's outputs
        # are members of one structure.
        output = [
            argument
            for argument in arguments.split(", ")
            if argument in declared or argument.startswith("outputs.")
        ][-1]
        layers.append(layer)
        save = f'trace::save("{layer}", {output}, {math.prod(shapes[layer])});'
        return f"{match[0]}\n{indent}{save}"

    return _CALL.sub(record, text), layers


def _last_fused(graph: LayerGraph, name: str, found: Mapping[str, np.ndarray]) -> str:
    """The quantizer that hls4ml has fused into a layer, or the layer itself."""
    current = name
    while True:
        behind = graph.consumers(current)
        if len(behind) != 1:
            return name
        (node,) = behind
        if isinstance(node.layer, Quantizer) and node.name not in found:
            return node.name
        if not node.layer.only_reshapes:
            return name
        current = node.name


def _first(
    graph: LayerGraph,
    stands_for: Mapping[str, str],
    event: int,
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Divergence | None:
    """The first element of the first layer in which expected and found values differ."""
    for name, (expected, found) in pairs.items():
        expected = expected.reshape(found.shape)
        different = np.argwhere(expected != found)
        if len(different):
            place = tuple(different[0])
            form = graph.grids[stands_for[name]].format
            values = float(expected[place]), float(found[place])
            bits = [to_bits(value, form) for value in values]
            element = tuple(int(index) for index in place[1:])
            return Divergence(event, name, element, str(form), *values, *bits)
    return None


def to_bits(value: float, form: FixedPointFormat) -> str:
    """Two's complement of a value in a format, rounded to it and wrapped."""
    return format(round(value / form.step) % 2**form.width, f"0{form.width}b")
