"""A trained model -> the same model in fixed point, before any fine-tuning."""

from __future__ import annotations

from keras_ae.experiment_models import build_fixed_point_model
from keras_ae.fitting.pruning import kernel_layers
from keras_ae.models import ScoringModel
from keras_ae.precision import weight_formats
from keras_ae.settings.experiment import Experiment
from keras_ae.weights import warn_of_saturated_weights


def quantize_model(model: ScoringModel, experiment: Experiment) -> ScoringModel:
    """The same autoencoder or student in fixed point, with weights and state of `model`."""
    quantized = build_fixed_point_model(experiment)
    quantized.copy_from(model)
    # What saturates is what is left after folding a batch normalization.
    for layer in kernel_layers(quantized):
        for values, form in zip(layer.get_weights(), weight_formats(layer), strict=True):
            warn_of_saturated_weights(layer.name, values, form)
    return quantized
