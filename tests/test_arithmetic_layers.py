"""Sums, constants, rectifiers and batch normalizations as Keras' users write them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any

import keras
import numpy as np
import pytest
import qkeras
from test_keras_network import check_against_keras, dense, hardware, rounding

from hls.graph.grid import Grid
from hls.graph.keras_form import exact_layer, exact_layers
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.arithmetic_layers import Add, Subtract
from hls.graph.layers.rectifier import Rectifier
from hls.graph.layers.rescaling import Rescaling
from hls.graph.refusal import Refusal
from keras_ae.fixed_point import FixedPointFormat

CONSTANTS = np.array([0.5, -3, 0, 1.25], np.float32)


def one(function: Callable[[Any], Any]) -> keras.Model:
    x = hardware()
    return keras.Model(x, function(rounding("first")(x)))


@pytest.mark.parametrize(
    ("function", "scale", "offset"),
    [
        (lambda x: x * 3, [3], [0]),
        (lambda x: 0.75 * x, [0.75], [0]),
        (lambda x: x * CONSTANTS, CONSTANTS, [0]),
        (lambda x: x * CONSTANTS[None], CONSTANTS, [0]),
        (lambda x: x * keras.ops.convert_to_tensor(CONSTANTS), CONSTANTS, [0]),
        (lambda x: x + 1.5, [1], [1.5]),
        (lambda x: keras.ops.add(CONSTANTS, x), [1], CONSTANTS),
        (lambda x: x - CONSTANTS, [1], -CONSTANTS),
        (lambda x: 2 - x, [-1], [2]),
        (lambda x: keras.ops.subtract(CONSTANTS, x), [-1], CONSTANTS),
        (lambda x: x / 4, [0.25], [0]),
        (lambda x: x / np.array([1, 2, -4, 0.5], np.float32), [1, 0.5, -0.25, 2], [0]),
        (lambda x: keras.ops.divide(x, 2), [0.5], [0]),
        (lambda x: -x, [-1], [0]),
        (lambda x: keras.ops.add(x1=x, x2=3), [1], [3]),
        (keras.layers.Rescaling(0.5, -1), [0.5], [-1]),
        (keras.layers.Rescaling(list(CONSTANTS), 2), CONSTANTS, [2]),
    ],
)
def test_constants(function: Callable[[Any], Any], scale: Any, offset: Any) -> None:
    graph = check_against_keras(one(function))
    layer = graph.layers[-1]
    assert isinstance(layer, Rescaling)
    np.testing.assert_array_equal(layer.scale, scale)
    np.testing.assert_array_equal(layer.offset, offset)


def test_a_constant_is_the_number_that_keras_computes_with() -> None:
    layer = LayerGraph.from_keras(one(lambda x: x * 0.1)).layers[-1]
    assert isinstance(layer, Rescaling) and layer.scale[0] == float(np.float32(0.1)) != 0.1


def test_channels_of_images() -> None:
    x = hardware()
    image = keras.layers.Reshape((2, 1, 2))(rounding("first")(x))
    check_against_keras(keras.Model(x, image * np.float32([3, -0.5]) + np.float32([[[1, 2]]])))


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x, y: x + y, Add),
        (lambda x, y: x - y, Subtract),
        (lambda x, y: keras.layers.Add()([x, y]), Add),
        (lambda x, y: keras.layers.Subtract()([x, y]), Subtract),
        (lambda x, y: x + x, Add),
        (lambda x, y: keras.ops.subtract(y, x), Subtract),
    ],
)
def test_two_tensors(function: Callable[..., Any], kind: type) -> None:
    x = hardware()
    first = rounding("first")(x)
    model = keras.Model(x, function(first, rounding("second")(dense(4, "d")(first))))
    assert type(check_against_keras(model).layers[-1]) is kind


@pytest.mark.parametrize("join", [keras.layers.Add, keras.layers.Concatenate])
@pytest.mark.parametrize("n", [3, 4, 5])
def test_more_than_two(join: type, n: int) -> None:
    x = hardware()
    first = rounding("first")(x)
    parts = [rounding(f"r{i}")(dense(4, f"d{i}")(first)) for i in range(n)]
    graph = check_against_keras(keras.Model(x, join(name="joined")(parts)))
    joins = [node for node in graph.nodes if node.name.startswith("joined")]
    assert len(joins) == n - 1 and joins[-1].name == "joined"
    assert all(len(node.inputs) == 2 for node in joins)


def test_concatenations() -> None:
    x = hardware()
    y = keras.layers.Reshape((2, 1, 2))(rounding("first")(x))
    for joined in (keras.layers.Concatenate(axis=3)([y, y]), keras.ops.concatenate([y, -y], -1)):
        check_against_keras(keras.Model(x, joined))
    with pytest.raises(Refusal, match=r"axis must be -1, the last, got 1; set it so"):
        LayerGraph.from_keras(keras.Model(x, keras.layers.Concatenate(axis=1)([y, y])))


class TestBatchNormalization:
    def layer(self, variance: Any, **weights: Any) -> keras.Layer:
        """With weights of one channel each."""
        variance = np.atleast_1d(variance)
        layer = keras.layers.BatchNormalization(epsilon=2.0**-10, name="bn")
        layer.build((None, len(variance)))
        for name in ("gamma", "beta", "moving_mean"):
            getattr(layer, name).assign(np.atleast_1d(weights[name]))
        layer.moving_variance.assign(variance)
        return layer

    def test_exact_rationals(self) -> None:
        # Roots that are binary fractions: the constants are exact.
        roots = [Fraction(3, 2), Fraction(1, 4), Fraction(2), Fraction(5, 8)]
        gamma = [Fraction(3), Fraction(-1, 2), Fraction(0), Fraction(5, 4)]
        beta, mean = [Fraction(n, 8) for n in (1, -7, 3, 0)], [Fraction(n, 4) for n in (5, 3, 1, 9)]
        layer = self.layer(
            [float(root**2 - Fraction(1, 1024)) for root in roots],
            gamma=[float(g) for g in gamma],
            beta=[float(b) for b in beta],
            moving_mean=[float(m) for m in mean],
        )
        x = hardware()
        found = LayerGraph.from_keras(keras.Model(x, layer(rounding("first")(x)))).layers[-1]
        assert isinstance(found, Rescaling)
        factors = [g / root for g, root in zip(gamma, roots, strict=True)]
        offsets = [b - m * f for b, m, f in zip(beta, mean, factors, strict=True)]
        assert [Fraction(float(v)) for v in found.scale] == factors
        assert [Fraction(float(v)) for v in found.offset] == offsets
        check_against_keras(keras.Model(x, rounding("last")(layer(rounding("again")(x)))))

    def test_rounded_correctly(self) -> None:
        rng = np.random.default_rng(1)
        n = 500
        weights = {
            "gamma": rng.normal(1, 1, n),
            "beta": rng.normal(0, 3, n),
            "moving_mean": rng.normal(0, 3, n),
        }
        layer = self.layer(rng.exponential(2, n), **weights)
        x = keras.Input((n,))
        layer(x)
        found = exact_layer(layer)
        assert isinstance(found, Rescaling)
        gamma, beta, mean, variance = (
            [Fraction(float(v)) for v in np.asarray(part)]
            for part in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        )
        for k in range(n):
            # |factor|^2 lies between the squares of the middles to its neighbours.
            square = gamma[k] ** 2 / (variance[k] + Fraction(1, 1024))
            scale = np.float32(abs(found.scale[k]))
            low, high = (
                (Fraction(float(scale)) + Fraction(float(np.nextafter(scale, np.float32(end))))) / 2
                for end in (0, np.inf)
            )
            assert low**2 <= square <= high**2
            assert (found.scale[k] < 0) == (gamma[k] < 0)
            offset = beta[k] - mean[k] * gamma[k] / _root(variance[k] + Fraction(1, 1024))
            assert found.offset[k] == np.float32(float(offset))

    def test_without_scale_and_center(self) -> None:
        layer = keras.layers.BatchNormalization(scale=False, center=False, epsilon=0.0)
        layer.build((None, 4))
        layer.moving_variance.assign([4, 0.25, 1, 16])
        layer.moving_mean.assign([1, 2, -0.5, 0])
        x = hardware()
        found = check_against_keras(keras.Model(x, layer(rounding("first")(x)))).layers[-1]
        assert isinstance(found, Rescaling)
        assert found.scale.tolist() == [0.5, 2, 1, 0.25]
        assert found.offset.tolist() == [-0.5, -4, 0.5, 0]

    def test_another_axis(self) -> None:
        layer = keras.layers.BatchNormalization(axis=1, name="bn")
        layer(keras.Input((2, 3)))
        with pytest.raises(Refusal, match="^layer 'bn': axis must be -1, the last, got 1; set it"):
            exact_layer(layer)


def _root(value: Fraction) -> Fraction:
    """To 200 bits."""
    return Fraction(isqrt(value.numerator * value.denominator << 400), value.denominator << 200)


def with_activation(activation: Any) -> keras.Layer:
    bits = qkeras.quantized_bits(6, 1, keep_negative=True, alpha=1)
    return qkeras.QDense(3, activation, kernel_quantizer=bits, bias_quantizer=bits, name="d")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x * x, "a factor must be a constant, got 2 tensors; let a layer of weights"),
        (lambda x: keras.layers.Multiply(name="m")([x, x]), "'m': a factor must be a constant"),
        (lambda x: x / 3, "divisor must be a constant power of two, got 3; multiply by a const"),
        (lambda x: x / 0, "divisor must be a constant power of two, got 0"),
        (lambda x: x / x, "divisor must be a constant power of two, got a tensor"),
        (lambda x: 2 / x, "divisor must be a constant power of two, got a tensor"),
        (lambda x: x * np.inf, "scale must hold finite real numbers, got .*inf"),
        (lambda x: x + np.nan, "offset must hold finite real numbers, got .*nan"),
        (lambda x: x * 1e39, "scale must hold finite real numbers, got .*inf"),
        (lambda x: x + 2.0**-60, r"sums must stay within 2\^53 units of their last bit"),
        (lambda x: x * np.float32([1e-20, 1, 1, 1e20]), r"sums must stay within 2\^53 units"),
        (
            lambda x: keras.layers.Reshape((4, 1))(x) * CONSTANTS,
            "a constant must leave the tensor's shape",
        ),
        (
            lambda x: keras.layers.Reshape((2, 2))(x) * CONSTANTS.reshape(2, 2),
            "scale and offset must be one number, or one for each channel, the last axis",
        ),
        (
            lambda x: keras.layers.Reshape((4, 1))(x) + x,
            "inputs must have one shape",
        ),
        (keras.layers.ReLU(max_value=6, name="r"), "'r': max_value must be None, got 6"),
        (keras.layers.ReLU(negative_slope=0.5, name="r"), "'r': negative_slope must be 0, got 0.5"),
        (keras.layers.ReLU(threshold=1, name="r"), "'r': threshold must be 0, got 1"),
        (
            keras.layers.Activation("tanh", name="a"),
            "'a': activation must be linear, relu or a quantizer with an exact form, got 'tanh'",
        ),
        (
            lambda x: with_activation(qkeras.quantized_tanh(4))(x),
            "'d': quantizer of its activation must be quantized_bits",
        ),
    ],
)  # fmt: skip
def test_refusals(function: Callable[[Any], Any], message: str) -> None:
    model = one(function)
    with pytest.raises(Refusal, match=message) as caught:
        LayerGraph.from_keras(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "function",
    [
        keras.layers.ReLU(),
        keras.layers.Activation("relu"),
        keras.activations.relu,
        keras.ops.relu,
    ],
)
def test_rectifiers(function: Callable[[Any], Any]) -> None:
    graph = check_against_keras(one(function))
    assert type(graph.layers[-1]) is Rectifier


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dropout(0.5),
        keras.layers.GaussianNoise(1.0),
        keras.layers.GaussianDropout(0.5),
        keras.layers.AlphaDropout(0.5),
        keras.layers.ActivityRegularization(0.1),
        keras.layers.Identity(),
        keras.layers.Activation("linear"),
    ],
    ids=lambda layer: layer.name,
)
def test_layers_that_do_nothing(layer: keras.Layer) -> None:
    x = hardware()
    model = keras.Model(x, layer(rounding("first")(x)))
    assert exact_layers(layer) == ()
    assert check_against_keras(model).output_names == ("first",)


def test_dropout_that_stays_on() -> None:
    x = hardware()
    model = keras.Model(x, keras.layers.Dropout(0.5, name="d")(x, training=True))
    message = "^layer 'd': a layer must be called as at inference, got training=True; leave train"
    with pytest.raises(Refusal, match=message):
        LayerGraph.from_keras(model)


@pytest.mark.parametrize(
    ("activation", "kinds"),
    [
        (qkeras.quantized_relu(6, 2), ["Dense", "Quantizer"]),
        (qkeras.quantized_bits(6, 2, alpha=1), ["Dense", "Quantizer"]),
        ("relu", ["Dense", "Rectifier"]),
        ("linear", ["Dense"]),
    ],
)
def test_activation_inside(activation: Any, kinds: list[str]) -> None:
    layer = with_activation(activation)
    graph = check_against_keras(one(lambda x: rounding("last")(layer(x))))
    inside = [node for node in graph.nodes if node.name.startswith("d")]
    assert [type(node.layer).__name__ for node in inside] == kinds
    names = ["d_linear", "d"] if len(kinds) > 1 else ["d"]
    assert [node.name for node in inside] == names


def test_products_that_float64_would_round_up_to_the_limit() -> None:
    # 2^53 + 1 units, of which float64 makes 2^53.
    x = Grid(np.ones(1), np.zeros(1), np.ones(1))
    grid = Rescaling(np.array([2.0**53]), np.array([1.0])).grid(x)
    assert grid.units > 2.0**53
    assert Rescaling(np.array([2.0**52]), np.array([1.0])).grid(x).high[0] == 2.0**52 + 1


def test_rescaling_made_by_hand() -> None:
    layer = Rescaling(0.5, 2)  # type: ignore[arg-type]
    assert layer.scale.tolist() == [0.5] and layer.offset.tolist() == [2.0]
    with pytest.raises(Refusal, match=r"one for each channel, the last axis, got \(\(2,\), \(3"):
        Rescaling(np.ones(2), np.ones(3))
    with pytest.raises(
        Refusal, match="scale must hold finite real numbers, got others, of type <U"
    ):
        Rescaling(np.array(["a", "b"]), np.ones(1))
    with pytest.raises(Refusal, match=r"input must have 3 channels, .* got \(4,\)"):
        Rescaling(np.ones(3), np.ones(1)).check_inputs(Grid.of(FixedPointFormat(4, 2), (4,)))
