"""Experiment -> trained models: the stages `train` and `quantize` of a run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from keras_ae.build import build_decoder, build_encoder, copy_weights
from keras_ae.config import Experiment, TrainingSettings
from keras_ae.data.dataset import L1Dataset, data_fingerprint, load_l1_dataset
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
    copy_weights(model.encoder, quantized.encoder)
    copy_weights(model.decoder, quantized.decoder)
    return quantized


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
    inputs = {
        "data": data_fingerprint(experiment.data),
        **experiment.model_dump(
            mode="json",
            include={"seed", "data", "scaling", "architecture", "objective", "training"},
        ),
    }

    def work() -> None:
        data = load_data(run)
        # Now, not after an hour of training.
        check_rate(len(data.validation), experiment.trigger.target_fpr)
        scaler = L1Scaler.fit(data.train, experiment.scaling.quantiles)
        scaler.save(run.scaler_path)
        model = build_model(experiment, Float(), experiment.training.mixed_precision)
        _fit_stage(run, "float", model, scaler, data, experiment.training, inputs, progress)

    outputs = (run.scaler_path, run.model_path("float"), run.history_path("float"))
    return run.stage("train", inputs, outputs, work)


def quantize(run: Run, progress: bool = True) -> bool:
    """Stage `quantize`: fine-tune the model in fixed point from its float weights."""
    experiment = run.experiment
    inputs = {
        "train": run.digest_of("train"),
        **experiment.model_dump(mode="json", include={"precision", "quantization"}),
    }

    def work() -> None:
        model = quantize_model(load_model(run, "float"), experiment)
        _fit_stage(
            run,
            "quantized",
            model,
            L1Scaler.load(run.scaler_path),
            load_data(run),
            experiment.quantization,
            inputs,
            progress,
        )

    outputs = (run.model_path("quantized"), run.history_path("quantized"))
    return run.stage("quantize", inputs, outputs, work)


def _fit_stage(
    run: Run,
    precision: str,
    model: Autoencoder,
    scaler: L1Scaler,
    data: L1Dataset,
    settings: TrainingSettings,
    inputs: dict[str, Any],
    progress: bool,
) -> None:
    checkpoint = run.folder / f"checkpoint_{precision}"
    history = fit(
        model,
        scaler.transform(data.train),
        scaler.transform(data.validation),
        settings,
        seed=run.experiment.seed,
        checkpoint=checkpoint,
        checkpoint_key=json.dumps(inputs, sort_keys=True),
        tensorboard=run.folder / f"tensorboard_{precision}",
        progress=progress,
    )
    with whole_file(run.model_path(precision)) as temporary:
        model.save(temporary)
    write_json(run.history_path(precision), history)
    remove_checkpoint(checkpoint)
