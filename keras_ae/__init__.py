"""Autoencoders for anomaly detection in hardware triggers, from unlabelled events to firmware.

The first of the two packages: it learns, and knows nothing of `hls`. A module imports from those
above it in this list.

    errors, files  the user's mistakes; files that are whole or absent
    loading        TensorFlow, when it is needed and without its noise
    arrays         checks of arrays
    mapping        functions over arrays that are too large for one call
    fixed_point    formats, written fixed<W,I>
    twin_formats   formats of a plain Keras model's twin
    tensor_profile  values of one tensor on a sample, and the format that fits them
    scores         what anomaly scores are made of
    likelihoods    reconstruction as a negative log-likelihood
    corruptions    how a denoising autoencoder's input is spoiled
    schedules      how beta grows
    metrics        AUC, TPR at a fixed FPR, thresholds, with uncertainties
    divergences    KL and Jensen-Shannon
    compression    size of a code, rate and distortion
    clustering     clusters of the code
    data           trigger events, jet images, digits; scaling to hardware integers
    settings       an experiment: the YAML file as frozen, strict models
    plots          figures
    precision      float or fixed point: layer factories
    networks       (architecture, precision) -> encoder, decoder
    weights        weights of one network for another of the same layers
    flat_model     the layers of a Keras model in one row
    twin_layers    which layers of Keras have a form in fixed point
    twin_plan      where a plain Keras model is rounded
    twin           a plain Keras model -> the same in fixed point
    model_profile  ranges of every tensor of a model, and formats that fit them
    models         keras.Model subclasses, one objective a file; build_autoencoder; students
    fitting        fit with early stopping, best weights, continuation; pruning
    detector       model, score, scaler and threshold as a scikit-learn detector
    experiment_models  the models of an experiment, untrained
    quantization   a trained model -> the same in fixed point
    run_files      where the files of a run are
    stages         which stages a run has, in which order, what decides each and what it writes
    runs           the run directory, and which of its stages are finished
    run_contents   events and models of a run, and what a model sees
    training       the stages train, distill and quantize of a run
    evaluation     the stage evaluate
    summary        what a run found, as text
    generator      collision events and jets from Pythia 8 and FastJet (extra: physics)

Firmware and its proof are in the package `hls`, and so is the command `keras-ae`, which is above
both. Importing `keras_ae` does not import TensorFlow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_ae.fixed_point import LayerFormats
    from keras_ae.model_profile import profile_model
    from keras_ae.twin import fixed_point_twin
    from keras_ae.twin_formats import TwinFormats

__version__ = "0.1.0"
__all__ = ["LayerFormats", "TwinFormats", "__version__", "fixed_point_twin", "profile_model"]

#: Public names and the modules that they are loaded from when they are asked for.
_LAZY = {
    "LayerFormats": "keras_ae.fixed_point",
    "TwinFormats": "keras_ae.twin_formats",
    "fixed_point_twin": "keras_ae.twin",
    "profile_model": "keras_ae.model_profile",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'keras_ae' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
