"""Weights of one network for another of the same layers, in float or in fixed point."""

from __future__ import annotations

import keras
import numpy as np


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
                axis = -2 if isinstance(layer, keras.layers.Conv2DTranspose) else -1
                weights = _folded(weights, folded[layer.name], axis)
            layer.set_weights(weights)


def _folded(
    weights: list[np.ndarray], norm: keras.layers.BatchNormalization, axis: int
) -> list[np.ndarray]:
    """Kernel, with its outputs along `axis`, and bias of a layer and the normalization after it.

    gamma (y - mean) / sqrt(variance + epsilon) + beta of the moving statistics: inference, linear.
    """
    kernel, bias = weights
    gamma, beta, mean, variance = (np.asarray(part, np.float64) for part in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    shape = [1] * kernel.ndim
    shape[axis] = len(scale)
    return [kernel * scale.reshape(shape), (bias - mean) * scale + beta]
