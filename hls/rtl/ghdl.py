"""The VHDL of a project, simulated by GHDL where it is installed.

There is no wheel of it, and it interprets: for a part of the events.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

import numpy as np

from hls.compiled import call_program
from hls.graph.interface import PROJECT_NAME
from hls.rtl.rendering import render
from hls.rtl.simulation import RtlSimulation
from keras_ae.errors import InputError


class VhdlSimulation(RtlSimulation):
    """The VHDL of a project, analysed and elaborated."""

    def _compile(self) -> None:
        ghdl = find_ghdl()
        if ghdl is None:
            raise InputError("GHDL must be on PATH for simulation of VHDL, found none: install it")
        ports = {"inputs": self._interface.inputs, "outputs": self._interface.outputs}
        text = render("bench.vhd", project=PROJECT_NAME, **ports)
        bench = self._build / "bench.vhd"
        bench.write_text(text, encoding="utf-8")
        sources = [*sorted((self._folder / "vhdl").glob("*.vhd")), bench]
        # GHDL writes into the working directory, and tables are read from there.
        for table in (self._folder / "vhdl").glob("*.mem"):
            shutil.copy(table, self._build)
        self._call_tool("GHDL", [ghdl, "-i", "--std=08", *map(str, sources)], folder=self._build)
        self._call_tool("GHDL", [ghdl, "-m", "--std=08", "bench"], folder=self._build)

    def _run(self, cycles: np.ndarray) -> np.ndarray:
        taken, given = self._build / "cycles.txt", self._build / "results.txt"
        sizes = [1, *(port.n_words for port in self._interface.inputs)]
        taken.write_text("".join(f"{line}\n" for line in _lines(cycles, sizes)), encoding="utf-8")
        files = [f"-gcycles_file={taken.name}", f"-gresults_file={given.name}"]
        call_program(["ghdl", "-r", "--std=08", "bench", *files], self._build)
        sizes = [1, *(port.n_words for port in self._interface.outputs)]
        rows = given.read_text(encoding="utf-8").splitlines()
        return np.array([_words(row.split(), sizes) for row in rows], np.uint32)


def _lines(cycles: np.ndarray, sizes: Sequence[int]) -> Iterator[str]:
    """Of each cycle the valid bit and the ports in hexadecimal, the last word of each first."""
    ends = np.cumsum(sizes)
    for cycle in cycles.tolist():
        ports = (cycle[end - size : end] for size, end in zip(sizes, ends, strict=True))
        yield " ".join("".join(f"{word:08x}" for word in reversed(port)) for port in ports)


def _words(texts: Sequence[str], sizes: Sequence[int]) -> list[int]:
    """The opposite of `_lines`, of one."""
    return [
        int(text[8 * place : 8 * place + 8], 16)
        for text, size in zip(texts, sizes, strict=True)
        for place in reversed(range(size))
    ]


def find_ghdl() -> str | None:
    """The path of GHDL, if it is there."""
    return shutil.which("ghdl")
