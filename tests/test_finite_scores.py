"""Scores, losses and gradients are finite for every finite event; bounds bind where they must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.decomposition import PCA

from keras_ae.bounded import Bounded
from keras_ae.errors import InputError
from keras_ae.likelihoods import Gaussian
from keras_ae.models import Autoencoder, Student, build_autoencoder, build_student
from keras_ae.precision import FixedPoint, Float
from keras_ae.settings.architecture import ArchitectureSpec

SPEC = ArchitectureSpec(input_dim=6, hidden_dims=(8,), latent_dim=2)
KINDS = {
    "plain": {},
    "sparse": {},
    "denoising": {},
    "contractive": {},
    "variational": {"variance": 0.03},
    "importance_weighted": {
        **{"variance": 0.03, "learn_variance": True, "n_samples": 3},
        "log_variance_limit": 30.0,
    },
}

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def models() -> dict[str, Autoencoder]:
    return {kind: build_autoencoder(kind, SPEC, seed=3, **KINDS[kind]) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(x=arrays(np.float32, (4, 6), elements=FLOATS))
def test_scores_and_gradients(models: dict[str, Autoencoder], kind: str, x: np.ndarray) -> None:
    model = models[kind]
    for name, scores in model.scores(x).items():
        assert np.isfinite(scores).all(), name
    assert np.isfinite(model.reconstruct(x)).all()
    if hasattr(model, "log_likelihood"):
        assert np.isfinite(model.log_likelihood(x, 5)).all()
    for training in (True, False):
        with tf.GradientTape() as tape:
            loss, _ = model._objective(tf.constant(x), None, training=training)
        assert np.isfinite(loss)
        for gradient in tape.gradient(loss, model.trainable_variables):
            if gradient is not None:
                assert np.isfinite(gradient).all()


def test_of_a_student() -> None:
    student: Student = build_student(ArchitectureSpec(input_dim=6, latent_dim=1))
    x = np.full((2, 6), np.finfo(np.float32).max, np.float32) * [[1], [-1]]
    assert np.isfinite(student.score(x.astype(np.float32), "student_score")).all()


@pytest.mark.parametrize("kind", ["variational", "importance_weighted"])
def test_training_on_an_event_far_out(kind: str) -> None:
    """130 standard deviations, as one trigger event in ten thousand has."""
    x = np.random.default_rng(1).normal(size=(2048, 6)).astype("float32")
    x[17] = 130
    model = build_autoencoder(kind, SPEC, variance=0.1, learn_variance=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=3, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert all(np.isfinite(scores).all() for scores in model.scores(10 * x).values())


class TestBounds:
    def test_what_they_do(self) -> None:
        x = np.array([[-20.0, -1.5, 0.0, 3.0, 1e30]], np.float32)
        np.testing.assert_array_equal(Bounded(15.0)(x), [[-15, -1.5, 0, 3, 15]])

    def test_that_do_not_bind_change_no_bit(self) -> None:
        x = np.random.default_rng(1).normal(size=(256, 6)).astype("float32")
        trained = []
        for limit in (15.0, 30.0):
            model = build_autoencoder("variational", SPEC, seed=1, log_variance_limit=limit)
            model.compile(optimizer="adam")
            model.fit(x, epochs=2, verbose=0)
            trained.append(model)
        assert np.abs(trained[0].encoder(x)[1]).max() < 15
        for one, other in zip(*(model.get_weights() for model in trained), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_of_the_latent_bind(self) -> None:
        model = build_autoencoder("variational", SPEC, seed=1, log_variance_limit=2.0)
        x = np.random.default_rng(1).normal(0, 100, (256, 6)).astype("float32")
        assert np.abs(model.encoder(x)[1]).max() == 2

    def test_fixed_point_has_its_formats_instead(self) -> None:
        for precision, expected in ((Float(), Bounded), (FixedPoint(), None)):
            encoder = build_autoencoder("variational", SPEC, precision).encoder
            layer = encoder.get_layer("latent_log_var_format")
            assert isinstance(layer, Bounded) == (expected is Bounded)

    def test_are_saved(self, tmp_path: Path) -> None:
        model: Any = build_autoencoder("variational", SPEC, log_variance_limit=2.0)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        x = np.random.default_rng(1).normal(0, 100, (16, 6)).astype("float32")
        np.testing.assert_array_equal(loaded.encoder(x)[1], model.encoder(x)[1])

    def test_of_a_learned_variance(self) -> None:
        family = Gaussian(0.1, learn_variance=True)
        family._log_variance.assign(-80.0)
        assert family.variance == pytest.approx(np.exp(-15))
        x = np.ones((1, 3), np.float32)
        assert np.isfinite(family.negative_log_likelihood(x, 1e6 * x)).all()
        # From beyond the bound it would never come back.
        with pytest.raises(InputError, match="variance that is learned must be from 3.06e-07 to"):
            Gaussian(1e-8, learn_variance=True)
        assert Gaussian(1e-8).variance == pytest.approx(1e-8)


def test_importance_weights_of_a_narrow_posterior() -> None:
    """z = mean + sigma * noise has lost its noise where sigma is small beside the mean."""
    spec = ArchitectureSpec(input_dim=2, hidden_dims=(), latent_dim=1)
    model = build_autoencoder("variational", spec)
    mean, sigma = 3e4, np.exp(-6)
    model.encoder.get_layer("latent_mean").set_weights([np.zeros((2, 1)), np.array([mean])])
    model.encoder.get_layer("latent_log_var").set_weights([np.zeros((2, 1)), np.array([-12.0])])
    model.decoder.get_layer("reconstruction").set_weights([np.zeros((1, 2)), np.zeros(2)])
    x = np.zeros((64, 2), np.float32)
    # E[log p(x|z) + log p(z) - log q(z|x)] of a decoder that ignores z.
    expected = -np.log(2 * np.pi) - 0.5 * (mean**2 + sigma**2) + np.log(sigma) + 0.5
    # float32 holds mean^2 / 2 to 32 nats: the spread of the noise's part shows what is used.
    assert model.elbo(x, 64).mean() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n_components", [1, 3])
def test_a_linear_vae_with_learned_variance_is_probabilistic_pca(n_components: int) -> None:
    """Its bound is tight there: log p(x) is that of Tipping & Bishop, by scikit-learn."""
    rng = np.random.default_rng(2)
    loadings = np.linalg.qr(rng.normal(size=(6, 3)))[0].T * [[1.6], [1.2], [0.9]]
    x = rng.normal(size=(4096, 3)) @ loadings + 0.5 * rng.normal(size=(4096, 6))
    x = (x - x.mean(axis=0)).astype("float32")
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=n_components)
    model = build_autoencoder("variational", spec, variance=1.0, learn_variance=True, seed=1)
    for rate, epochs in ((2e-2, 40), (1e-3, 20)):
        model.compile(optimizer=keras.optimizers.Adam(rate))
        model.fit(x, batch_size=256, epochs=epochs, verbose=0)
    exact = PCA(n_components).fit(x)
    assert model.likelihood.variance == pytest.approx(exact.noise_variance_, rel=0.05)
    assert model.log_likelihood(x, 200).mean() == pytest.approx(exact.score(x), abs=0.02)
