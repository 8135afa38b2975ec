"""Stages of a run that make RTL of its trigger graph, and simulate it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from hls.exact import ExactGraph
from hls.rtl import read_design, write_rtl_project
from hls.rtl_simulation import RtlSimulation
from hls.settings import firmware_settings
from hls.stages import compared_samples
from hls.validate import Comparison, compare_outputs
from keras_ae.runs import Run, write_json
from keras_ae.training import load_data, load_keras_model

#: Events that are simulated at least; a gap follows every fourth.
N_EVENTS = 100_000
_GAP_EVERY = 4


@dataclass(frozen=True)
class RtlReport:
    """RTL against the exact reference: by sample, and the cycles from each event to its result."""

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


def write_rtl(run: Run) -> bool:
    """Stage `rtl`: Verilog and VHDL of the trigger graph."""
    settings = firmware_settings(run.experiment, str(run.folder))

    def work() -> None:
        run.rtl_path.unlink(missing_ok=True)
        graph = load_keras_model(run.trigger_graph_path)
        write_rtl_project(graph, run.rtl_folder, settings.levels_per_stage)

    return run.stage("rtl", (run.rtl_folder,), work)


def simulate_rtl(run: Run, n_events: int = N_EVENTS) -> RtlReport:
    """Simulate the RTL of a run, with all events of its data and stress events, into `rtl.json`.

    Args:
        run: with its RTL written.
        n_events: as many stress events more as reach this number in all.

    Raises:
        InputError: no RTL, or no Verilator.
        ProofError: Verilator or g++ do not compile the RTL.
    """
    run.require("rtl")
    design = read_design(run.rtl_folder)
    graph = load_keras_model(run.trigger_graph_path)
    exact = ExactGraph(graph)
    formats = {name: exact.grids[name].format for name in exact.output_names[:-1]}
    comparisons: dict[str, Comparison] = {}
    latencies: set[int] = set()
    with run.locked(), RtlSimulation(run.rtl_folder) as simulation:
        run.rtl_path.unlink(missing_ok=True)
        samples = compared_samples(run, load_data(run), graph, n_events=n_events)
        for name, values in samples:
            found = simulation.run(*values, n_gaps=len(values[0]) // _GAP_EVERY)
            latencies |= set(np.unique(found.latency_cycles).tolist())
            comparison = compare_outputs(exact.evaluate(*values), found.output, formats)
            comparisons[name] = comparisons.get(name, Comparison(0, 0, 0)) + comparison
        report = RtlReport(comparisons, tuple(sorted(latencies)), design.latency_cycles)
        write_json(
            run.rtl_path,
            {
                "events": report.events,
                "mismatching_bits": report.mismatching_bits,
                "comparisons": {name: asdict(found) for name, found in comparisons.items()},
                "latency_cycles": list(report.latency_cycles),
                "design": asdict(design),
            },
        )
    return report
