"""The backends of hls4ml that there is firmware for, and what sets them apart.

They differ in the parts they target, in hls4ml's strategies that they know, and in the vendor's
tool. What a project itself holds, such as the folder of its fixed-point types, is read from it.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Tool:
    """A vendor's program, and its arguments that build a project from inside its folder."""

    program: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> str:
        """As one types it."""
        return " ".join(
            f"'{word}'" if set(word) & set(" ;{}") else word
            for word in (self.program, *self.arguments)
        )


@dataclass(frozen=True)
class Backend:
    """One of hls4ml's backends.

    `strategies` and `io_types` begin with the default; `tools` are in the order of preference.
    """

    name: str
    default_part: str
    part_families: tuple[str, ...]
    strategies: tuple[str, ...]
    io_types: tuple[str, ...]
    tools: tuple[Tool, ...]


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            "Vitis",
            "xcvu13p-flga2577-2-e",
            _XILINX_PARTS,
            ("latency", "resource", "distributed_arithmetic"),
            ("io_parallel", "io_stream"),
            (
                Tool("vitis-run", ("--mode", "hls", "--tcl", "build_prj.tcl")),
                Tool("vitis_hls", ("-f", "build_prj.tcl")),
            ),
        ),
        Backend(
            "Vivado",
            "xcvu13p-flga2577-2-e",
            _XILINX_PARTS,
            ("latency", "resource", "distributed_arithmetic"),
            ("io_parallel", "io_stream"),
            (Tool("vivado_hls", ("-f", "build_prj.tcl")),),
        ),
    )
}
