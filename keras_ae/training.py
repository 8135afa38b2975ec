"""Experiment -> trained models: the stages `train` and `quantize` of a run."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_ae.build import build_decoder, build_encoder, copy_weights
from keras_ae.config import Experiment, TrainingSettings
from keras_ae.data.dataset import L1Dataset, load_l1_dataset
from keras_ae.data.scaling import L1Scaler
from keras_ae.errors import InputError
from keras_ae.files import whole_file
from keras_ae.fitting import fit, remove_checkpoint
from keras_ae.likelihoods import LIKELIHOODS
from keras_ae.metrics import check_rate
from keras_ae.models import Autoencoder, VariationalAutoencoder
from keras_ae.precision import FixedPoint, Float, Precision
from keras_ae.runs import Run, write_json


def build_model(
    experiment: Experiment, precision: Precision, mixed_precision: bool = False
) -> Autoencoder:
    """The experiment's autoencoder, untrained; weights depend on its seed alone."""
    keras.utils.set_random_seed(experiment.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if mixed_precision else "float32")
    try:
        return _build_model(experiment, precision)
    finally:
        keras.config.set_dtype_policy(before)


def _build_model(experiment: Experiment, precision: Precision) -> Autoencoder:
    objective = experiment.objective
    variational = objective.kind == "variational"
    encoder = build_encoder(experiment.architecture, precision, variational)
    decoder = build_decoder(experiment.architecture, precision)
    likelihood = LIKELIHOODS[objective.likelihood](objective.variance)
    if variational:
        return VariationalAutoencoder(
            encoder, decoder, likelihood, beta=objective.beta, seed=experiment.seed
        )
    return Autoencoder(encoder, decoder, likelihood)


def quantize_model(model: Autoencoder, experiment: Experiment) -> Autoencoder:
    """The same autoencoder in fixed point, with the weights of `model`."""
    precision = FixedPoint(**dict(experiment.precision))
    quantized = build_model(experiment, precision)
    for network, target in ((model.encoder, quantized.encoder), (model.decoder, quantized.decoder)):
        copy_weights(network, target)
        _warn_of_saturated_weights(network, precision)
    return quantized


def _warn_of_saturated_weights(network: keras.Model, precision: FixedPoint) -> None:
    """A weight outside its format would change the model without a word."""
    for layer in network.layers:
        for values, form in zip(
            layer.get_weights(), (precision.weight, precision.bias), strict=False
        ):
            n_outside = int(((values < form.low) | (values > form.high)).sum())
            if n_outside:
                warnings.warn(
                    f"{n_outside} of {values.size} weights of layer '{layer.name}' saturate in "
                    f"{form}, the largest is {np.abs(values).max():.3g}: use more integer bits",
                    stacklevel=2,
                )


def load_model(run: Run, precision: str) -> Autoencoder:
    """The `float` or `quantized` model of a run."""
    return load_keras_model(run.model_path(precision))


def load_keras_model(path: Path) -> keras.Model:
    """Read a .keras file of a run.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"model not found: {path}")
    try:
        return keras.models.load_model(path)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} must be a model saved by keras-ae, got a damaged one: {str(error)[:200]}"
        ) from error


def load_data(run: Run) -> L1Dataset:
    """The experiment's events, as hardware integers."""
    experiment = run.experiment
    return load_l1_dataset(experiment.data, experiment.scaling.units, experiment.seed)


def train(run: Run, progress: bool = True) -> bool:
    """Stage `train`: fit the scaler and the float model. Returns whether there was work to do.

    An interrupted training continues from its last whole epoch, to the same weights.
    """
    experiment = run.experiment

    def work() -> None:
        data = load_data(run)
        # Now, not after an hour of training.
        check_rate(len(data.validation), experiment.trigger.target_fpr)
        L1Scaler.fit(data.train, experiment.scaling.quantiles).save(run.scaler_path)
        model = build_model(experiment, Float(), experiment.training.mixed_precision)
        _fit_stage(run, "float", model, data, experiment.training, run.digest("train"), progress)

    outputs = (run.scaler_path, run.model_path("float"), run.history_path("float"))
    return run.stage("train", outputs, work)


def quantize(run: Run, progress: bool = True) -> bool:
    """Stage `quantize`: fine-tune the model in fixed point from its float weights."""

    def work() -> None:
        model = quantize_model(load_model(run, "float"), run.experiment)
        settings, digest = run.experiment.quantization, run.digest("quantize")
        _fit_stage(run, "quantized", model, load_data(run), settings, digest, progress)

    outputs = (run.model_path("quantized"), run.history_path("quantized"))
    return run.stage("quantize", outputs, work)


def network_inputs(run: Run, precision: str, integers: np.ndarray) -> np.ndarray:
    """What the `float` or `quantized` model of a run sees of hardware integers (events, 57).

    The quantized model is trained and scored on inputs in its own format: they are what the
    firmware reconstructs and compares with.
    """
    x = L1Scaler.load(run.scaler_path).transform(integers)
    if precision == "quantized":
        x = run.experiment.precision.input.quantize(x).astype(np.float32)
    return x


def _fit_stage(
    run: Run,
    precision: str,
    model: Autoencoder,
    data: L1Dataset,
    settings: TrainingSettings,
    digest: str,
    progress: bool,
) -> None:
    checkpoint = run.folder / f"checkpoint_{precision}"
    history = fit(
        model,
        network_inputs(run, precision, data.train),
        network_inputs(run, precision, data.validation),
        settings,
        seed=run.experiment.seed,
        checkpoint=checkpoint,
        checkpoint_key=digest,
        tensorboard=run.folder / f"tensorboard_{precision}",
        progress=progress,
    )
    with whole_file(run.model_path(precision)) as temporary:
        model.save(temporary)
    write_json(run.history_path(precision), history)
    remove_checkpoint(checkpoint)
