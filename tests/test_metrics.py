"""Metrics against scikit-learn, closed forms and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_ae.errors import InputError
from keras_ae.metrics import check_rate, roc_auc, threshold_at_fpr, tpr_at_fpr


@pytest.mark.parametrize("decimals", [1, 8])
def test_auc_equals_scikit_learn_also_with_ties(decimals: int) -> None:
    rng = np.random.default_rng(1)
    background = rng.normal(size=300).round(decimals)
    signal = rng.normal(1.0, size=200).round(decimals)
    expected = roc_auc_score(np.repeat([0, 1], [300, 200]), np.concatenate([background, signal]))
    assert roc_auc(background, signal).value == pytest.approx(expected, abs=1e-12)


def test_auc_error_equals_the_spread_of_repeated_samples() -> None:
    rng = np.random.default_rng(2)
    estimates = [roc_auc(rng.normal(size=150), rng.normal(0.8, size=100)) for _ in range(1000)]
    spread = np.std([estimate.value for estimate in estimates])
    assert np.mean([estimate.error for estimate in estimates]) == pytest.approx(spread, rel=0.08)


def test_threshold_lets_exactly_the_allowed_number_pass() -> None:
    background = np.random.default_rng(3).permutation(1000).astype(float)
    threshold = threshold_at_fpr(background, 0.01)
    assert (background > threshold).sum() == 10


def test_threshold_with_ties_lets_fewer_pass_never_more() -> None:
    background = np.array([0.0] * 90 + [5.0] * 10)
    assert (background > threshold_at_fpr(background, 0.05)).sum() == 0


@pytest.mark.parametrize("n_background", [1000, 1001, 29, 100])
def test_threshold_counts_are_floor_of_the_rate(n_background: int) -> None:
    background = np.arange(n_background, dtype=float)
    n_above = (background > threshold_at_fpr(background, 0.1)).sum()
    assert n_above == n_background // 10


def test_tpr_of_shifted_exponentials_is_the_closed_form() -> None:
    rng = np.random.default_rng(4)
    background, signal = rng.exponential(size=200_000), 1 + rng.exponential(size=200_000)
    # P(1 + E > t) with P(E > t) = 0.01 is 0.01 e.
    tpr = tpr_at_fpr(background, signal, 0.01)
    assert tpr is not None
    assert abs(tpr.value - 0.01 * np.e) < 5 * tpr.error + 1e-3


def test_no_tpr_below_ten_background_events() -> None:
    scores = np.arange(999.0)
    assert tpr_at_fpr(scores, scores, 0.01) is None
    assert tpr_at_fpr(np.arange(1000.0), scores, 0.01) is not None


def test_empty_background() -> None:
    with pytest.raises(InputError, match="background must hold at least one event, got 0"):
        roc_auc(np.array([]), np.array([1.0]))


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_impossible_rate(rate: float) -> None:
    for call in (
        lambda: threshold_at_fpr(np.arange(5.0), rate),
        lambda: check_rate(100, rate, "background"),
    ):
        with pytest.raises(InputError, match=r"target_fpr must be within \(0, 1\), got"):
            call()


def test_tpr_at_a_rate_close_to_one() -> None:
    scores = np.arange(100.0)
    tpr = tpr_at_fpr(scores, scores, 0.95)
    assert tpr is not None
    assert tpr.value == pytest.approx(0.95)
