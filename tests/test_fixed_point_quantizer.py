"""The quantizer of any format in Keras: its values, its gradient, and stored models."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf

from hls.graph.keras_form import exact_layer
from hls.graph.layers.quantizer import Quantizer
from hls.graph.refusal import Refusal
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import build_autoencoder
from keras_ae.precision import (
    FixedPoint,
    FixedPointQuantizer,
    fixed_point,
    layer_quantizer,
    quantizer_format,
)
from keras_ae.settings.architecture import ArchitectureSpec


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("fixed<6,3>", qkeras.quantized_bits),
        ("ufixed<6,3>", qkeras.quantized_relu),
        ("fixed<1,1>", FixedPointQuantizer),
        ("ufixed<6,3,TRN>", FixedPointQuantizer),
        ("fixed<8,6,TRN,WRAP>", FixedPointQuantizer),
    ],
)
def test_of_a_text(text: str, kind: type) -> None:
    quantizer = fixed_point(text)
    assert type(quantizer) is kind and str(quantizer_format(quantizer)) == text
    x = np.linspace(-20, 20, 1001, dtype=np.float32)
    expected = FixedPointFormat.parse(text).quantize(x)
    np.testing.assert_array_equal(np.asarray(qkeras.QActivation(quantizer)(x)), expected)


def test_no_format() -> None:
    with pytest.raises(InputError, match="precision must be 'fixed<W,I>'"):
        fixed_point("int8")


def gradient(quantizer: FixedPointQuantizer, x: np.ndarray) -> np.ndarray:
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        result = quantizer(tensor)
    return tape.gradient(result, tensor).numpy()


def test_gradients() -> None:
    x = np.float32([-9.0, -0.3, 0.3, 9.0])
    straight, rectifier = fixed_point("fixed<6,3,TRN,WRAP>"), fixed_point("ufixed<6,3,TRN>")
    np.testing.assert_array_equal(gradient(straight, x), [1, 1, 1, 1])
    np.testing.assert_array_equal(gradient(rectifier, x), [0, 0, 1, 1])


def test_float32_does_not_round_on_the_way() -> None:
    # QKeras' x + (q - x) does.
    x = np.float32([1234567.125, -3e-8])
    found = np.asarray(fixed_point("fixed<24,4,TRN,WRAP>")(x))
    np.testing.assert_array_equal(found, FixedPointFormat(24, 4, True, "TRN", "WRAP").quantize(x))


def test_trained_and_stored(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    x = qkeras.QActivation(fixed_point("fixed<8,4,TRN,WRAP>"), name="q")(inputs)
    weights = {
        "kernel_quantizer": fixed_point("fixed<6,2,RND>"),
        "bias_quantizer": FixedPointQuantizer("ufixed<3,0>"),
    }
    x = qkeras.QDense(8, **weights, name="d")(x)
    x = qkeras.QDense(1, **weights, name="e")(qkeras.QActivation(fixed_point("ufixed<8,4,TRN>"))(x))
    model = keras.Model(inputs, x)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    events = np.random.default_rng(1).uniform(-2, 2, (256, 4)).astype(np.float32)
    losses = model.fit(events, events[:, :1] / 2 + 1, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(events), model(events))
    dense = exact_layer(loaded.get_layer("d"))
    assert str(dense.kernel_format) == "fixed<6,2,RND>" and str(dense.bias_format) == "ufixed<3,0>"
    assert exact_layer(loaded.get_layer("q")).form == FixedPointFormat.parse("fixed<8,4,TRN,WRAP>")


@pytest.mark.parametrize(("bits", "integer"), [(1, 0), (4, 0), (6, 3)])
def test_quantized_bits_without_a_sign(bits: int, integer: int) -> None:
    quantizer = qkeras.quantized_bits(bits, integer, keep_negative=0, alpha=1)
    form = quantizer_format(quantizer)
    assert form == FixedPointFormat(bits, integer, signed=False)
    x = (np.arange(-20, 2 ** (bits + 3) + 20) * form.step / 8).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(quantizer(x)), form.quantize(x))


# QKeras reads text by functions of pyparsing that have other names now.
@pytest.mark.filterwarnings("ignore:.*deprecated - use.*:DeprecationWarning")
def test_as_text() -> None:
    for text, form in (
        ("quantized_relu(6,3)", "ufixed<6,3>"),
        ("quantized_bits(6,2,alpha=1)", "fixed<6,3>"),
    ):
        layer = qkeras.QActivation(text, name="q")
        found = exact_layer(layer)
        assert isinstance(found, Quantizer) and str(found.form) == form
        assert str(quantizer_format(layer_quantizer(layer))) == form


def test_in_a_network() -> None:
    precision = FixedPoint(
        input="ufixed<10,10>",
        weight="fixed<6,2,TRN>",
        bias="ufixed<3,0>",
        activation="ufixed<8,4,TRN>",
        latent="fixed<8,4,TRN,WRAP>",
        layers={"encoder_relu_1": {"activation": "ufixed<6,3,RND>"}},
    )
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=4), precision)
    found = {
        layer.name: str(quantizer_format(layer_quantizer(layer)))
        for layer in model.encoder.layers
        if isinstance(layer, qkeras.QActivation)
    }
    assert found["encoder_input_format"] == "ufixed<10,10>"
    assert found["encoder_relu_1"] == "ufixed<6,3,RND>"
    assert found["latent_mean_format"] == "fixed<8,4,TRN,WRAP>"
    # What comes in has one format, though it has no sign either.
    with pytest.raises(InputError, match="must name one of encoder_dense_1, encoder_relu_1"):
        layers = {"encoder_input_format": {"activation": "ufixed<6,3>"}}
        build_autoencoder(
            "plain", ArchitectureSpec(input_dim=4), FixedPoint(input="ufixed<10,10>", layers=layers)
        )


@pytest.mark.parametrize(
    ("role", "value", "message"),
    [
        ("kernel", 2.5, "kernel in fixed<4,2> must be numbers from -2 to 2, got 2.5; use more int"),
        ("kernel", -2.5, "kernel in fixed<4,2> must be numbers from -2 to 2, got -2.5; use more i"),
        ("kernel", np.nan, "kernel in fixed<4,2> must be numbers from -2 to 2, got nan; train it"),
        ("bias", 1.5, "bias in fixed<4,1> must be numbers from -1 to 1, got 1.5; use more integer"),
    ],
)
def test_weights_beyond_their_format(role: str, value: float, message: str) -> None:
    layer = qkeras.QDense(
        2,
        kernel_quantizer=fixed_point("fixed<4,2>"),
        bias_quantizer=fixed_point("fixed<4,1>"),
        name="d",
    )
    layer(keras.Input((3,)))
    kernel, bias = np.ones((3, 2)), np.ones(2)
    # As far as QKeras lets them go.
    layer.set_weights([2 * kernel, -bias])
    exact_layer(layer)
    (kernel if role == "kernel" else bias)[..., 1] = value
    layer.set_weights([kernel, bias])
    with pytest.raises(Refusal) as caught:
        exact_layer(layer)
    assert str(caught.value).startswith(f"layer 'd': {message}")
    assert "\n" not in str(caught.value)
