"""Streams whose packets change their size behind a flattened image: each function takes any."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.keras_layers import HardwareInput
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.fixed_point import FixedPointFormat
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
