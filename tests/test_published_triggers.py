"""Published CMS triggers, built from the public API: against integers by hand, C++ and RTL."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hls.graph.build import build_score_graph, set_threshold
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.input_view import Scale, ScaledView
from keras_ae.front_end.presets import load_front_end
from keras_ae.precision import QActivation, fixed_point
from keras_ae.settings.tensor_scores import squared_norm

_BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "published_triggers.py"
_spec = importlib.util.spec_from_file_location("published_triggers", _BENCHMARK)
assert _spec is not None and _spec.loader is not None
published = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(published)


def ap_fixed(values: np.ndarray, text: str) -> np.ndarray:
    """What the C++ type of that name holds of numbers, written down anew, in float64."""
    head, _, tail = text.rstrip(">").partition("<")
    width, integer, rounding, overflow = [*tail.split(","), "RND_CONV", "SAT"][:4]
    if tail.count(",") == 2:
        overflow = "SAT"
    signed, n_bits, last = head == "fixed", int(width), 2.0 ** (int(integer) - int(width))
    units = values / last
    units = {
        "TRN": np.floor,
        "RND": lambda x: np.floor(x + 0.5),
        "RND_CONV": np.rint,
    }[rounding](units)
    low = -(2.0 ** (n_bits - 1)) if signed else 0.0
    high = 2.0 ** (n_bits - signed) - 1
    if overflow == "WRAP":
        return ((units - low) % 2.0**n_bits + low) * last
    return np.clip(units, low, high) * last


def by_hand(name: str, model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The score of a trigger, step by step as its publication says."""
    layers = {layer.name: layer for layer in model.layers}

    def dense(x: np.ndarray, layer: str, kernel: str, bias: str, output: str | None) -> np.ndarray:
        weights = [np.asarray(part, np.float64) for part in layers[layer].get_weights()]
        if weights[0].ndim == 4:
            patches = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
            x = np.concatenate(patches, axis=-1)
            weights[0] = weights[0].reshape(-1, weights[0].shape[-1])
        y = x @ ap_fixed(weights[0], kernel) + ap_fixed(weights[1], bias)
        return (
            y if output is None else ap_fixed(np.maximum(y, 0) if output[0] == "u" else y, output)
        )

    if name.startswith("CICADA"):
        relu = "ufixed<10,6>"
        if "v2" in name:
            x = dense(x, "patches", "fixed<8,2>", "fixed<8,4>", relu).reshape(len(x), -1)
        x = dense(x, "hidden", "fixed<8,2>", "fixed<8,4>", relu)
        return dense(x, "anomaly", "fixed<12,4>", "fixed<8,4>", "ufixed<16,8>").ravel()
    offset, shift = published._random_scaling(np.random.default_rng(1))
    inner = "fixed<18,13,TRN,WRAP>"
    x = ap_fixed(ap_fixed(x - offset, inner) * 2.0**-shift, inner)
    if name in ("AXOL1TL v3", "AXOL1TL v4"):
        x = ap_fixed(x, "fixed<8,6>")
        for layer in ("hidden_1", "hidden_2"):
            x = dense(x, layer, "fixed<6,3>", "fixed<10,7>", "ufixed<10,6>")
        mean = dense(x, "mean", "fixed<6,3>", "fixed<10,7>", "fixed<10,7>")
        return ap_fixed(mean**2, "ufixed<18,14,TRN>").sum(axis=1)
    kernels, biases = {
        "AXOL1TL v5": (
            ("fixed<4,1>", "fixed<5,2>"),
            ("fixed<4,1>", "fixed<3,0>", "ufixed<3,0>"),
        ),
        "AXOL1TL v6": (("fixed<5,2>",), ("fixed<5,2>",)),
    }[name]
    x, found = ap_fixed(x, "fixed<14,6>"), {}
    names = ("hidden", "embedding", "down_1", "down_2", "code", "up_1", "up_2", "decoded")
    for number, layer in enumerate(names):
        output = None if layer in ("code", "decoded") else "ufixed<10,6>"
        kernel, bias = kernels[number % len(kernels)], biases[number % len(biases)]
        x = found[layer] = dense(x, layer, kernel, bias, output)
    return ap_fixed(((found["embedding"] - x) ** 2).sum(axis=1), "fixed<18,14>")


@pytest.mark.parametrize("name", published.TRIGGERS)
def test_score_is_the_published_arithmetic(name: str) -> None:
    model, score = published.TRIGGERS[name](1)
    events = published.events_of(model, 2000, seed=2)
    graph = build_score_graph(model, score)
    found = graph.outputs(events)["score"].ravel()
    np.testing.assert_array_equal(found, by_hand(name, model, events))
    assert len(np.unique(found)) > 20
    # Keras computes the same where float32 holds it.
    if not graph.inexact_in_float32:
        np.testing.assert_array_equal(graph.in_keras(events)["score"].ravel(), found)


@pytest.mark.parametrize("name", published.TRIGGERS)
def test_saturating_events_are_among_them(name: str) -> None:
    events = published.events_of(published.TRIGGERS[name](1)[0], 2000, seed=2)
    assert 0.1 < published.share_that_saturates(published.build(name), events) < 1


@pytest.mark.parametrize(
    "name", ["AXOL1TL v5", pytest.param("CICADA v2.2.0", marks=pytest.mark.slow)]
)
def test_firmware(name: str, tmp_path: Path) -> None:
    graph: TriggerGraph = published.build(name)
    events = published.events_of(published.TRIGGERS[name](1)[0], 1000, seed=2)
    settings = published.FirmwareSettings()
    published.convert_trigger_graph(graph, tmp_path / "hls", settings, [events[:20]])
    proof = published.validate_project(graph, tmp_path / "hls", {"stress": (events,)})
    assert proof.mismatching_bits == 0 and proof.is_proved


@pytest.mark.slow
@pytest.mark.parametrize("name", published.TRIGGERS)
def test_firmware_and_rtl_on_many_events(name: str, tmp_path: Path) -> None:
    graph = published.build(name)
    events = published.events_of(published.TRIGGERS[name](1)[0], 100_000, seed=2)
    validation, report = published.prove(graph, events, tmp_path)
    assert validation.is_proved and report.is_proved
    assert validation.events == report.events == 100_000


@pytest.fixture
def axol1tl_v4(foreign: Path) -> dict[str, np.ndarray]:
    """Published weights and what the published C++ gives for them."""
    path = foreign / "axol1tl_v4.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with np.load(path) as stored:
        return dict(stored)


def with_published_weights(inputs: Any, x: Any, data: dict[str, np.ndarray]) -> keras.Model:
    """The network of version 4 on `x`, which is made of `inputs`."""
    model = keras.Model(inputs, published.axol1tl_layers(x, (28, 15, 8)))
    for name, number in (("hidden_1", 2), ("hidden_2", 4), ("mean", 6)):
        model.get_layer(name).set_weights([data[f"w{number}"], data[f"b{number}"]])
    return model


def test_every_number_of_the_published_firmware(axol1tl_v4: dict[str, np.ndarray]) -> None:
    data = axol1tl_v4
    objects, x = published.axol1tl_inputs(
        data["offset"].astype(np.float32), data["shift"].astype(np.float32), "fixed<8,6>"
    )
    model = with_published_weights(objects, x, data)
    graph = build_score_graph(model, squared_norm("mean", term_format="ufixed<18,14,TRN>"))
    traced = graph.trace(data["inputs"])
    np.testing.assert_array_equal(traced["network_inputs"], data["network_inputs"])
    np.testing.assert_array_equal(traced["mean"], data["mu"])
    np.testing.assert_array_equal(traced["squared_norm"].ravel(), data["score"])
    assert len(data["score"]) == 20_000


def test_network_inputs_of_the_published_firmware(axol1tl_v4: dict[str, np.ndarray]) -> None:
    # From the network's inputs on, in a model of its own.
    data = axol1tl_v4
    inputs = keras.Input((57,), name="network_inputs")
    x = QActivation(fixed_point("fixed<8,6>"), name="rounded")(inputs)
    model = with_published_weights(inputs, x, data)
    np.testing.assert_array_equal(
        np.asarray(model(data["network_inputs"])), data["mu"].astype(np.float32)
    )
    graph = build_score_graph(model, squared_norm(term_format="ufixed<18,14,TRN>"))
    found = graph.outputs(data["network_inputs"])["squared_norm"].ravel()
    np.testing.assert_array_equal(found, data["score"])


def with_front_end(data: dict[str, np.ndarray]) -> Any:
    """The graph of version 4 whose inputs are the trigger's own, scaled by a front end."""
    wires = load_front_end("axol1tl")
    scales = {
        name: Scale(offset=float(offset), shift=int(shift))
        for name, offset, shift in zip(wires.names, data["offset"], data["shift"], strict=True)
    }
    form = FixedPointFormat.parse("fixed<18,13,TRN,WRAP>")
    scaler = ScaledView(scale=scales, format=form, masked=False).fit(wires, data["inputs"][:0])
    inputs = keras.Input((57,), name="objects")
    x = QActivation(fixed_point("fixed<8,6>"), name="network_inputs")(inputs)
    model = with_published_weights(inputs, x, data)
    score = squared_norm(term_format="ufixed<18,14,TRN>")
    return build_score_graph(model, score, scaler, wires)


def test_the_front_end_of_the_published_firmware(axol1tl_v4: dict[str, np.ndarray]) -> None:
    data = axol1tl_v4
    graph = with_front_end(data)
    traced = graph.trace(data["inputs"])
    np.testing.assert_array_equal(traced["network_inputs"], data["network_inputs"])
    np.testing.assert_array_equal(traced["mean"], data["mu"])
    np.testing.assert_array_equal(traced["squared_norm"].ravel(), data["score"])


@pytest.mark.slow
def test_the_front_end_in_firmware(axol1tl_v4: dict[str, np.ndarray], tmp_path: Path) -> None:
    graph = set_threshold(with_front_end(axol1tl_v4), axol1tl_v4["inputs"], 0.01)
    validation, report = published.prove(graph, axol1tl_v4["inputs"], tmp_path)
    assert validation.is_proved and report.is_proved
    assert validation.events == report.events == 20_000
