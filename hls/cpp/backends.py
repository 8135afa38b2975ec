"""The backends of hls4ml that there is firmware for, and what sets them apart.

They differ in the parts they target, in hls4ml's strategies that they know, and in the vendor's
tool. What a project itself holds, such as the folder of its fixed-point types, is read from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Parts by the start of their name, in lower case.
_XILINX_PARTS = (
    "xc7a",
    "xc7k",
    "xc7v",
    "xc7z",
    "xcku",
    "xcvu",
    "xczu",
    "xcu",
    "xcve",
    "xcvc",
    "xcvh",
    "xcvm",
    "xcvp",
)
#: What `i++ -march` takes: a family, or the part number of a device of one.
_INTEL_PARTS = ("arria10", "stratix10", "cyclone10gx", "agilex", "10a", "1s", "10cx", "ag")
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
    `strategies` begin with the default; `tools` are in the order of preference.
    """

    name: str
    types: Literal["ap", "ac"]
    default_part: str
    part_families: tuple[str, ...]
    strategies: tuple[str, ...]
    tools: tuple[Tool, ...]


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            "Vitis",
            "ap",
            "xcvu13p-flga2577-2-e",
            _XILINX_PARTS,
            ("latency", "resource", "distributed_arithmetic"),
            (
                Tool("vitis-run", ("vitis-run", "--mode", "hls", "--tcl", "build_prj.tcl")),
                Tool("vitis_hls", ("vitis_hls", "-f", "build_prj.tcl")),
            ),
        ),
        Backend(
            "Vivado",
            "ap",
            "xcvu13p-flga2577-2-e",
            _XILINX_PARTS,
            ("latency", "resource", "distributed_arithmetic"),
            (Tool("vivado_hls", ("vivado_hls", "-f", "build_prj.tcl")),),
        ),
        Backend(
            "Quartus",
            "ac",
            "Arria10",
            _INTEL_PARTS,
            # All that hls4ml has for it; with a reuse factor of 1 it is as parallel as `latency`.
            ("resource",),
            (Tool("i++", ("make", "-f", "quartus.mk", "test")),),
        ),
        Backend(
            "Catapult",
            "ac",
            "xcku115-flvb2104-2-i",
            _XILINX_PARTS,
            ("latency", "resource"),
            (Tool("catapult", _CATAPULT_COMMAND),),
        ),
    )
}
