"""Events -> a frozen embedding: the stage `embed` of a run, and its fine-tuning in fixed point."""

from __future__ import annotations

import keras
import numpy as np

from keras_ae.augmentations import augmented
from keras_ae.data.dataset import Dataset, Sample
from keras_ae.experiment_models import build_embedding_model
from keras_ae.models.vicreg import VICReg
from keras_ae.precision import FixedPoint, Float
from keras_ae.run_contents import load_keras_model, network_inputs
from keras_ae.run_fitting import RunFitting, first_events
from keras_ae.runs import Run

#: Beside the seed of a run, that no other random numbers are those of augmentations.
_OF_VIEWS = 20_011


def embed(run: Run, progress: bool = True) -> bool:
    """Stage `embed`: the embedding in float, its outputs with mean 0 on background.

    An interrupted training continues from its last whole epoch, to the same weights.

    Raises:
        InputError: an experiment without an embedding, or one whose outputs became constant.
    """
    experiment = run.experiment
    settings = experiment.require_embedding()

    def work() -> None:
        data = first_events(run)
        model = build_embedding_model(experiment, Float(), settings.training.mixed_precision)
        fitting = _fitting(run, "float", data, progress)
        history = fitting.fit(model)
        background = _seen(run, "float", data.train)
        model.check_not_collapsed(background)
        model.centre(background)
        fitting.save(model, history)

    return run.stage("embed", work)


def fine_tuned_embedding(run: Run, data: Dataset, progress: bool) -> keras.Model:
    """The embedding of a run in fixed point, trained further from its float weights.

    Raises:
        InputError: outputs that became constant.
    """
    formats = FixedPoint(**dict(run.experiment.precision))
    model = build_embedding_model(run.experiment, formats)
    model.copy_from(trained_embedding(run))
    _fitting(run, "quantized", data, progress).fit(model)
    model.check_not_collapsed(_seen(run, "quantized", data.train))
    return model.encoder


def trained_embedding(run: Run) -> VICReg:
    """In float, with its projector."""
    model: VICReg = load_keras_model(run.model_path("embedding"))
    return model


def _fitting(run: Run, precision: str, data: Dataset, progress: bool) -> RunFitting:
    """Of the embedding, float or quantized, on pairs of views."""
    settings = run.experiment.require_embedding()
    parts = [
        _pairs(run, precision, sample, part)
        for part, sample in enumerate((data.train, data.validation))
    ]
    (train, of_train), (validation, of_validation) = parts
    in_float = precision == "float"
    return RunFitting(
        run,
        "embedding" if in_float else "quantized_embedding",
        data,
        settings.training if in_float else settings.quantization,
        progress,
        targets=(of_train, of_validation),
        seen=(train, validation),
    )


def _pairs(run: Run, precision: str, sample: Sample, part: int) -> tuple[np.ndarray, np.ndarray]:
    """Two views of each event of a part of the data, `n_pairs` times: (events, ...) each."""
    experiment, wires = run.experiment, run.experiment.wires
    objective = experiment.require_embedding().objective
    background = sample.x.reshape(len(sample), wires.n_values)
    repeated = np.tile(np.arange(len(sample)), objective.n_pairs)
    views = []
    for view in range(2):
        rng = np.random.default_rng([_OF_VIEWS, experiment.seed, part, view])
        events = augmented(wires, background[repeated], background, objective.augmentations, rng)
        x = events.reshape(-1, *sample.x.shape[1:])
        made = Sample(x, sample.condition[repeated], sample.parents[repeated])
        views.append(_seen(run, precision, made))
    return views[0], views[1]


def _seen(run: Run, precision: str, sample: Sample) -> np.ndarray:
    """What the embedding sees of a sample: what a network sees that is told no condition."""
    return np.asarray(network_inputs(run, precision, sample))
