"""Experiment -> trained models: the stages `train`, `distill` and `quantize` of a run."""

from __future__ import annotations

import numpy as np

from keras_ae.data.dataset import Dataset, Sample
from keras_ae.errors import InputError
from keras_ae.events import audited_events, check_number
from keras_ae.experiment_models import build_deployed_model, build_fixed_point_model, build_model
from keras_ae.files import whole_file, write_json
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
    sample_scores,
)
from keras_ae.runs import Run
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.learning import StudentSettings, TrainingSettings


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
        check_number(experiment, data)
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
        student.adapt(_teacher_scores(run, data.train))
        _fit_stage(run, "student", student, data, settings.training, progress)

    return run.stage("distill", work)


def quantize(run: Run, progress: bool = True) -> bool:
    """Stage `quantize`: fine-tune the model, or its student, in fixed point from float weights."""

    def work() -> None:
        trained = "float" if run.experiment.student is None else "student"
        model = quantize_model(load_model(run, trained), run.experiment)
        _fit_stage(run, "quantized", model, load_data(run), run.experiment.quantization, progress)

    return run.stage("quantize", work)


def _fit_inputs(run: Run, precision: str, view: ScaledView | FloatView, data: Dataset) -> None:
    """What a network sees of the wires, fitted on the background that it is trained on."""
    wires = run.experiment.wires
    x = data.train.x.reshape(len(data.train), wires.n_values)
    save_inputs(view.fit(wires, x), run.inputs_path(precision))


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

    def in_epochs() -> dict[str, list[float]]:
        return fit(
            model,
            inputs,
            validation,
            settings,
            seed=run.experiment.seed,
            checkpoint=checkpoint,
            tensorboard=run.folder / f"tensorboard_{precision}",
            progress=progress,
            targets=(_teacher_scores(run, data.train), _teacher_scores(run, data.validation))
            if model.has_teacher
            else None,
        )

    history = model.learn(inputs, validation, in_epochs)
    with whole_file(run.model_path(precision)) as temporary:
        model.save(temporary)
    write_json(run.history_path(precision), history)
    remove_checkpoint(checkpoint)


def _student_settings(experiment: Experiment) -> StudentSettings:
    if experiment.student is None:
        raise InputError("section student must be given to distill, got none")
    return experiment.student


def _teacher_scores(run: Run, sample: Sample) -> np.ndarray:
    """What the student learns of a sample: (events,)."""
    scores = sample_scores(load_model(run, "float"), network_inputs(run, "float", sample))
    return scores[run.experiment.trigger.score]
