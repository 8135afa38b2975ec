"""Metrics against scikit-learn, closed forms and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_ae.errors import InputError
from keras_ae.metrics import (
    auc_difference,
    check_rate,
    rate_interval,
    roc_auc,
    threshold_at_fpr,
    tpr_at_fpr,
)


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


def test_auc_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    # P(x + 2 > y) of unit normals; few events, so that the logit matters.
    truth = 0.9213503964748575
    samples = [(rng.normal(size=30), rng.normal(2.0, size=30)) for _ in range(2000)]
    found = [roc_auc(*sample) for sample in samples]
    assert np.mean([auc.low <= truth <= auc.high for auc in found]) == pytest.approx(0.95, abs=0.02)
    assert all(0 <= auc.low <= auc.value <= auc.high <= 1 for auc in found)


def test_auc_at_its_bounds() -> None:
    background, signal = np.zeros(20), np.ones(50)
    # The rule of three: 3 / 20, a little less for few events.
    best, worst = roc_auc(background, signal), roc_auc(signal, background)
    assert (best.value, best.high) == (1.0, 1.0)
    assert best.low == pytest.approx(1 - (1 - 0.05 ** (1 / 20))) and 0.85 < best.low < 0.87
    assert (worst.low, worst.value) == (0.0, 0.0)
    assert worst.high == pytest.approx(1 - best.low)


def test_paired_difference_of_aucs() -> None:
    rng = np.random.default_rng(6)

    def draw() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        old = {"background": rng.normal(size=200), "s": rng.normal(1.0, size=150)}
        return {name: x + 0.3 * rng.normal(size=len(x)) for name, x in old.items()}, old

    found = [auc_difference(*draw(), "s") for _ in range(500)]
    spread = np.std([estimate.value for estimate in found])
    assert np.mean([estimate.error for estimate in found]) == pytest.approx(spread, rel=0.1)
    new, old = draw()
    aucs = [roc_auc(scores["background"], scores["s"]) for scores in (new, old)]
    difference = auc_difference(new, old, "s")
    assert difference.value == pytest.approx(aucs[0].value - aucs[1].value)
    # Known better than either.
    assert difference.error < aucs[0].error / 2
    assert auc_difference(old, old, "s").error == 0
    with pytest.raises(InputError, match="sample s must be of the same events, got 149 and 150"):
        auc_difference({**old, "s": old["s"][1:]}, old, "s")


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


def test_tpr_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    truth = 0.01 * np.e
    found = [
        tpr_at_fpr(rng.exponential(size=5000), 1 + rng.exponential(size=500), 0.01)
        for _ in range(1000)
    ]
    inside = [tpr is not None and tpr.low <= truth <= tpr.high for tpr in found]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.025)


def test_tpr_interval_of_no_event_is_wilsons() -> None:
    background, signal = np.arange(1000.0), np.zeros(50)
    tpr = tpr_at_fpr(background, signal, 0.01)
    assert tpr is not None
    assert (tpr.value, tpr.error, tpr.low) == (0, 0, 0)
    assert tpr.high == rate_interval(signal > 0).high > 0.05


@pytest.mark.parametrize(("n_signal", "n_above"), [(1000, 1), (30, 29), (30, 30), (30, 0)])
def test_tpr_interval_is_one_of_fractions(n_signal: int, n_above: int) -> None:
    background = np.arange(1000.0)
    signal = np.repeat([2000.0, 985.5], [n_above, n_signal - n_above])
    tpr = tpr_at_fpr(background, signal, 0.01)
    assert tpr is not None and tpr.value == n_above / n_signal
    assert 0 <= tpr.low <= tpr.value <= tpr.high <= 1


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
