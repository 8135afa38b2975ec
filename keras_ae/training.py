"""Experiment -> trained models: the stages `train`, `distill` and `quantize` of a run."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np

from keras_ae.data.dataset import Dataset, Sample
from keras_ae.embedding import fine_tuned_embedding, trained_embedding
from keras_ae.errors import InputError
from keras_ae.experiment_models import build_deployed_model, build_model
from keras_ae.files import read_json, whole_file, write_json
from keras_ae.metrics import threshold_at_fpr
from keras_ae.models import Autoencoder
from keras_ae.precision import Float
from keras_ae.quantization import quantize_model
from keras_ae.run_contents import (
    load_data,
    load_model,
)
from keras_ae.run_fitting import (
    RunFitting,
    Targets,
    first_events,
    fit_inputs,
    reseeded,
    save_model,
)
from keras_ae.runs import Run
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.learning import StudentSettings
from keras_ae.settings.teachers import DensityTeacher
from keras_ae.teachers import DENSITIES, read_arrays
from keras_ae.teaching import (
    autoencoder_path,
    density_path,
    learned_scores,
    made_up,
    n_autoencoders,
    seen_by,
    standardize,
    targets_path,
    teachers_of,
)
from keras_ae.weights import centre_units, copy_weights


def train(run: Run, progress: bool = True) -> bool:
    """Stage `train`: what the network sees of the wires, and the float model.

    Returns whether there was work to do.

    An interrupted training continues from its last whole epoch, to the same weights.
    """
    experiment = run.experiment

    def work() -> None:
        # Behind an embedding, events were audited and inputs fitted already.
        data = first_events(run) if experiment.embedding is None else load_data(run)
        model = _autoencoder(run, experiment, len(data.train))
        fitting = RunFitting(run, "float", data, experiment.training, progress)
        fitting.save(model, fitting.fit(model))

    return run.stage("train", work)


def distill(run: Run, progress: bool = True) -> bool:
    """Stage `distill`: a student learns what its teachers, or else the float model, say.

    Raises:
        InputError: an experiment without a student.
    """
    experiment, settings = run.experiment, _student_settings(run.experiment)

    def work() -> None:
        data = load_data(run)
        fit_inputs(run, "student", experiment.deployed_inputs, data)
        _teach(run, data, progress)
        learned = _with_outliers(run, data)
        targets = _learn_targets(run, learned)
        fitting = RunFitting(run, "student", learned, settings.training, progress, targets)
        thresholds = _thresholds(settings, targets[0][: len(data.train)])
        fits = []
        for number in range(settings.n_init):
            student = build_deployed_model(
                reseeded(experiment, number), Float(), settings.training.mixed_precision
            )
            student.adapt(targets[0], thresholds)
            if settings.initial_biases == "centred":
                centre_units(student.encoder, fitting.inputs[0])
            fits.append((student, fitting.fit(student, number)))
        fitting.save(*min(fits, key=lambda fitted: min(fitted[1]["val_loss"])))

    return run.stage("distill", work)


def quantize(run: Run, progress: bool = True) -> bool:
    """Stage `quantize`: fine-tune the model, or its student, in fixed point from float weights."""

    def work() -> None:
        trained = "float" if run.experiment.student is None else "student"
        model = quantize_model(load_model(run, trained), run.experiment)
        data = load_data(run)
        if trained == "float" and model.embedding is not None:
            copy_weights(fine_tuned_embedding(run, data, progress), model.embedding)
        learned = _with_outliers(run, data)
        targets = _targets(run) if model.has_teacher else None
        settings = run.experiment.quantization
        fitting = RunFitting(run, "quantized", learned, settings, progress, targets)
        fitting.save(model, fitting.fit(model))

    return run.stage("quantize", work)


def _autoencoder(run: Run, experiment: Experiment, n_train: int) -> Autoencoder:
    """Untrained, behind the embedding of the run if it has one."""
    model = build_model(experiment, Float(), experiment.training.mixed_precision, n_train)
    if model.embedding is not None:
        copy_weights(trained_embedding(run).encoder, model.embedding)
    return model


def _teach(run: Run, data: Dataset, progress: bool) -> None:
    """Fit what the student learns beside the score of the float model.

    Teachers that an interruption has left, of the same stage, are not fitted again.
    """
    experiment, folder, teachers = run.experiment, run.teachers_folder, teachers_of(run)
    mark, digest = folder / "digest.json", run.digest("distill")
    if not mark.exists() or read_json(mark, "digest")["digest"] != digest or not teachers:
        for old in (folder, run.teacher_scores_folder):
            shutil.rmtree(old, ignore_errors=True)
    if not teachers:
        return
    write_json(mark, {"digest": digest})
    fitting = RunFitting(run, "float", data, experiment.training, progress)
    inputs = fitting.inputs[0]
    for number, teacher in enumerate(teachers):
        path = density_path(run, number)
        if path.exists():
            continue
        if isinstance(teacher, DensityTeacher):
            seen = seen_by(run, teacher, inputs)
            DENSITIES[type(teacher)].fit(teacher, seen, experiment.seed).save(path)
    for number in range(1, n_autoencoders(run)):
        path = autoencoder_path(run, number)
        if path.exists():
            continue
        model = _autoencoder(run, reseeded(experiment, number), len(data.train))
        fitting.fit(model, number)
        save_model(model, path)
    fitting.clear()
    standardize(run, data.train)


def _learn_targets(run: Run, learned: Dataset) -> Targets:
    """What a student learns of the events of training and validation; `_targets` has it again."""
    targets = learned_scores(run, learned.train), learned_scores(run, learned.validation)
    with whole_file(targets_path(run)) as temporary:
        np.savez(temporary, train=targets[0], validation=targets[1])
    return targets


def _targets(run: Run) -> Targets:
    train, validation = read_arrays(targets_path(run), "train", "validation")
    return train, validation


def _with_outliers(run: Run, data: Dataset) -> Dataset:
    """What is deployed learns from it: for a student with made-up events beside background."""
    student = run.experiment.student
    if student is None or student.exposure is None:
        return data
    train, validation = (
        _together(sample, made_up(run, student.exposure, sample, part))
        for part, sample in enumerate((data.train, data.validation))
    )
    return replace(data, train=train, validation=validation)


def _together(background: Sample, made_up: Sample) -> Sample:
    """All events; their parents, which only a test asks for, are lost."""
    x = np.concatenate([background.x, made_up.x])
    return Sample(x, np.concatenate([background.condition, made_up.condition]), np.arange(len(x)))


def _thresholds(settings: StudentSettings, learned: np.ndarray) -> list[float]:
    """Of the score that decides, at the rates of the focus, by what is learned of background."""
    if settings.focus is None:
        return []
    deciding = learned.reshape(len(learned), -1)[:, 0]
    return [threshold_at_fpr(deciding, fpr) for fpr in settings.focus.target_fprs]


def _student_settings(experiment: Experiment) -> StudentSettings:
    if experiment.student is None:
        raise InputError("section student must be given to distill, got none")
    return experiment.student
