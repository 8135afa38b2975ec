"""Autoencoders for anomaly detection in hardware triggers, from unlabelled events to firmware.

    config         an experiment: the YAML file as frozen, strict models
    architecture   what is connected to what
    objectives     what is minimized, as settings
    learning       how models learn, as settings: training, student, quantization
    precision      float or fixed point: layer factories
    fixed_point    formats, written fixed<W,I>
    build          (architecture, precision) -> encoder, decoder
    models         keras.Model subclasses, one objective a file; build_autoencoder; students
    likelihoods    reconstruction as a negative log-likelihood
    corruptions    how a denoising autoencoder's input is spoiled
    schedules      how beta grows
    scores         what anomaly scores are made of
    detector       model, score, scaler and threshold as a scikit-learn detector
    metrics        AUC, TPR at a fixed FPR, thresholds, with uncertainties
    divergences    KL and Jensen-Shannon
    compression    size of a code, rate and distortion
    clustering     clusters of the code
    arrays         checks of arrays
    batches        functions over arrays that are too large for one call
    data           trigger events, jet images, digits; scaling to hardware integers
    generator      collision events and jets from Pythia 8 and FastJet (extra: physics)
    pipeline       batches for training
    pruning        small weights to zero while training
    resources      what weights cost in logic, as a penalty while training
    fitting        fit with early stopping, best weights, continuation
    training       the stages train, distill and quantize of a run
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
