"""The exact reference against Python's integers, and against what float32 cannot hold."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hls.graph.build import build_trigger_graph
from hls.graph.grid import Grid
from hls.graph.keras_form import exact_layer
from hls.proof.stress import stress_events
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec


def rounded(value: Fraction, form: FixedPointFormat) -> Fraction:
    """Half to even (Python's rule for fractions), with saturation."""
    units = round(value / Fraction(form.step))
    low, high = round(form.low / form.step), round(form.high / form.step)
    return min(max(units, low), high) * Fraction(form.step)


def fractions(array: Any, form: FixedPointFormat) -> np.ndarray:
    values = np.array([rounded(Fraction(float(v)), form) for v in np.asarray(array).ravel()])
    return values.reshape(np.shape(array))


def dense(x: np.ndarray, layer: Any, precision: FixedPoint, form: FixedPointFormat) -> np.ndarray:
    kernel, bias = fractions(layer.kernel, precision.weight), fractions(layer.bias, precision.bias)
    return np.array([rounded(value, form) for value in x @ kernel + bias])


@settings(deadline=None, max_examples=15)
@given(
    widths=st.lists(st.integers(1, 5), max_size=2),
    bits=st.integers(2, 18),
    integer=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_dense_graph_equals_fractions(
    widths: list[int], bits: int, integer: int, seed: int
) -> None:
    keras.utils.set_random_seed(seed)
    signed = f"fixed<{max(bits, integer + 1)},{integer}>"
    precision = FixedPoint(
        input=signed,
        weight=signed,
        bias=signed,
        latent=signed,
        reconstruction=signed,
        activation=f"u{signed}",
    )
    spec = ArchitectureSpec(input_dim=4, hidden_dims=tuple(widths), latent_dim=2)
    model = build_autoencoder("plain", spec, precision)
    events = stress_events(precision.input, (4,), 50, seed)
    graph = build_trigger_graph(model, ["squared_error", "squared_latent_norm"], (events,), 0.5)
    found = graph.evaluate(events)

    for index in range(0, 50, 7):
        x = y = fractions(events[index], precision.input)
        for network, last in ((model.encoder, precision.latent), (model.decoder, None)):
            layers = [layer for layer in network.layers if hasattr(layer, "kernel")]
            for layer in layers[:-1]:
                y = dense(y, layer, precision, precision.activation)
            y = dense(y, layers[-1], precision, last or precision.reconstruction)
            if last:
                assert found.scores["squared_latent_norm"][index] == float((y**2).sum())
        assert found.scores["squared_error"][index] == float(((x - y) ** 2).sum())


@settings(deadline=None, max_examples=8)
@given(
    shape=st.sampled_from([(4, 4, 1), (4, 8, 2)]),
    kernel_size=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_convolution_equals_fractions(
    shape: tuple[int, int, int], kernel_size: int, seed: int
) -> None:
    keras.utils.set_random_seed(seed)
    precision = FixedPoint()
    spec = ConvolutionalSpec(
        kind="convolutional",
        image_shape=shape,
        filters=(2,),
        kernel_size=kernel_size,
        hidden_dims=(),
        latent_dim=1,
    )
    model = build_autoencoder("plain", spec, precision)
    images = stress_events(precision.input, shape, 20, seed)
    exact = build_trigger_graph(model, ["squared_error"], (images,), 0.5)
    values = exact.trace(images)

    layer = model.encoder.get_layer("encoder_conv_1")
    kernel, bias = fractions(layer.kernel, precision.weight), fractions(layer.bias, precision.bias)
    height, width, _ = shape
    before = (kernel_size - 1) // 2
    for index in (0, 7, 13):
        image = fractions(images[index], precision.input)
        expected = np.empty((height, width, 2), object)
        for row in range(height):
            for column in range(width):
                total = bias.copy()
                for i in range(kernel_size):
                    for j in range(kernel_size):
                        y, x = row + i - before, column + j - before
                        if 0 <= y < height and 0 <= x < width:
                            total = total + image[y, x] @ kernel[i, j]
                expected[row, column] = total
        found = values["encoder_conv_1"][index]
        np.testing.assert_array_equal(found, expected.astype(float))
        # The pool's largest, and upsampling its inverse.
        pooled = values["encoder_conv_relu_1"][index].reshape(height // 2, 2, width // 2, 2, 2)
        np.testing.assert_array_equal(values["encoder_pool_1"][index], pooled.max(axis=(1, 3)))
        small, large = values["decoder_reshape"][index], values["decoder_upsample_1"][index]
        np.testing.assert_array_equal(large, np.kron(small, np.ones((2, 2, 1))))


def test_layers_of_images_equal_keras() -> None:
    inputs = keras.Input((6, 4, 3))
    padded = keras.layers.ZeroPadding2D(((1, 1), (0, 2)), name="padded")(inputs)
    pooled = keras.layers.AveragePooling2D(2, name="pooled")(padded)
    graph = keras.Model(inputs, pooled)
    x = stress_events(FixedPointFormat(8, 4), (6, 4, 3), 100, seed=1)
    y, grid = x, Grid.of(FixedPointFormat(8, 4), (6, 4, 3))
    for layer in map(exact_layer, graph.layers[1:]):
        y, grid = layer.exact(y), layer.grid(grid)
    np.testing.assert_array_equal(y, np.asarray(graph(x.astype("float32"))))
    assert grid.format == FixedPointFormat(10, 4)
    assert (y >= grid.low).all() and (y <= grid.high).all()


def test_every_grid_holds_its_values() -> None:
    keras.utils.set_random_seed(1)
    precision = FixedPoint()
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(5, 4), latent_dim=2)
    model = build_autoencoder("variational", spec, precision)
    events = stress_events(precision.input, (6,), 5000, seed=1)
    scores = ["kl_divergence", "normalized_latent_norm", "absolute_error"]
    exact = build_trigger_graph(model, scores, (events,), 0.5)
    for name, values in exact.trace(events).items():
        grid = exact.grids[name]
        np.testing.assert_array_equal(grid.format.quantize(values), values, name)
        assert (values >= grid.low).all() and (values <= grid.high).all(), name


@pytest.mark.parametrize(
    ("low", "high", "form"),
    [
        (-8, 7.5, "fixed<5,4>"),
        (-8.5, 7.5, "fixed<6,5>"),
        (0, 7.5, "ufixed<4,3>"),
        (0, 8, "ufixed<5,4>"),
        (0, 0, "ufixed<1,0>"),
        (-1, 0, "fixed<2,1>"),
        (2, 3.5, "ufixed<3,2>"),
    ],
)
def test_narrowest_format(low: float, high: float, form: str) -> None:
    grid = Grid(np.full(1, 0.5), np.full(1, float(low)), np.full(1, float(high)))
    found = grid.format
    assert str(found) == form
    assert found.low <= low and found.high >= high


def test_no_events() -> None:
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=6), FixedPoint())
    events = stress_events(FixedPoint().input, (6,), 100, seed=1)
    graph = build_trigger_graph(model, ["squared_error"], (events,), 0.5)
    found = graph.evaluate(events[:0])
    assert found.score.shape == found.trigger.shape == (0,)


def test_threads_give_the_same() -> None:
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=6), FixedPoint())
    events = stress_events(FixedPoint().input, (6,), 50_000, seed=1)
    exact = build_trigger_graph(model, ["squared_error"], (events,), 0.5)
    one, four = (exact.evaluate(events, n_threads=n) for n in (1, 4))
    np.testing.assert_array_equal(one.score, four.score)
    assert math.isclose(one.trigger.mean(), 0.5, abs_tol=0.1)


def test_layer_without_an_exact_form() -> None:
    spec = ArchitectureSpec(input_dim=6, latent_activation="sigmoid")
    model = build_autoencoder("plain", spec, FixedPoint())
    with pytest.raises(InputError, match="quantizer of its output must be quantized_bits"):
        build_trigger_graph(model, ["squared_latent_norm"], (np.zeros((100, 6)),), 0.5)
