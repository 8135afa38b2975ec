"""Keras' float32 rounding is told from errors of Keras: nothing else excuses a difference."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.keras_form import build_keras_model
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.comparison import HardwareValues
from hls.proof.keras_rounding import beyond_rounding
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings

#: The first layer is exact in float32, the second is not.
PRECISION = FixedPoint(
    input="fixed<10,4>", weight="fixed<12,3>", activation="ufixed<22,6>", latent="fixed<20,5>"
)


@pytest.fixture(scope="module")
def wide() -> tuple[TriggerGraph, HardwareValues]:
    keras.utils.set_random_seed(1)
    spec = ArchitectureSpec(input_dim=20, hidden_dims=(16,))
    values = (stress_events(PRECISION.input, (20,), 2000, seed=1),)
    model = build_autoencoder("plain", spec, PRECISION)
    return build_trigger_graph(model, ["squared_latent_norm"], values, 0.1), values


def altered(graph: TriggerGraph, layer: str, by: float) -> keras.Model:
    """The graph in Keras, in which all weights of a layer are larger."""
    twin = build_keras_model(graph.nodes, graph.input_names, graph.output_names)
    kernel, bias = twin.get_layer(layer).get_weights()
    twin.get_layer(layer).set_weights([kernel + by, bias])
    return twin


def test_float32_explains_every_difference(wide: tuple[TriggerGraph, HardwareValues]) -> None:
    graph, values = wide
    bounds = graph.float32_bounds
    assert bounds["encoder_dense_1"] == 0 < bounds["latent_mean"]
    # 16 terms and the bias, which is zero, in the largest sum that inputs in their range can have.
    kernel = np.abs(graph.layer("latent_mean").weights.kernel)
    largest = (graph.grids["encoder_relu_1"].high @ kernel).max()
    assert bounds["latent_mean"] == pytest.approx(20 * largest / 2**24)
    expected, found = graph.evaluate(*values), graph.evaluate_in_keras(*values)
    assert (expected.score != found.score).any()
    assert not beyond_rounding(graph.keras_model, graph, values).any()


def test_an_error_in_an_exact_layer(wide: tuple[TriggerGraph, HardwareValues]) -> None:
    graph, values = wide
    twin = altered(graph, "encoder_dense_1", by=PRECISION.weight.step)
    beyond = beyond_rounding(twin, graph, values)
    # But where the inputs add up to zero.
    np.testing.assert_array_equal(beyond, values[0].sum(axis=1) != 0)


def test_a_large_error_in_a_layer_that_rounds(wide: tuple[TriggerGraph, HardwareValues]) -> None:
    graph, values = wide
    twin = altered(graph, "latent_mean", by=PRECISION.weight.step)
    assert beyond_rounding(twin, graph, values).mean() > 0.5


def test_results_that_are_no_numbers(wide: tuple[TriggerGraph, HardwareValues]) -> None:
    graph, values = wide
    twin = altered(graph, "latent_mean", by=np.nan)
    assert beyond_rounding(twin, graph, values).all()


@pytest.mark.slow
def test_the_proof_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keras.utils.set_random_seed(1)
    precision = FixedPoint(input="fixed<8,4>", weight="fixed<20,3>")
    spec = ArchitectureSpec(input_dim=4, hidden_dims=(4,))
    values = (stress_events(precision.input, (4,), 500, seed=1),)
    model = build_autoencoder("plain", spec, precision)
    graph = build_trigger_graph(model, ["squared_latent_norm"], values, 0.1)
    twin = altered(graph, "encoder_dense_1", by=0.5)
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [values[0][:20]])

    monkeypatch.setitem(graph.__dict__, "keras_model", twin)
    validation = validate_project(graph, tmp_path / "firmware", {"stress": values})
    assert validation.firmware["stress"].mismatching_bits == 0
    assert validation.keras_is_off and not validation.is_proved
    assert validation.mismatching_bits == validation.keras["stress"].mismatching_bits > 0


def test_nothing_is_excused_where_float32_is_exact() -> None:
    precision = FixedPoint(input="fixed<8,4>", weight="fixed<8,3>")
    values = (stress_events(precision.input, (4,), 100, seed=1),)
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=4, hidden_dims=()), precision)
    graph = build_trigger_graph(model, ["squared_latent_norm"], values, 0.1)
    assert graph.inexact_in_float32 == ()
    assert beyond_rounding(graph.keras_model, graph, values).all()
