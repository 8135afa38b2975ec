"""Six published CMS triggers with random weights: three evaluations of each, every bit.

python benchmarks/published_triggers.py [--events 100000] > benchmarks/published_triggers.md

Shapes and formats are those of the public C++ of AXOL1TL and CICADA; weights are random. Each is
built as a user builds a network of their own, of Keras and QKeras layers; C-simulation and RTL are
compared with the exact reference, on events over the whole range of the ports.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import keras
import numpy as np

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.keras_layers import HardwareInput
from hls.graph.layers.quantizer import Quantizer
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.rtl_report import RtlReport, RtlTally
from hls.proof.stress import stress_events
from hls.proof.validate import Validation, validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.precision import QActivation, QConv2D, QDense, fixed_point
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.tensor_scores import TensorScore, squared_error, squared_norm, value

Trigger = tuple[keras.Model, TensorScore]

#: 19 objects: missing energy, 4 e/gamma, 4 muons, 10 jets; pT, eta, phi of each.
_N_INPUTS = 57
_HARDWARE = "fixed<18,13,TRN,WRAP>"


def axol1tl_inputs(offset: np.ndarray, shift: np.ndarray, network_format: str) -> Any:
    """Hardware integers and what the network sees: an offset, a shift that cuts, a rounding."""
    objects = HardwareInput((_N_INPUTS,), _HARDWARE, name="objects").output
    shifted = QActivation(fixed_point(_HARDWARE), name="shifted")(objects - offset)
    # Within the same type: what the shift moves out at either end is lost.
    scaled = QActivation(fixed_point(_HARDWARE), name="scaled")(shifted * 2.0**-shift)
    return objects, QActivation(fixed_point(network_format), name="network_inputs")(scaled)


def _random_scaling(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Integers and halves, and shifts as they are published: from -1 to 8."""
    offset = rng.integers(-40, 40, _N_INPUTS) / 2
    return offset.astype(np.float32), rng.integers(-1, 9, _N_INPUTS).astype(np.float32)


def dense(units: int, name: str, kernel: str, bias: str, activation: str | None) -> keras.Layer:
    """A layer of weights in these formats; without an activation its sums are not rounded."""
    return QDense(
        units,
        kernel_quantizer=fixed_point(kernel),
        bias_quantizer=fixed_point(bias),
        activation=None if activation is None else fixed_point(activation),
        name=name,
    )


def axol1tl_layers(x: Any, widths: tuple[int, ...]) -> Any:
    """Layers `hidden_1`, ... and `mean` of versions 3 and 4, on what the network sees."""
    weights = "fixed<6,3>", "fixed<10,7>"
    for number, width in enumerate(widths[:-1], 1):
        x = dense(width, f"hidden_{number}", *weights, "ufixed<10,6>")(x)
    return dense(widths[-1], "mean", *weights, "fixed<10,7>")(x)


def axol1tl_encoder(widths: tuple[int, ...]) -> Callable[[int], Trigger]:
    """Versions 3 and 4: an encoder, and the sum of squares of its output, each cut to 1/16."""

    def build(seed: int) -> Trigger:
        objects, x = axol1tl_inputs(*_random_scaling(np.random.default_rng(seed)), "fixed<8,6>")
        mean = axol1tl_layers(x, widths)
        cut = "ufixed<18,14,TRN>"
        return _finished(objects, mean, seed), squared_norm("mean", term_format=cut, name="score")

    return build


def axol1tl_embedding(
    weights: tuple[str, ...], biases: tuple[str, ...]
) -> Callable[[int], Trigger]:
    """Versions 5 and 6: an autoencoder of the second layer, and how far it is off."""

    def build(seed: int) -> Trigger:
        objects, x = axol1tl_inputs(*_random_scaling(np.random.default_rng(seed)), "fixed<14,6>")
        widths = {"hidden": 29, "embedding": 10, "down_1": 9, "down_2": 6, "code": 4, "up_1": 6}
        for number, (name, width) in enumerate({**widths, "up_2": 9, "decoded": 10}.items()):
            kernel, bias = weights[number % len(weights)], biases[number % len(biases)]
            activation = None if name in ("code", "decoded") else "ufixed<10,6>"
            x = dense(width, name, kernel, bias, activation)(x)
        score = squared_error("embedding", "decoded", output_format="fixed<18,14>", name="score")
        return _finished(objects, x, seed), score

    return build


def cicada_dense(seed: int) -> Trigger:
    """Version 1.1.2: a student of 252 calorimeter regions."""
    regions = HardwareInput((252,), "ufixed<10,10>", name="regions").output
    x = dense(16, "hidden", "fixed<8,2>", "fixed<8,4>", "ufixed<10,6>")(regions)
    x = dense(1, "anomaly", "fixed<12,4>", "fixed<8,4>", "ufixed<16,8>")(x)
    return _finished(regions, x, seed), value(name="score")


def cicada_convolution(seed: int) -> Trigger:
    """Version 2.2.0: the same behind a convolution of 2 x 2 with stride 2."""
    regions = HardwareInput((18, 14, 1), "ufixed<10,10>", name="regions").output
    x = QConv2D(
        4,
        2,
        strides=2,
        padding="valid",
        kernel_quantizer=fixed_point("fixed<8,2>"),
        bias_quantizer=fixed_point("fixed<8,4>"),
        activation=fixed_point("ufixed<10,6>"),
        name="patches",
    )(regions)
    x = keras.layers.Flatten(name="flat")(x)
    x = dense(16, "hidden", "fixed<8,2>", "fixed<8,4>", "ufixed<10,6>")(x)
    x = dense(1, "anomaly", "fixed<12,4>", "fixed<8,4>", "ufixed<16,8>")(x)
    return _finished(regions, x, seed), value(name="score")


def _finished(inputs: Any, outputs: Any, seed: int) -> keras.Model:
    """The network, with random weights, of which seven in ten are zero, as of pruned ones."""
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            n_terms = int(np.prod(layer.kernel.shape[:-1]))
            scale = min(0.5, 4 / np.sqrt(n_terms))
            kernel = rng.normal(0, scale, layer.kernel.shape)
            kernel *= rng.random(kernel.shape) < 0.3
            layer.set_weights([np.clip(kernel, -1, 0.875), rng.uniform(0, 0.5, layer.bias.shape)])
    return model


TRIGGERS: dict[str, Callable[[int], Trigger]] = {
    "AXOL1TL v3": axol1tl_encoder((32, 16, 8)),
    "AXOL1TL v4": axol1tl_encoder((28, 15, 8)),
    "AXOL1TL v5": axol1tl_embedding(
        ("fixed<4,1>", "fixed<5,2>"), ("fixed<4,1>", "fixed<3,0>", "ufixed<3,0>")
    ),
    "AXOL1TL v6": axol1tl_embedding(("fixed<5,2>",), ("fixed<5,2>",)),
    "CICADA v1.1.2": cicada_dense,
    "CICADA v2.2.0": cicada_convolution,
}


def build(name: str, seed: int = 1) -> TriggerGraph:
    """One of `TRIGGERS`, which fires at a tenth of stress events."""
    model, score = TRIGGERS[name](seed)
    # Events over the whole range saturate most scores: a threshold is for quieter ones.
    background = np.trunc(events_of(model, 2000, seed) / 64)
    return build_trigger_graph(model, score, background, 0.1)


def events_of(model: keras.Model, n_events: int, seed: int) -> np.ndarray:
    """Values over the whole range of a network's input; half the numbers of AXOL1TL integers."""
    (port,) = model.inputs
    form: FixedPointFormat = port._keras_history.operation.input_format
    events = stress_events(form, tuple(port.shape[1:]), n_events, seed)
    events[::2] = np.rint(events[::2])
    return np.clip(events, form.low, form.high)


def share_that_saturates(graph: TriggerGraph, events: np.ndarray) -> float:
    """Of events, those in which a number is beyond the format that it is rounded to."""
    values = {graph.input_names[0]: events, **graph.trace(events)}
    found = np.zeros(len(events), bool)
    for node in graph.nodes:
        if isinstance(node.layer, Quantizer):
            x, form = values[node.inputs[0]], node.layer.form
            # Below zero, a format without a sign is a rectifier.
            low = form.low if form.signed else -np.inf
            found |= ((x < low) | (x > form.high)).reshape(len(x), -1).any(axis=1)
    return float(found.mean())


def prove(graph: TriggerGraph, events: np.ndarray, folder: Path) -> tuple[Validation, RtlReport]:
    """C-simulation and simulation of RTL against the exact reference."""
    settings = FirmwareSettings(levels_per_stage=8)
    convert_trigger_graph(graph, folder / "hls", settings, [events[:100]])
    validation = validate_project(graph, folder / "hls", {"stress": (events,)})
    design = write_rtl_project(graph, folder / "rtl", settings, [events[:100]])
    tally = RtlTally(graph)
    with VerilogSimulation(folder / "rtl") as simulation:
        tally.add(simulation, "stress", (events,))
    return validation, tally.report(design.latency_cycles)


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(TRIGGERS)))
@click.option("--events", "n_events", default=100_000, show_default=True)
def main(names: tuple[str, ...], n_events: int) -> None:
    print("# Published triggers, rebuilt with random weights\n")
    print(
        "Made by `python benchmarks/published_triggers.py`. Bits that differ from the reference.\n"
    )
    print("| trigger | events | saturating | C-simulation: bits off | RTL: bits off | cycles |")
    print("|---|---|---|---|---|---|")
    for name in names or TRIGGERS:
        graph = build(name)
        model, _ = TRIGGERS[name](1)
        events = events_of(model, n_events, seed=2)
        with tempfile.TemporaryDirectory() as folder:
            validation, report = prove(graph, events, Path(folder))
        full = share_that_saturates(graph, events)
        print(
            f"| {name} | {n_events:,} | {100 * full:.0f} % | {validation.mismatching_bits} | "
            f"{report.mismatching_bits} | {report.stated_latency_cycles} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
