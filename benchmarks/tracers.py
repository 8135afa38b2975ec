"""da4ml and alkaid on the same trigger graphs: LUT, registers, cycles, and whether they are right.

    pip install --no-deps alkaid==0.8.2
    python benchmarks/tracers.py runs/l1_trigger* runs/l1_encoder_* > benchmarks/tracers.md

Each run's graph, those of six published triggers with random weights, and small random ones, are
traced by both and cut into stages of 4 and of 8 levels, counted alike. What is written is simulated
by Verilator and compared with the exact reference, scores and decisions, and synthesized by yosys.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import alkaid_tracer
import numpy as np
import published_triggers
from markdown_table import table

from hls.graph.build import build_trigger_graph
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.rtl.logic import trace_graph
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from hls.synthesis.yosys import count_cells
from keras_ae.models import build_autoencoder, build_student
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings

#: What writes a project, and what it traces a graph by.
TRACERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "da4ml": (write_rtl_project, trace_graph),
    "alkaid": (alkaid_tracer.write_project, alkaid_tracer.trace),
}
LEVELS = (4, 8)
N_EVENTS = 8_000
N_RANDOM = 24


def events_of(graph: TriggerGraph, seed: int = 1) -> list[np.ndarray]:
    """Values of each input: over the whole range, and nine in ten of them closer to zero."""
    rng = np.random.default_rng(seed)
    found = []
    for name, port in zip(graph.input_names, graph.interface.inputs, strict=True):
        form, shape = port.form, graph.grids[name].shape
        values = stress_events(form, shape, N_EVENTS, seed)
        part = 2.0 ** -rng.integers(0, 8, (N_EVENTS, *(1 for _ in shape)))
        values = np.trunc(values / form.step * part) * form.step
        found.append(np.clip(values, form.low, form.high))
    return found


def measured(graph: TriggerGraph, tracer: str, levels: int, synthesized: bool) -> dict[str, Any]:
    """Cycles, seconds, values of scores and decisions that are wrong, and cells."""
    inputs = events_of(graph)
    settings = FirmwareSettings(levels_per_stage=levels)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "rtl"
        write, trace = TRACERS[tracer]
        # What is compiled when it is first called has no part in the time.
        trace(graph)
        start = time.perf_counter()
        trace(graph)
        seconds = time.perf_counter() - start
        design = write(graph, folder, settings, [values[:20] for values in inputs])
        with VerilogSimulation(folder) as simulation:
            found = simulation.run(*inputs).output
        expected = graph.evaluate(*inputs)
        wrong = sum((found.scores[name] != s).sum() for name, s in expected.scores.items())
        wrong += sum((found.bits[name] != bit).sum() for name, bit in expected.bits.items())
        cells = count_cells(folder, "xcup") if synthesized else None
    return {
        "cycles": design.latency_cycles,
        "adders": design.n_adders,
        "seconds": seconds,
        "wrong": int(wrong),
        "lut": cells and cells.lut,
        "ff": cells and cells.ff,
    }


def random_graphs() -> Iterator[TriggerGraph]:
    """Small ones of random shapes, formats, roundings and overflows."""
    rng = np.random.default_rng(5)
    for number in range(N_RANDOM):
        modes = [f",{rng.choice(['RND_CONV', 'RND', 'TRN'])},SAT" for _ in range(4)]
        wrap = rng.choice(["SAT", "WRAP"])
        width = int(rng.integers(5, 9))
        formats = {
            "input": f"fixed<{width},{rng.integers(2, 4)}{modes[0]}>",
            "weight": f"fixed<{rng.integers(3, 6)},{rng.integers(1, 3)}>",
            "activation": f"ufixed<{rng.integers(4, 8)},{rng.integers(1, 4)}{modes[1]}>",
            "latent": f"fixed<{width},3{modes[2].replace('SAT', wrap)}>",
            "reconstruction": f"fixed<{width},3{modes[3]}>",
        }
        n_inputs, n_hidden = (int(n) for n in rng.integers(3, 8, 2))
        spec = {"input_dim": n_inputs, "hidden_dims": (n_hidden,)}
        if number % 2:
            student = ArchitectureSpec(**spec, latent_dim=1)
            model: Any = build_student(student, FixedPoint(**formats), seed=number)
            score = "student_score"
        else:
            model = build_autoencoder(
                "variational",
                ArchitectureSpec(**spec, latent_dim=2),
                FixedPoint(**formats),
                seed=number,
            )
            score = str(rng.choice(["squared_error", "absolute_error", "kl_divergence"]))
        form = FixedPoint(**formats).input.values
        background = stress_events(form, (n_inputs,), 2000, number)
        yield build_trigger_graph(model, score, background, 0.1)


def main(folders: list[str]) -> None:
    graphs: dict[str, Any] = {Path(f).name: Path(f) / "trigger.npz" for f in folders}
    graphs |= dict.fromkeys(published_triggers.TRIGGERS)
    rows, ratios = [], {levels: [] for levels in LEVELS}
    for name, path in graphs.items():
        graph = published_triggers.build(name) if path is None else TriggerGraph.load(path)
        for levels in LEVELS:
            found = {tracer: measured(graph, tracer, levels, True) for tracer in TRACERS}
            pairs = {key: [found[tracer][key] for tracer in TRACERS] for key in found["da4ml"]}
            ratios[levels].append(pairs["lut"][1] / pairs["lut"][0])
            cells = [" / ".join(f"{value:,}" for value in pairs[k]) for k in ("lut", "ff")]
            more = [" / ".join(map(str, pairs[k])) for k in ("adders", "cycles", "wrong")]
            seconds = " / ".join(f"{value:.1f}" for value in pairs["seconds"])
            rows.append([name, str(levels), *cells, *more, seconds])
            print(rows[-1], file=sys.stderr, flush=True)
    print("Made by benchmarks/tracers.py, with its command: da4ml 0.5.2 / alkaid 0.8.2. LUT and FF")
    print("by yosys for UltraScale+; values that differ from the exact reference in")
    print(f"{N_EVENTS:,} events; seconds to trace.\n")
    head = ["design", "levels", "LUT", "FF", "adders", "cycles", "wrong", "seconds"]
    print("\n".join(table(head, rows)))
    for levels, values in ratios.items():
        spread = f"{min(values):.3f} to {max(values):.3f}"
        print(f"\nLUT of alkaid by those of da4ml at {levels} levels: median ", end="")
        print(f"{np.median(values):.3f}, {spread}, {len(values)} designs.")
    wrong = dict.fromkeys(TRACERS, 0)
    for graph in random_graphs():
        for tracer in TRACERS:
            try:
                wrong[tracer] += measured(graph, tracer, 4, False)["wrong"] > 0
            except Exception as error:
                print(f"{tracer}: {type(error).__name__} {error}", file=sys.stderr)
                wrong[tracer] += 1
    print(f"\nOf {N_RANDOM} small random designs wrong or refused: ", end="")
    print(", ".join(f"{tracer} {n}" for tracer, n in wrong.items()) + ".")


if __name__ == "__main__":
    main(sys.argv[1:])
