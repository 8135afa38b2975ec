"""The models of an experiment, untrained: its autoencoder, and what of it goes into firmware."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_ae.fitting.batches import n_whole_batches
from keras_ae.models import (
    Autoencoder,
    VICReg,
    build_autoencoder,
    build_student,
    build_vicreg,
)
from keras_ae.precision import FixedPoint, Precision
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.objectives import ConstantSettings


def build_model(
    experiment: Experiment,
    precision: Precision,
    mixed_precision: bool = False,
    n_train: int | None = None,
) -> Autoencoder:
    """The experiment's autoencoder, untrained, behind its embedding if it has one.

    Weights depend on its seed alone.

    `n_train` events turn the epochs of a schedule into steps; without it, or in fixed point, whose
    training goes on where the float one ended, there is no schedule.
    """
    objective = experiment.objective
    steps_per_epoch = n_whole_batches(n_train or 1, experiment.training.batch_size)
    if n_train is None and "schedule" in type(objective).model_fields:
        objective = objective.model_copy(update={"schedule": ConstantSettings(kind="constant")})
    with _dtype_policy(mixed_precision):
        front = experiment.embedding
        return build_autoencoder(
            objective,
            experiment.architecture,
            precision,
            experiment.seed,
            steps_per_epoch,
            None if front is None else front.architecture,
        )


def build_embedding_model(
    experiment: Experiment, precision: Precision, mixed_precision: bool = False
) -> VICReg:
    """What learns the embedding of an experiment that has one, untrained."""
    settings = experiment.require_embedding()
    with _dtype_policy(mixed_precision):
        return build_vicreg(settings.architecture, settings.objective, precision, experiment.seed)


def build_deployed_model(
    experiment: Experiment, precision: Precision, mixed_precision: bool = False
) -> Any:
    """What goes into firmware, untrained: the student, where there is one, or the autoencoder."""
    if experiment.student is None:
        return build_model(experiment, precision, mixed_precision)
    with _dtype_policy(mixed_precision):
        settings = experiment.student
        focus = settings.focus.weight if settings.focus else 1.0
        return build_student(
            settings.architecture, precision, experiment.seed, settings.further_scores, focus
        )


def build_fixed_point_model(experiment: Experiment) -> Any:
    """What goes into firmware, untrained and in the formats of the experiment.

    Raises:
        InputError: formats of layers that are not there.
    """
    return build_deployed_model(experiment, FixedPoint(**dict(experiment.precision)))


@contextmanager
def _dtype_policy(mixed_precision: bool) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if mixed_precision else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
