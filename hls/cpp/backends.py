"""The backends of hls4ml that there is firmware for, and what sets them apart.

They differ in the types of their C++ and in the vendor's tool. Which parts and strategies they know
is in `keras_ae.settings.targets`. What a project itself holds, such as the folder of its
fixed-point types, is read from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keras_ae.settings.targets import BackendName

#: As hls4ml calls it. The numbers of LUTs and registers come from logic synthesis (vsynth).
_CATAPULT_COMMAND = (
    *("catapult", "-product", "ultra", "-shell", "-f", "build_prj.tcl"),
    *("-eval", 'set ::argv "csim=True synth=True cosim=True vsynth=True"'),
)


@dataclass(frozen=True)
class Tool:
    """A vendor's program, and the command that builds a project with it, run in its folder."""

    program: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Backend:
    """One of hls4ml's backends.

    `types`: of fixed-point numbers in its C++, `ap` (ap_fixed, AMD) or `ac` (ac_fixed, Siemens).
    `tools` are in the order of preference.
    """

    name: BackendName
    types: Literal["ap", "ac"]
    tools: tuple[Tool, ...]


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            "Vitis",
            "ap",
            (
                Tool("vitis-run", ("vitis-run", "--mode", "hls", "--tcl", "build_prj.tcl")),
                Tool("vitis_hls", ("vitis_hls", "-f", "build_prj.tcl")),
            ),
        ),
        Backend("Vivado", "ap", (Tool("vivado_hls", ("vivado_hls", "-f", "build_prj.tcl")),)),
        Backend("Quartus", "ac", (Tool("i++", ("make", "-f", "quartus.mk", "test")),)),
        Backend("Catapult", "ac", (Tool("catapult", _CATAPULT_COMMAND),)),
    )
}
