"""fit: early stopping, best weights, interruption and continuation."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from keras_ae.errors import InputError
from keras_ae.fitting import fit as fitting
from keras_ae.models import VariationalAutoencoder, build_autoencoder
from keras_ae.networks import build_decoder, build_encoder
from keras_ae.precision import Float
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.learning import TrainingSettings

X = np.random.default_rng(1).normal(size=(400, 6)).astype("float32")
SETTINGS = TrainingSettings(epochs=8, batch_size=64, plateau_patience=1, learning_rate=0.02)

DENSE = ArchitectureSpec(input_dim=6, hidden_dims=(5,), latent_dim=2)


def make_model() -> VariationalAutoencoder:
    keras.utils.set_random_seed(1)
    return VariationalAutoencoder(
        build_encoder(DENSE, Float(), variational=True), build_decoder(DENSE, Float()), seed=1
    )


def fit(folder: Path, settings: TrainingSettings = SETTINGS, **options: object) -> tuple:
    model = make_model()
    history = fitting.fit(
        model, X[:300], X[300:], settings, seed=1, checkpoint=folder, progress=False, **options
    )
    return model.get_weights(), history


class Interruption(Exception):
    pass


def test_learning_rate_falls_as_a_cosine(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=12, learning_rate=1e-20, learning_rate_schedule="cosine")
    _, history = fit(tmp_path, settings)
    # Through all epochs, however little the loss improves.
    found = np.array(history["learning_rate"]) / 1e-20
    assert len(found) == 12
    root = 3**0.5
    np.testing.assert_allclose(
        found[::2], [1, (2 + root) / 4, 3 / 4, 1 / 2, 1 / 4, (2 - root) / 4], rtol=1e-6
    )


@pytest.mark.parametrize("name", ["plateau_patience", "early_stopping_patience"])
def test_a_cosine_has_no_patience(name: str) -> None:
    rule = f"{name} must not be set for the learning_rate_schedule 'cosine'.* got 1"
    with pytest.raises(ValidationError, match=rule):
        TrainingSettings(learning_rate_schedule="cosine", **{name: 1})


@pytest.mark.parametrize(
    ("epochs_before", "changes"),
    [
        (1, {}),
        (4, {}),
        # The state of early stopping must survive, too.
        (3, {"epochs": 100, "early_stopping_patience": 3, "learning_rate": 0.1}),
        (3, {"plateau_patience": 4, "learning_rate_schedule": "cosine"}),
    ],
)
def test_interrupted_training_ends_at_the_same_weights(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    epochs_before: int,
    changes: dict[str, float],
) -> None:
    settings = SETTINGS.model_copy(update=changes)
    weights, history = fit(tmp_path / "whole", settings)
    assert len(history["loss"]) > epochs_before

    class Interrupting(fitting.Batches):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == epochs_before:
                raise Interruption
            super().on_epoch_begin(epoch)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Batches", Interrupting)
        with pytest.raises(Interruption):
            fit(tmp_path / "interrupted", settings)
    resumed_weights, resumed_history = fit(tmp_path / "interrupted", settings)
    assert resumed_history == history
    for expected, found in zip(weights, resumed_weights, strict=True):
        np.testing.assert_array_equal(expected, found)


def test_checkpoint_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    fit(tmp_path, SETTINGS.model_copy(update={"epochs": 2}))
    _, history = fit(tmp_path, SETTINGS)
    _, fresh = fit(tmp_path / "fresh", SETTINGS)
    assert history == fresh


@pytest.mark.parametrize("changed", ["data", "weights", "corruption"])
def test_checkpoint_of_another_training_is_not_continued(tmp_path: Path, changed: str) -> None:
    def history(stddev: float, seed: int, x: np.ndarray) -> dict[str, list[float]]:
        noise = {"kind": "gaussian", "stddev": stddev}
        model = build_autoencoder("denoising", DENSE, seed=seed, corruption=noise)
        settings = SETTINGS.model_copy(update={"epochs": 2})
        return fitting.fit(model, x, X[300:], settings, seed=1, checkpoint=tmp_path, progress=False)

    first = history(0.1, 1, X[:300])
    assert history(0.1, 1, X[:300]) == first
    second = history(
        0.5 if changed == "corruption" else 0.1,
        2 if changed == "weights" else 1,
        2 * X[:300] if changed == "data" else X[:300],
    )
    assert second["loss"] != first["loss"]


def test_best_weights_are_kept(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"learning_rate": 2.0, "epochs": 6})
    model = make_model()
    history = fitting.fit(
        model, X[:300], X[300:], settings, seed=1, checkpoint=tmp_path, progress=False
    )
    assert history["val_loss"][-1] > min(history["val_loss"]), "the last epoch must not be the best"
    model.compile()
    found = model.evaluate(X[300:], batch_size=64, return_dict=True, verbose=0)["loss"]
    assert found == pytest.approx(min(history["val_loss"]), rel=1e-6)


def test_early_stopping(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(
        update={"epochs": 200, "early_stopping_patience": 2, "learning_rate": 0.1}
    )
    _, history = fit(tmp_path, settings)
    assert len(history["val_loss"]) == int(np.argmin(history["val_loss"])) + 3


def test_missing_tensorboard_names_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    settings = SETTINGS.model_copy(update={"tensorboard": True})
    with pytest.raises(ImportError, match=r"pip install 'keras-ae\[tensorboard\]'"):
        fit(tmp_path, settings, tensorboard=tmp_path / "logs")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_stops_with_epoch_and_term(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"learning_rate": 1e20})
    with pytest.raises(
        InputError, match=r"(kl|reconstruction) must be finite, got (nan|inf) in epoch 1: lower"
    ):
        fit(tmp_path, settings)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_term_that_did_it_is_named(tmp_path: Path) -> None:
    # The square of the Jacobian overflows, h(0) = 0 does not; after a step everything is NaN.
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=2)
    model = build_autoencoder("contractive", spec, weight=0.1)
    model.encoder.get_layer("latent_mean").kernel.assign(np.full((6, 2), 1e25))
    zeros = np.zeros((300, 6), "float32")
    with pytest.raises(InputError, match="contraction must be finite, got inf in epoch 1"):
        fitting.fit(model, zeros, zeros[:50], SETTINGS, seed=1, checkpoint=tmp_path, progress=False)
    assert np.isnan(model.get_weights()[0]).any()


def test_history_is_the_mean_over_events_not_over_batches(tmp_path: Path) -> None:
    # Without learning, by hand: two whole batches, for validation one of 64 and one of 22 events.
    model = build_autoencoder("sparse", DENSE, weight=0.5)
    settings = SETTINGS.model_copy(update={"learning_rate": 1e-30, "epochs": 1})
    history = fitting.fit(
        model, X[:128], X[128:214], settings, seed=1, checkpoint=tmp_path, progress=False
    )
    for prefix, x in (("", X[:128]), ("val_", X[128:214])):
        code = model.encode(x).astype(float)
        error = ((x - model.decode(code)).astype(float) ** 2).sum(axis=1)
        reconstruction = (0.5 * error + 3 * np.log(2 * np.pi)).mean()
        sparsity = np.abs(code).sum(axis=1).mean()
        assert history[f"{prefix}reconstruction"] == [pytest.approx(reconstruction, rel=1e-5)]
        assert history[f"{prefix}sparsity"] == [pytest.approx(sparsity, rel=1e-5)]
        assert history[f"{prefix}loss"] == [
            pytest.approx(reconstruction + 0.5 * sparsity, rel=1e-5)
        ]


@pytest.mark.parametrize(("batch_size", "sizes"), [(64, [64, 64]), (150, [150]), (1024, [150])])
def test_batches_are_whole_and_of_other_events_each_epoch(
    batch_size: int, sizes: list[int]
) -> None:
    events = np.arange(150, dtype="float32")[:, None]
    batches = fitting.Batches((events, events + 0.5), batch_size, seed=3)
    seen = []
    for epoch in range(2):
        batches.on_epoch_begin(epoch)
        parts = [(x.numpy(), c.numpy()) for ((x, c),) in batches.dataset]
        assert [len(x) for x, _ in parts] == sizes
        for x, c in parts:
            np.testing.assert_array_equal(c, x + 0.5)
        seen.append(np.concatenate([x for x, _ in parts])[:, 0].tolist())
        assert len(set(seen[-1])) == sum(sizes)
    assert seen[0] != seen[1]
    # For validation all of them, as they are.
    parts = [x.numpy() for (x,) in fitting.Batches(events, batch_size, None).dataset]
    np.testing.assert_array_equal(np.concatenate(parts), events)


def test_inputs_with_their_condition(tmp_path: Path) -> None:
    # x is a function of its condition alone: what an event's neighbour has does not help.
    condition = np.eye(2, dtype="float32")[np.arange(400) % 2]
    x = 3 * condition @ np.array([[1, 0, -1, 0, 1, 0], [0, 1, 0, -1, 0, 1]], "float32")
    spec = DENSE.model_copy(update={"condition_dim": 2})
    model = build_autoencoder("conditional_variational", spec, variance=0.1)
    fitting.fit(
        model,
        (x[:300], condition[:300]),
        (x[300:], condition[300:]),
        SETTINGS.model_copy(update={"epochs": 60}),
        seed=1,
        checkpoint=tmp_path,
        progress=False,
    )
    assert model.score(x, "squared_error", condition).max() < 1
    assert model.score(x, "squared_error", condition[::-1]).min() > 5
