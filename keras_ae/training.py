"""Experiment -> trained models: the stages `train`, `distill` and `quantize` of a run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_ae.data.dataset import Dataset, Sample
from keras_ae.errors import InputError
from keras_ae.events import audited_events, check_against_events
from keras_ae.experiment_models import build_deployed_model, build_fixed_point_model, build_model
from keras_ae.files import read_json, whole_file, write_json
from keras_ae.fitting.fit import fit, remove_checkpoint
from keras_ae.front_end.input_view import FloatView, ScaledView, save_inputs
from keras_ae.models import ScoringModel
from keras_ae.precision import Float
from keras_ae.quantization import quantize_model
from keras_ae.run_contents import (
    keep_audit,
    load_data,
    load_model,
    network_inputs,
)
from keras_ae.runs import Run
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.learning import StudentSettings, TrainingSettings
from keras_ae.settings.teachers import GaussianMixtureTeacher, NearestNeighboursTeacher
from keras_ae.teachers import MixtureDensity, NeighbourDistance, check_teachers
from keras_ae.teaching import (
    autoencoder_path,
    density_path,
    flat,
    learned_scores,
    made_up,
    n_autoencoders,
    standardize,
    teachers_of,
)
from keras_ae.weights import centre_units

#: Of training and validation, see `teaching.learned_scores`.
Targets = tuple[np.ndarray, np.ndarray]

#: Between the seeds of one autoencoder, so that they are not those of the next run.
_SEEDS_APART = 10_007


def train(run: Run, progress: bool = True) -> bool:
    """Stage `train`: what the network sees of the wires, and the float model.

    Returns whether there was work to do.

    An interrupted training continues from its last whole epoch, to the same weights.
    """
    experiment = run.experiment

    def work() -> None:
        # Now, not after an hour of training.
        build_fixed_point_model(experiment)
        data, audit = audited_events(experiment)
        if audit is not None:
            keep_audit(run, audit).require()
        check_against_events(experiment, data)
        if experiment.student is not None:
            check_teachers(experiment.student.teachers, len(data.train))
        _fit_inputs(run, "float", experiment.inputs, data)
        model = build_model(
            experiment, Float(), experiment.training.mixed_precision, len(data.train)
        )
        _fit_stage(run, "float", model, data, experiment.training, progress)

    return run.stage("train", work)


def distill(run: Run, progress: bool = True) -> bool:
    """Stage `distill`: a student learns the score of the float model.

    Raises:
        InputError: an experiment without a student.
    """
    experiment, settings = run.experiment, _student_settings(run.experiment)

    def work() -> None:
        student = build_deployed_model(experiment, Float(), settings.training.mixed_precision)
        data = load_data(run)
        _fit_inputs(run, "student", experiment.deployed_inputs, data)
        _teach(run, data, progress)
        learned = _with_outliers(run, data)
        targets = _targets(run, learned)
        student.adapt(targets[0])
        if settings.initial_biases == "centred":
            centre_units(student.encoder, network_inputs(run, "student", learned.train))
        _fit_stage(run, "student", student, learned, settings.training, progress, targets)

    return run.stage("distill", work)


def quantize(run: Run, progress: bool = True) -> bool:
    """Stage `quantize`: fine-tune the model, or its student, in fixed point from float weights."""

    def work() -> None:
        trained = "float" if run.experiment.student is None else "student"
        model = quantize_model(load_model(run, trained), run.experiment)
        learned = _with_outliers(run, load_data(run))
        targets = _targets(run, learned) if model.has_teacher else None
        settings = run.experiment.quantization
        _fit_stage(run, "quantized", model, learned, settings, progress, targets)

    return run.stage("quantize", work)


def _fit_inputs(run: Run, precision: str, view: ScaledView | FloatView, data: Dataset) -> None:
    """What a network sees of the wires, fitted on the background that it is trained on."""
    wires = run.experiment.wires
    x = data.train.x.reshape(len(data.train), wires.n_values)
    save_inputs(view.fit(wires, x), run.inputs_path(precision))


def _teach(run: Run, data: Dataset, progress: bool) -> None:
    """Fit what the student learns beside the score of the float model.

    Teachers that an interruption has left, of the same stage, are not fitted again.
    """
    experiment, folder, teachers = run.experiment, run.teachers_folder, teachers_of(run)
    mark, digest = folder / "digest.json", run.digest("distill")
    if not mark.exists() or read_json(mark, "digest")["digest"] != digest or not teachers:
        shutil.rmtree(folder, ignore_errors=True)
    if not teachers:
        return
    write_json(mark, {"digest": digest})
    inputs = network_inputs(run, "float", data.train)
    for number, teacher in enumerate(teachers):
        path = density_path(run, number)
        if path.exists():
            continue
        if isinstance(teacher, GaussianMixtureTeacher):
            MixtureDensity.fit(teacher, flat(inputs), experiment.seed).save(path)
        elif isinstance(teacher, NearestNeighboursTeacher):
            NeighbourDistance.fit(teacher, flat(inputs)).save(path)
    for number in range(1, n_autoencoders(run)):
        if autoencoder_path(run, number).exists():
            continue
        seed = (experiment.seed + _SEEDS_APART * number) % 2**32
        training = experiment.training
        other = experiment.model_copy(update={"seed": seed})
        model = build_model(other, Float(), training.mixed_precision, len(data.train))
        path = autoencoder_path(run, number)
        _fit_model(run, "float", model, data, training, progress, seed, path)
        remove_checkpoint(run.folder / f"checkpoint_{path.stem}")
    standardize(run, data.train)


def _fit_stage(
    run: Run,
    precision: str,
    model: ScoringModel,
    data: Dataset,
    settings: TrainingSettings,
    progress: bool,
    targets: Targets | None = None,
) -> None:
    path = run.model_path(precision)
    seed = run.experiment.seed
    history = _fit_model(run, precision, model, data, settings, progress, seed, path, targets)
    write_json(run.history_path(precision), history)
    remove_checkpoint(run.folder / f"checkpoint_{path.stem}")


def _fit_model(
    run: Run,
    precision: str,
    model: ScoringModel,
    data: Dataset,
    settings: TrainingSettings,
    progress: bool,
    seed: int,
    path: Path,
    targets: Targets | None = None,
) -> dict[str, list[float]]:
    """Fit a model to what one of the run's `precision` sees, and save it; returns its history.

    Its checkpoint stays until the caller has written all that depends on it. `targets` of training
    and validation are for a model that has a teacher.
    """
    inputs = model.check_inputs(network_inputs(run, precision, data.train), "training data")
    validation = network_inputs(run, precision, data.validation)

    def in_epochs() -> dict[str, list[float]]:
        return fit(
            model,
            inputs,
            validation,
            settings,
            seed=seed,
            checkpoint=run.folder / f"checkpoint_{path.stem}",
            tensorboard=run.folder / f"tensorboard_{path.stem}",
            progress=progress,
            targets=targets,
        )

    history = model.learn(inputs, validation, in_epochs)
    with whole_file(path) as temporary:
        model.save(temporary)
    return history


def _targets(run: Run, learned: Dataset) -> Targets:
    """What a student learns of the events of training and validation."""
    return learned_scores(run, learned.train), learned_scores(run, learned.validation)


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


def _student_settings(experiment: Experiment) -> StudentSettings:
    if experiment.student is None:
        raise InputError("section student must be given to distill, got none")
    return experiment.student
