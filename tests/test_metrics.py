"""Metrics against scikit-learn, closed forms and resampling."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from keras_ae.errors import InputError
from keras_ae.metrics import (
    auc_difference,
    check_rate,
    effective_number,
    over_signals,
    rate_interval,
    roc_auc,
    separation,
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


def clustered(
    rng: np.random.Generator, n_parents: int, shift: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and parents of events of which those of a parent are alike."""
    sizes = rng.geometric(0.4, n_parents)
    parents = np.repeat(np.arange(n_parents), sizes)
    scores = shift + rng.normal(size=n_parents)[parents] + 0.3 * rng.normal(size=len(parents))
    return scores, parents


def resampled(rng: np.random.Generator, parents: np.ndarray, n: int) -> list[np.ndarray]:
    """Places of the events of as many parents, drawn with replacement, `n` times."""
    places = [np.flatnonzero(parents == parent) for parent in np.unique(parents)]
    chosen = rng.integers(len(places), size=(n, len(places)))
    return [np.concatenate([places[i] for i in draw]) for draw in chosen]


def near(first: Any, second: Any, **tolerances: float) -> bool:
    """Whether two estimates or rates agree in all their numbers."""
    return asdict(first) == pytest.approx(asdict(second), **tolerances)


class TestParents:
    """Events of a parent are not independent: errors are of parents."""

    def test_copies_say_nothing_new(self) -> None:
        rng = np.random.default_rng(1)
        background, signal = rng.normal(size=2000), rng.normal(1.0, size=300)
        copies = np.repeat(background, 3), np.repeat(signal, 2)
        parents = np.repeat(np.arange(2000), 3), np.repeat(np.arange(300), 2)
        assert near(roc_auc(*copies, parents), roc_auc(background, signal))
        assert roc_auc(*copies).error < 0.75 * roc_auc(background, signal).error
        once, copied = tpr_at_fpr(background, signal, 0.05), tpr_at_fpr(*copies, 0.05, parents)
        assert once is not None and copied is not None
        assert copied.value == once.value
        assert copied.error == pytest.approx(once.error, rel=0.02)
        assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=2e-3)
        passed = signal > 1
        assert near(rate_interval(np.repeat(passed, 2), parents[1]), rate_interval(passed))
        scores = {"background": copies[0], "s": copies[1]}
        worse = {"background": copies[0], "s": copies[1] ** 3}
        both = {"background": parents[0], "s": parents[1]}
        alone = auc_difference(
            {"background": background, "s": signal**3},
            {"background": background, "s": signal},
            "s",
        )
        assert near(auc_difference(worse, scores, "s", both), alone)

    def test_parents_of_one_event_each(self) -> None:
        rng = np.random.default_rng(2)
        background, signal = rng.normal(size=1500), rng.normal(1.0, size=200)
        alone = rng.permutation(1500), rng.permutation(200)
        assert near(roc_auc(background, signal, alone), roc_auc(background, signal))
        assert tpr_at_fpr(background, signal, 0.05, alone) == tpr_at_fpr(background, signal, 0.05)
        assert near(rate_interval(signal > 1, alone[1]), rate_interval(signal > 1))

    def test_against_drawing_parents_anew(self) -> None:
        rng = np.random.default_rng(3)
        (background, b_parents), (signal, s_parents) = (
            clustered(rng, 400, 0.0),
            clustered(rng, 150, 0.8),
        )
        parents = b_parents, s_parents
        draws = list(zip(*(resampled(rng, each, 400) for each in parents), strict=True))
        aucs = [roc_auc(background[b], signal[s]).value for b, s in draws]
        found = roc_auc(background, signal, parents)
        assert found.error == pytest.approx(np.std(aucs), rel=0.12)
        assert found.error > 1.5 * roc_auc(background, signal).error
        ends = np.quantile(aucs, [0.025, 0.975])
        assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.3 * found.error)
        tprs = []
        for b, s in draws:
            tprs.append(np.mean(signal[s] > threshold_at_fpr(background[b], 0.1)))
        tpr = tpr_at_fpr(background, signal, 0.1, parents)
        assert tpr is not None and tpr.error == pytest.approx(np.std(tprs), rel=0.2)

    def test_intervals_of_rates_cover(self) -> None:
        rng, covered, naive = np.random.default_rng(4), 0, 0
        for _ in range(400):
            scores, parents = clustered(rng, 200, 0.0)
            # Of the mean of parents' sizes times what each event has: by symmetry a half.
            found, alone = rate_interval(scores > 0, parents), rate_interval(scores > 0)
            covered += found.low <= 0.5 <= found.high
            naive += alone.low <= 0.5 <= alone.high
        assert covered > 0.92 * 400 > naive

    def test_few_parents_above_are_few_events(self) -> None:
        background = np.arange(1000.0)
        signal = np.arange(900.0, 1100)
        parents = np.arange(1000)
        assert tpr_at_fpr(background, signal, 0.02, (parents, None)) is not None
        parents[980:] = 980 + np.arange(20) // 4
        assert tpr_at_fpr(background, signal, 0.02, (parents, None)) is None

    def test_effective_number(self) -> None:
        assert effective_number(np.array([1, 1, 1])) == 3
        assert effective_number(np.array([2, 2, 2, 0])) == 3
        assert effective_number(np.array([3, 1])) == 1.6
        assert effective_number(np.zeros(0)) == effective_number(np.zeros(3)) == 0

    def test_another_number_of_parents(self) -> None:
        scores = np.arange(100.0)
        for call in (
            lambda: roc_auc(scores, scores, (np.arange(99), None)),
            lambda: tpr_at_fpr(scores, scores, 0.2, (None, np.arange(99))),
            lambda: rate_interval(scores > 3, np.arange(101)),
        ):
            with pytest.raises(InputError, match="parents must be 100, one an event, got"):
                call()

    def test_a_table_of_both(self) -> None:
        rng = np.random.default_rng(5)
        (background, b_parents), (signal, s_parents) = (
            clustered(rng, 3000, 0.0),
            clustered(rng, 200, 1.0),
        )
        scores = {"background": background, "s": signal}
        table = separation(scores, {"background": b_parents, "s": s_parents})["s"]
        pair = b_parents, s_parents
        assert table["auc_error"] == roc_auc(background, signal, pair).error
        tpr = tpr_at_fpr(background, signal, 0.01, pair)
        assert tpr is not None and table["tpr_error"]["0.01"] == tpr.error


def test_rate_against_scipy() -> None:
    rng = np.random.default_rng(6)
    for n_events, share in ((1, 0.5), (10, 0.0), (50, 1.0), (400, 0.03)):
        passed = rng.random(n_events) < share
        interval = binomtest(int(passed.sum()), n_events).proportion_ci(method="wilson")
        found = rate_interval(passed)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_mean_and_worst_of_the_signals_that_count() -> None:
    found = {
        "a": {"auc": 0.9, "tpr": {"0.01": 0.5, "0.001": 0.2}},
        "b": {"auc": 0.7, "tpr": {"0.01": 0.1, "0.001": None}},
        "c": {"auc": 0.2, "tpr": {"0.01": 0.0, "0.001": 0.0}},
    }
    mean, worst = over_signals(found, ["c"]).values()
    assert mean == {"auc": pytest.approx(0.8), "tpr": {"0.01": pytest.approx(0.3), "0.001": None}}
    assert worst == {"auc": 0.7, "tpr": {"0.01": 0.1, "0.001": None}}
    assert over_signals(found)["worst of the signals"]["auc"] == 0.2
    assert over_signals(found, ["a", "b"]) == {}
