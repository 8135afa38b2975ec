"""Convolutions with strides, over sequences and by channel, and pools, as users write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import qkeras
from test_keras_network import FORM, check_against_keras, rounding

from hls.cpp.convert import convert_trigger_graph
from hls.graph.keras_form import exact_layers
from hls.graph.keras_layers import HardwareInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.settings.firmware import FirmwareSettings

IMAGE, SEQUENCE = (6, 7, 2), (8, 2)


def bits() -> Any:
    return qkeras.quantized_bits(6, 1, keep_negative=True, alpha=1)


def convolution(kind: str, *args: Any, **options: Any) -> keras.Layer:
    role = "depthwise" if "Depthwise" in kind else "kernel"
    made = {f"{role}_quantizer": bits(), "bias_quantizer": bits(), "name": "c", **options}
    return getattr(qkeras, kind)(*args, **made)


def graph_of(layer: Callable[[Any], Any], shape: tuple[int, ...]) -> LayerGraph:
    x = HardwareInput(shape, str(FORM), name="x").output
    return check_against_keras(keras.Model(x, layer(rounding("first")(x))))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 3), (3, 1)])
@pytest.mark.parametrize("size", [(3, 3), (2, 1), (1, 4)])
def test_strides(padding: str, strides: tuple[int, int], size: tuple[int, int]) -> None:
    keras.utils.set_random_seed(1)
    layer = convolution("QConv2D", 3, size, strides=strides, padding=padding)
    graph = graph_of(layer, IMAGE)
    assert [type(part).__name__ for part in graph.layers[2:]] == ["Convolution"]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (keras.layers.ZeroPadding1D((2, 1), name="l"), "ZeroPadding"),
        (keras.layers.ZeroPadding1D(1, name="l"), "ZeroPadding"),
        (keras.layers.UpSampling1D(3, name="l"), "UpSampling"),
    ],
)
def test_sequences_are_padded_and_repeated(layer: keras.Layer, kind: str) -> None:
    graph = graph_of(layer, SEQUENCE)
    assert [type(part).__name__ for part in graph.layers[2:]] == ["Reshape", kind, "Reshape"]
    assert graph.output_names == ("l",)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_sequences(padding: str, strides: int, size: int) -> None:
    keras.utils.set_random_seed(1)
    layer = convolution("QConv1D", 3, size, strides=strides, padding=padding)
    graph = graph_of(layer, SEQUENCE)
    assert [node.name for node in graph.nodes[2:]] == ["c_in_a_row", "c_row", "c"]
    assert graph.grids["c"].shape == tuple(layer.output.shape[1:])


def test_a_sequence_with_an_activation_inside() -> None:
    layer = convolution("QConv1D", 3, 2, activation=qkeras.quantized_relu(5, 2))
    graph = graph_of(layer, SEQUENCE)
    names = ["c_linear_in_a_row", "c_linear_row", "c_linear", "c"]
    assert [node.name for node in graph.nodes[2:]] == names


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("strides", [1, 2])
def test_depthwise(padding: str, multiplier: int, strides: int) -> None:
    keras.utils.set_random_seed(1)
    options = {"depth_multiplier": multiplier, "padding": padding, "strides": (strides, strides)}
    graph = graph_of(convolution("QDepthwiseConv2D", (3, 2), **options), IMAGE)
    assert [type(part).__name__ for part in graph.layers[2:]] == ["Convolution"]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (keras.layers.MaxPooling1D(2, name="p"), SEQUENCE),
        (keras.layers.AveragePooling1D(4, name="p"), SEQUENCE),
        (keras.layers.GlobalMaxPooling1D(name="p"), SEQUENCE),
        (keras.layers.GlobalMaxPooling1D(keepdims=True, name="p"), SEQUENCE),
        (keras.layers.GlobalAveragePooling1D(name="p"), SEQUENCE),
        (keras.layers.GlobalAveragePooling1D(keepdims=True, name="p"), SEQUENCE),
        (keras.layers.GlobalMaxPooling2D(name="p"), IMAGE),
        (keras.layers.GlobalMaxPooling2D(keepdims=True, name="p"), IMAGE),
        (keras.layers.GlobalAveragePooling2D(name="p"), (4, 2, 3)),
        (keras.layers.GlobalAveragePooling2D(keepdims=True, name="p"), (4, 2, 3)),
        (keras.layers.AveragePooling2D((1, 2), name="p"), (3, 4, 2)),
    ],
)
def test_pools(layer: keras.Layer, shape: tuple[int, ...]) -> None:
    graph = graph_of(layer, shape)
    assert graph.output_names == ("p",)
    assert graph.grids["p"].shape == tuple(layer.output.shape[1:])


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            lambda: convolution("QConv2D", 2, 2, dilation_rate=2),
            IMAGE,
            r"^layer 'c': dilation_rate must be \(1, 1\), got \(2, 2\); set it so$",
        ),
        (
            lambda: convolution("QConv1D", 2, 2, dilation_rate=2),
            SEQUENCE,
            r"^layer 'c': dilation_rate must be \(1,\), got \(2,\); set it so$",
        ),
        (
            lambda: convolution("QDepthwiseConv2D", 2, dilation_rate=(2, 2)),
            IMAGE,
            r"^layer 'c': dilation_rate must be \(1, 1\), got \(2, 2\); set it so$",
        ),
        (
            lambda: convolution("QConv2D", 2, 2, groups=2),
            IMAGE,
            "^layer 'c': groups must be 1, got 2; set it so$",
        ),
        (
            lambda: convolution("QConv1D", 2, 2, padding="causal"),
            SEQUENCE,
            "^layer 'c': padding must be 'same' or 'valid', got 'causal'; let a ZeroPadding layer",
        ),
        (
            lambda: convolution("QConv2D", 2, 2, mask=np.ones((2, 2))),
            IMAGE,
            "^layer 'c': mask must be none, got one; set the weights to zero instead$",
        ),
        (
            lambda: convolution("QConv2D", 2, 2, activation="tanh"),
            IMAGE,
            "^layer 'c': activation must be linear, relu or a quantizer .*, got 'tanh'; let",
        ),
        (
            lambda: convolution("QConv2D", 2, 2, kernel_quantizer=None),
            IMAGE,
            "^layer 'c': quantizer of its kernel must be quantized_bits .*, got None; use quant",
        ),
        (
            lambda: keras.layers.MaxPooling1D(3, name="p"),
            SEQUENCE,
            r"^layer 'p': pools must lie side by side and cover the image, got pool \(3,\) with st",
        ),
        (
            lambda: keras.layers.GlobalAveragePooling2D(name="p"),
            IMAGE,
            "^layer 'p.*': means must be over 2, 4, 8, ... pixels, got 42 in pools of .*; others",
        ),
        *(
            (
                lambda kind=kind, args=args: getattr(keras.layers, kind)(*args, name="l"),
                shape,
                f"^layer 'l': weights must be quantized, got {kind}; make a quantized twin of the "
                "model by keras_ae.fixed_point_twin$",
            )
            for kind, args, shape in (
                ("Dense", (2,), (4,)),
                ("Conv1D", (2, 2), SEQUENCE),
                ("Conv2D", (2, 2), IMAGE),
                ("DepthwiseConv2D", (2,), IMAGE),
            )
        ),
    ],
)
def test_refusals(layer: Callable[[], Any], shape: tuple[int, ...], message: str) -> None:
    made = layer()
    made(keras.Input(shape))
    with pytest.raises(Refusal, match=message) as caught:
        exact_layers(made)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: convolution("QConv2D", 2, 2, data_format="channels_first"),
        lambda: keras.layers.GlobalMaxPooling2D(data_format="channels_first", name="c"),
        lambda: keras.layers.MaxPooling2D(data_format="channels_first", name="c"),
    ],
)
def test_channels_first(layer: Callable[[], Any]) -> None:
    # Not called: TensorFlow has no such convolution on CPUs.
    message = "^layer 'c': data_format must be 'channels_last', got 'channels_first'; set it so$"
    with pytest.raises(Refusal, match=message):
        exact_layers(layer())


def everything() -> TriggerGraph:
    """A residual network over images, and one over sequences, as a trigger."""
    keras.utils.set_random_seed(3)

    relu = qkeras.quantized_relu(6, 2)
    image = HardwareInput((4, 6, 2), str(FORM), name="image").output
    x = rounding("image_format")(image)
    x = convolution("QConv2D", 3, 3, padding="same", strides=2, activation=relu, name="c1")(x)
    y = convolution("QDepthwiseConv2D", (2, 2), padding="same", name="c2")(x)
    norm = keras.layers.BatchNormalization(name="norm")
    y = rounding("normed")(norm(y))
    norm.moving_variance.assign([0.3, 1.7, 2.9])
    norm.moving_mean.assign([0.1, -0.7, 0.4])
    x = keras.layers.Add(name="residual")([x, y, x])
    x = keras.layers.GlobalMaxPooling2D(name="pool")(keras.layers.Dropout(0.5)(x))

    sequence = HardwareInput(SEQUENCE, str(FORM), name="hits").output
    z = rounding("sequence_format")(sequence)
    z = convolution("QConv1D", 4, 3, strides=2, padding="same", activation="relu", name="c3")(z)
    z = keras.layers.MaxPooling1D(2, name="halved")(z)
    z = keras.layers.Flatten(name="flat")(z * 0.625 - np.float32([1, 0, -0.5, 2]))
    z = keras.layers.Concatenate(name="all")([x, rounding("rounded")(z), x])
    model = keras.Model([image, sequence], rounding("last")(z))
    graph = LayerGraph.from_keras(model)
    # Constants of the normalization have 24 bits, and with the input's more than float32.
    assert graph.inexact_in_float32 == ("norm", "normed")
    score = SquaredNorm(input_formats=(graph.grids["last"].format,), name="score")
    nodes = [*graph.nodes, Node(score, ("last",))]
    scores = LayerGraph.of(nodes, graph.input_names, ("score",))
    middle = float(np.median(scores.outputs(*events_of(scores))["score"]))
    decision = AboveThreshold(middle, input_formats=(scores.grids["score"].format,), name="trigger")
    return TriggerGraph.of(
        [*nodes, Node(decision, ("score",))], graph.input_names, ("score", "trigger")
    )


def events_of(graph: LayerGraph) -> list[np.ndarray]:
    ports = graph.interface.inputs
    return [
        stress_events(port.form, graph.grids[port.name].shape, 300, seed)
        for seed, port in enumerate(ports)
    ]


@pytest.mark.parametrize(
    ("backend", "io_type"),
    [
        pytest.param("Vitis", "io_stream", marks=pytest.mark.slow),
        pytest.param("Vitis", "io_parallel", marks=pytest.mark.slow),
        pytest.param("Catapult", "io_parallel", marks=pytest.mark.slow),
    ],
)
def test_as_hls(backend: str, io_type: str, tmp_path: Path) -> None:
    graph = everything()
    events, settings = events_of(graph), FirmwareSettings(backend=backend, io_type=io_type)
    convert_trigger_graph(graph, tmp_path / "firmware", settings, [part[:20] for part in events])
    assert validate_project(graph, tmp_path / "firmware", {"stress": tuple(events)}).is_proved


@pytest.mark.slow
def test_as_rtl(tmp_path: Path) -> None:
    graph = everything()
    events = events_of(graph)
    settings = FirmwareSettings(levels_per_stage=8)
    write_rtl_project(graph, tmp_path / "rtl", settings, [part[:20] for part in events])
    with VerilogSimulation(tmp_path / "rtl") as simulation:
        found = simulation.run(*events).output
    expected = graph.evaluate(*events)
    np.testing.assert_array_equal(found.scores["score"], expected.scores["score"])
    np.testing.assert_array_equal(found.trigger, expected.trigger)
    assert len(np.unique(found.scores["score"])) > 100
