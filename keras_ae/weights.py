"""Weights of one network for another of the same layers; biases that fit the data."""

from __future__ import annotations

import warnings

import keras
import numpy as np

from keras_ae.fixed_point import FixedPointFormat

#: Events whose average biases are set by.
_N_CENTRED = 10_000


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Set the weights of `target` to those of the layers of equal name in `source`.

    A batch normalization that `target` lacks is folded into the layer before it.
    """
    names = {layer.name for layer in target.layers}
    folded = {
        layer.input._keras_history.operation.name: layer
        for layer in source.layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.name not in names
    }
    for layer in target.layers:
        if layer.weights:
            weights = source.get_layer(layer.name).get_weights()
            if layer.name in folded:
                # The kernel of a transposed convolution, QKeras' too, ends in (outputs, inputs).
                transposed = isinstance(layer, keras.layers.Conv2DTranspose)
                outputs = (-1, 1) if transposed else (-1,)
                weights = fold_batch_norm(weights, folded[layer.name], outputs)
            layer.set_weights(weights)


def centre_units(network: keras.Model, inputs: np.ndarray | tuple[np.ndarray, ...]) -> None:
    """Set biases so that the input of every activation is 0 on the average of the events.

    Where no input is ever negative, as momenta, some rectified units get nothing else: they are
    zero for every event, and stay so. After Salimans & Kingma, arXiv:1602.07868, sec. 3, who also
    set the deviation.

    Args:
        network: untrained, in float; layers without a bias stay as they are.
        inputs: (events, *input_shape), or the pair of them and a condition.
    """
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    few = [part[:: max(1, len(part) // _N_CENTRED)] for part in parts]
    for layer in network.layers:
        if getattr(layer, "bias", None) is not None:
            values = keras.Model(network.inputs, layer.output).predict(few, verbose=0)
            layer.bias.assign_sub(values.reshape(-1, values.shape[-1]).mean(axis=0))


def fold_batch_norm(
    weights: list[np.ndarray], norm: keras.layers.BatchNormalization, outputs: tuple[int, ...]
) -> list[np.ndarray]:
    """Kernel and bias, in float64, of a layer and the normalization after it.

    gamma (y - mean) / sqrt(variance + epsilon) + beta of the moving statistics: inference, linear.

    Args:
        weights: kernel, and bias unless the layer has none.
        norm: with gamma and beta, or without.
        outputs: the shape in which one number for each output meets the kernel's last axes.
    """
    kernel, bias = weights if len(weights) == 2 else (*weights, np.zeros(()))
    mean, variance = (_in_float64(part) for part in (norm.moving_mean, norm.moving_variance))
    gamma = _in_float64(norm.gamma) if norm.scale else np.ones_like(mean)
    beta = _in_float64(norm.beta) if norm.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [kernel * scale.reshape(outputs), (bias - mean) * scale + beta]


def batch_norm_constants(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """Factor and offset, in float64, of each channel of a normalization that stands alone."""
    scale, offset = fold_batch_norm([np.ones(norm.moving_mean.shape)], norm, (-1,))
    return scale, offset


def _in_float64(variable: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)


def warn_of_saturated_weights(layer: str, values: np.ndarray, form: FixedPointFormat) -> None:
    """A weight outside its format would change the model without a word."""
    n_outside = int(((values < form.low) | (values > form.high)).sum())
    if n_outside:
        warnings.warn(
            f"{n_outside} of {values.size} weights of layer '{layer}' saturate in {form}, the "
            f"largest is {np.abs(values).max():.3g}: use more integer bits",
            stacklevel=3,
        )
