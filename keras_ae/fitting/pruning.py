"""Magnitude pruning while training, and what share of the weights it leaves at zero.

Zeros save firmware where each weight has logic of its own. hls4ml's strategy `latency` multiplies
by constants, in parallel, and allows the synthesis fewer multipliers by the number of zeros;
`distributed_arithmetic` adds nothing for a zero; `resource` multiplies by zeros as by any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ae.models import ScoringModel
from keras_ae.precision import quantizer_format
from keras_ae.settings.learning import PruningSettings


def sparsity_at(epoch: int, settings: PruningSettings) -> float:
    """The share of a kernel's weights that are zero in an epoch, counted from 0.

    s (1 - (1 - t/n)^3), t at most n: eq. 1 of Zhu & Gupta, arXiv:1710.01878, from no zeros at the
    start to s in the epoch n, in steps of an epoch.
    """
    done = min(epoch / settings.n_epochs, 1.0)
    return settings.sparsity * (1 - (1 - done) ** 3)


class Pruning(keras.callbacks.Callback):
    """Sets the smallest weights of each kernel to zero and keeps them there; biases stay.

    Each epoch begins with masks of as many weights as its sparsity asks for, the smallest by
    magnitude, kernel by kernel; those of before are among them, being zero. Within an epoch the
    masks are constraints of the kernels, which the optimizer applies in the graph after each step:
    a callback would not see the steps that TensorFlow takes in one call. An epoch depends on the
    weights that it begins with alone, so that there is no state to be saved: an interrupted
    training continues as it was, and what is saved is an ordinary model that has zeros.

    Args:
        model: whose kernels are pruned; compiled or not.
        settings: how far, and how soon.
    """

    def __init__(self, model: ScoringModel, settings: PruningSettings) -> None:
        super().__init__()
        self._settings = settings
        self._kernels = [layer.kernel for layer in kernel_layers(model) if layer.trainable]
        self._constraints = [kernel.constraint for kernel in self._kernels]
        self._masks = [
            tf.Variable(tf.ones(kernel.shape), trainable=False) for kernel in self._kernels
        ]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        for kernel, mask, before in zip(self._kernels, self._masks, self._constraints, strict=True):
            kernel.constraint = _Masked(mask, before)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        sparsity = sparsity_at(epoch, self._settings)
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            weights = np.asarray(kernel)
            kept = np.ones(weights.size, np.float32)
            # Stable: of equal ones the first.
            order = np.argsort(np.abs(weights), axis=None, kind="stable")
            kept[order[: round(sparsity * weights.size)]] = 0
            mask.assign(kept.reshape(weights.shape))
            kernel.assign(weights * kept.reshape(weights.shape))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        for kernel, before in zip(self._kernels, self._constraints, strict=True):
            kernel.constraint = before


class _Masked(keras.constraints.Constraint):
    """Zero where the mask is, otherwise what the constraint of before makes of the weights."""

    def __init__(self, mask: tf.Variable, before: Any) -> None:
        self._mask, self._before = mask, before

    def __call__(self, weights: Any) -> Any:
        return (self._before(weights) if self._before else weights) * self._mask


def kernel_layers(model: ScoringModel) -> Iterator[keras.Layer]:
    """Layers with a kernel: dense and convolutional."""
    for network in model.networks:
        yield from (layer for layer in network.layers if hasattr(layer, "kernel"))


def weights_zero(model: ScoringModel) -> dict[str, Any]:
    """The share of a quantized model's weights, without biases, that are zero in their format.

    Returns:
        `total` of all kernels, and `layers` by name.
    """
    zeros = {
        layer.name: quantizer_format(layer.kernel_quantizer_internal).quantize(layer.kernel) == 0
        for layer in kernel_layers(model)
    }
    return {
        "total": float(np.concatenate([part.ravel() for part in zeros.values()]).mean()),
        "layers": {name: float(part.mean()) for name, part in zeros.items()},
    }
