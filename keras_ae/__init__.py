"""Autoencoders for anomaly detection in hardware triggers, from unlabelled events to firmware.

    config         an experiment: the YAML file as frozen, strict models
    architecture   what is connected to what
    precision      float or fixed point: layer factories
    fixed_point    formats, written fixed<W,I>
    build          (architecture, precision) -> encoder, decoder
    models         keras.Model subclasses, one objective a file
    likelihoods    reconstruction as a negative log-likelihood
    linear         PCA
    scores         per-event anomaly scores
    metrics        AUC, TPR at a fixed FPR, thresholds, with uncertainties
    batches        functions over arrays that are too large for one call
    data           trigger events; scaling to and from hardware integers
    generator      collision events from Pythia 8 and FastJet (extra: physics)
    fitting        fit with early stopping, best weights, continuation
    training       the stages train and quantize of a run
    evaluation     the stage evaluate
    runs           the run directory
    report         what a run found, as text
    plots          figures
    errors, files  the user's mistakes; files that are whole or absent
    cli            the command keras-ae

Firmware and its proof are in the package `hls`. Importing `keras_ae` does not import TensorFlow.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
