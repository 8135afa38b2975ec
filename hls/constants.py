"""The numbers in a project's files: weights, tables, limits, events of the test bench.

C-simulation sees a constant only through the events that it changes. Here each is compared with the
trigger graph by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from hls.layers import AboveThreshold, LookupTable, ScaleObjects
from hls.quantized_weights import QuantizedWeights
from keras_ae.errors import ProofError

#: A constant in a header: its type, of which hls4ml makes the name from layer and role.
_CONSTANT = re.compile(r"(\w+)_t \w+\[\d+\]\s*=\s*\{([^}]*)\}")

_AGAIN = "'keras-ae convert' writes the project again"


def read_rows(path: Path) -> np.ndarray:
    """Numbers with white space between them, (lines, numbers).

    Raises:
        ProofError: no file, something else than numbers, or lines of different lengths.
    """
    if not path.is_file():
        raise ProofError(f"{path} must be there, got none: {_AGAIN}")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        rows = [[float(word) for word in line.split()] for line in lines]
        return np.array(rows, np.float64).reshape(len(rows), len(rows[0]) if rows else 0)
    except ValueError as error:
        raise ProofError(
            f"{path} must hold as many numbers in each line, got: {error}; {_AGAIN}"
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
        if _CONSTANT.search(_read(header)) is None:
            raise ProofError(f"{header} must hold an initializer, got none: {_AGAIN}")
        if not text.is_file():
            raise ProofError(f"{header} must have {text.name} beside it, got none: {_AGAIN}")
        synthesized, simulated = (_numbers(path, part) for path, part in _both(header, text))
        if not np.array_equal(synthesized, simulated):
            raise ProofError(
                f"{header} and {text.name} must hold the same weights, but differ: {_AGAIN}"
            )


def altered_constants(folder: Path, graph: keras.Model) -> tuple[str, ...]:
    """Names of the constants whose numbers are not those of the graph, in whichever order.

    Constants that hls4ml holds in another form, such as products unrolled to adders, are left to
    the events.
    """
    expected = dict(_constants(graph))
    altered = []
    for header in sorted(folder.glob("firmware/weights/*.h")):
        for name, values in _CONSTANT.findall(_read(header)):
            if name not in expected:
                continue
            numbers, step = expected[name]
            found = _numbers(header, values)
            # hls4ml writes them with as many digits as their type needs.
            known, units = (np.sort(np.rint(part.ravel() / step)) for part in (numbers, found))
            if len(known) == len(units) and not np.array_equal(known, units):
                altered.append(name)
    return tuple(altered)


def _constants(graph: keras.Model) -> Iterator[tuple[str, tuple[np.ndarray, float]]]:
    """Each constant of the graph by hls4ml's name: its numbers and their last bit."""
    for layer in graph.layers:
        if hasattr(layer, "kernel"):
            weights = QuantizedWeights.of(layer)
            yield f"{layer.name}_weight", (weights.kernel, weights.kernel_step)
            if layer.use_bias:
                yield f"{layer.name}_bias", (weights.bias, weights.bias_step)
        elif isinstance(layer, LookupTable):
            yield f"{layer.name}_table", (layer.entries, layer.output_format.step)
        elif isinstance(layer, ScaleObjects):
            yield f"{layer.name}_offsets", (np.array(layer.scaler.offset, np.float64), 1.0)
            yield f"{layer.name}_factors", (layer.steps, float(np.min(layer.steps)))
        elif isinstance(layer, AboveThreshold) and not layer.from_input:
            (form,) = layer.input_formats
            yield f"{layer.name}_limit", (np.array([layer.threshold]), form.step)


def _both(header: Path, text: Path) -> Iterator[tuple[Path, str]]:
    """Where the same numbers stand, and their text."""
    found = _CONSTANT.search(_read(header))
    yield header, found[2] if found else ""
    yield text, _read(text)


def _numbers(path: Path, text: str) -> np.ndarray:
    try:
        return np.array([float(value) for value in text.split(",") if value.strip()])
    except ValueError as error:
        raise ProofError(f"{path} must hold numbers: {error}; {_AGAIN}") from error


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _is_compiled(header: Path) -> bool:
    """Whether C-simulation takes the weights from the header, as synthesis does."""
    return "#ifndef __SYNTHESIS__" not in _read(header)
