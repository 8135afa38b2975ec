"""Formats that random designs found wanting: each a minimal case."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from trigger_objects import N_FEATURES, PORT_FORMAT, scaler_by

from hls.cpp.convert import convert_trigger_graph
from hls.cpp.overrides import fractional_bits
from hls.graph.build import build_trigger_graph
from hls.graph.keras_layers import HardwareInput
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.lookup_table import LookupTable
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint, quantizer_format
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings


@pytest.mark.parametrize("form", ["ufixed<4,-3>", "ufixed<8,0>", "ufixed<32,2>", "ufixed<31,31>"])
def test_unsigned_quantizer_of_qkeras(form: str) -> None:
    # QKeras' quantized_relu fails for negative integer bits, and overflows from 31 bits on.
    expected = FixedPointFormat.parse(form)
    layer = FixedPoint(activation=form).relu("relu")
    assert quantizer_format(layer.activation) == expected
    # Few enough bits for float32, from below zero to beyond the format's end.
    units = np.unique(np.linspace(-4, 2 ** min(expected.width, 20) + 4, 1000).round())
    x = (units * expected.step).astype("float32")
    np.testing.assert_array_equal(layer(x), expected.quantize(x).astype("float32"))
    high = np.asarray(layer(np.full(1, 2.0**expected.integer * 4, "float32")))
    np.testing.assert_array_equal(high, np.float32(expected.high))


def test_rectified_latent_with_a_sign_bit_alone() -> None:
    # fixed<4,0> is [-1/2, 1/2): without its negative values there are -1 integer bits.
    layer = FixedPoint(latent="fixed<4,0>").latent_activation("relu", "latent")
    x = np.linspace(-1, 1, 65).astype("float32")
    expected = np.maximum(FixedPointFormat(4, 0).quantize(x), 0)
    np.testing.assert_array_equal(layer(x), expected)


@pytest.mark.parametrize("from_input", [False, True])
def test_threshold_of_more_bits_than_float32_has(from_input: bool) -> None:
    form = FixedPointFormat(40, 20, signed=False)
    threshold = 1000 + form.step
    ports = [HardwareInput((1,), str(form), name="score").output]
    if from_input:
        ports.append(HardwareInput((1,), str(form), name="threshold").output)
    decision = AboveThreshold(
        threshold, from_input, input_formats=[str(form)] * len(ports), name="trigger"
    )
    above = decision(ports if from_input else ports[0])
    graph = TriggerGraph.from_keras(keras.Model(ports, [ports[0], above]))
    scores = threshold + form.step * np.array([[-1.0], [0.0], [1.0]])
    values = (scores, np.full((3, 1), threshold))[: len(ports)]
    found = graph.evaluate_in_keras(*values)
    np.testing.assert_array_equal(found.trigger, [False, False, True])
    np.testing.assert_array_equal(graph.evaluate(*values).trigger, found.trigger)


def test_argument_of_a_table_that_float32_rounded_out_of_its_format() -> None:
    table = LookupTable("exp(-x)", 2.0**-6, input_formats=["fixed<4,0>"])
    beyond = np.array([[-1.0, 0.5]], np.float32)
    np.testing.assert_array_equal(table(beyond), table.entries[[0, -1]][None])


@pytest.mark.parametrize("form", ["fixed<12,7>", "fixed<12,11>"])
def test_table_of_entries_beyond_float64(form: str) -> None:
    message = r"entries of a table of exp\(-x\) must stay within 2\^53 units .* for an argument in"
    with pytest.raises(InputError, match=message):
        LookupTable("exp(-x)", 2.0**-6, input_formats=[form])


@pytest.mark.slow
def test_numbers_below_half_a_step_of_their_format(tmp_path: Path) -> None:
    # hls4ml's ap_types end the program there: all sums are below 1/16, the step is 1/2.
    precision = FixedPoint(
        input="fixed<6,-4>", weight="fixed<4,-3>", bias="fixed<4,-4>", activation="ufixed<4,3>"
    )
    spec = ArchitectureSpec(input_dim=3, hidden_dims=(2,), latent_dim=1)
    model = build_autoencoder("plain", spec, precision)
    events = stress_events(precision.input, (3,), 200, seed=1)
    graph = build_trigger_graph(model, ["absolute_error"], (events,), 0.1)
    assert not graph.trace(events)["encoder_relu_1"].any()
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [events[:20]])
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (events,)})
    assert validation.mismatching_bits == 0
    assert len(np.unique(validation.outputs["stress"].score)) > 10


@pytest.mark.slow
def test_numbers_beyond_a_format_that_ends_below_their_last_bit(tmp_path: Path) -> None:
    # Integers, for a format within +-1/16: all but zero saturate. hls4ml's pass saw only zeros, and
    # rounded to another format.
    precision = FixedPoint(input="fixed<4,-3>")
    spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(2,), latent_dim=2)
    model = build_autoencoder("plain", spec, precision)
    units = PORT_FORMAT
    events = stress_events(units, (N_FEATURES,), 200, seed=1)
    scaler = scaler_by((0,) * N_FEATURES, (0,) * N_FEATURES)
    graph = build_trigger_graph(model, ["squared_error"], (events,), 0.1, scaler, units)
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [events[:20]])
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (events,)})
    assert validation.mismatching_bits == 0
    assert len(np.unique(validation.outputs["stress"].score)) > 10


@pytest.mark.slow
def test_elements_of_different_bits_behind_one_quantizer(tmp_path: Path) -> None:
    # One code needs 9 fractional bits, the other an integer bit more, both 9 bits in all: hls4ml
    # made it 9 bits for both together.
    precision = FixedPoint(
        input="fixed<8,6>", weight="fixed<5,-2>", bias="fixed<6,1>", latent="fixed<17,5>"
    )
    spec = ArchitectureSpec(input_dim=3, hidden_dims=(), latent_dim=2)
    model = build_autoencoder("plain", spec, precision)
    kernel = np.array([[-(2.0**-7), 2.0**-6], [0, 0], [0, 0]])
    model.encoder.get_layer("latent_mean").set_weights([kernel, np.array([0.15625, -0.0625])])
    events = stress_events(precision.input, (3,), 200, seed=1)
    graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [events[:20]])
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (events,)})
    assert validation.mismatching_bits == 0
    assert len(np.unique(validation.outputs["stress"].score)) > 10


@pytest.mark.slow
def test_weights_that_float32_does_not_hold(tmp_path: Path) -> None:
    # The largest of fixed<28,1> has 27 bits; the next number of float32 is 1.
    precision = FixedPoint(input="fixed<6,1>", weight="fixed<28,1>", bias="fixed<28,1>")
    spec = ArchitectureSpec(input_dim=3, hidden_dims=(), latent_dim=2)
    model = build_autoencoder("plain", spec, precision)
    for layer in (*model.encoder.layers, *model.decoder.layers):
        layer.set_weights([np.full(weights.shape, 1.0) for weights in layer.get_weights()])
    events = stress_events(precision.input, (3,), 500, seed=1)
    graph = build_trigger_graph(model, ["squared_error"], (events,), 0.1)
    kernel = graph.layer("latent_mean").weights.kernel
    assert set(kernel.ravel()) == {1 - 2.0**-27}
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [events[:20]])
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (events,)})
    assert validation.is_proved
    assert len(np.unique(validation.outputs["stress"].score)) > 10


def test_constants_of_any_number_of_fractional_bits() -> None:
    constants = np.array([0.0, 1.0, -0.75, 6.0, 2.0**-40, -3 * 2.0**-35, 1 + 2.0**-50, 2.0**40])
    np.testing.assert_array_equal(fractional_bits(constants), [-31, 0, 2, -1, 40, 35, 50, -31])


@pytest.mark.slow
def test_threshold_of_more_than_32_fractional_bits(tmp_path: Path) -> None:
    # hls4ml cut it off there: the event at the threshold was above it.
    precision = FixedPoint(input="fixed<20,2>", reconstruction="fixed<8,2>")
    model = build_autoencoder(
        "plain", ArchitectureSpec(input_dim=3, hidden_dims=(), latent_dim=2), precision
    )
    events = stress_events(precision.input, (3,), 300, seed=1)
    graph = build_trigger_graph(model, ["squared_error"], (events,), 0.1)
    threshold = graph.threshold
    assert threshold % 2.0**-32 and (graph.evaluate(events).score == threshold).any()
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [events[:20]])
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (events,)})
    assert validation.mismatching_bits == 0
