"""Fitting that can be interrupted: batches, early stopping, best weights, continuation."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from keras_ae.files import read_json, whole_file, write_json
from keras_ae.fitting.batches import Batches, steps_per_execution
from keras_ae.fitting.bit_penalty import ResourcePenalty
from keras_ae.fitting.pruning import Pruning
from keras_ae.models import ScoringModel
from keras_ae.models.autoencoder import Arrays
from keras_ae.settings.learning import QuantizationSettings, TrainingSettings

_OPTIMIZERS = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}


def fit(
    model: ScoringModel,
    train: Arrays,
    validation: Arrays,
    settings: TrainingSettings,
    seed: int,
    checkpoint: Path,
    tensorboard: Path | None = None,
    progress: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    targets: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, list[float]]:
    """Compile and fit, with early stopping at the best weights and a schedule of learning rates.

    With pruning, none of these looks at an epoch before the last weight is pruned. With a resource
    penalty all of them look at the loss with it, see `bit_penalty.ResourcePenalty`.

    Args:
        model: changed in place.
        train: network inputs (events, *input_shape), or the pair of them and a condition.
        validation: in the same form.
        settings: how long and how fast.
        seed: of the order of events.
        checkpoint: folder for the state after each epoch; one that is there, of the same model,
            arrays and arguments, is continued.
        tensorboard: folder of the logs, where settings ask for them.
        progress: show a progress bar.
        callbacks: more of them.
        targets: what a student learns of the events of `train` and of `validation`, (events, ...).

    Returns:
        Every training and validation term by epoch.

    Raises:
        InputError: a loss that is not finite; with the epoch and the term.
    """
    target, validation_target = targets or (None, None)
    arrays = (train, validation, *(targets or ()))
    key = _fingerprint(model, arrays, (settings.model_dump(), seed))
    optimizer = _OPTIMIZERS[settings.optimizer](settings.learning_rate)
    if settings.mixed_precision:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    batches = Batches(train, settings.batch_size, seed, target)
    validation_batches = Batches(validation, settings.batch_size, None, validation_target)
    model.compile(
        optimizer=optimizer,
        jit_compile=settings.jit_compile,
        steps_per_execution=steps_per_execution(batches, validation_batches),
    )
    quantization = settings if isinstance(settings, QuantizationSettings) else None
    pruning = quantization.pruning if quantization else None
    penalty = quantization.resource_penalty if quantization else 0.0
    start = pruning.n_epochs if pruning else 0
    schedule = _schedule(settings, start)
    state = _TrainingState(checkpoint, key, start, schedule)
    callbacks = [batches, *schedule, state, *callbacks]
    if penalty:
        # Before the one that writes the history.
        callbacks.insert(0, ResourcePenalty(model, penalty))
    if pruning:
        callbacks.append(Pruning(model, pruning))
    if settings.tensorboard and tensorboard is not None:
        callbacks.append(_tensorboard(tensorboard))
    model.optimizer.build(model.trainable_variables)
    first_epoch = state.restore(model)
    if progress:
        callbacks.append(_Progress(first_epoch, settings.epochs))
    if not state.finished:
        model.fit(
            batches.dataset,
            validation_data=validation_batches.dataset,
            epochs=settings.epochs,
            initial_epoch=first_epoch,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )
    _load_variables(state.best_weights_path, model.weights)
    return state.history


def _fingerprint(model: ScoringModel, arrays: Any, arguments: Any) -> str:
    """SHA-256 of all that a training depends on."""
    described = json.dumps([type(model).__name__, _without_names(model.get_config()), arguments])
    digest = hashlib.sha256(described.encode())
    for array in (*tf.nest.flatten(arrays), *model.get_weights()):
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()


def _without_names(config: Any) -> Any:
    """A Keras configuration without the names that Keras counts up."""
    if isinstance(config, dict):
        return {key: _without_names(value) for key, value in config.items() if key != "name"}
    if isinstance(config, list | tuple):
        return [_without_names(value) for value in config]
    return config


def _tensorboard(folder: Path) -> keras.callbacks.Callback:
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "tensorboard is needed for training.tensorboard: pip install 'keras-ae[tensorboard]'"
        ) from error
    return keras.callbacks.TensorBoard(folder)


def remove_checkpoint(folder: Path) -> None:
    """Delete what `fit` left to continue from."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _schedule(settings: TrainingSettings, start: int) -> list[keras.callbacks.Callback]:
    """Of learning rates, and when it ends; a plateau is looked for from the epoch `start`."""
    if settings.learning_rate_schedule == "cosine":

        def rate(epoch: int) -> float:
            return settings.learning_rate * (1 + math.cos(math.pi * epoch / settings.epochs)) / 2

        return [keras.callbacks.LearningRateScheduler(rate)]
    return [
        keras.callbacks.EarlyStopping(
            patience=settings.early_stopping_patience, start_from_epoch=start
        ),
        _Plateau(start, patience=settings.plateau_patience, factor=settings.plateau_factor),
    ]


class _Plateau(keras.callbacks.ReduceLROnPlateau):
    """Looks at no epoch before `start`."""

    def __init__(self, start: int, **options: Any) -> None:
        super().__init__(**options)
        self._start = start

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch >= self._start:
            super().on_epoch_end(epoch, logs)
        elif logs is not None:
            # Keras shows it, so that it is in the history of every epoch.
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class _Progress(keras.callbacks.Callback):
    """One bar over all epochs, with the losses."""

    def __init__(self, first_epoch: int, n_epochs: int) -> None:
        super().__init__()
        # disable=None: no bar in a log file.
        self._bar = tqdm(
            total=n_epochs, initial=first_epoch, unit="epoch", desc="fit", disable=None
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        losses = {name: f"{value:.4g}" for name, value in (logs or {}).items() if "loss" in name}
        self._bar.set_postfix(losses)
        self._bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()


class _TrainingState(keras.callbacks.Callback):
    """Writes all that training continues from after each epoch, and the best weights from `start`.

    Keras' BackupAndRestore forgets the state of other callbacks, so that a resumed training would
    stop at another epoch.
    """

    def __init__(
        self, folder: Path, key: str, start: int, others: Sequence[keras.callbacks.Callback]
    ) -> None:
        super().__init__()
        self._folder, self._key, self._start, self._others = folder, key, start, others
        self._other_states: list[dict[str, float]] = []
        self._best_loss = float("inf")
        self.history: dict[str, list[float]] = {}
        self.finished = False

    @property
    def best_weights_path(self) -> Path:
        return self._folder / "best.npz"

    @property
    def _state_path(self) -> Path:
        return self._folder / "state.json"

    def restore(self, model: keras.Model) -> int:
        """Continue from the folder's state, if it has one; returns the number of epochs done."""
        state = read_json(self._state_path) if self._state_path.exists() else {}
        if state.get("key") != self._key:
            remove_checkpoint(self._folder)
            return 0
        _load_variables(self._folder / state["weights"], _state_variables(model))
        model.optimizer.learning_rate.assign(state["learning_rate"])
        self._other_states = state["callbacks"]
        self._best_loss = state["best_loss"]
        self.history = state["history"]
        self.finished = state["finished"]
        return int(state["epoch"])

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # After the others have reset themselves: this callback comes behind them.
        for callback, values in zip(self._others, self._other_states, strict=False):
            vars(callback).update(values)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        if epoch >= self._start and logs["val_loss"] < self._best_loss:
            self._best_loss = logs["val_loss"]
            _save_variables(self.best_weights_path, self.model.weights)
        weights = self._folder / f"epoch-{epoch + 1:04d}.npz"
        _save_variables(weights, _state_variables(self.model))
        write_json(
            self._state_path,
            {
                "key": self._key,
                "epoch": epoch + 1,
                "weights": weights.name,
                "learning_rate": float(self.model.optimizer.learning_rate),
                "best_loss": self._best_loss,
                "history": self.history,
                "finished": bool(self.model.stop_training) or epoch + 1 == self.params["epochs"],
                "callbacks": [
                    {
                        name: value
                        for name, value in vars(callback).items()
                        if isinstance(value, int | float) and not name.startswith("_")
                    }
                    for callback in self._others
                ],
            },
        )
        for old in self._folder.glob("epoch-*.npz"):
            if old != weights:
                old.unlink()


def _state_variables(model: keras.Model) -> list[keras.Variable]:
    """All that training changes: weights, optimizer, random generators."""
    return [*model.variables, *model.optimizer.variables]


def _save_variables(path: Path, variables: list[keras.Variable]) -> None:
    # Not Keras' HDF5 weights, which a full disk leaves in disorder.
    with whole_file(path) as temporary:
        np.savez(temporary, *(np.asarray(variable) for variable in variables))


def _load_variables(path: Path, variables: list[keras.Variable]) -> None:
    with np.load(path) as stored:
        for number, variable in enumerate(variables):
            variable.assign(stored[f"arr_{number}"])
