"""Scores and likelihoods against numpy, scipy and Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from keras_ae.errors import InputError
from keras_ae.likelihoods import Gaussian, MaskedGaussian
from keras_ae.models import build_autoencoder
from keras_ae.scores import kl_to_standard_normal, normalized_latent_norm, squared_latent_norm
from keras_ae.settings.architecture import ArchitectureSpec


@pytest.fixture
def latent() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(5, 3)).astype("float32"), rng.normal(size=(5, 3)).astype("float32")


def test_kl_equals_a_monte_carlo_estimate(latent: tuple[np.ndarray, np.ndarray]) -> None:
    mean, log_var = latent
    sigma = np.exp(log_var / 2)
    z = mean + sigma * np.random.default_rng(2).normal(size=(200_000, 5, 3))
    log_ratio = (norm.logpdf(z, mean, sigma) - norm.logpdf(z)).sum(axis=-1)
    error = log_ratio.std(axis=0) / np.sqrt(len(z))
    estimate = log_ratio.mean(axis=0)
    found = np.asarray(kl_to_standard_normal(mean, log_var)).sum(axis=-1)
    assert np.all(np.abs(found - estimate) < 5 * error)


def test_kl_of_the_prior_is_zero() -> None:
    zeros = np.zeros((1, 3), "float32")
    np.testing.assert_array_equal(np.asarray(kl_to_standard_normal(zeros, zeros)), 0.0)


def test_normalized_latent_norm(latent: tuple[np.ndarray, np.ndarray]) -> None:
    mean, log_var = latent
    np.testing.assert_allclose(
        np.asarray(normalized_latent_norm(mean, log_var)), mean**2 / np.exp(log_var), rtol=1e-5
    )


def test_masked_squared_error_counts_what_is_not_zero() -> None:
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=4, latent_dim=2), seed=1)
    x = np.array([[0.0, 1.0, 0.0, -2.0]], "float32")
    error = (x - model.reconstruct(x))[0, [1, 3]]
    assert model.score(x, "masked_squared_error") == pytest.approx((error**2).sum(), rel=1e-5)


def test_squared_latent_norm(latent: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(
        np.asarray(squared_latent_norm(latent[0])), latent[0] ** 2, rtol=1e-6
    )


@pytest.mark.parametrize("variance", [0.25, 1.0, 3.0])
def test_gaussian_is_the_log_density(variance: float) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 4, 7)).astype("float32")
    expected = -norm.logpdf(x, y, np.sqrt(variance))
    found = np.asarray(Gaussian(variance).negative_log_likelihood(x, y))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_masked_gaussian_ignores_zeros_of_the_input() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 4, 7)).astype("float32")
    x[:, 4:] = 0
    found = np.asarray(MaskedGaussian(0.5).negative_log_likelihood(x, y))
    expected = np.asarray(Gaussian(0.5).negative_log_likelihood(x[:, :4], y[:, :4]))
    np.testing.assert_allclose(found[:, :4], expected, rtol=1e-6)
    np.testing.assert_array_equal(found[:, 4:], 0)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan")])
def test_impossible_variance(variance: float) -> None:
    with pytest.raises(InputError, match="variance must be > 0 and finite, got"):
        Gaussian(variance)
