"""PCA against known values of a public data set."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_ae.errors import InputError
from keras_ae.linear import PCA


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_digits().data / 16


@pytest.mark.parametrize(
    ("latent_dim", "error"),
    [(2, 0.052426), (4, 0.037609), (8, 0.023913), (16, 0.011044), (32, 0.002467)],
)
def test_error_is_the_sum_of_the_dropped_eigenvalues(
    digits: np.ndarray, latent_dim: int, error: float
) -> None:
    found = np.mean((digits - PCA(latent_dim).fit(digits).reconstruct(digits)) ** 2)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(digits.T, bias=True)))[::-1]
    assert found == pytest.approx(eigenvalues[latent_dim:].sum() / digits.shape[1])
    assert found == pytest.approx(error, abs=1e-6)


def test_latent_dim_below_one() -> None:
    with pytest.raises(InputError, match="latent_dim must be >= 1, got 0"):
        PCA(0)


def test_latent_dim_above_the_data(digits: np.ndarray) -> None:
    with pytest.raises(InputError, match="latent_dim must be <= 64 for 1797 events of 64"):
        PCA(65).fit(digits)
