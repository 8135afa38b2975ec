"""Linear autoencoders against eigenvectors and known values of a public data set."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from scipy.linalg import subspace_angles

from keras_ae.data.digits import load_digits
from keras_ae.errors import InputError
from keras_ae.experiment_models import build_model
from keras_ae.models import PCA, Autoencoder, build_autoencoder
from keras_ae.precision import Float
from keras_ae.quantization import quantize_model
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.experiment import Experiment


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_digits()[0].reshape(-1, 64)


@pytest.fixture(scope="module")
def eigen(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors (features, features) of the covariance, largest first."""
    values, vectors = np.linalg.eigh(np.cov(digits.T.astype(float)))
    return values[::-1], vectors[:, ::-1]


def linear(kind: str, latent_dim: int, input_dim: int = 64) -> Autoencoder:
    spec = ArchitectureSpec(input_dim=input_dim, hidden_dims=(), latent_dim=latent_dim)
    return build_autoencoder(kind, spec, seed=1)


@pytest.mark.parametrize(
    ("latent_dim", "error"),
    [(2, 0.052426), (4, 0.037609), (8, 0.023913), (16, 0.011044), (32, 0.002467)],
)
def test_pca_error_is_the_sum_of_the_dropped_eigenvalues(
    digits: np.ndarray,
    eigen: tuple[np.ndarray, np.ndarray],
    latent_dim: int,
    error: float,
) -> None:
    pca = linear("pca", latent_dim)
    pca.fit(digits)
    found = np.mean((digits - pca.reconstruct(digits)) ** 2)
    n_events = len(digits)
    dropped = eigen[0][latent_dim:].sum() * (n_events - 1) / n_events
    assert found == pytest.approx(dropped / 64, rel=1e-5)
    assert found == pytest.approx(error, abs=1e-6)


def test_pca_is_the_textbook_s(digits: np.ndarray, eigen: tuple[np.ndarray, np.ndarray]) -> None:
    pca = linear("pca", 5)
    pca.fit(digits, validation_data=(digits,))
    assert isinstance(pca, PCA)
    decoder = pca.components_.T
    np.testing.assert_allclose(decoder.T @ decoder, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(pca.encode(digits), (digits - pca.mean_) @ decoder, atol=1e-5)
    np.testing.assert_allclose(pca.explained_variance_, eigen[0][:5], rtol=1e-5)
    np.testing.assert_allclose(
        pca.explained_variance_ratio_, eigen[0][:5] / eigen[0].sum(), rtol=1e-5
    )


def test_what_is_solved_is_not_trained(digits: np.ndarray) -> None:
    def never() -> dict[str, list[float]]:
        raise AssertionError

    history = linear("pca", 5).learn(digits, digits[:100], never)
    assert {len(values) for values in history.values()} == {1}
    assert {"loss", "val_loss"} <= set(history)
    assert linear("oja", 5).learn(digits, digits[:100], lambda: {"loss": [3.0]}) == {"loss": [3.0]}


@pytest.mark.slow
def test_linear_autoencoder_comes_down_to_pca(
    digits: np.ndarray, eigen: tuple[np.ndarray, np.ndarray]
) -> None:
    model = linear("linear", 8)
    model.compile(optimizer=keras.optimizers.Adam(2e-2))
    model.fit(digits, batch_size=64, epochs=80, verbose=0)
    model.optimizer.learning_rate.assign(2e-3)
    model.fit(digits, batch_size=64, epochs=30, verbose=0)
    error = np.mean((digits - model.reconstruct(digits)) ** 2)
    assert error == pytest.approx(0.023913, rel=0.01)
    kernel = model.decoder.get_layer("reconstruction").get_weights()[0]
    # Eight eigenvectors; the eighth and ninth eigenvalue lie close together.
    angles = subspace_angles(kernel.T, eigen[1][:, :8])
    assert np.rad2deg(angles[-2]) < 5
    assert np.rad2deg(angles[-1]) < 20


def test_oja_finds_the_leading_eigenvectors_of_length_one() -> None:
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    sigmas = np.sqrt([2.0, 1.2, 0.7, 0.3, 0.2, 0.1, 0.1, 0.05])
    x = (rng.normal(size=(4000, 8)) * sigmas @ axes.T + 3).astype("float32")
    eigenvectors = np.linalg.eigh(np.cov(x.T))[1][:, ::-1]
    model = linear("oja", 3, input_dim=8)
    model.compile(optimizer=keras.optimizers.SGD(0.03))
    history = model.fit(x, batch_size=32, epochs=4, verbose=0).history
    model.optimizer.learning_rate.assign(0.002)
    model.fit(x, batch_size=32, epochs=4, verbose=0)
    kernel = model.encoder.get_layer("latent_mean").get_weights()[0]
    np.testing.assert_allclose((kernel**2).sum(axis=0), 1, atol=0.01)
    for component in range(3):
        assert abs(kernel[:, component] @ eigenvectors[:, component]) > 0.995
    assert history["loss"][-1] < history["loss"][0]
    pca = linear("pca", 3, input_dim=8)
    pca.fit(x)
    error, best = (np.mean((x - m.reconstruct(x)) ** 2) for m in (model, pca))
    assert error == pytest.approx(best, rel=0.01)


def test_one_step_of_oja_is_oja_s_rule() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1, 4)).astype("float32")
    x = np.concatenate([x, -x])  # mean zero
    model = linear("oja", 1, input_dim=4)
    w = model.encoder.get_layer("latent_mean").get_weights()[0][:, 0].astype(float)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    model.fit(x, batch_size=2, epochs=1, verbose=0)
    y = x[0] @ w
    expected = w + 0.1 * y * (x[0] - y * w)
    found = model.encoder.get_layer("latent_mean").get_weights()[0][:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_in_fixed_point_oja_goes_on_from_its_mean(experiment_content: dict[str, Any]) -> None:
    experiment_content["architecture"] |= {"hidden_dims": [], "latent_dim": 2}
    experiment_content["objective"] = {"kind": "oja"}
    experiment_content["training"]["optimizer"] = "sgd"
    experiment_content["quantization"]["optimizer"] = "sgd"
    experiment = Experiment.model_validate(experiment_content)
    model = build_model(experiment, Float())
    x = np.random.default_rng(1).normal(2, 1, size=(1000, 57)).astype("float32")
    model.compile(optimizer=keras.optimizers.SGD(1e-3))
    model.fit(x, batch_size=100, epochs=1, verbose=0)
    quantized = quantize_model(model, experiment)
    quantized.compile(optimizer=keras.optimizers.SGD(1e-3))
    quantized.fit(x[:10] + 3, epochs=1, verbose=0)
    # Ten events more or less do not move the mean of a thousand by more than 3 %.
    mean = quantized.decoder.get_layer("reconstruction").get_weights()[1]
    np.testing.assert_allclose(mean, x.mean(axis=0) + 0.03, atol=0.02)


def test_latent_dim_above_the_features() -> None:
    with pytest.raises(InputError, match="latent_dim for objective.kind 'pca' must be <= 64, the"):
        linear("pca", 65)


def test_latent_dim_above_the_events(digits: np.ndarray) -> None:
    with pytest.raises(InputError, match="latent_dim must be <= 30 for 30 events of 64 features"):
        linear("pca", 40).fit(digits[:30])


@pytest.mark.parametrize("kind", ["linear", "pca", "oja"])
def test_hidden_layers_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match="must be dense with hidden_dims"):
        build_autoencoder(kind, ArchitectureSpec(input_dim=4, hidden_dims=(3,)))


def test_networks_with_hidden_layers_are_refused() -> None:
    other = build_autoencoder("plain", ArchitectureSpec(input_dim=4, hidden_dims=(3,)))
    with pytest.raises(InputError, match="encoder of a linear autoencoder must be one dense layer"):
        PCA(other.encoder, other.decoder)
