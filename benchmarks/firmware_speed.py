"""Exact reference against C-simulation, same events, same cores; time to build a project.

python benchmarks/firmware_speed.py runs/l1_vae_latent runs/l1_vae > benchmarks/firmware_speed.md

Each run must be converted. Both evaluations take turns; medians of the rounds.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from hls.cpp.convert import convert_trigger_graph
from hls.cpp.csim import Simulation
from hls.graph.trigger_graph import TriggerGraph
from hls.stages.events import hardware_values
from keras_ae.run_contents import load_data
from keras_ae.runs import open_run

N_ROUNDS = 5
N_REFERENCE, N_SIMULATED = 2_000_000, 100_000


def alternate(
    graph: TriggerGraph, simulation: Simulation, inputs: tuple[np.ndarray, ...], n_cores: int
) -> list[tuple[float, float]]:
    """Events per second of both, round by round."""
    few = [part[:N_SIMULATED] for part in inputs]
    rates = []
    for _ in range(N_ROUNDS):
        start = time.perf_counter()
        graph.evaluate(*inputs, n_threads=n_cores)
        middle = time.perf_counter()
        simulation.run(*few, n_processes=n_cores)
        end = time.perf_counter()
        rates.append((N_REFERENCE / (middle - start), N_SIMULATED / (end - middle)))
    return rates


def main() -> None:
    n_cores = len(os.sched_getaffinity(0))
    print(
        f"{n_cores} cores; the reference on {N_REFERENCE:,} events, C-simulation on "
        f"{N_SIMULATED:,} of them; median of {N_ROUNDS} alternating rounds.\n"
    )
    print(
        "| run | reference, events/s | C-simulation, events/s | ratio | conversion, s | g++, s |\n"
        "|---|---|---|---|---|---|"
    )
    for folder in sys.argv[1:]:
        run = open_run(Path(folder))
        graph = TriggerGraph.load(run.trigger_graph_path)
        background = graph.with_threshold(
            hardware_values(run, load_data(run).train, graph.interface)
        )
        index = np.arange(N_REFERENCE) % len(background[0])
        inputs = tuple(part[index] for part in background)
        with tempfile.TemporaryDirectory() as temporary:
            project = Path(temporary) / "firmware"
            settings = run.experiment.require_firmware(folder)
            start = time.perf_counter()
            convert_trigger_graph(graph, project, settings, [part[:1000] for part in inputs])
            converted = time.perf_counter()
            with Simulation(project) as simulation:
                built = time.perf_counter()
                rates = alternate(graph, simulation, inputs, n_cores)
        reference, simulated = (statistics.median(column) for column in zip(*rates, strict=True))
        ratio = statistics.median(a / b for a, b in rates)
        print(
            f"| {Path(folder).name} | {reference:,.0f} | {simulated:,.0f} | {ratio:.0f} | "
            f"{converted - start:.1f} | {built - converted:.1f} |"
        )


if __name__ == "__main__":
    main()
