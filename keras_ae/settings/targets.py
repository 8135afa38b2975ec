"""What one can ask each of hls4ml's backends for: parts and strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BackendName = Literal["Vitis", "Vivado", "Quartus", "Catapult"]
#: As hls4ml calls them.
Strategy = Literal["latency", "resource", "distributed_arithmetic"]

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
class Target:
    """Of one backend. `part_families` begin the names of its parts; `strategies` begin with the
    default.
    """

    default_part: str
    part_families: tuple[str, ...]
    strategies: tuple[Strategy, ...]


_AMD = Target(
    "xcvu13p-flga2577-2-e", _XILINX_PARTS, ("latency", "resource", "distributed_arithmetic")
)

#: By the name of the backend; its types and tools are in `hls`, under the same names.
TARGETS: dict[BackendName, Target] = {
    "Vitis": _AMD,
    "Vivado": _AMD,
    # `resource` is all that hls4ml has for Quartus; with a reuse factor of 1 it is as parallel as
    # `latency`.
    "Quartus": Target("Arria10", _INTEL_PARTS, ("resource",)),
    "Catapult": Target("xcku115-flvb2104-2-i", _XILINX_PARTS, ("latency", "resource")),
}
