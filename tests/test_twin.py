"""Plain Keras models in fixed point: the same names and numbers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from pydantic import ValidationError

import keras_ae
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat, LayerFormats
from keras_ae.precision import quantizer_format, quantizing_layer
from keras_ae.twins.flat_model import flatten_model
from keras_ae.twins.formats import TwinFormats
from keras_ae.twins.twin import fixed_point_twin

WIDE = TwinFormats(
    input="fixed<24,8>",
    weight="fixed<24,6>",
    bias="fixed<24,6>",
    activation="ufixed<24,8>",
    output="fixed<24,8>",
)


def dense() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5,), name="x"),
            layers.Dense(7, activation="relu", name="d1"),
            layers.Dropout(0.2, name="drop"),
            layers.Dense(4, use_bias=False, name="d2"),
            layers.ReLU(name="r2"),
            layers.Dense(3, name="out"),
        ],
        name="dense_model",
    )


def images() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6, 8, 2), name="x"),
            layers.Rescaling(0.5, -0.25, name="scaled"),
            layers.ZeroPadding2D(1, name="padded"),
            layers.Conv2D(4, 3, use_bias=False, name="c1"),
            layers.BatchNormalization(name="n1"),
            layers.Activation("relu", name="r1"),
            layers.MaxPooling2D((3, 2), name="pooled"),
            layers.Conv2D(3, (2, 3), strides=(1, 2), padding="same", name="c2"),
            layers.BatchNormalization(scale=False, name="n2"),
            layers.UpSampling2D(name="up"),
            layers.AveragePooling2D(2, name="averaged"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(2, name="out"),
        ]
    )


def rows() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((9, 3), name="x"),
            layers.Conv1D(4, 3, name="c1"),
            layers.BatchNormalization(center=False, name="n1"),
            layers.ReLU(name="r1"),
            layers.Conv1D(2, 2, strides=2, padding="same", activation="relu", name="c2"),
            layers.MaxPooling1D(name="pooled"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="out"),
        ]
    )


def depthwise() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5, 6, 3), name="x"),
            layers.DepthwiseConv2D((3, 2), depth_multiplier=2, use_bias=False, name="w1"),
            layers.BatchNormalization(name="n1"),
            layers.ReLU(name="r1"),
            layers.DepthwiseConv2D(2, padding="same", activation="relu", name="w2"),
            layers.Conv2D(2, 1, name="c"),
            layers.GlobalMaxPooling2D(name="out"),
        ]
    )


def branches() -> keras.Model:
    x, y = keras.Input((4,), name="x"), keras.Input((3,), name="y")
    a = layers.Dense(6, activation="relu", name="a")(x)
    b = layers.Dense(6, name="b")(y)
    total = layers.Add(name="total")([a, b])
    rectified = layers.ReLU(name="rectified")(total)
    difference = layers.Subtract(name="difference")([a, rectified])
    joined = layers.Concatenate(name="joined")([difference, y])
    out = layers.Dense(2, name="out")(layers.Reshape((9,), name="reshaped")(joined))
    return keras.Model({"x": x, "y": y}, [out, total], name="branches")


def nested() -> keras.Model:
    """Two models whose layers share names, as those of an autoencoder may."""

    def part(name: str, n_in: int, n_out: int) -> keras.Model:
        x = keras.Input((n_in,), name=f"{name}_in")
        hidden = layers.Dense(5, activation="relu", name="hidden")(x)
        return keras.Model(x, layers.Dense(n_out, name=f"{name}_out")(hidden), name=name)

    encoder, decoder = part("encoder", 6, 2), keras.Sequential([part("inner", 2, 6)], name="dec")
    x = keras.Input((6,), name="x")
    # Called before on its own, as one tries a model out.
    encoder(keras.Input((6,)))
    return keras.Model(x, decoder(encoder(x)), name="autoencoder")


ZOO: dict[str, Callable[[], keras.Model]] = {
    make.__name__: make for make in (dense, images, rows, depthwise, branches, nested)
}


def inputs_of(model: keras.Model) -> Any:
    """Tensors in the structure in which the model takes arrays."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def made(name: str) -> tuple[keras.Model, Any]:
    """A model as after a training, and a sample of 40 events."""
    model, rng = ZOO[name](), np.random.default_rng(3)
    for step in flatten_model(model).steps:
        layer = step.layer
        if isinstance(layer, layers.BatchNormalization):
            n = layer.moving_mean.shape[0]
            parts = {
                "gamma": rng.normal(1, 0.3, n),
                "beta": rng.normal(0, 0.5, n),
                "moving_mean": rng.normal(0, 0.3, n),
                "moving_variance": rng.gamma(4, 0.3, n),
            }
            for part, values in parts.items():
                if getattr(layer, part) is not None:
                    getattr(layer, part).assign(values)
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.3, layer.bias.shape))
    x = keras.tree.map_structure(
        lambda tensor: rng.normal(size=(40, *tensor.shape[1:])).astype("float32"), inputs_of(model)
    )
    return model, x


def outputs_by_name(model: keras.Model, x: Any) -> dict[str, np.ndarray]:
    """Of every layer but those of a model inside."""
    tensors = {
        layer.name: layer.output for layer in model.layers if not isinstance(layer, keras.Model)
    }
    probe = keras.Model(inputs_of(model), tensors)
    return {name: np.asarray(value) for name, value in probe(x).items()}


@pytest.mark.parametrize("name", ZOO)
def test_wide_formats_change_nothing(name: str) -> None:
    model, x = made(name)
    twin = fixed_point_twin(model, WIDE)
    expected, found = (keras.tree.flatten(m(x)) for m in (model, twin))
    assert len(expected) == len(found)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, atol=3e-4)
        assert np.std(a) > 0.1
    assert twin.name == model.name
    names = {"branches": ["out", "total"], "depthwise": ["out"], "nested": ["inner_out"]}
    assert twin.output_names == names.get(name, ["out"])


@pytest.mark.parametrize("name", [name for name in ZOO if name != "nested"])
def test_a_tensor_keeps_its_name(name: str) -> None:
    model, x = made(name)
    expected, found = outputs_by_name(model, x), outputs_by_name(fixed_point_twin(model, WIDE), x)
    # A batch normalization is folded into the layer before it, which gets its name.
    folded = {"images": {"c1", "c2"}, "rows": {"c1"}, "depthwise": {"w1"}}
    assert set(expected) - set(found) == folded.get(name, set())
    for tensor in set(expected) & set(found):
        np.testing.assert_allclose(expected[tensor], found[tensor], atol=3e-4, err_msg=tensor)


@pytest.mark.parametrize("name", ZOO)
def test_trained_on_and_saved(name: str, tmp_path: Path) -> None:
    model, x = made(name)
    twin = fixed_point_twin(model, TwinFormats(weight="fixed<6,2>"))
    target = keras.tree.map_structure(lambda y: np.full(y.shape, 0.75, "float32"), twin(x))
    twin.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse")
    losses = twin.fit(x, target, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    twin.save(tmp_path / "twin.keras")
    loaded = keras.models.load_model(tmp_path / "twin.keras")
    for a, b in zip(*(keras.tree.flatten(m(x)) for m in (twin, loaded)), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(twin.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_twin_inside_another_model_is_saved(tmp_path: Path) -> None:
    model, x = made("images")
    inside = keras.Input((6, 8, 2), name="image")
    outer = keras.Model(inside, layers.Dense(2)(fixed_point_twin(model)(inside)))
    outer.save(tmp_path / "outer.keras")
    loaded = keras.models.load_model(tmp_path / "outer.keras")
    np.testing.assert_array_equal(outer(x), loaded(x))


def test_what_training_asks_for_is_kept() -> None:
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 2, kernel_regularizer="l1", trainable=False, name="c"),
            layers.DepthwiseConv2D(2, depthwise_regularizer="l2", name="w"),
            layers.Flatten(),
            layers.Dense(2, bias_regularizer="l1", name="d"),
        ]
    )
    twin = fixed_point_twin(model)
    conv, depthwise_conv, last = (twin.get_layer(f"{n}_linear") for n in ("c", "w", "d"))
    assert not conv.trainable and depthwise_conv.trainable and last.trainable
    assert isinstance(conv.kernel_regularizer, keras.regularizers.L1)
    assert isinstance(depthwise_conv.depthwise_regularizer, keras.regularizers.L2)
    assert isinstance(last.bias_regularizer, keras.regularizers.L1)


def test_every_bit_of_a_small_one() -> None:
    model, x = made("dense")
    twin = fixed_point_twin(
        model,
        TwinFormats(
            input="fixed<6,3>",
            weight="fixed<5,1>",
            bias="fixed<7,2>",
            activation="fixed<6,3>",
            output="fixed<9,4>",
            layers={"d1": {"weight": "fixed<4,1>"}, "r2": {"activation": "ufixed<3,2>"}},
        ),
    )
    wide = np.float64

    def rounded(values: Any, form: str) -> np.ndarray:
        return FixedPointFormat.parse(form).quantize(np.asarray(values, wide))

    (k1, b1), (k2,), (k3, b3) = (model.get_layer(n).get_weights() for n in ("d1", "d2", "out"))
    y = rounded(x, "fixed<6,3>") @ rounded(k1, "fixed<4,1>") + rounded(b1, "fixed<7,2>")
    # The values of fixed<6,3> that are not negative.
    y = np.clip(rounded(y, "fixed<6,3>"), 0, None)
    y = rounded(np.maximum(y @ rounded(k2, "fixed<5,1>"), 0), "ufixed<3,2>")
    y = rounded(y @ rounded(k3, "fixed<5,1>") + rounded(b3, "fixed<7,2>"), "fixed<9,4>")
    np.testing.assert_array_equal(twin(x), y)
    assert len(np.unique(y)) > 20


@pytest.mark.parametrize(
    ("name", "layer", "norm"), [("images", "c1", "n1"), ("depthwise", "w1", "n1")]
)
def test_folded_weights_are_the_closed_form(name: str, layer: str, norm: str) -> None:
    model, _ = made(name)
    (kernel,) = model.get_layer(layer).get_weights()
    found = fixed_point_twin(model, WIDE).get_layer(norm).get_weights()
    gamma, beta, mean, variance = (
        part.astype("float64") for part in model.get_layer(norm).get_weights()
    )
    scale = gamma / np.sqrt(variance + 1e-3)
    # An output of a depthwise convolution has a channel and a number among those of the channel.
    by_output = scale.reshape(kernel.shape[-2:]) if name == "depthwise" else scale
    expected = kernel * by_output
    np.testing.assert_array_equal(found[0], expected.astype("float32"))
    np.testing.assert_array_equal(found[1], (beta - mean * scale).astype("float32"))


def rounded_names(model: keras.Model) -> dict[str, str]:
    """Formats of quantizers by their names."""
    return {
        layer.name: str(quantizer_format(layer.activation))
        for layer in model.layers
        if type(layer).__name__ == "QActivation"
    }


def test_where_it_is_rounded() -> None:
    # A sum that a ReLU or another rounding follows needs no rounding of its own.
    assert list(rounded_names(fixed_point_twin(dense()))) == ["x_format", "d1", "r2", "out"]
    assert list(rounded_names(fixed_point_twin(images()))) == [
        *("x_format", "scaled", "r1", "n2", "out")
    ]
    found = rounded_names(fixed_point_twin(branches()))
    # The sum is an output, and rounded as one: not before.
    assert set(found) == {"x_format", "y_format", "a", "total", "rectified", "out"}
    x = keras.Input((4,), name="x")
    y = layers.BatchNormalization(name="n")(layers.Dense(3, name="d")(x))
    named = keras.Model(x, [layers.Activation("linear", name="y")(y), x])
    assert list(rounded_names(fixed_point_twin(named))) == ["x_format", "y"]
    formats = TwinFormats(
        inputs={"y": "ufixed<5,3>"}, layers={"difference": {"activation": "fixed<7,4>"}}
    )
    own = rounded_names(fixed_point_twin(branches(), formats))
    assert own == found | {"y_format": "ufixed<5,3>", "difference": "fixed<7,4>"}


def test_quantized_layers_stay_as_they_are() -> None:
    model, x = made("dense")
    twin = fixed_point_twin(model, TwinFormats())
    again = fixed_point_twin(twin, WIDE)
    assert [layer.name for layer in again.layers] == [layer.name for layer in twin.layers]
    np.testing.assert_array_equal(twin(x), again(x))
    assert again.get_layer("d1_linear").kernel is not twin.get_layer("d1_linear").kernel
    # A plain layer between quantized ones is the only one that changes.
    y = keras.Input((5,), name="y")
    mixed = layers.Dense(2, name="d")(quantizing_layer(FixedPointFormat(6, 3), "q")(y))
    found = rounded_names(fixed_point_twin(keras.Model(y, mixed), WIDE))
    assert found == {"q": "fixed<6,3>", "d": "fixed<24,8>"}


def test_the_model_is_left_alone() -> None:
    model, x = made("images")
    before = np.asarray(model(x))
    twin = fixed_point_twin(model)
    twin.set_weights([0 * part for part in twin.get_weights()])
    np.testing.assert_array_equal(model(x), before)


def test_weights_that_saturate_are_told() -> None:
    model, _ = made("dense")
    model.get_layer("d1").bias.assign([2.0, -2.0, -2.5, 1.9, 0, 0, 0])
    with pytest.warns(match="^2 of 7 weights of layer 'd1' saturate in fixed<8,2>, the largest"):
        fixed_point_twin(model)


def test_names_in_models_inside() -> None:
    model, _ = made("nested")
    twin = fixed_point_twin(model, TwinFormats(layers={"encoder_hidden": {"bias": "fixed<9,2>"}}))
    names = {layer.name for layer in twin.layers}
    assert {"encoder_hidden", "encoder_out", "inner_hidden", "inner_out"} <= names
    quantizer = twin.get_layer("encoder_hidden_linear").bias_quantizer_internal
    assert str(quantizer_format(quantizer)) == "fixed<9,2>"


def test_a_model_inside_that_takes_inputs_by_name() -> None:
    p, q = keras.Input((3,), name="p"), keras.Input((3,), name="q")
    inner = keras.Model([q, p], layers.Subtract(name="difference")([q, p]), name="inner")
    x, y = keras.Input((3,), name="x"), keras.Input((3,), name="y")
    model = keras.Model([x, y], inner({"p": x, "q": y}))
    first, second = np.full((1, 3), 1.5, "float32"), np.full((1, 3), 0.25, "float32")
    np.testing.assert_array_equal(model([first, second]), second - first)
    np.testing.assert_array_equal(fixed_point_twin(model)([first, second]), second - first)


def sequential(*others: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((4,), name="x"), *others], name="m")


def shared() -> keras.Model:
    x, layer = keras.Input((4,)), layers.Dense(4, name="twice")
    return keras.Model(x, layer(layer(x)))


def shared_model() -> keras.Model:
    x, inner = keras.Input((4,)), sequential(layers.Dense(4, name="twice"))
    return keras.Model(x, inner(inner(x)))


def operation() -> keras.Model:
    x = keras.Input((4,))
    return keras.Model(x, x + 1.0)


def nan() -> keras.Model:
    model = sequential(layers.Dense(2, name="d"))
    model.get_layer("d").bias.assign([np.nan, 0])
    return model


def norm_of_two() -> keras.Model:
    x = keras.Input((4,))
    y = layers.Dense(3, name="d")(x)
    return keras.Model(x, [layers.BatchNormalization(name="n")(y), layers.ReLU()(y)])


class Subclassed(keras.Model):
    def call(self, x: Any) -> Any:
        return x


def dilated() -> keras.Layer:
    return layers.DepthwiseConv2D(1, dilation_rate=2, name="w")


def in_two(layer: keras.Layer, *shapes: tuple[int, ...]) -> keras.Model:
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(inputs))


def in_training() -> keras.Model:
    x = keras.Input((4,))
    return keras.Model(x, layers.BatchNormalization(name="n")(layers.Dense(2)(x), training=True))


class OwnCall(keras.Model):
    def call(self, x: Any) -> Any:
        return 2 * super().call(x)


class OwnRow(keras.Sequential):
    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        return 2 * super().call(x)


def own_call() -> keras.Model:
    x = keras.Input((4,))
    return OwnCall(x, layers.ReLU()(x), name="own")


@pytest.mark.parametrize(
    "make",
    [
        norm_of_two,
        lambda: sequential(layers.BatchNormalization(name="n"), layers.Dense(2, name="d")),
        lambda: sequential(
            layers.Dense(2, activation="relu", name="d"), layers.BatchNormalization(name="n")
        ),
    ],
)
def test_normalizations_that_cannot_be_folded(make: Callable[[], keras.Model]) -> None:
    # One factor and one offset a channel, rounded as weights and biases.
    model = make()
    rng = np.random.default_rng(1)
    layer = model.get_layer("n")
    layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    x = rng.normal(size=(100, 4)).astype("float32")
    expected, found = outputs_by_name(model, x), outputs_by_name(fixed_point_twin(model, WIDE), x)
    np.testing.assert_allclose(found["n"], expected["n"], atol=2.0**-12)
    coarse = fixed_point_twin(model, {"layers": {"n": {"weight": "fixed<5,3>"}}})
    linear = [part for part in coarse.layers if isinstance(part, layers.Rescaling)]
    steps = np.asarray(linear[0].scale) / 2.0**-2
    np.testing.assert_array_equal(steps, np.rint(steps))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "model", "model must be a keras.Model, got str"),
        (
            lambda: Subclassed(name="s"),
            "model 's' must be Sequential or Functional, got Subclassed; ",
        ),
        (
            lambda: keras.Sequential([layers.Dense(2)], name="s"),
            "model 's' must know the shape of its input, got a Sequential that is not built; begin",
        ),
        (lambda: keras.Sequential(name="s"), "model 's' must know the shape of its input"),
        (shared, "layer 'twice': a layer must be called once, got 2 calls; make a layer for each"),
        (shared_model, "layer 'twice': a layer must be called once, got 2 calls"),
        (operation, r"layer 'add\w*': a layer of Keras is needed, got operation Add; use one of"),
        (
            lambda: sequential(layers.Dense(2, activation="tanh", name="d")),
            "layer 'd': activation must be relu or linear, got tanh; choose one of them",
        ),
        (
            lambda: sequential(layers.Dense(2), layers.Softmax(name="s")),
            "layer 's': kind must be one of Activation, .*, Add, .*, got Softmax; build",
        ),
        (
            lambda: sequential(layers.Dense(2, activation="softmax", name="d")),
            "layer 'd': activation must be relu or linear, got softmax; leave it out: ",
        ),
        (
            lambda: sequential(layers.Activation("sigmoid", name="s")),
            "layer 's': activation must be relu or linear, got sigmoid",
        ),
        (
            lambda: sequential(layers.Reshape((2, 2)), layers.LSTM(2, name="l")),
            "layer 'l': kind must be one of .*Conv2D, Dense, .*, or of QKeras, got LSTM",
        ),
        (
            lambda: sequential(layers.ReLU(max_value=6, name="r")),
            "layer 'r': max_value must be None, got 6; set it so",
        ),
        (
            lambda: sequential(
                layers.Reshape((4, 1)), layers.Conv1D(2, 2, padding="causal", name="c")
            ),
            "layer 'c': padding must be 'same' or 'valid', got 'causal'; let a ZeroPadding1D",
        ),
        (
            lambda: sequential(layers.Reshape((2, 2, 1)), dilated()),
            "layer 'w': dilation_rate must be 1, got .*; set it so",
        ),
        (
            lambda: sequential(layers.Reshape((2, 2)), layers.Conv1D(2, 1, groups=2, name="c")),
            "layer 'c': groups must be 1, got 2; set it so",
        ),
        (
            lambda: sequential(
                layers.Reshape((1, 2, 2)),
                layers.MaxPooling2D((2, 1), data_format="channels_first", name="p"),
            ),
            "layer 'p': data_format must be 'channels_last', got 'channels_first'; set it so",
        ),
        (
            lambda: sequential(layers.Reshape((2, 2)), layers.Dense(3, name="d")),
            r"layer 'd': input must have one axis, got \(2, 2\); flatten it, or use a conv",
        ),
        (
            lambda: sequential(layers.Reshape((4, 1)), layers.MaxPooling1D(3, name="p")),
            r"layer 'p': pools must lie side by side and cover the input, got pool \(3,\) with",
        ),
        (
            lambda: sequential(layers.Reshape((4, 1)), layers.MaxPooling1D(2, strides=1, name="p")),
            r"layer 'p': pools must lie side by side .* strides \(1,\) on \(4,\); choose another",
        ),
        (
            lambda: sequential(
                layers.Reshape((4, 1)),
                layers.ZeroPadding1D(1),
                layers.GlobalAveragePooling1D(name="p"),
            ),
            "layer 'p': means must be over 2, 4, 8, ... places, got 6; others are no binary",
        ),
        (
            lambda: sequential(layers.Reshape((2, 2)), layers.Rescaling(np.ones((2, 1)), name="s")),
            r"layer 's': scale and offset must be one number, or .* channel, got \(2, 1\); give so",
        ),
        (
            lambda: sequential(layers.ReLU(dtype="float16", name="r")),
            "layer 'r': numbers must be float32, got float16; set keras.config.set_dtype_policy",
        ),
        (
            lambda: keras.Sequential([keras.Input((None, 2), name="x"), layers.ReLU()]),
            r"layer 'x': shape must be known, got \(None, 2\); give keras.Input the whole shape",
        ),
        (
            lambda: in_two(layers.Add(name="a"), (1, 2), (3, 2)),
            r"layer 'a': inputs must have one shape, got \(1, 2\) and \(3, 2\); reshape or repeat",
        ),
        (
            lambda: in_two(layers.Concatenate(axis=1, name="a"), (1, 2), (3, 2)),
            "layer 'a': axis must be -1, the last, got 1; set it so",
        ),
        (in_training, "layer 'n': it must be called as at inference, got training=True; leave"),
        (
            lambda: OwnRow([keras.Input((4,)), layers.ReLU()], name="own"),
            "model 'own' must be Sequential or Functional, got OwnRow; build it of",
        ),
        (own_call, "model 'own' must be Sequential or Functional, got OwnCall; build it of"),
        (nan, "layer 'd': weights must be finite, got NaN or infinity; train it again"),
        (
            lambda: sequential(
                layers.Reshape((2, 2, 1)),
                layers.Conv2D(2, 1),
                layers.BatchNormalization(axis=1, name="n"),
            ),
            "layer 'n': axis must be that of the channels, got 1; use it",
        ),
        (
            lambda: sequential(layers.Dense(2, name="d"), layers.Dense(2, name="d_linear")),
            "layer 'd_linear': its name must be free for the twin of 'd', got a layer of that name",
        ),
    ],
)
def test_models_that_have_none(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        fixed_point_twin(make(), TwinFormats())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (
            {"layers": {"d3": {"bias": "fixed<8,2>"}}},
            r"formats.layers must name one of d1, drop, d2, r2, out, got 'd3'",
        ),
        (
            {"inputs": {"y": "fixed<8,2>"}},
            r"formats.inputs must name one of x, got 'y'",
        ),
        (
            {"layers": {"d2": {"bias": "fixed<8,2>"}}},
            r"formats.layers\['d2'\] must have formats of weight and activation alone, got bias",
        ),
        (
            {"layers": {"r2": {"weight": "fixed<8,2>"}}},
            r"formats.layers\['r2'\] must have formats of activation alone, got weight fixed<8,2>",
        ),
        (
            {"layers": {"out": {"activation": "ufixed<8,2>"}}},
            r"formats.layers\['out'\].activation must be fixed, as .* negative, got ufixed<8,2>",
        ),
    ],
)
def test_formats_of_what_there_is_not(formats: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        fixed_point_twin(dense(), TwinFormats(**formats))


def test_formats_that_are_none() -> None:
    with pytest.raises(InputError, match="^formats must be TwinFormats or a mapping, got str"):
        fixed_point_twin(dense(), "fixed<8,2>")  # type: ignore[arg-type]
    for wrong in (
        {"inputs": {"x": "fixed<1,1>"}},
        {"activation": "fixed<40,8>"},
        {"latent": "fixed<8,2>"},
    ):
        with pytest.raises(ValidationError):
            TwinFormats(**wrong)


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (
            {"latent": "fixed<8,2>"},
            "unknown key latent; choices: input, weight, bias, activation, output, inputs, layers",
        ),
        ({"weight": "float"}, "weight: precision must be .*, got 'float'"),
        ({"input": "fixed<99,1>"}, "input: width of fixed<99,1> must be 1 to 63 bits, got 99"),
        ({"layers": {"d1": {"kernel": "fixed<6,2>"}}}, "unknown key layers.d1.kernel; choices: .*"),
        (
            {"layers": {"d1": "fixed<6,2>"}},
            "layers.d1: must be a mapping of keys, got 'fixed.*",
        ),
        ({"layers": ["d1"]}, r"layers: must be a mapping of keys, got \['d1'\]"),
        ({"bias": "fixed<1,1>"}, "format of bias must have at least 2 bits, got fixed<1,1>"),
    ],
)
def test_mistakes_in_a_mapping(formats: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^formats: {message}$") as caught:
        fixed_point_twin(dense(), formats)
    assert "\n" not in str(caught.value)


def test_a_mapping_of_formats() -> None:
    model, x = made("dense")
    formats: dict[str, Any] = {"weight": "fixed<6,2>", "layers": {"d1": {"bias": "fixed<7,2>"}}}
    first, second = (fixed_point_twin(model, form) for form in (formats, TwinFormats(**formats)))
    np.testing.assert_array_equal(first(x), second(x))


def test_rounding_modes() -> None:
    model, x = made("dense")
    modes = TwinFormats(
        input="fixed<6,3,TRN,WRAP>",
        weight="fixed<5,1,RND>",
        bias="fixed<7,2,TRN>",
        activation="fixed<6,3,TRN>",
        output="fixed<6,0,RND,WRAP>",
    )

    def rounded(values: Any, form: FixedPointFormat) -> np.ndarray:
        return form.quantize(np.asarray(values, np.float64))

    (k1, b1), (k2,), (k3, b3) = (model.get_layer(n).get_weights() for n in ("d1", "d2", "out"))
    y = rounded(x, modes.input) @ rounded(k1, modes.weight) + rounded(b1, modes.bias)
    y = np.maximum(rounded(y, modes.activation), 0)
    y = np.maximum(rounded(y @ rounded(k2, modes.weight), modes.activation), 0)
    sums = y @ rounded(k3, modes.weight) + rounded(b3, modes.bias)
    found = np.asarray(fixed_point_twin(model, modes)(x))
    np.testing.assert_array_equal(found, rounded(sums, modes.output))
    # Some wrap.
    assert (np.abs(found - sums) > 0.9).any()


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (
            {"activation": "ufixed<8,4,TRN,WRAP>"},
            "formats.activation, of layer 'd1', must saturate, as saturation at zero is the ReLU, "
            "got ufixed<8,4,TRN,WRAP>",
        ),
        (
            {"layers": {"r2": {"activation": "fixed<8,4,TRN,WRAP>"}}},
            r"formats.layers\['r2'\].activation must saturate, .*, got fixed<8,4,TRN,WRAP>",
        ),
        (
            {"output": "ufixed<8,4,TRN,WRAP>"},
            "formats.output, of layer 'out', must be fixed, as what the layer gives may be .*",
        ),
    ],
)
def test_modes_that_are_no_relu(formats: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        fixed_point_twin(dense(), formats)


def test_what_wraps_may_be_negative() -> None:
    x = keras.Input((4,), name="x")
    doubled = layers.Rescaling(2.0, name="s")(x)
    model = keras.Model(x, layers.Add(name="a")([doubled, doubled]))
    own = {"s": {"activation": "fixed<8,4,TRN,WRAP>"}, "a": {"activation": "ufixed<9,5>"}}
    with pytest.raises(InputError, match=r"^formats.layers\['a'\].activation must be fixed"):
        fixed_point_twin(model, {"input": "ufixed<8,4>", "layers": own})


def test_constants_of_a_change_of_scale() -> None:
    model = sequential(layers.Rescaling(1 / 255, offset=-0.3, name="s"))
    values = np.arange(256, dtype="float32").reshape(64, 4)
    formats = {
        **{"input": "ufixed<8,8>", "weight": "fixed<6,2>", "bias": "fixed<7,2>"},
        "output": "fixed<30,2>",
    }
    # Both have as many bits as weights and biases, of which one is the sign.
    scale, offset = np.rint(2.0**12 / 255) / 2**12, np.rint(-0.3 * 2**7) / 2**7
    expected = values * scale + offset
    np.testing.assert_array_equal(fixed_point_twin(model, formats)(values), expected)
    own = {"s": {"weight": "fixed<9,1>", "bias": "fixed<3,1>"}}
    expected = values * 2.0**-8 - 0.25
    found = fixed_point_twin(model, {**formats, "layers": own})(values)
    np.testing.assert_array_equal(found, expected)


def test_weights_end_where_their_format_does() -> None:
    model, _ = made("dense")
    model.get_layer("d1").bias.assign([7.0, -5.0, -2.5, 1.9, 0, 0, 0])
    with pytest.warns(match="weights of layer 'd1' saturate in fixed<8,2>"):
        twin = fixed_point_twin(model)
    expected = [127 / 64, -2, -2, 1.9, 0, 0, 0]
    np.testing.assert_array_equal(twin.get_layer("d1_linear").bias, np.float32(expected))


def test_unsigned_where_nothing_is_negative() -> None:
    formats = TwinFormats(
        inputs={"x": "ufixed<8,4>"},
        layers={"s": {"activation": "ufixed<7,4>"}, "a": {"activation": "ufixed<9,5>"}},
    )
    x = keras.Input((4,), name="x")
    scaled = layers.Rescaling(0.5, name="s")(x)
    model = keras.Model(x, layers.Add(name="a")([x, scaled]))
    assert set(rounded_names(fixed_point_twin(model, formats))) == {"x_format", "s", "a"}
    for change, name in (({"inputs": {}}, "s"), ({}, "a")):
        negative = keras.Model(x, layers.Add(name="a")([layers.Rescaling(-0.5)(x), scaled]))
        wrong = formats.model_copy(update=change)
        with pytest.raises(InputError, match=rf"^formats.layers\['{name}'\].activation must be"):
            fixed_point_twin(negative, wrong)


def test_public_names() -> None:
    assert keras_ae.fixed_point_twin is fixed_point_twin
    assert (keras_ae.TwinFormats, keras_ae.LayerFormats) == (TwinFormats, LayerFormats)
    with pytest.raises(AttributeError, match="module 'keras_ae' has no attribute 'twin_of'"):
        keras_ae.twin_of  # noqa: B018
