"""The numbers in a project's files: weights, tables, limits, events of the test bench.

C-simulation sees a constant only through the events that it changes. Here each is compared with the
trigger graph by itself.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hls.cpp.ports import read_code
from hls.graph.interface import REMEDY
from hls.graph.layer_graph import LayerGraph
from keras_ae.errors import ProofError

#: A constant in a header: its type, of which hls4ml makes the name from layer and role.
_CONSTANT = re.compile(r"(\w+)_t \w+\[\d+\]\s*=\s*\{([^}]*)\}")


def read_rows(path: Path) -> np.ndarray:
    """Numbers with white space between them, (lines, numbers).

    Raises:
        ProofError: no file, something else than numbers, or lines of different lengths.
    """
    lines = read_code(path).splitlines()
    try:
        rows = [[float(word) for word in line.split()] for line in lines]
        return np.array(rows, np.float64).reshape(len(rows), len(rows[0]) if rows else 0)
    except ValueError as error:
        raise ProofError(
            f"{path} must hold as many numbers in each line, got: {error}; {REMEDY}"
        ) from error


def check_copies(folder: Path) -> None:
    """Raise ProofError unless C-simulation and synthesis see the same constants.

    C-simulation reads `weights/*.txt`, synthesis compiles `weights/*.h`; for Quartus, both compile
    the only files there are.
    """
    headers = sorted(folder.glob("firmware/weights/*.h"))
    if not any(folder.glob("firmware/weights/*.txt")) and all(map(_is_compiled, headers)):
        return
    for header in headers:
        text = header.with_suffix(".txt")
        initializer = _CONSTANT.search(read_code(header))
        if initializer is None:
            raise ProofError(f"{header} must hold an initializer, got none: {REMEDY}")
        if not text.is_file():
            raise ProofError(f"{header} must have {text.name} beside it, got none: {REMEDY}")
        synthesized, simulated = _numbers(header, initializer[2]), _numbers(text, read_code(text))
        if not np.array_equal(synthesized, simulated):
            raise ProofError(
                f"{header} and {text.name} must hold the same weights, but differ: {REMEDY}"
            )


def altered_constants(folder: Path, graph: LayerGraph) -> tuple[str, ...]:
    """Names of the constants whose numbers are not those of the graph.

    Kernels in whichever order, because hls4ml transposes some. A kernel that hls4ml has unrolled to
    adders is no constant any more, and is left to the events.
    """
    found = {
        name: _numbers(header, values)
        for header in sorted(folder.glob("firmware/weights/*.h"))
        for name, values in _CONSTANT.findall(read_code(header))
    }
    types = set(re.findall(r"(\w+)_t;", read_code(folder / "firmware" / "defines.h")))
    altered = []
    constants = (
        (f"{node.name}_{role}", role, np.ravel(values))
        for node in graph.nodes
        for role, values in graph.cpp(node).constants.items()
    )
    for name, role, numbers in constants:
        if name not in found and name not in types:
            continue
        written = found.get(name, np.zeros(0))
        if role == "weight":
            numbers, written = np.sort(numbers), np.sort(written)
        if not np.array_equal(numbers, written):
            altered.append(name)
    return tuple(altered)


def _numbers(path: Path, text: str) -> np.ndarray:
    try:
        return np.array([float(value) for value in text.split(",") if value.strip()])
    except ValueError as error:
        raise ProofError(f"{path} must hold numbers: {error}; {REMEDY}") from error


def _is_compiled(header: Path) -> bool:
    """Whether C-simulation takes the weights from the header, as synthesis does."""
    return "#ifndef __SYNTHESIS__" not in read_code(header)
