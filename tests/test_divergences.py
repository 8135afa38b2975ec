"""Divergences against scipy, quadrature and Monte Carlo; compression and clustering by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, norm

from keras_ae.clustering import adjusted_rand_index, cluster_latent
from keras_ae.compression import bits_per_code, rate_distortion, space_saving
from keras_ae.divergences import (
    geometric_jensen_shannon_gaussians,
    jensen_shannon_histograms,
    jensen_shannon_samples,
    kl_gaussians,
    kl_histograms,
    kl_samples,
)
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

RNG = np.random.default_rng(1)
P, Q = norm(0.3, np.sqrt(0.5)), norm(-0.4, np.sqrt(2.0))
ARGUMENTS = ([0.3], [0.5], [-0.4], [2.0])


def kl_by_quadrature(p, log_q) -> float:
    return quad(lambda t: p.pdf(t) * (p.logpdf(t) - log_q(t)), -12, 12)[0]


def test_kl_of_gaussians() -> None:
    assert kl_gaussians(*ARGUMENTS) == pytest.approx(kl_by_quadrature(P, Q.logpdf), rel=1e-6)
    two = kl_gaussians([0.3, 0.3], [0.5, 0.5], [-0.4, -0.4], [2.0, 2.0])
    assert two == pytest.approx(2 * kl_gaussians(*ARGUMENTS))
    bits = kl_gaussians(*ARGUMENTS, unit="bits")
    assert bits == pytest.approx(kl_gaussians(*ARGUMENTS) / np.log(2))


def test_geometric_jensen_shannon() -> None:
    grid = np.linspace(-12, 12, 200_001)
    step = grid[1] - grid[0]
    log_mean = (P.logpdf(grid) + Q.logpdf(grid)) / 2
    log_mean -= np.log(np.exp(log_mean).sum() * step)
    expected = np.mean([(d.pdf(grid) * (d.logpdf(grid) - log_mean)).sum() * step for d in (P, Q)])
    assert geometric_jensen_shannon_gaussians(*ARGUMENTS) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("unit", "base"), [("nats", np.e), ("bits", 2)])
def test_histograms(unit: str, base: float) -> None:
    p, q = RNG.integers(1, 50, (2, 20))
    assert kl_histograms(p, q, unit) == pytest.approx(entropy(p, q, base=base))
    assert jensen_shannon_histograms(p, q, unit) == pytest.approx(
        jensenshannon(p, q, base=base) ** 2
    )
    assert kl_histograms(p, p, unit) == 0
    assert kl_histograms([1, 1], [1, 0], unit) == np.inf
    assert jensen_shannon_histograms([1, 0], [0, 1], unit) == pytest.approx(
        np.log(2) / np.log(base)
    )


def test_samples_come_close_to_the_truth() -> None:
    x, y = P.rvs(200_000, random_state=1), norm(-0.4, 1.0).rvs(200_000, random_state=2)
    middle = lambda t: np.log((P.pdf(t) + norm(-0.4, 1.0).pdf(t)) / 2)  # noqa: E731
    expected = (kl_by_quadrature(P, middle) + kl_by_quadrature(norm(-0.4, 1.0), middle)) / 2
    assert jensen_shannon_samples(x, y, bins=60) == pytest.approx(expected, rel=0.03)
    exact = kl_gaussians([0.3], [0.5], [-0.4], [1.0])
    assert kl_samples(x, y, bins=40) == pytest.approx(exact, rel=0.05)
    # Of few events, whose empty bins do not make it infinite.
    few = [kl_samples(x[i : i + 2000], y[i : i + 2000]) for i in range(0, 20_000, 2000)]
    assert np.mean(few) == pytest.approx(exact, rel=0.2)
    assert kl_samples(x[:2000], y[:2000], pseudo_count=0) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl_gaussians([0], [0], [0], [1]), "variance_p must be > 0, got 0"),
        (lambda: kl_gaussians([np.nan], [1], [0], [1]), "mean_p: every value must be finite"),
        (lambda: kl_samples(np.ones(2), np.ones(2), pseudo_count=-1), "must be >= 0, got -1"),
        (lambda: kl_gaussians(*ARGUMENTS, unit="bans"), "unit must be one of nats, bits, got 'ba"),
        (lambda: kl_histograms([1, 2], [1]), r"must have the same bins, got \(2,\) and \(1,\)"),
        (lambda: kl_histograms([1, -2], [1, 1]), "histogram p must hold entries >= 0"),
        (lambda: kl_histograms([0, 0], [1, 1]), "histogram p must hold entries >= 0"),
        (lambda: kl_samples(np.ones(3), np.ones(0)), "y must hold at least one event, got 0"),
        (lambda: kl_samples(np.array([np.nan]), np.ones(2)), "x: every value must be finite"),
        (lambda: kl_samples(np.ones(2), np.ones(2), bins=0), "bins must be >= 1, got 0"),
        (lambda: space_saving(0, 1), "input_dim must be >= 1, got 0"),
        (lambda: bits_per_code(0, FixedPointFormat(8, 4)), "latent_dim must be >= 1, got 0"),
        (lambda: cluster_latent(np.ones((3, 1)), 4, 1), "n_clusters must be 1 to 3, .* got 4"),
        (lambda: cluster_latent(np.ones((3, 1)), 1, 1, "x"), "method must be one of kmeans, gaus"),
        (lambda: cluster_latent(np.full((3, 1), np.nan), 1, 1), "codes: every value must be fin"),
        (lambda: adjusted_rand_index(np.ones(3), np.ones(2)), "as many as labels, 3, got 2"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_compression() -> None:
    assert space_saving(57, 3) == pytest.approx(54 / 57)
    assert space_saving(4, 8) == -1
    assert bits_per_code(3, FixedPointFormat(10, 5)) == 30


def test_rate_distortion_falls_to_the_error_of_whole_codes() -> None:
    class Identity:
        def encode(self, x: np.ndarray) -> np.ndarray:
            return x

        decode = encode

    x = RNG.uniform(-1, 1, (5000, 3))
    points = rate_distortion(Identity(), x, [FixedPointFormat(w, 1) for w in (4, 6, 12)])
    assert [point.bits for point in points] == [12, 18, 36]
    for point in points[:2]:
        # Rounding to steps s has the error s^2 / 12, but for the values that saturate.
        assert point.distortion == pytest.approx(point.format.step**2 / 12, rel=0.2)
    assert points[2].distortion < 1e-6


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture"])
def test_clusters_of_separate_blobs_are_the_labels(method: str) -> None:
    labels = np.repeat([0, 1, 2], 100)
    codes = RNG.normal(size=(300, 2)) * 0.1 + labels[:, None] * 3
    clusters = cluster_latent(codes, 3, seed=1, method=method)
    assert adjusted_rand_index(labels, clusters) == 1
    np.testing.assert_array_equal(clusters, cluster_latent(codes, 3, seed=1, method=method))
    assert abs(adjusted_rand_index(labels, RNG.permutation(labels))) < 0.1
