"""What constant multiplications cost in logic, as a penalty while fine-tuning in fixed point.

A multiplication by a constant is a sum of shifted inputs, one for each non-zero digit of the
constant: `distributed_arithmetic` and RTL pay for the bits that a weight uses, not for those of its
format.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_ae.fitting.pruning import kernel_layers
from keras_ae.models import ScoringModel
from keras_ae.precision import is_quantizer, layer_quantizer, quantizer_format

Tensor = Any


def bit_operations(weights: Tensor, step: float, input_width: int) -> Tensor:
    """input_width * sum log2(1 + |w| / step): a scalar.

    After the effective bit operations of HGQ (arXiv:2405.00645), the bits of each weight times
    those of its input, with the bits as a function that has a gradient. Its slope, as 1 / (step +
    |w|), is steepest at zero: small weights become zero before large ones become smaller.

    Args:
        weights: of a kernel, of any shape. A convolution's count once, however many pixels it sees.
        step: of the kernel's format.
        input_width: bits of each of the layer's inputs.
    """
    return input_width * ops.sum(ops.log1p(ops.abs(weights) / step)) / math.log(2)


class ResourcePenalty(keras.callbacks.Callback):
    """Adds `strength` times the bit operations of a model's kernels to its loss; biases stay.

    It is no term of the objective, and no event's score has it. But it is part of the loss of
    training and validation alike, so that early stopping, the learning-rate plateau and the choice
    of the best epoch weigh both as training does: by the objective alone the first epochs would be
    the best, before the weights have become cheap. The history has it as `resource_penalty`, of the
    weights at the end of each epoch; `val_loss` less that is the objective.

    As in pruning all kernels count that are trained, also those of a decoder that is not in
    firmware. They have it as their regularizer while they are trained. It depends on the weights
    alone, so that an interrupted training continues as it was, and what is saved is an ordinary
    model.

    Args:
        model: whose kernels are penalized; in fixed point.
        strength: in nats for a bit operation, or in what else the loss is measured.

    Raises:
        InputError: a layer without an exact fixed-point format.
    """

    def __init__(self, model: ScoringModel, strength: float) -> None:
        super().__init__()
        layers = [layer for layer in kernel_layers(model) if layer.trainable]
        self._kernels = [layer.kernel for layer in layers]
        self._before = [kernel.regularizer for kernel in self._kernels]
        self._costs = [_Cost(layer, strength) for layer in layers]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        for kernel, cost, before in zip(self._kernels, self._costs, self._before, strict=True):
            kernel.regularizer = _Sum(cost, before) if before else cost

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs is not None:
            costs = zip(self._costs, self._kernels, strict=True)
            logs["resource_penalty"] = sum(float(cost(kernel)) for cost, kernel in costs)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        for kernel, before in zip(self._kernels, self._before, strict=True):
            kernel.regularizer = before
        # Keras keeps what it has traced, with the penalty in it.
        self.model.make_train_function(force=True)
        self.model.make_test_function(force=True)


class _Cost(keras.regularizers.Regularizer):
    """Of the kernel of one layer."""

    def __init__(self, layer: keras.Layer, strength: float) -> None:
        form = quantizer_format(getattr(layer, "kernel_quantizer_internal", None))
        self._step, self._input_width, self._strength = form.step, _input_width(layer), strength

    def __call__(self, weights: Tensor) -> Tensor:
        return self._strength * bit_operations(weights, self._step, self._input_width)


class _Sum(keras.regularizers.Regularizer):
    """What a kernel is penalized for already comes on top."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def __call__(self, weights: Tensor) -> Tensor:
        return sum(part(weights) for part in self._parts)


def _input_width(layer: keras.Layer) -> int:
    """Bits of a layer's inputs; the most, where they come from several quantizers."""
    producers = [tensor._keras_history.operation for tensor in tf.nest.flatten(layer.input)]
    return max(
        quantizer_format(layer_quantizer(producer)).width
        if is_quantizer(producer)
        else _input_width(producer)
        for producer in producers
    )
