"""RTL against the exact reference, every event, every bit, every cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hls.graph.trigger_graph import TriggerGraph
from hls.proof.comparison import Comparison, HardwareValues, compare_outputs
from hls.rtl.simulation import RtlSimulation

#: A gap follows every fourth event.
_GAP_EVERY = 4


@dataclass(frozen=True)
class RtlReport:
    """By sample, and the cycles from each event to its result."""

    comparisons: dict[str, Comparison]
    latency_cycles: tuple[int, ...]
    stated_latency_cycles: int

    @property
    def events(self) -> int:
        """That were compared."""
        return sum(found.events for found in self.comparisons.values())

    @property
    def mismatching_bits(self) -> int:
        """Of all samples."""
        return sum(found.mismatching_bits for found in self.comparisons.values())

    @property
    def is_proved(self) -> bool:
        """Whether all bits are equal, and every result comes in the stated cycle."""
        return not self.mismatching_bits and self.latency_cycles == (self.stated_latency_cycles,)


class RtlTally:
    """Of simulations of a graph's RTL, sample by sample, in parts."""

    def __init__(self, graph: TriggerGraph) -> None:
        self._graph = graph
        self._formats = {name: graph.grids[name].format for name in graph.score_names}
        self._comparisons: dict[str, Comparison] = {}
        self._latencies: set[int] = set()

    def add(self, simulation: RtlSimulation, name: str, values: HardwareValues) -> None:
        """Simulate hardware values (events, ...) of the sample `name`, with gaps between."""
        found = simulation.run(*values, n_gaps=len(values[0]) // _GAP_EVERY)
        self._latencies.update(np.unique(found.latency_cycles).tolist())
        comparison = compare_outputs(self._graph.evaluate(*values), found.output, self._formats)
        self._comparisons[name] = self._comparisons.get(name, Comparison(0, 0, 0)) + comparison

    def report(self, stated_latency_cycles: int) -> RtlReport:
        """Of all that were added."""
        latencies = tuple(sorted(self._latencies))
        return RtlReport(self._comparisons, latencies, stated_latency_cycles)
