"""Fits the models of a run: what they see, what an interruption leaves, what is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_ae.data.dataset import Dataset
from keras_ae.events import audited_events, check_against_events
from keras_ae.experiment_models import build_fixed_point_model
from keras_ae.files import whole_file, write_json
from keras_ae.fitting.fit import fit, remove_checkpoint
from keras_ae.front_end.input_view import FloatView, ScaledView, save_inputs
from keras_ae.models import ScoringModel
from keras_ae.models.autoencoder import Arrays
from keras_ae.models.scoring import History
from keras_ae.run_contents import keep_audit, network_inputs
from keras_ae.runs import Run
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.learning import TrainingSettings

#: What is to be learned of the events of training and of those of validation.
Targets = tuple[np.ndarray, np.ndarray]

#: Between the seeds of several models, so that they are not those of the next run.
_SEEDS_APART = 10_007


def first_events(run: Run) -> Dataset:
    """The events of a run whose first training begins, after all that could stop it later.

    What the networks see of the wires, and what is odd in the events, is written.

    Raises:
        InputError: events that the experiment cannot learn from, or no firmware for it.
    """
    experiment = run.experiment
    # Now, not after an hour of training.
    build_fixed_point_model(experiment)
    data, audit = audited_events(experiment)
    if audit is not None:
        keep_audit(run, audit).require()
    check_against_events(experiment, data)
    fit_inputs(run, "float", experiment.inputs, data)
    return data


def fit_inputs(run: Run, precision: str, view: ScaledView | FloatView, data: Dataset) -> None:
    """What a network sees of the wires, fitted on the background that it is trained on."""
    wires = run.experiment.wires
    x = data.train.x.reshape(len(data.train), wires.n_values)
    save_inputs(view.fit(wires, x), run.inputs_path(precision))


@dataclass(frozen=True)
class RunFitting:
    """Fits models to what a network of the run sees.

    Args:
        run: of which they are.
        precision: as files of its model are called: float, student, quantized, embedding.
        data: to learn and to validate on.
        settings: how long and how fast.
        progress: show a progress bar.
        targets: y in `fit`, for models that have one.
        seen: network inputs of training and validation; by default those of `data`.
    """

    run: Run
    precision: str
    data: Dataset
    settings: TrainingSettings
    progress: bool
    targets: Targets | None = None
    seen: tuple[Arrays, Arrays] | None = None

    @cached_property
    def inputs(self) -> tuple[Arrays, Arrays]:
        """What the network sees of training and validation."""
        if self.seen is not None:
            return self.seen
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
                seed=reseeded(self.run.experiment, number).seed,
                checkpoint=self.run.folder / f"checkpoint_{name}",
                tensorboard=self.run.folder / f"tensorboard_{name}",
                progress=self.progress,
                targets=self.targets,
            )

        return model.learn(train, validation, in_epochs)

    def save(self, model: ScoringModel, history: History) -> None:
        """Write the model of the stage and its history."""
        save_model(model, self.run.model_path(self.precision))
        write_json(self.run.history_path(self.precision), history)
        self.clear()

    def clear(self) -> None:
        """Remove what an interrupted training would go on from: all that it leads to is written."""
        for checkpoint in self.run.folder.glob(f"checkpoint_{self.precision}*"):
            remove_checkpoint(checkpoint)


def reseeded(experiment: Experiment, number: int) -> Experiment:
    """With the seed of the `number`-th of several models; the first has the experiment's."""
    seed = (experiment.seed + _SEEDS_APART * number) % 2**32
    return experiment.model_copy(update={"seed": seed})


def save_model(model: ScoringModel, path: Path) -> None:
    """As .keras, whole or not at all."""
    with whole_file(path) as temporary:
        model.save(temporary)
