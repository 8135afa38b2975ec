"""Streams whose packets change their size behind a flattened image: each function takes any."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.keras_layers import HardwareInput
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.input_view import ScaledView
from keras_ae.front_end.presets import load_front_end
from keras_ae.precision import QActivation, fixed_point
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.tensor_scores import normalized_norm, squared_error, squared_norm

FORM = FixedPointFormat(6, 3)


@pytest.mark.parametrize("backend", ["Vitis", "Catapult"])
def test_behind_a_flattened_image(tmp_path: Path, backend: str) -> None:
    wires = HardwareInput((6,), str(FORM), name="wires").output
    image = keras.layers.ReLU(name="image")(keras.layers.Reshape((3, 2), name="shaped")(wires))
    flat = keras.layers.Flatten(name="flat")(image)
    total = keras.layers.Add(name="total")([flat, wires])
    rest = keras.layers.Subtract(name="rest")([wires, flat])
    scaled = keras.layers.Rescaling([1.0, 0.5, 2.0, 1.0, 0.25, 3.0], 0.5, name="scaled")(flat)
    again = keras.layers.ReLU(name="again")(flat)
    model = keras.Model(wires, [total, rest, scaled, again])
    scores = [
        *(squared_norm(name, name=f"norm_{name}") for name in ("total", "rest", "scaled", "again")),
        squared_error("flat", "wires", name="distance"),
        squared_error("wires", "flat", output_format="fixed<8,7>", name="rounded_error"),
        normalized_norm("wires", "flat"),
    ]
    events = stress_events(FORM, (6,), 500, seed=1)
    graph = build_trigger_graph(model, scores, events, 0.1)
    settings = FirmwareSettings(backend=backend, io_type="io_stream")  # type: ignore[arg-type]
    convert_trigger_graph(graph, tmp_path / "project", settings, [events[:50]])
    found = validate_project(graph, tmp_path / "project", {"stress": (events,)})
    assert found.mismatching_bits == 0


def test_pixels_that_are_scaled(tmp_path: Path) -> None:
    # A packet is a pixel, and the front end takes them all.
    wires = load_front_end({"image": {"shape": [4, 3, 1], "pixel": {"format": "ufixed<6,6>"}}})
    events = np.random.default_rng(1).integers(0, 64, (500, 4, 3, 1))
    scaler = ScaledView().fit(wires, events.reshape(500, 12))
    pixels = keras.Input((4, 3, 1), name="pixels")
    model = keras.Model(pixels, QActivation(fixed_point("fixed<6,3>"), name="rounded")(pixels))
    graph = build_trigger_graph(model, squared_norm("input"), events, 0.1, scaler, wires)
    settings = FirmwareSettings(io_type="io_stream")
    convert_trigger_graph(graph, tmp_path / "project", settings, [events[:50]])
    found = validate_project(graph, tmp_path / "project", {"background": (events,)})
    assert found.mismatching_bits == 0 and found.is_proved
