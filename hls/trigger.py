"""Trained model + scaler + score + threshold -> the trigger graph.

The trigger graph is a flat Functional model: hardware integers (batch, 57) -> score (batch, 1) and
trigger bit (batch, 1). It computes in Keras what the firmware computes, bit for bit, and is what is
converted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hls.layers import AboveThreshold, HardwareInput, ScaleObjects, SquaredError, SquaredNorm
from hls.logic import output_format
from keras_ae.batches import map_batches
from keras_ae.data.scaling import L1Scaler
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.likelihoods import Gaussian, MaskedGaussian
from keras_ae.metrics import check_rate, threshold_at_fpr
from keras_ae.models import Autoencoder
from keras_ae.precision import quantizer_format

#: float32 holds every integer up to here: the limit for sums in units of their last bit.
_EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class TriggerOutput:
    """`score` (events,) float64 and `trigger` (events,) bool."""

    score: np.ndarray
    trigger: np.ndarray

    def take(self, index: np.ndarray) -> TriggerOutput:
        """The events at `index`."""
        return TriggerOutput(self.score[index], self.trigger[index])


def build_trigger_graph(
    model: Autoencoder,
    scaler: L1Scaler,
    units: FixedPointFormat,
    score: str,
    background: np.ndarray,
    target_fpr: float,
) -> keras.Model:
    """The trigger graph, its threshold set on background.

    Args:
        model: quantized autoencoder.
        scaler: hardware integers -> network inputs.
        units: format of the hardware integers.
        score: squared_latent_norm or reconstruction_error.
        background: hardware integers (events, 57) on which the threshold is set.
        target_fpr: the fraction of background that may pass, at most.

    Raises:
        InputError: a model that is not quantized, an unknown score, sums that float32 cannot hold
            exactly, so that Keras could not be the reference, or too little background.
    """
    check_rate(len(background), target_fpr, "background")
    _check_layers(model)
    inputs = HardwareInput(len(scaler.offset), str(units), name="l1_objects").output
    x = ScaleObjects(list(scaler.offset), list(scaler.shift), input_format=str(units), name="scale")
    score_layer, score_output = _score(model, score, x(inputs))
    score_format = output_format(score_layer, score_layer.input.shape[1])
    scored = keras.Model(inputs, score_output)
    check_exact_in_float32(scored)

    scores = _evaluate_exactly(scored, background).ravel()
    threshold = threshold_at_fpr(scores, target_fpr)
    decision = AboveThreshold(threshold, input_format=str(score_format), name="trigger")
    graph = keras.Model(inputs, [score_output, decision(score_output)], name="trigger_graph")
    # The layers are still part of the autoencoder, too: hls4ml wants them in one graph only.
    alone = keras.Model.from_config(graph.get_config())
    alone.set_weights(graph.get_weights())
    return alone


def run_trigger_graph(graph: keras.Model, integers: np.ndarray) -> TriggerOutput:
    """Evaluate the trigger graph in Keras on hardware integers (events, 57)."""
    score, trigger = _evaluate_exactly(graph, integers)
    return TriggerOutput(score.ravel().astype(np.float64), trigger.ravel() > 0.5)


def _evaluate_exactly(graph: keras.Model, integers: np.ndarray) -> Any:
    # On a GPU, TensorFlow may multiply with fewer bits than float32 has (TF32).
    with tf.device("/CPU:0"):
        return map_batches(graph, integers)


def _score(model: Autoencoder, name: str, x: Any) -> tuple[keras.Layer, Any]:
    """The score's layer and output on scaled inputs x."""
    latent_layer = model.encoder.get_layer("latent_mean_format")
    input_layer = model.encoder.get_layer("encoder_input_format")
    # Without the head for the variance.
    encoder = keras.Model(model.encoder.inputs, latent_layer.output)
    quantized_x = input_layer(x)
    latent = _call_again(_layers_after(encoder, input_layer.name), quantized_x)
    if name == "squared_latent_norm":
        layer: keras.Layer = SquaredNorm(input_format=str(_format(latent_layer)), name="score")
        return layer, layer(latent)
    if name == "reconstruction_error":
        pair_format = _common_format(
            _format(input_layer), _format(model.decoder.get_layer("reconstruction_format"))
        )
        pair = keras.layers.Concatenate(name="input_and_reconstruction")(
            # The latent has the format of the decoder's input already.
            [quantized_x, _call_again(_layers_after(model.decoder, "decoder_input_format"), latent)]
        )
        masks = {Gaussian: False, MaskedGaussian: True}
        if type(model.likelihood) not in masks:
            raise InputError(
                "likelihood of a reconstruction_error in firmware must be one of "
                f"{', '.join(m.__name__ for m in masks)}, got {type(model.likelihood).__name__}"
            )
        layer = SquaredError(
            masks[type(model.likelihood)],
            input_format=str(pair_format),
            name="score",
        )
        return layer, layer(pair)
    raise InputError(
        f"score in firmware must be one of squared_latent_norm, reconstruction_error, got {name!r}"
    )


def _check_layers(model: Autoencoder) -> None:
    """Raise InputError naming a layer that has no place in the trigger graph."""
    kinds = {
        layer.name: type(layer).__name__ for layer in (*model.encoder.layers, *model.decoder.layers)
    }
    for name, kind in kinds.items():
        if "Conv2DTranspose" in kind:
            raise InputError(
                f"layer '{name}' must not be a {kind}: hls4ml has no transposed convolution; use "
                "upsampling 'upsample'"
            )
    for name, kind in kinds.items():
        if "Conv" in kind or kind == "Concatenate":
            raise InputError(
                f"layer '{name}' must belong to a dense autoencoder without condition, got {kind}"
            )


def _layers_after(chain: keras.Model, name: str) -> list[keras.Layer]:
    names = [layer.name for layer in chain.layers]
    return list(chain.layers[names.index(name) + 1 :])


def _call_again(layers: list[keras.Layer], x: Any) -> Any:
    """A chain of layers on another input: hls4ml asks for flat graphs, without models inside."""
    for layer in layers:
        x = layer(x)
    return x


def _format(layer: keras.Layer) -> FixedPointFormat:
    return quantizer_format(getattr(layer, "activation", None))


def _common_format(a: FixedPointFormat, b: FixedPointFormat) -> FixedPointFormat:
    """The narrowest signed format that holds all values of both."""
    integer = max(a.integer, b.integer)
    return FixedPointFormat(integer + max(a.fractional, b.fractional), integer)


def check_exact_in_float32(graph: keras.Model) -> None:
    """Raise InputError unless every number in the graph is exact in float32, in any order of sums.

    It is, if the largest possible sum of absolute values stays within 2^24 units of its last bit,
    and of the last bit of the format that it is rounded to: QKeras rounds x to x + (q - x).
    """
    for layer in graph.layers:
        if isinstance(layer, ScaleObjects):
            steps = 2.0 ** -np.array(layer.scaler.shift)
            largest = (np.abs(layer.scaler.offset) - layer.input_format.low) * steps
        elif hasattr(layer, "kernel_quantizer_internal"):
            largest, steps = _dense_sums(layer)
        else:
            continue
        rounded_to = [
            _format(other).step
            for other in graph.layers
            if hasattr(other, "activation") and other.input is layer.output
        ]
        units = float(np.max(largest / np.minimum(steps, min(rounded_to, default=np.inf))))
        if units > _EXACT_FLOAT32:
            raise InputError(
                f"sums in layer '{layer.name}' must stay within 2^24 units of their last bit for "
                f"float32 to be exact, got {units:.3g}: use narrower formats"
            )


def _dense_sums(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Largest sum of absolute values of each output, and its last bit."""
    x = _format(layer.input._keras_history.operation)
    kernel = np.abs(np.asarray(layer.kernel_quantizer_internal(layer.kernel)))
    bias = np.abs(np.asarray(layer.bias_quantizer_internal(layer.bias)))
    weight_step = quantizer_format(layer.kernel_quantizer_internal).step
    step = min(x.step * weight_step, quantizer_format(layer.bias_quantizer_internal).step)
    largest = max(-x.low, x.high) * kernel.sum(axis=0) + bias
    return largest, np.full_like(largest, step)
