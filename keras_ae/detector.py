"""A model, its score, its scaler and a threshold, as scikit-learn's outlier detectors."""

from __future__ import annotations

import copy
import json
from numbers import Real
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_ae.arrays import as_numbers, check_count, check_events, check_not_empty
from keras_ae.errors import InputError
from keras_ae.files import read_json, whole_folder, write_text
from keras_ae.fitting.batches import Batches
from keras_ae.metrics import check_rate, threshold_at_fpr
from keras_ae.models import Autoencoder

_MODEL, _FITTED_MODEL = "model.keras", "fitted_model.keras"
_SCALER, _STATE = "scaler.joblib", "detector.json"
_ARGUMENTS = (
    "score",
    "target_fpr",
    "epochs",
    "batch_size",
    "calibration_fraction",
    "random_state",
)
_STATE_NAMES = ("threshold_", "offset_", "history_", "n_features_in_")


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Flags events whose anomaly score lies above a threshold, set for a false-positive rate.

    Conventions are scikit-learn's: `decision_function` is negative and `predict` is -1 for
    anomalies. `anomaly_score` is the score itself, higher for the more anomalous, as `threshold_`.

    Args:
        model: an autoencoder without condition. `fit` trains a copy, so that scikit-learn's tools
            can fit the detector again; uncompiled, it is trained by Adam.
        score: name of one of the model's scores.
        target_fpr: the share of background that may be flagged, at most.
        scaler: a scikit-learn transformer, of which `fit` fits a copy, or anything fitted with a
            `transform`, like `ScaledInputs`; None if X are network inputs.
        epochs: of the training; 0 leaves model and scaler as they are, fitted before, and sets the
            threshold alone.
        batch_size: of the training.
        calibration_fraction: of X, kept from the training to set the threshold; with 0 epochs all
            of X sets it.
        random_state: of that split and of the order of events; the model has a seed of its own.

    Attributes:
        model_, scaler_: what `fit` made of them.
        threshold_: lowest score with at most `target_fpr` of the calibration events above it.
        offset_: -threshold_, by scikit-learn's definition.
        history_: terms of the objective by epoch; empty without a training.
        n_features_in_: features of an event.
    """

    def __init__(
        self,
        model: Autoencoder,
        score: str = "reconstruction_error",
        target_fpr: float = 0.01,
        scaler: Any = None,
        epochs: int = 20,
        batch_size: int = 256,
        calibration_fraction: float = 0.25,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.score = score
        self.target_fpr = target_fpr
        self.scaler = scaler
        self.epochs = epochs
        self.batch_size = batch_size
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: Any = None) -> AnomalyDetector:
        """Train on background X (events, features) and set the threshold; y is ignored.

        Raises:
            InputError: X of another shape, empty or not finite, an unknown score, a rate outside
                (0, 1), too few events for the rate, or another argument out of its range.
            sklearn.exceptions.NotFittedError: a scaler that is not fitted, with 0 epochs.
        """
        self._check()
        X = self._validate(X, reset=True)
        check_not_empty(X=X)
        if self.scaler is None:
            check_events(X, self.model.sample_shape, "X")
        train, calibration = X, X
        if self.epochs:
            train, calibration = train_test_split(
                X, test_size=self.calibration_fraction, random_state=self.random_state
            )
        check_rate(len(calibration), self.target_fpr, "the part of X kept for calibration")
        self.scaler_ = self.scaler
        if self.epochs and isinstance(self.scaler, BaseEstimator):
            self.scaler_ = clone(self.scaler).fit(train)
        self.model_ = copy.deepcopy(self.model)
        self.history_: dict[str, list[float]] = {}
        # An unknown score, or another shape, before training.
        self.model_.score(self._inputs(train[:1]), self.score)
        if self.epochs:
            if not self.model_.compiled:
                self.model_.compile(optimizer=keras.optimizers.Adam())
            self.history_ = self._train(self._inputs(train), self._inputs(calibration))
        self.threshold_ = threshold_at_fpr(
            self.model_.score(self._inputs(calibration), self.score), self.target_fpr
        )
        self.offset_ = -self.threshold_
        return self

    def _train(self, train: np.ndarray, calibration: np.ndarray) -> dict[str, list[float]]:
        """Fit `model_` on network inputs; returns the terms by epoch."""
        train = self.model_.check_inputs(train, "X")

        def in_epochs() -> dict[str, list[float]]:
            batches = Batches(train, self.batch_size, self.random_state)
            return self.model_.fit(
                batches.dataset,
                validation_data=(calibration,),
                epochs=self.epochs,
                callbacks=[batches],
                shuffle=False,
                verbose=0,
            ).history

        return self.model_.learn(train, calibration, in_epochs)

    def anomaly_score(self, X: np.ndarray) -> np.ndarray:
        """The model's score of X (events, features): (events,), higher for the more anomalous."""
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self.model_.score(self._inputs(X), self.score)

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """-anomaly_score(X): lower for the more anomalous, as in scikit-learn."""
        return -self.anomaly_score(X)

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """threshold_ - anomaly_score(X), (events,): negative for anomalies."""
        scores = self.anomaly_score(X)
        return self.threshold_ - scores

    def predict(self, X: np.ndarray) -> np.ndarray:
        """-1 for events above the threshold, else 1: (events,) int.

        A score that overflows to NaN is above it.
        """
        # Not by the sign of the difference, which can round to zero.
        return np.where(self.anomaly_score(X) <= self.threshold_, 1, -1)

    def save(self, folder: str | Path) -> None:
        """Write model, scaler, threshold and arguments into a folder, as a whole.

        Raises:
            sklearn.exceptions.NotFittedError: before `fit`.
            InputError: `folder` exists and is not a detector's.
        """
        check_is_fitted(self)
        folder = Path(folder)
        if folder.exists() and not (folder / _STATE).is_file():
            raise InputError(f"folder of a detector must be new or a detector, got {folder}")
        with whole_folder(folder) as temporary:
            self.model.save(temporary / _MODEL)
            self.model_.save(temporary / _FITTED_MODEL)
            joblib.dump(self.scaler_, temporary / _SCALER)
            state = {
                "arguments": {name: getattr(self, name) for name in _ARGUMENTS},
                "state": {name: getattr(self, name) for name in _STATE_NAMES},
                "feature_names": list(getattr(self, "feature_names_in_", ())),
            }
            # Parameters of a search are NumPy's numbers.
            write_text(temporary / _STATE, json.dumps(state, indent=2, default=lambda n: n.item()))

    @classmethod
    def load(cls, folder: str | Path) -> AnomalyDetector:
        """What `save` wrote. The scaler is unpickled: load only what you trust.

        Its argument `scaler` is the fitted one.

        Raises:
            FileNotFoundError: there is no detector.
            InputError: it is damaged.
        """
        folder = Path(folder)
        if not (folder / _STATE).is_file():
            raise FileNotFoundError(f"detector not found: {folder} has no {_STATE}")
        stored = read_json(folder / _STATE, "arguments", "state", "feature_names")
        model, fitted = (keras.models.load_model(folder / name) for name in (_MODEL, _FITTED_MODEL))
        scaler = joblib.load(folder / _SCALER)
        detector = cls(model, scaler=scaler, **stored["arguments"])
        for name, value in {**stored["state"], "model_": fitted, "scaler_": scaler}.items():
            setattr(detector, name, value)
        if stored["feature_names"]:
            detector.feature_names_in_ = np.array(stored["feature_names"], dtype=object)
        return detector

    def _check(self) -> None:
        if not isinstance(self.model, Autoencoder):
            raise InputError(f"model of a detector must be an Autoencoder, got {self.model!r}")
        if self.scaler is not None and not callable(getattr(self.scaler, "transform", None)):
            raise InputError(f"scaler must be None or have a method transform, got {self.scaler!r}")
        if self.model.condition_dim:
            raise InputError(
                f"model of a detector must have no condition, got {type(self.model).__name__} "
                f"with condition_dim {self.model.condition_dim}"
            )
        for name, lowest in (("epochs", 0), ("batch_size", 1), ("random_state", 0)):
            check_count(name, getattr(self, name), lowest)
        for name in ("calibration_fraction", "target_fpr"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 < float(value) < 1:
                raise InputError(f"{name} must be within (0, 1), got {value!r}")

    def _validate(self, X: Any, reset: bool) -> np.ndarray:
        """X as an array of numbers, its number and names of features noted or compared."""
        if np.ma.is_masked(X):
            # scikit-learn takes what is behind a mask for values.
            raise InputError("X must have no masked values, got some")
        try:
            X = validate_data(
                self,
                X,
                reset=reset,
                dtype="numeric",
                ensure_2d=False,
                allow_nd=True,
                ensure_all_finite=False,
                ensure_min_samples=0,
            )
        except (TypeError, ValueError) as error:
            # In one line.
            raise InputError(f"X: {' '.join(str(error).split())}") from error
        X = as_numbers(X, "X")
        if X.ndim < 2:
            raise InputError(f"X must have shape (events, features), got {X.shape}")
        if reset:
            self.n_features_in_ = X.shape[1]
        elif X.shape[1] != self.n_features_in_:
            raise InputError(
                f"X must have shape (events, {self.n_features_in_}), as in fit, got {X.shape}"
            )
        return X

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(X if self.scaler_ is None else self.scaler_.transform(X), np.float32)
