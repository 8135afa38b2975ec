"""Rates of decisions: pure ones, bins, stability; against counting by hand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from keras_ae.errors import InputError
from keras_ae.metrics import rate_interval, threshold_at_fpr
from keras_ae.rates import (
    baseline_thresholds,
    bin_edges,
    decision_rates,
    instability,
    is_pure,
    missed_rate,
    rates_in_bins,
)


def test_pure_events_by_hand() -> None:
    fired = np.array([True, True, True, False, True])
    observables = {"ht": np.array([10, 200, 10, 10, 100]), "met": np.array([5, 5, 90, 5, 40])}
    # Above, not at.
    pure = is_pure(fired, observables, {"ht": 100.0, "met": 80.0})
    assert pure.tolist() == [True, False, False, False, True]
    np.testing.assert_array_equal(is_pure(fired, observables, {}), fired)


def test_baseline_thresholds_let_the_same_fraction_pass() -> None:
    rng = np.random.default_rng(1)
    background = {"ht": rng.exponential(50, 5000), "met": rng.exponential(20, 5000)}
    limits = baseline_thresholds(background, 0.01)
    assert list(limits) == ["ht", "met"]
    for name, limit in limits.items():
        assert np.mean(background[name] > limit) == 0.01


def test_bins_hold_each_event_once() -> None:
    rng = np.random.default_rng(2)
    values, fired = rng.poisson(3, 4000), rng.random(4000) < 0.2
    edges = bin_edges(values)
    found = rates_in_bins(fired, values, edges, None)
    assert sum(part["events"] for part in found) == 4000
    for part in found:
        low = -np.inf if part["low"] is None else part["low"]
        high = np.inf if part["high"] is None else part["high"]
        inside = (values >= low) & (values < high)
        assert part["events"] == inside.sum()
        assert part["rate"]["value"] == fired[inside].mean()
        assert part["rate"]["low"] == rate_interval(fired[inside]).low


def test_a_bin_without_events_has_no_rate() -> None:
    found = rates_in_bins(np.array([True]), np.array([1.0]), np.array([5.0]), None)
    assert found[1] == {"low": 5.0, "high": None, "events": 0, "rate": None}


def test_instability() -> None:
    assert instability(0.02, 0.01) == pytest.approx(np.log(2))
    assert instability(0.005, 0.01) == pytest.approx(np.log(2))
    assert instability(0.0, 0.01) is None
    with pytest.raises(InputError, match=r"fpr must be within \(0, 1\), got 1"):
        instability(0.1, 1.0)


def test_of_all_samples() -> None:
    rng = np.random.default_rng(3)
    fired = {"background": rng.random(2000) < 0.02, "A -> 4l": rng.random(300) < 0.5}
    observables = {
        name: {"ht": rng.exponential(50, len(f)), "n_objects": rng.poisson(3, len(f))}
        for name, f in fired.items()
    }
    parents = {"background": np.arange(2000) // 2, "A -> 4l": np.arange(300)}
    found = decision_rates(fired, observables, parents, {"ht": 150.0}, 0.02)
    background = found["samples"]["background"]
    assert background["rate"]["value"] == fired["background"].mean()
    alone = fired["background"] & (observables["background"]["ht"] <= 150)
    assert background["pure"]["value"] == alone.mean()
    # Events of a parent count as one.
    assert background["rate"]["high"] > rate_interval(fired["background"]).high - 1e-12
    assert set(background["bins"]) == {"ht", "n_objects"}
    # The signal is looked at in the bins of the background.
    for key, bins in found["samples"]["A -> 4l"]["bins"].items():
        assert [part["low"] for part in bins] == [part["low"] for part in background["bins"][key]]
    assert found["instability"] == pytest.approx(abs(np.log(fired["background"].mean() / 0.02)))
    with pytest.raises(InputError, match="background must hold at least one event, got 0"):
        decision_rates({"background": np.zeros(0, bool)}, {"background": {}}, {}, {}, 0.02)


class TestMissedRate:
    """Coverage by simulation: of rates that are what was asked for, hardly any is called missed."""

    def test_what_chance_may_have(self) -> None:
        rng = np.random.default_rng(1)
        missed = 0
        for _ in range(300):
            calibration, test = rng.normal(size=5000), rng.normal(size=20_000)
            fired = test > threshold_at_fpr(calibration, 0.01)
            missed += missed_rate(asdict(rate_interval(fired, None)), 0.01, 5000) is not None
        # 5 % by the definition of the interval, of 300.
        assert missed <= 26

    @pytest.mark.parametrize(
        ("share", "message"),
        [(0.02, "more background passes than was asked for"), (0.004, "has too few values there")],
    )
    def test_what_chance_has_not(self, share: float, message: str) -> None:
        fired = np.arange(100_000) < share * 100_000
        found = missed_rate(asdict(rate_interval(fired, None)), 0.01, 100_000)
        assert found is not None and message in found
        assert found.startswith(f"measured FPR {share:g} (")
