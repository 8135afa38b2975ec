"""The detector, as a scikit-learn user takes it."""

from __future__ import annotations

import copy
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from trigger_objects import fitted_scaler

from keras_ae.detector import AnomalyDetector
from keras_ae.errors import InputError
from keras_ae.metrics import roc_auc
from keras_ae.models import build_autoencoder
from keras_ae.settings.architecture import ArchitectureSpec

RNG = np.random.default_rng(1)
PLANE = RNG.normal(size=(2, 6))
BACKGROUND = RNG.normal(size=(4000, 2)) @ PLANE + 0.1 * RNG.normal(size=(4000, 6)) + 5
ANOMALIES = BACKGROUND[:500] + 2 * RNG.normal(size=(500, 6))


def make_detector(**options: object) -> AnomalyDetector:
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(8,), latent_dim=2)
    model = build_autoencoder("plain", spec, seed=1)
    defaults = {"model": model, "target_fpr": 0.05, "scaler": StandardScaler(), "epochs": 15}
    return AnomalyDetector(**(defaults | options))


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return make_detector().fit(BACKGROUND)


def test_it_finds_anomalies_at_the_rate_asked_for(fitted: AnomalyDetector) -> None:
    fresh = RNG.normal(size=(20_000, 2)) @ PLANE + 0.1 * RNG.normal(size=(20_000, 6)) + 5
    assert (fitted.predict(fresh) == -1).mean() == pytest.approx(0.05, abs=0.015)
    assert roc_auc(fitted.anomaly_score(fresh), fitted.anomaly_score(ANOMALIES)).value > 0.95
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]


def test_conventions_of_scikit_learn(fitted: AnomalyDetector) -> None:
    x = np.concatenate([BACKGROUND, ANOMALIES])
    np.testing.assert_array_equal(fitted.predict(x) == -1, fitted.decision_function(x) < 0)
    np.testing.assert_array_equal(fitted.score_samples(x), -fitted.anomaly_score(x))
    assert set(np.unique(fitted.predict(x))) == {-1, 1}
    np.testing.assert_array_equal(
        fitted.decision_function(x), fitted.score_samples(x) - fitted.offset_
    )
    assert fitted.n_features_in_ == 6
    assert not fitted.model.compiled, "fit must leave its arguments alone"


def test_clone_and_parameters() -> None:
    detector = make_detector(target_fpr=0.1)
    twin = clone(detector)
    assert twin.get_params()["target_fpr"] == 0.1
    assert twin.model is not detector.model
    for ours, theirs in zip(detector.model.get_weights(), twin.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    twin.set_params(epochs=2)
    pipeline = make_pipeline(StandardScaler(), twin.set_params(scaler=None))
    assert set(pipeline.fit(BACKGROUND).predict(BACKGROUND)) == {-1, 1}
    assert len(make_detector(epochs=1).fit_predict(BACKGROUND)) == len(BACKGROUND)


def test_save_and_load(fitted: AnomalyDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "detector")
    loaded = AnomalyDetector.load(tmp_path / "detector")
    assert (loaded.threshold_, loaded.history_) == (fitted.threshold_, fitted.history_)
    # The model to begin a new fit with is the untrained one.
    for ours, theirs in zip(fitted.model.get_weights(), loaded.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.get_params().keys() == fitted.get_params().keys()
    np.testing.assert_array_equal(loaded.anomaly_score(ANOMALIES), fitted.anomaly_score(ANOMALIES))
    fitted.save(tmp_path / "detector")  # over itself
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="folder of a detector must be new or a detector, got"):
        fitted.save(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="detector not found"):
        AnomalyDetector.load(tmp_path / "none")


def test_the_same_fit_twice() -> None:
    thresholds = {make_detector(epochs=2).fit(BACKGROUND).threshold_ for _ in range(2)}
    assert len(thresholds) == 1
    assert make_detector(epochs=2, random_state=1).fit(BACKGROUND).threshold_ not in thresholds


def test_save_is_whole_or_not_at_all(
    fitted: AnomalyDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = copy.copy(fitted).set_params(batch_size=np.int64(64))  # as a search sets it
    detector.save(tmp_path / "detector")
    before = {path.name: path.read_bytes() for path in (tmp_path / "detector").iterdir()}

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("keras_ae.detector.joblib.dump", fail)
    with pytest.raises(OSError, match="no space"):
        detector.set_params(target_fpr=0.2).save(tmp_path / "detector")
    assert {path.name: path.read_bytes() for path in (tmp_path / "detector").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["detector"]


def test_principal_components() -> None:
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=2)
    detector = AnomalyDetector(build_autoencoder("pca", spec), target_fpr=0.05).fit(BACKGROUND)
    assert (
        roc_auc(detector.anomaly_score(BACKGROUND), detector.anomaly_score(ANOMALIES)).value > 0.9
    )


def test_a_fitted_scaler_stays_with_the_trained_model() -> None:
    scaler = StandardScaler().fit(10 * BACKGROUND)
    detector = make_detector(scaler=scaler, epochs=0).fit(BACKGROUND)
    assert detector.scaler_ is scaler
    assert detector.history_ == {}
    expected = detector.model.score(scaler.transform(BACKGROUND), "reconstruction_error")
    np.testing.assert_array_equal(detector.anomaly_score(BACKGROUND), expected)
    with pytest.raises(NotFittedError):
        make_detector(epochs=0).fit(BACKGROUND)


def test_threshold_alone_for_a_trained_model(events: np.ndarray) -> None:
    spec = ArchitectureSpec(input_dim=57)
    scaler = fitted_scaler(events)
    detector = AnomalyDetector(
        build_autoencoder("variational", spec), "kl_divergence", 0.01, scaler, epochs=0
    )
    detector.fit(events)
    assert detector.scaler_ is scaler
    assert (detector.predict(events) == -1).mean() == pytest.approx(0.01, abs=1e-3)
    expected = detector.model.score(scaler.transform(events), "kl_divergence")
    np.testing.assert_array_equal(detector.anomaly_score(events), expected)


@pytest.mark.parametrize(
    ("options", "x", "message"),
    [
        ({"score": "magic"}, BACKGROUND, "score of Autoencoder must be one of .*, got 'magic'"),
        ({"target_fpr": 2.0}, BACKGROUND, r"target_fpr must be .*, got 2.0"),
        ({"target_fpr": 1e-4}, BACKGROUND, "must hold at least 100000 events for .*, got 1000"),
        ({"epochs": -1}, BACKGROUND, "epochs must be an integer >= 0, got -1"),
        ({"epochs": 1.5}, BACKGROUND, "epochs must be an integer >= 0, got 1.5"),
        ({"batch_size": 0}, BACKGROUND, "batch_size must be an integer >= 1, got 0"),
        ({"random_state": None}, BACKGROUND, "random_state must be an integer >= 0, got None"),
        ({"scaler": "standard"}, BACKGROUND, "scaler must be None or have a method transform"),
        ({"target_fpr": "0.1"}, BACKGROUND, r"target_fpr must be within \(0, 1\), got '0.1'"),
        ({"target_fpr": 0.0}, BACKGROUND, r"target_fpr must be within \(0, 1\), got 0.0"),
        ({}, BACKGROUND[:, 0], r"X must have shape \(events, features\), got \(4000,\)"),
        (
            {"calibration_fraction": 1.0},
            BACKGROUND,
            r"calibration_fraction must be within \(0, 1\)",
        ),
        ({"scaler": None}, BACKGROUND[:, :5], r"X must have shape \(events, 6\), got \(4000, 5\)"),
        ({}, BACKGROUND[:0], "X must hold at least one event, got 0"),
        ({"scaler": None}, np.full((4000, 6), np.nan), "every value must be finite"),
        ({"scaler": None, "model": None}, BACKGROUND, "model of a detector must be an Autoenc"),
    ],
)
def test_bad_input(options: dict[str, object], x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_detector(**options).fit(x)


def test_a_score_that_overflows_is_an_anomaly(fitted: AnomalyDetector) -> None:
    detector = make_detector(score="latent_norm", epochs=1).fit(BACKGROUND)
    detector.model_.score = lambda x, name: np.full(len(x), np.nan)
    assert set(detector.predict(BACKGROUND)) == {-1}


def test_features_have_names(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(BACKGROUND, columns=list("abcdef"))
    detector = make_detector(epochs=1).fit(frame)
    expected = detector.anomaly_score(frame)
    detector.save(str(tmp_path / "detector"))
    for again in (detector, AnomalyDetector.load(str(tmp_path / "detector"))):
        np.testing.assert_array_equal(again.anomaly_score(frame), expected)
        with pytest.raises(ValueError, match="feature names should match"):
            again.predict(frame[list("fedcba")])


def test_damaged_detector(fitted: AnomalyDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "detector")
    (tmp_path / "detector" / "detector.json").write_text("{")
    with pytest.raises(InputError, match="detector.json must be JSON"):
        AnomalyDetector.load(tmp_path / "detector")


def test_not_fitted() -> None:
    for method in ("predict", "decision_function", "score_samples", "anomaly_score"):
        with pytest.raises(NotFittedError):
            getattr(make_detector(), method)(BACKGROUND)


def test_a_condition_has_no_place() -> None:
    spec = ArchitectureSpec(input_dim=6, condition_dim=1)
    model = build_autoencoder("conditional_variational", spec)
    with pytest.raises(InputError, match="model of a detector must have no condition"):
        AnomalyDetector(model).fit(BACKGROUND)


def test_a_compiled_model_keeps_its_optimizer() -> None:
    detector = make_detector(epochs=1)
    detector.model.compile(optimizer=keras.optimizers.SGD(1e-3))
    assert isinstance(detector.fit(BACKGROUND).model_.optimizer, keras.optimizers.SGD)
