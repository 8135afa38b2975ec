"""A trained model -> the same model in fixed point, before any fine-tuning."""

from __future__ import annotations

import warnings

import keras
import numpy as np

from keras_ae.experiment_models import build_fixed_point_model
from keras_ae.fitting.pruning import kernel_layers
from keras_ae.models import ScoringModel
from keras_ae.precision import weight_formats
from keras_ae.settings.experiment import Experiment


def quantize_model(model: ScoringModel, experiment: Experiment) -> ScoringModel:
    """The same autoencoder or student in fixed point, with weights and state of `model`."""
    quantized = build_fixed_point_model(experiment)
    quantized.copy_from(model)
    # What saturates is what is left after folding a batch normalization.
    for layer in kernel_layers(quantized):
        _warn_of_saturated_weights(layer)
    return quantized


def _warn_of_saturated_weights(layer: keras.Layer) -> None:
    """A weight outside its format would change the model without a word."""
    for values, form in zip(layer.get_weights(), weight_formats(layer), strict=True):
        n_outside = int(((values < form.low) | (values > form.high)).sum())
        if n_outside:
            warnings.warn(
                f"{n_outside} of {values.size} weights of layer '{layer.name}' saturate in "
                f"{form}, the largest is {np.abs(values).max():.3g}: use more integer bits",
                stacklevel=2,
            )
