"""Experiment -> trained models: the stages `train`, `distill` and `quantize` of a run."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ae.data.dataset import Dataset, Sample, load_dataset
from keras_ae.data.scaling import L1Scaler
from keras_ae.data.sources import L1Data
from keras_ae.errors import InputError
from keras_ae.files import whole_file
from keras_ae.fitting.batches import n_whole_batches
from keras_ae.fitting.fit import fit, remove_checkpoint
from keras_ae.fitting.pruning import kernel_layers
from keras_ae.metrics import check_rate
from keras_ae.models import (
    PCA,
    Autoencoder,
    ScoringModel,
    Student,
    build_autoencoder,
    build_student,
)
from keras_ae.models.autoencoder import Arrays
from keras_ae.precision import FixedPoint, Float, Precision, weight_formats
from keras_ae.runs import Run, write_json
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.learning import StudentSettings, TrainingSettings
from keras_ae.settings.objectives import ConstantSettings


def build_model(
    experiment: Experiment,
    precision: Precision,
    mixed_precision: bool = False,
    n_train: int | None = None,
) -> Autoencoder:
    """The experiment's autoencoder, untrained; weights depend on its seed alone.

    `n_train` events turn the epochs of a schedule into steps; without it, or in fixed point, whose
    training goes on where the float one ended, there is no schedule.
    """
    objective = experiment.objective
    steps_per_epoch = n_whole_batches(n_train or 1, experiment.training.batch_size)
    if n_train is None and "schedule" in type(objective).model_fields:
        objective = objective.model_copy(update={"schedule": ConstantSettings(kind="constant")})
    with _dtype_policy(mixed_precision):
        return build_autoencoder(
            objective, experiment.architecture, precision, experiment.seed, steps_per_epoch
        )


@contextmanager
def _dtype_policy(mixed_precision: bool) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if mixed_precision else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_deployed_model(experiment: Experiment, precision: Precision) -> Any:
    """What goes into firmware, untrained: the student, where there is one, or the autoencoder."""
    if experiment.student is None:
        return build_model(experiment, precision)
    return build_student(experiment.student.architecture, precision, experiment.seed)


def build_fixed_point_model(experiment: Experiment) -> Any:
    """What goes into firmware, untrained and in the formats of the experiment.

    Raises:
        InputError: formats of layers that are not there.
    """
    return build_deployed_model(experiment, FixedPoint(**dict(experiment.precision)))


def quantize_model(model: ScoringModel, experiment: Experiment) -> ScoringModel:
    """The same autoencoder or student in fixed point, with weights and state of `model`."""
    quantized = build_fixed_point_model(experiment)
    quantized.copy_from(model)
    # What saturates is what is left after folding a batch normalization.
    for layer in kernel_layers(quantized):
        _warn_of_saturated_weights(layer)
    return quantized


def _student_settings(experiment: Experiment) -> StudentSettings:
    if experiment.student is None:
        raise InputError("section student must be given to distill, got none")
    return experiment.student


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


def load_model(run: Run, precision: str) -> Any:
    """The `float`, `student` or `quantized` model of a run; with a student, that is quantized."""
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


def load_data(run: Run) -> Dataset:
    """The experiment's events, as their source gives them; trigger events as integers."""
    experiment = run.experiment
    return load_dataset(experiment.data, experiment.scaling.units, experiment.seed)


def train(run: Run, progress: bool = True) -> bool:
    """Stage `train`: fit the scaler and the float model. Returns whether there was work to do.

    An interrupted training continues from its last whole epoch, to the same weights.
    """
    experiment = run.experiment

    def work() -> None:
        # Now, not after an hour of training.
        build_fixed_point_model(experiment)
        data = load_data(run)
        check_rate(
            len(data.validation),
            experiment.trigger.fpr,
            "the validation part of data.background",
        )
        if isinstance(experiment.data, L1Data):
            L1Scaler.fit(data.train.x, experiment.scaling.quantiles).save(run.scaler_path)
        model = build_model(
            experiment, Float(), experiment.training.mixed_precision, len(data.train)
        )
        _fit_stage(run, "float", model, data, experiment.training, progress)

    outputs = (run.scaler_path, run.model_path("float"), run.history_path("float"))
    return run.stage("train", outputs, work)


def distill(run: Run, progress: bool = True) -> bool:
    """Stage `distill`: a student learns the score of the float model.

    Raises:
        InputError: an experiment without a student.
    """
    experiment, settings = run.experiment, _student_settings(run.experiment)

    def work() -> None:
        with _dtype_policy(settings.training.mixed_precision):
            student = build_student(settings.architecture, Float(), experiment.seed)
        data = load_data(run)
        student.adapt(_teacher_scores(run, data.train))
        _fit_stage(run, "student", student, data, settings.training, progress)

    outputs = (run.model_path("student"), run.history_path("student"))
    return run.stage("distill", outputs, work)


def _teacher_scores(run: Run, sample: Sample) -> np.ndarray:
    """What the student learns of a sample: (events,)."""
    scores = sample_scores(load_model(run, "float"), network_inputs(run, "float", sample))
    return scores[run.experiment.trigger.score]


def quantize(run: Run, progress: bool = True) -> bool:
    """Stage `quantize`: fine-tune the model, or its student, in fixed point from float weights."""

    def work() -> None:
        trained = "float" if run.experiment.student is None else "student"
        model = quantize_model(load_model(run, trained), run.experiment)
        _fit_stage(run, "quantized", model, load_data(run), run.experiment.quantization, progress)

    outputs = (run.model_path("quantized"), run.history_path("quantized"))
    return run.stage("quantize", outputs, work)


def network_inputs(run: Run, precision: str, sample: Sample) -> Arrays:
    """What the `float` or `quantized` model of a run sees of a sample; a pair with a condition.

    The quantized model is trained and scored on inputs in its own format: they are what the
    firmware reconstructs and compares with. A float student sees what the float model does.
    """
    x = sample.x
    if isinstance(run.experiment.data, L1Data):
        x = L1Scaler.load(run.scaler_path).transform(x)
    spec, form = run.experiment.architecture, run.experiment.precision.input
    arrays = [x.reshape(-1, *spec.input_shape)]
    if spec.condition_dim:
        arrays.append(sample.condition)
    if precision == "quantized":
        arrays = [form.quantize(array) for array in arrays]
    arrays = [array.astype(np.float32) for array in arrays]
    return (arrays[0], arrays[1]) if spec.condition_dim else arrays[0]


def tested_inputs(run: Run, data: Dataset) -> dict[str, dict[str, Any]]:
    """Network inputs of the test background and of the signals, by precision and sample."""
    return {
        precision: {
            name: network_inputs(run, precision, sample) for name, sample in data.tested.items()
        }
        for precision in ("float", "quantized")
    }


def sample_scores(model: ScoringModel, inputs: Arrays) -> dict[str, np.ndarray]:
    """Every score of `network_inputs`, each (events,)."""
    return model.scores(*inputs) if isinstance(inputs, tuple) else model.scores(inputs)


def _fit_stage(
    run: Run,
    precision: str,
    model: ScoringModel,
    data: Dataset,
    settings: TrainingSettings,
    progress: bool,
) -> None:
    checkpoint = run.folder / f"checkpoint_{precision}"
    inputs = model.check_inputs(network_inputs(run, precision, data.train), "training data")
    validation = network_inputs(run, precision, data.validation)
    if isinstance(model, PCA):
        history = model.fit(inputs, validation_data=(validation,)).history
    else:
        history = fit(
            model,
            inputs,
            validation,
            settings,
            seed=run.experiment.seed,
            checkpoint=checkpoint,
            tensorboard=run.folder / f"tensorboard_{precision}",
            progress=progress,
            targets=(_teacher_scores(run, data.train), _teacher_scores(run, data.validation))
            if isinstance(model, Student)
            else None,
        )
    with whole_file(run.model_path(precision)) as temporary:
        model.save(temporary)
    write_json(run.history_path(precision), history)
    remove_checkpoint(checkpoint)
