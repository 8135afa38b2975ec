"""Models of Keras as users nest them: read as one graph, which gives what Keras gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import qkeras

from hls.graph.keras_layers import HardwareInput
from hls.graph.keras_network import check_network, read_network
from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.proof.stress import stress_events
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

FORM = FixedPointFormat(8, 4)


def rounding(name: str) -> keras.Layer:
    bits = qkeras.quantized_bits(8, 3, keep_negative=True, alpha=1)
    return qkeras.QActivation(bits, name=name)


def dense(units: int, name: str) -> keras.Layer:
    bits = qkeras.quantized_bits(6, 1, keep_negative=True, alpha=1)
    return qkeras.QDense(units, kernel_quantizer=bits, bias_quantizer=bits, name=name)


def part(name: str, n_in: int, n_out: int, prefix: str = "") -> keras.Model:
    x = keras.Input((n_in,), name=f"{prefix}input")
    y = rounding(f"{prefix}format")(dense(n_out, f"{prefix}dense")(x))
    return keras.Model(x, y, name=name)


def hardware(name: str = "x", n: int = 4) -> Any:
    return HardwareInput((n,), str(FORM), name=name).output


def check_against_keras(model: keras.Model) -> LayerGraph:
    """The graph, after a comparison of its outputs with the model's own."""
    graph = LayerGraph.from_keras(model)
    assert graph.inexact_in_float32 == ()
    values = [
        stress_events(port.form, graph.grids[port.name].shape, 100, seed)
        for seed, port in enumerate(graph.interface.inputs)
    ]
    parts = [part.astype(np.float32) for part in values]
    found = model(parts if len(parts) > 1 else parts[0])
    found = found if isinstance(found, list | tuple) else [found]
    exact = graph.outputs(*values)
    for name, in_keras in zip(graph.output_names, found, strict=True):
        np.testing.assert_array_equal(exact[name], np.asarray(in_keras), name)
        assert len(np.unique(exact[name])) > 3
    return graph


class TestNested:
    def test_decoder_of_encoder(self) -> None:
        x = hardware()
        encoder, decoder = part("encoder", 4, 2), part("decoder", 2, 4)
        model = keras.Model(x, decoder(encoder(rounding("first")(x))))
        graph = check_against_keras(model)
        assert [node.name for node in graph.nodes] == [
            "x", "first", "encoder_dense", "encoder_format", "decoder_dense", "decoder_format",
        ]  # fmt: skip
        network = read_network(model)
        assert network.outputs == ("decoder_format",)
        assert network.tensors == {
            "x": "x",
            "first": "first",
            "encoder_input": "first",
            "encoder_dense": "encoder_dense",
            "encoder_format": "encoder_format",
            "encoder": "encoder_format",
            "decoder_input": "encoder_format",
            "decoder_dense": "decoder_dense",
            "decoder_format": "decoder_format",
            "decoder": "decoder_format",
        }

    def test_unique_names_stay(self) -> None:
        x = hardware()
        model = keras.Model(x, part("decoder", 2, 4, "d_")(part("encoder", 4, 2, "e_")(x)))
        graph = check_against_keras(model)
        assert graph.output_names == ("d_format",)
        assert {node.name for node in graph.nodes} == {
            "x", "e_dense", "e_format", "d_dense", "d_format",
        }  # fmt: skip

    def test_the_outer_layer_keeps_its_name(self) -> None:
        x = hardware()
        y = rounding("last")(dense(3, "dense")(part("inner", 4, 4)(x)))
        graph = check_against_keras(keras.Model(x, y))
        assert graph.node("inner_dense").inputs == ("x",)
        assert graph.node("dense").inputs == ("format",)

    def test_a_layer_called_like_its_model(self) -> None:
        x = hardware()
        inner = keras.Sequential([keras.Input((4,)), dense(3, "same"), rounding("r")], name="same")
        network = read_network(keras.Model(x, inner(x)))
        assert network.tensors["same"] == "r" and network.tensors["same_same"] == "same_same"

    def test_sequential(self) -> None:
        layers = [rounding("first"), dense(3, "d"), rounding("last")]
        inner = keras.Sequential([keras.Input((4,), name="i"), *layers], name="inner")
        x = hardware()
        graph = check_against_keras(keras.Model(x, inner(x)))
        assert graph.output_names == ("last",)
        inputs = read_network(inner, {"i": "objects"})
        assert [node.inputs for node in inputs.nodes] == [("objects",), ("first",), ("d",)]
        # As it is, too.
        with pytest.raises(InputError, match="layer 'i': kind must be .* use HardwareInput"):
            LayerGraph.from_keras(inner)

    def test_models_in_models_in_models(self) -> None:
        inner = part("inner", 4, 4)
        middle = keras.Sequential([keras.Input((4,)), inner, dense(3, "dense"), rounding("format")])
        x = hardware()
        model = keras.Model(x, rounding("format")(middle(x)))
        graph = check_against_keras(model)
        names = [node.name for node in graph.nodes]
        assert names[1:3] == ["inner_dense", "inner_format"] and names[-1] == "format"

    def test_several_inputs_and_outputs(self) -> None:
        a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
        sums = dense(5, "sums")(keras.layers.Concatenate(name="both")([a, b]))
        inner = keras.Model([a, b], [rounding("one")(sums), rounding("two")(dense(2, "d")(b))])
        x, y = hardware("x"), hardware("y", 3)
        by_place, by_name = inner([x, y]), keras.models.clone_model(inner)({"b": y, "a": x})
        for outputs in (by_place, by_name):
            graph = check_against_keras(keras.Model([x, y], outputs))
            assert graph.node("both").inputs == ("x", "y") and graph.node("d").inputs == ("y",)
            assert graph.output_names == ("one", "two")
        # Of two outputs there is none that the model's name would stand for.
        assert inner.name not in read_network(keras.Model([x, y], by_place)).tensors
        # In another order.
        swapped = keras.Model([x, y], [outputs[1], outputs[0]])
        assert check_against_keras(swapped).output_names == ("two", "one")

    def test_inputs_that_nothing_takes(self) -> None:
        x, y = hardware("x"), hardware("y")
        graph = LayerGraph.from_keras(keras.Model([x, y], rounding("r")(y)))
        assert graph.input_names == ("x", "y")


class TestNamesThatAreTaken:
    def test_they_have_the_network_before_them(self) -> None:
        encoder = part("encoder", 4, 2)
        network = read_network(encoder, {"input": "objects"}, ("dense", "objects"))
        assert [(node.name, node.inputs) for node in network.nodes] == [
            ("encoder_dense", ("objects",)),
            ("format", ("encoder_dense",)),
        ]
        assert network.tensors == {
            "input": "objects",
            "dense": "encoder_dense",
            "format": "format",
        }

    def test_that_name_too(self) -> None:
        network = read_network(part("e", 4, 2), {"input": "x"}, ("dense", "e_dense"))
        assert [node.name for node in network.nodes] == ["e_e_dense", "format"]

    def test_inputs(self) -> None:
        x = hardware()
        network = read_network(keras.Model(x, x, name="m"), taken=("x",))
        assert network.outputs == ("m_x",) and isinstance(network.nodes[0].layer, GraphInput)


class Subclassed(keras.Model):
    def call(self, x: Any) -> Any:
        return x


class OfLayers(keras.Model):
    """Functional, but for what it does."""

    def call(self, x: Any) -> Any:
        return super().call(x) * 2


class OfOneRow(keras.Sequential):
    """Sequential, but for what it does."""

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        return super().call(x) * 2


def relu(x: Any) -> Any:
    """Not that of Keras."""
    return keras.ops.minimum(keras.ops.relu(x), 1.0)


def shared_model() -> keras.Model:
    x, inner = hardware(), part("inner", 4, 4)
    return keras.Model(x, inner(inner(x)))


def shared_layer() -> keras.Model:
    x, inner = hardware(), part("inner", 4, 4)
    return keras.Model(x, inner.get_layer("dense")(inner(x)))


def called(**options: Any) -> keras.Model:
    x = hardware()
    return keras.Model(x, keras.layers.Dropout(0.5, name="d")(x, **options))


def around(layer: Callable[..., Any]) -> Callable[[], keras.Model]:
    def model() -> keras.Model:
        x = hardware()
        return keras.Model(x, layer(x))

    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (shared_model, "^layer 'inner': a layer must be called once, got 2 calls; make a layer fo"),
        (shared_layer, "^layer 'dense': a layer must be called once, got 2 calls; make a layer fo"),
        (lambda: Subclassed(name="m"), "^layer 'm': a graph must be a Functional model, got Subc"),
        (around(Subclassed(name="m")), "^layer 'm': a graph must be a Functional model, got Subc"),
        (
            lambda: OfLayers(x := hardware(), rounding("r")(x), name="m"),
            "^layer 'm': a graph must be a Functional model, got OfLayers; build it of keras.Input",
        ),
        (
            lambda: OfOneRow([keras.Input((4,)), rounding("r")], name="m"),
            "^layer 'm': a graph must be a Functional model, got OfOneRow; build it of keras.Input",
        ),
        (
            around(keras.layers.Activation(relu, name="a")),
            "^layer 'a': activation must be Keras' own 'relu', got another function of that name; "
            "give activation='relu'$",
        ),
        (
            lambda: keras.Sequential([dense(3, "d")], name="s"),
            "^layer 's': a Sequential model must be built, got one that is not; begin it with ker",
        ),
        (around(keras.layers.Softmax(name="s")), "^layer 's': kind must be one of .*, got Softmax"),
        (
            around(lambda x: keras.layers.LSTM(2, name="s")(keras.layers.Reshape((2, 2))(x))),
            "^layer 's': kind must be one of .*, got LSTM; build it of these$",
        ),
        (around(keras.layers.LayerNormalization(name="s")), "^layer 's': kind must be one of .*,"),
        (around(keras.layers.Lambda(lambda x: x, name="s")), "^layer 's': kind must be .* Lambda"),
        (around(keras.layers.Masking(name="s")), "^layer 's': kind must be .*, got Masking"),
        (
            around(lambda x: part("m", 4, 2)(x, training=True)),
            "^layer 'm': a model must be called as at inference, got training=True; leave tr",
        ),
    ],
)
def test_models_that_are_refused(make: Callable[[], keras.Model], message: str) -> None:
    model = make()
    with pytest.raises(InputError, match=message):
        LayerGraph.from_keras(model)
    (refusal,) = check_network(model)
    assert "\n" not in str(refusal)


def test_every_refusal_is_found() -> None:
    x = hardware()
    y = keras.layers.Softmax(name="b")(keras.layers.LayerNormalization(name="a")(x))
    assert [refusal.layer for refusal in check_network(keras.Model(x, y))] == ["a", "b"]


def test_inputs_of_a_checked_network_may_be_any() -> None:
    assert check_network(part("encoder", 4, 2)) == []


def test_sizes_that_are_not_known() -> None:
    x = keras.Input((None, 4), name="x")
    model = keras.Model(x, rounding("r")(x))
    with pytest.raises(InputError, match=r"'r': shape must be known, got \(None, 4\); give k"):
        read_network(model, {"x": "objects"})


def test_a_layer_of_two_shapes() -> None:
    layer = keras.layers.Flatten(name="f")
    layer(keras.Input((2, 3)))
    x = hardware()
    with pytest.raises(InputError, match="'f': a layer must have inputs of one shape in all model"):
        read_network(keras.Model(x, layer(x)))


def test_what_is_no_model() -> None:
    for value in (None, dense(2, "d"), [1.0]):
        with pytest.raises(InputError, match="^a graph must be made of a keras.Model, got \\w+$"):
            read_network(value)  # type: ignore[arg-type]


def test_a_model_of_another_keras() -> None:
    other = pytest.importorskip("tf_keras")
    message = "^a graph must be made of a keras.Model of Keras 3.*, got Sequential of tf_keras: "
    with pytest.raises(InputError, match=message):
        read_network(other.Sequential([other.layers.Dense(2)]))


def test_another_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    model = part("encoder", 4, 2)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    message = "^backend of Keras must be 'tensorflow', got 'jax': set KERAS_BACKEND=tensorflow$"
    with pytest.raises(InputError, match=message):
        read_network(model)
