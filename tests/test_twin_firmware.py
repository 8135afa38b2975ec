"""Plain Keras models to firmware: twins, their graphs and their C++ are one function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_score_graph, build_trigger_graph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae import LayerFormats, TwinFormats, fixed_point_twin, profile_model
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.tensor_scores import squared_error, squared_norm
from keras_ae.twins.flat_model import flatten_model


def in_a_row(shape: tuple[int, ...], *others: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(shape, name="x"), *others], name="row")


def dense() -> keras.Model:
    return in_a_row(
        (6,),
        layers.Dense(8, activation="relu", name="d1"),
        layers.Dropout(0.1, name="drop"),
        layers.Dense(4, activation="relu", use_bias=False, name="d2"),
        layers.Activation("linear", name="code"),
        layers.Dense(2, name="out"),
    )


def normalized() -> keras.Model:
    return in_a_row(
        (6,),
        layers.Dense(8, use_bias=False, name="d1"),
        layers.BatchNormalization(name="n1"),
        layers.ReLU(name="r1"),
        layers.Dense(3, name="d2"),
        layers.BatchNormalization(name="out"),
    )


def images() -> keras.Model:
    return in_a_row(
        (6, 6, 1),
        layers.ZeroPadding2D(((1, 0), (0, 1)), name="padded"),
        layers.Conv2D(3, 4, strides=3, padding="valid", activation="relu", name="c1"),
        layers.UpSampling2D(name="up"),
        layers.AveragePooling2D((2, 1), name="averaged"),
        layers.GlobalAveragePooling2D(name="mean"),
        layers.Dense(2, name="out"),
    )


def sequences() -> keras.Model:
    return in_a_row(
        (6, 2),
        layers.ZeroPadding1D((2, 0), name="padded"),
        layers.Conv1D(3, 3, activation="relu", name="c1"),
        layers.UpSampling1D(2, name="up"),
        layers.MaxPooling1D(3, name="pooled"),
        layers.Conv1D(2, 2, strides=2, padding="same", name="c2"),
        layers.BatchNormalization(name="n2"),
        layers.GlobalAveragePooling1D(name="mean"),
        layers.Dense(2, name="out"),
    )


def channels() -> keras.Model:
    return in_a_row(
        (4, 4, 2),
        layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False, name="w1"),
        layers.BatchNormalization(name="n1"),
        layers.ReLU(name="r1"),
        layers.Flatten(name="flat"),
        layers.Dense(2, name="out"),
    )


def branches() -> keras.Model:
    x = keras.Input((4,), name="x")
    a = layers.Dense(5, activation="relu", name="a")(x)
    b, c = (layers.Dense(5, name=name)(x) for name in "bc")
    total = layers.ReLU(name="r")(layers.Add(name="total")([a, b, c]))
    difference = layers.Subtract(name="difference")([a, total])
    joined = layers.Concatenate(name="joined")([difference, x, total])
    return keras.Model(x, layers.Dense(2, name="out")(joined), name="branches")


def autoencoder() -> keras.Model:
    """Of models whose layers share names."""

    def part(name: str, n_in: int, n_out: int) -> keras.Model:
        x = keras.Input((n_in,), name=f"{name}_in")
        hidden = layers.Dense(5, activation="relu", name="hidden")(x)
        return keras.Model(x, layers.Dense(n_out, name=f"{name}_out")(hidden), name=name)

    x = keras.Input((6,), name="x")
    return keras.Model(x, part("decoder", 2, 6)(part("encoder", 6, 2)(x)), name="autoencoder")


def pixels() -> keras.Model:
    return in_a_row(
        (4, 4, 1),
        layers.Rescaling(1 / 255, offset=-0.5, name="scaled"),
        layers.Conv2D(2, 2, padding="same", activation="relu", name="c1"),
        layers.Flatten(name="flat"),
        layers.Dense(2, name="out"),
    )


ZOO: dict[str, Callable[[], keras.Model]] = {
    make.__name__: make
    for make in (dense, normalized, images, sequences, channels, branches, autoencoder, pixels)
}
#: Names of layers of the float model that its twin has under the name of what follows them.
FOLDED = {"d1", "d2", "w1", "c2"}


def made(name: str, width: int = 7) -> tuple[keras.Model, TwinFormats, tuple[int, ...]]:
    """A model as after a training, formats that fit it, and the shape of its input."""
    keras.utils.set_random_seed(2)
    model, rng = ZOO[name](), np.random.default_rng(2)
    for step in flatten_model(model).steps:
        for variable in step.layer.weights:
            if len(variable.shape) == 1:
                low = 0.3 if variable.name in ("gamma", "moving_variance") else -0.4
                variable.assign(rng.uniform(low, low + 0.9, variable.shape))
    shape = tuple(model.inputs[0].shape[1:])
    x = rng.normal(size=(200, *shape))
    if name == "pixels":
        x = rng.integers(0, 256, x.shape)
    return model, profile_model(model, x).propose(width, input=8), shape


def with_modes(formats: TwinFormats) -> TwinFormats:
    """All but rectifiers cut and wrap; weights are rounded up at halves."""

    def cut(form: Any, modes: str) -> Any:
        return None if form is None else f"{str(form)[:-1]},{modes}>"

    own = {
        name: LayerFormats(
            weight=cut(form.weight, "RND"),
            bias=cut(form.bias, "TRN"),
            activation=cut(
                form.activation,
                "TRN,WRAP" if form.activation and form.activation.signed else "TRN",
            ),
        )
        for name, form in formats.layers.items()
    }
    inputs = {name: cut(form, "TRN,WRAP") for name, form in formats.inputs.items()}
    return TwinFormats(inputs=inputs, layers=own)


def tensors_of(model: keras.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """What each layer gives in Keras."""
    made = {layer.name: layer.output for layer in model.layers}
    return {name: np.asarray(y) for name, y in keras.Model(model.inputs, made)([x]).items()}


@pytest.mark.parametrize("modes", [False, True])
@pytest.mark.parametrize("name", ZOO)
def test_a_twin_has_an_exact_form(name: str, modes: bool) -> None:
    model, formats, shape = made(name)
    formats = with_modes(formats) if modes else formats
    twin = fixed_point_twin(model, formats)
    # The graph's tensors have the names that the float model's have.
    names = [step.name for step in flatten_model(model).steps if step.sources]
    kept = [n for n in names if n in {layer.name for layer in twin.layers}]
    assert set(names) - set(kept) <= FOLDED
    norms = [squared_norm(tensor, name=f"norm_of_{tensor}") for tensor in kept]
    graph = build_score_graph(twin, norms)
    x = stress_events(formats.inputs["x"].values, shape, 500, seed=1)
    in_keras, exact = tensors_of(twin, x), graph.trace(x)
    for tensor in kept:
        values = in_keras[tensor].astype(np.float64)
        norm = np.square(values).reshape(len(x), -1).sum(axis=1)
        np.testing.assert_array_equal(exact[f"norm_of_{tensor}"].ravel(), norm, err_msg=tensor)
    for tensor in set(in_keras) & set(exact):
        np.testing.assert_array_equal(exact[tensor], in_keras[tensor], err_msg=tensor)
    (output,) = twin.output_names
    assert {output} <= set(exact) & set(in_keras)
    assert len(np.unique(in_keras[output])) > 20


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("dense", True),
        pytest.param("sequences", False, marks=pytest.mark.slow),
        pytest.param("pixels", False, marks=pytest.mark.slow),
    ],
)
def test_its_firmware_has_the_same_bits(name: str, modes: bool, tmp_path: Path) -> None:
    model, formats, shape = made(name, width=6)
    formats = with_modes(formats) if modes else formats
    x = stress_events(formats.inputs["x"].values, shape, 400, seed=1)
    twin = fixed_point_twin(model, formats)
    graph = build_trigger_graph(twin, squared_norm("out"), x, 0.1)
    folder = tmp_path / "firmware"
    convert_trigger_graph(graph, folder, FirmwareSettings(), [x[:20]])
    validation = validate_project(graph, folder, {"stress": (x,)})
    assert (validation.events, validation.mismatching_bits) == (len(x), 0)


def test_an_autoencoder_knows_its_ends() -> None:
    model, formats, shape = made("autoencoder")
    x = stress_events(formats.inputs["x"].values, shape, 300, seed=1)
    twin = fixed_point_twin(model, formats)
    graph = build_score_graph(twin, [squared_error(), squared_norm("encoder_out")])
    found, tensors = graph.outputs(x), tensors_of(twin, x)
    errors = np.square(tensors["x_format"].astype("float64") - tensors["decoder_out"])
    np.testing.assert_array_equal(found["squared_error"].ravel(), errors.sum(axis=1))
    code = np.square(tensors["encoder_out"].astype("float64"))
    np.testing.assert_array_equal(found["squared_norm"].ravel(), code.sum(axis=1))
