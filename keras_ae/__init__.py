"""Autoencoders for anomaly detection in hardware triggers, from unlabelled events to firmware.

The first of the two packages: it learns, and knows nothing of `hls`. A module imports from those
above it in this list.

    errors, files  the user's mistakes; files that are whole or absent
    lazy           public names that are imported when they are asked for
    loading        TensorFlow, when it is needed and without its noise
    arrays         checks of arrays
    mapping        functions over arrays that are too large for one call
    fixed_point    formats, written fixed<W,I>
    section        a section of a YAML file
    yaml_files     YAML files, and the mistakes in them by dotted path
    front_end      what the trigger's wires carry, and what of it a network sees
    audit          whether events are what a front end says
    scores         what anomaly scores are made of
    bounded        numbers kept within bounds, so that scores stay finite
    likelihoods    reconstruction as a negative log-likelihood
    augmentations  changes to events after which they are still events of the front end
    exposure       outliers made up of background, beside which a student learns
    corruptions    how a denoising autoencoder's input is spoiled
    schedules      how beta grows
    metrics        AUC, TPR at a fixed FPR, thresholds, with uncertainties
    rates          what a trigger's decisions take, and what nothing else would
    divergences    KL and Jensen-Shannon
    compression    size of a code, rate and distortion
    clustering     clusters of the code
    data           where events come from: trigger objects, tables, images, words
    settings       an experiment: the YAML file as frozen, strict models
    plots          figures
    events         the events that settings name, and what is odd in them
    precision      float or fixed point: layer factories
    networks       (architecture, precision) -> encoder, decoder, embedding
    weights        weights of one network for another of the same layers
    twins          a plain Keras model -> the same in fixed point; formats that fit it
    models         keras.Model subclasses, one objective a file; build_autoencoder; embeddings and
                   students
    fitting        fit with early stopping, best weights, continuation; pruning
    detector       model, score, scaler and threshold as a scikit-learn detector
    experiment_models  the models of an experiment, untrained
    quantization   a trained model -> the same in fixed point
    run_files      where the files of a run are
    stages         which stages a run has, in which order, what decides each and what it writes
    runs           the run directory, and which of its stages are finished
    run_contents   events and models of a run, and what a model sees
    teachers       densities by scikit-learn, whose scores a student learns
    teaching       what the student of a run learns
    run_fitting    fits the models of a run; what an interruption leaves
    embedding      the stage embed of a run
    training       the stages train, distill and quantize of a run
    evaluation     the stage evaluate
    summary        what a run found, as text
    generator      collision events and jets from Pythia 8 and FastJet (extra: physics)

Firmware and its proof are in the package `hls`, and so is the command `keras-ae`, which is above
both. Importing `keras_ae` does not import TensorFlow.
"""

from typing import TYPE_CHECKING

from keras_ae.lazy import lazy_names

if TYPE_CHECKING:
    from keras_ae.fixed_point import FixedPointFormat, LayerFormats
    from keras_ae.settings.firmware import FirmwareSettings
    from keras_ae.settings.tensor_scores import (
        TensorScore,
        absolute_error,
        gaussian_divergence,
        normalized_norm,
        squared_error,
        squared_norm,
        value,
    )
    from keras_ae.twins.formats import TwinFormats
    from keras_ae.twins.profile import profile_model
    from keras_ae.twins.twin import fixed_point_twin

__version__ = "0.1.0"
__all__ = [
    "FirmwareSettings",
    "FixedPointFormat",
    "LayerFormats",
    "TensorScore",
    "TwinFormats",
    "__version__",
    "absolute_error",
    "fixed_point_twin",
    "gaussian_divergence",
    "normalized_norm",
    "profile_model",
    "squared_error",
    "squared_norm",
    "value",
]

_SCORES = "keras_ae.settings.tensor_scores"

__getattr__ = lazy_names(
    __name__,
    {
        "FirmwareSettings": "keras_ae.settings.firmware",
        "FixedPointFormat": "keras_ae.fixed_point",
        "LayerFormats": "keras_ae.fixed_point",
        "TensorScore": _SCORES,
        "TwinFormats": "keras_ae.twins.formats",
        "absolute_error": _SCORES,
        "fixed_point_twin": "keras_ae.twins.twin",
        "gaussian_divergence": _SCORES,
        "normalized_norm": _SCORES,
        "profile_model": "keras_ae.twins.profile",
        "squared_error": _SCORES,
        "squared_norm": _SCORES,
        "value": _SCORES,
    },
)
