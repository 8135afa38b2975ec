"""Resources and timing of a design, as one tool reports them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ResourceReport:
    """What a design takes and how fast it is; None for what the report does not say.

    `tool` made the report. `lut`: look-up tables, ALUTs on Intel; `ff`: registers; `dsp`: blocks;
    `bram`: of 18 kbit, of 20 kbit on Intel; `uram`: blocks; `carry`: blocks of a carry chain,
    of four bits by yosys, of eight by Vivado for UltraScale+; `alm`: modules of Intel's, of two
    ALUTs each;
    `stage_path_cells`: on the longest path into each register of a pipeline, the first at the
    ports. Latency and initiation interval are in clock cycles; `clock_ns` is the period asked for,
    `clock_estimate_ns` what the tool expects to reach. `cosim`: how the RTL simulation ended, as
    the tool says it.
    """

    tool: str
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram: int | None = None
    carry: int | None = None
    alm: int | None = None
    stage_path_cells: tuple[int, ...] | None = None
    uram: int | None = None
    latency_cycles_min: int | None = None
    latency_cycles_max: int | None = None
    interval_min: int | None = None
    interval_max: int | None = None
    clock_ns: float | None = None
    clock_estimate_ns: float | None = None
    cosim: str | None = None

    @property
    def latency_ns_max(self) -> float | None:
        """At the period asked for."""
        if self.latency_cycles_max is None or self.clock_ns is None:
            return None
        return self.latency_cycles_max * self.clock_ns

    @property
    def latency_ns_reached(self) -> float | None:
        """At the period that the tool expects to reach."""
        if self.latency_cycles_max is None or self.clock_estimate_ns is None:
            return None
        return self.latency_cycles_max * self.clock_estimate_ns

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        latencies = ("latency_ns_max", "latency_ns_reached")
        return {**asdict(self), **{name: getattr(self, name) for name in latencies}}

    def __str__(self) -> str:
        values = [
            ("LUT", self.lut),
            ("FF", self.ff),
            ("DSP", self.dsp),
            ("BRAM", self.bram),
            ("latency in cycles", self.latency_cycles_max),
            ("in ns", self.latency_ns_max),
            ("interval", self.interval_max),
            ("clock in ns", self.clock_estimate_ns),
        ]
        said = (f"{name} {'not reported' if value is None else value}" for name, value in values)
        return f"{self.tool}: {', '.join(said)}"
