"""Experiment -> trained models: the stages `train`, `distill` and `quantize` of a run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_ae.data.dataset import Dataset, Sample
from keras_ae.errors import InputError
from keras_ae.events import audited_events, check_against_events
from keras_ae.experiment_models import build_deployed_model, build_fixed_point_model, build_model
from keras_ae.files import read_json, whole_file, write_json
from keras_ae.fitting.fit import fit, remove_checkpoint
from keras_ae.front_end.input_view import FloatView, ScaledView, save_inputs
from keras_ae.metrics import threshold_at_fpr
from keras_ae.models import ScoringModel
from keras_ae.models.autoencoder import Arrays
from keras_ae.models.scoring import History
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
from keras_ae.teachers import MixtureDensity, NeighbourDistance, check_teachers, read_arrays
from keras_ae.teaching import (
    autoencoder_path,
    density_path,
    flat,
    learned_scores,
    made_up,
    n_autoencoders,
    standardize,
    targets_path,
    teachers_of,
)
from keras_ae.weights import centre_units

#: Of training and validation, see `teaching.learned_scores`.
Targets = tuple[np.ndarray, np.ndarray]

#: Between the seeds of several models, so that they are not those of the next run.
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
            if experiment.student.focus is not None:
                experiment.student.focus.check_events(len(data.train))
        _fit_inputs(run, "float", experiment.inputs, data)
        model = build_model(
            experiment, Float(), experiment.training.mixed_precision, len(data.train)
        )
        fitting = _Fitting(run, "float", data, experiment.training, progress)
        fitting.save(model, fitting.fit(model))

    return run.stage("train", work)


def distill(run: Run, progress: bool = True) -> bool:
    """Stage `distill`: a student learns the score of the float model.

    Raises:
        InputError: an experiment without a student.
    """
    experiment, settings = run.experiment, _student_settings(run.experiment)

    def work() -> None:
        data = load_data(run)
        _fit_inputs(run, "student", experiment.deployed_inputs, data)
        _teach(run, data, progress)
        learned = _with_outliers(run, data)
        targets = _learn_targets(run, learned)
        fitting = _Fitting(run, "student", learned, settings.training, progress, targets)
        thresholds = _thresholds(settings, targets[0][: len(data.train)])
        fits = []
        for number in range(settings.n_init):
            student = build_deployed_model(
                _reseeded(experiment, number), Float(), settings.training.mixed_precision
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
        learned = _with_outliers(run, load_data(run))
        targets = _targets(run) if model.has_teacher else None
        settings = run.experiment.quantization
        fitting = _Fitting(run, "quantized", learned, settings, progress, targets)
        fitting.save(model, fitting.fit(model))

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
        for old in (folder, run.teacher_scores_folder):
            shutil.rmtree(old, ignore_errors=True)
    if not teachers:
        return
    write_json(mark, {"digest": digest})
    fitting = _Fitting(run, "float", data, experiment.training, progress)
    inputs = fitting.inputs[0]
    for number, teacher in enumerate(teachers):
        path = density_path(run, number)
        if path.exists():
            continue
        if isinstance(teacher, GaussianMixtureTeacher):
            MixtureDensity.fit(teacher, flat(inputs), experiment.seed).save(path)
        elif isinstance(teacher, NearestNeighboursTeacher):
            NeighbourDistance.fit(teacher, flat(inputs)).save(path)
    for number in range(1, n_autoencoders(run)):
        path = autoencoder_path(run, number)
        if path.exists():
            continue
        mixed_precision = experiment.training.mixed_precision
        model = build_model(
            _reseeded(experiment, number), Float(), mixed_precision, len(data.train)
        )
        fitting.fit(model, number)
        _save(model, path)
    fitting.clear()
    standardize(run, data.train)


@dataclass(frozen=True)
class _Fitting:
    """Fits models to what a network of the run sees.

    Args:
        run: of which they are.
        precision: float, student or quantized, as its files have it.
        data: to learn and to validate on.
        settings: how long and how fast.
        progress: show a progress bar.
        targets: for models that have a teacher.
    """

    run: Run
    precision: str
    data: Dataset
    settings: TrainingSettings
    progress: bool
    targets: Targets | None = None

    @cached_property
    def inputs(self) -> tuple[Arrays, Arrays]:
        """What the network sees of training and validation."""
        train, validation = (
            network_inputs(self.run, self.precision, sample)
            for sample in (self.data.train, self.data.validation)
        )
        return train, validation

    def fit(self, model: ScoringModel, number: int = 0) -> History:
        """Fit the `number`-th of several models, and return its history.

        Called again after an interruption it goes on, or has nothing to do, until `clear`.
        """
        train, validation = self.inputs
        train = model.check_inputs(train, "training data")
        name = f"{self.precision}_{number}" if number else self.precision

        def in_epochs() -> History:
            return fit(
                model,
                train,
                validation,
                self.settings,
                seed=_reseeded(self.run.experiment, number).seed,
                checkpoint=self.run.folder / f"checkpoint_{name}",
                tensorboard=self.run.folder / f"tensorboard_{name}",
                progress=self.progress,
                targets=self.targets,
            )

        return model.learn(train, validation, in_epochs)

    def save(self, model: ScoringModel, history: History) -> None:
        """Write the model of the stage and its history."""
        _save(model, self.run.model_path(self.precision))
        write_json(self.run.history_path(self.precision), history)
        self.clear()

    def clear(self) -> None:
        """Remove what an interrupted training would go on from: all that it leads to is written."""
        for checkpoint in self.run.folder.glob(f"checkpoint_{self.precision}*"):
            remove_checkpoint(checkpoint)


def _reseeded(experiment: Experiment, number: int) -> Experiment:
    """With the seed of the `number`-th of several models; the first has the experiment's."""
    seed = (experiment.seed + _SEEDS_APART * number) % 2**32
    return experiment.model_copy(update={"seed": seed})


def _save(model: ScoringModel, path: Path) -> None:
    with whole_file(path) as temporary:
        model.save(temporary)


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
