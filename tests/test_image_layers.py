"""Pooling, padding and repetition of images in firmware, in small graphs made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import qkeras

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.grid import Grid
from hls.graph.keras_form import exact_layer
from hls.graph.keras_layers import HardwareInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ConvolutionalSpec
from keras_ae.settings.firmware import FirmwareSettings

INPUT, SHAPE = FixedPointFormat(8, 4), (4, 4, 2)
#: Narrower than the input at both ends: everything saturates, and rounds.
SIGNED, UNSIGNED = FixedPointFormat(6, 3), FixedPointFormat(5, 2, signed=False)


def quantizer(form: FixedPointFormat) -> keras.Layer:
    if form.signed:
        rounding = qkeras.quantized_bits(form.width, form.integer - 1, keep_negative=True, alpha=1)
    else:
        rounding = qkeras.quantized_relu(form.width, form.integer)
    return qkeras.QActivation(rounding)


def convolution(**options: Any) -> keras.Layer:
    weight = {
        f"{part}_quantizer": qkeras.quantized_bits(6, 1, keep_negative=True, alpha=1)
        for part in ("kernel", "bias")
    }
    return qkeras.QConv2D(3, 3, bias_initializer="normal", **weight, **options)


def graph_of(branches: dict[str, list[keras.Layer]]) -> TriggerGraph:
    """Each branch's layers on one image, the squared norm of what they give; a decision on one."""
    inputs = HardwareInput(SHAPE, str(INPUT), name="objects").output
    image = quantizer(INPUT)(inputs)
    scores = []
    for name, layers in branches.items():
        hidden = image
        for number, layer in enumerate(layers):
            layer.name = f"{name}_{number}"
            hidden = layer(hidden)
        form = str(grid_of(inputs, hidden).format)
        scores.append(SquaredNorm(input_formats=[form], name=name)(hidden))
    form = str(grid_of(inputs, scores[0]).format)
    decision = AboveThreshold(10.0, input_formats=[form], name="trigger")(scores[0])
    return TriggerGraph.from_keras(keras.Model([inputs], [*scores, decision]))


def grid_of(inputs: Any, tensor: Any) -> Grid:
    """Which values a tensor of Keras can take."""
    graph = LayerGraph.from_keras(keras.Model([inputs], tensor))
    return graph.grids[graph.output_names[0]]


def validate(graph: TriggerGraph, folder: Path, io_type: str, n_events: int = 2000) -> None:
    shape = graph.grids["objects"].shape
    events = stress_events(INPUT, shape, n_events, seed=1)
    convert_trigger_graph(graph, folder, FirmwareSettings(io_type=io_type), [events[:100]])
    validation = validate_project(graph, folder, {"stress": (events,)})
    found, expected = validation.outputs["stress"].scores, validation.reference["stress"].scores
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, name)
        assert len(np.unique(values)) > 50, name
    assert (validation.events, validation.mismatching_bits) == (n_events, 0)
    assert validation.inexact_layers == ()


def pooled() -> dict[str, list[keras.Layer]]:
    average = keras.layers.AveragePooling2D
    return {
        # A mean in all its bits, and one rounded to the format of its terms.
        "mean_of_2x2": [average(2)],
        "rounded_mean_of_2x2": [
            convolution(padding="same"),
            quantizer(UNSIGNED),
            average(2),
            quantizer(UNSIGNED),
        ],
        "rounded_mean_of_4x4": [average(4), quantizer(SIGNED)],
        "mean_of_sums": [convolution(padding="same"), average((1, 2)), quantizer(SIGNED)],
        "maximum_of_2x4": [keras.layers.MaxPooling2D((2, 4))],
        "rounded_maximum": [keras.layers.MaxPooling2D(2), quantizer(SIGNED)],
        "rounded_list": [
            convolution(padding="same"),
            keras.layers.Flatten(),
            quantizer(UNSIGNED),
        ],
    }


def padded() -> dict[str, list[keras.Layer]]:
    padding, repetition = keras.layers.ZeroPadding2D, keras.layers.UpSampling2D
    return {
        "padding_before_sums": [
            padding(((1, 0), (0, 2))),
            convolution(padding="valid"),
            quantizer(SIGNED),
        ],
        "padding_of_unsigned": [convolution(padding="same"), quantizer(UNSIGNED), padding(1)],
        "padding_of_sums": [convolution(padding="same"), padding(1), quantizer(SIGNED)],
        "repetition": [
            repetition((2, 1)),
            convolution(padding="same"),
            quantizer(UNSIGNED),
        ],
        "repetition_of_sums": [convolution(padding="same"), repetition(2), quantizer(SIGNED)],
    }


@pytest.mark.parametrize(
    "io_type", ["io_parallel", pytest.param("io_stream", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("branches", [pytest.param(pooled, marks=pytest.mark.slow), padded])
def test_every_bit(
    branches: Callable[[], dict[str, list[keras.Layer]]], io_type: str, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    validate(graph_of(branches()), tmp_path / "firmware", io_type)


@pytest.mark.parametrize(
    "io_type", [pytest.param("io_parallel", marks=pytest.mark.slow), "io_stream"]
)
@pytest.mark.slow
def test_autoencoder_with_average_pooling(io_type: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 8, 1), filters=(3, 2), latent_dim=2, pooling="average"
    )
    precision = FixedPoint(input=INPUT)
    model = build_autoencoder("plain", spec, precision)
    images = stress_events(INPUT, (4, 8, 1), 500, seed=2)
    scores = ["squared_error", "squared_latent_norm"]
    graph = build_trigger_graph(model, scores, (images,), 0.1)
    validate(graph, tmp_path / "firmware", io_type)
    # The mean is rounded to the format of activations.
    assert graph.grids["encoder_pool_1"].format == FixedPointFormat(10, 4, signed=False)
    assert graph.grids["encoder_pool_1_format"].format == precision.activation


def test_means_that_fixed_point_does_not_hold() -> None:
    inputs = keras.Input((6, 4, 1))
    graph = keras.Model(inputs, keras.layers.AveragePooling2D((3, 2), name="pooled")(inputs))
    message = r"layer 'pooled': means must be over 2, 4, 8, ... pixels, got 6 in pools of \(3, 2\)"
    with pytest.raises(InputError, match=message):
        exact_layer(graph.layers[-1])


def test_convolutions_without_an_exact_form() -> None:
    with pytest.raises(InputError, match=r"layer 'a_0': dilation_rate must be \(1, 1\)"):
        graph_of({"a": [convolution(dilation_rate=2, padding="same")]})
