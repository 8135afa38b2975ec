"""Rates of a trigger's decisions: what passes, what nothing else would have taken, and where.

Every rate is that of the events of a sample, after whatever selection made the sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from keras_ae.arrays import check_not_empty
from keras_ae.errors import InputError
from keras_ae.metrics import Z_95, rate_interval, threshold_at_fpr

#: What one would cut on at the same rate; a pure event passes none of these.
BASELINES = ("leading_pt", "ht", "met")
#: In which rates are looked at, where the events have them.
BINNED = ("n_objects", "ht", "met", "pile_up")
_N_BINS = 4

Observables = Mapping[str, np.ndarray]


def baseline_thresholds(background: Observables, fpr: float) -> dict[str, float]:
    """Thresholds on `BASELINES` that let the fraction `fpr` of background pass, at most.

    Args:
        background: observables of events that nothing else is measured on, by name, (events,).
        fpr: of each of them alone.
    """
    return {
        name: threshold_at_fpr(background[name], fpr) for name in BASELINES if name in background
    }


def is_pure(fired: np.ndarray, observables: Observables, limits: Mapping[str, float]) -> np.ndarray:
    """Events (events,) bool that fired, and that no baseline above its threshold takes."""
    taken = np.zeros(len(fired), bool)
    for name, limit in limits.items():
        taken |= observables[name] > limit
    return fired & ~taken


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Inner edges of bins of about as many background events each; fewer where values repeat."""
    return np.unique(np.quantile(values, np.arange(1, _N_BINS) / _N_BINS))


def rates_in_bins(
    fired: np.ndarray, values: np.ndarray, edges: np.ndarray, parents: np.ndarray | None
) -> list[dict[str, Any]]:
    """Of each bin, from the lowest: its limits, how many events it has, and what of them fired.

    A bin holds values from `low` to below `high`; null where there is no limit. Without events a
    bin has no rate.
    """
    place = np.searchsorted(edges, values, side="right")
    limits = [None, *edges.tolist(), None]
    found = []
    for number, (low, high) in enumerate(pairwise(limits)):
        inside = place == number
        rate = None
        if inside.any():
            of_bin = None if parents is None else parents[inside]
            rate = asdict(rate_interval(fired[inside], of_bin))
        found.append({"low": low, "high": high, "events": int(inside.sum()), "rate": rate})
    return found


def instability(rate: float, fpr: float) -> float | None:
    """|log(p / FPR)| of the rate that a threshold gives on other events; None where nothing passes.

    Raises:
        InputError: a target rate outside (0, 1).
    """
    if not 0 < fpr < 1:
        raise InputError(f"fpr must be within (0, 1), got {fpr}")
    return abs(math.log(rate / fpr)) if rate > 0 else None


def missed_rate(rate: Mapping[str, float], fpr: float, n_calibration: int) -> str | None:
    """What is odd about a measured rate; None where chance may have it.

    Two samples of background have a part in it: that on which the threshold was set, of
    `n_calibration` independent events, and that of the measurement. Where the interval of the rate,
    widened by the deviation of the former, does not hold `fpr`, it is not what was asked for.

    Args:
        rate: value, low and high, see `rate_interval`.
        fpr: that was asked for.
        n_calibration: events of the background that set the threshold.
    """
    value = rate["value"]
    deviation = Z_95 * math.sqrt(fpr * (1 - fpr) / n_calibration)
    low = value - math.hypot(value - rate["low"], deviation)
    high = value + math.hypot(rate["high"] - value, deviation)
    if low <= fpr <= high:
        return None
    why = (
        "more background passes than was asked for"
        if value > fpr
        else "less background passes than was asked for, as the score has too few values there"
    )
    return f"measured FPR {value:.2g} ({low:.2g} to {high:.2g}) for {fpr:g}: {why}"


def decision_rates(
    fired: Mapping[str, np.ndarray],
    observables: Mapping[str, Observables],
    parents: Mapping[str, np.ndarray],
    limits: Mapping[str, float],
    fpr: float,
) -> dict[str, Any]:
    """What one bit of a trigger does to each sample.

    Args:
        fired: its decisions by sample, (events,) bool; of the background under that name.
        observables: of the events, by sample.
        parents: of the events, by sample.
        limits: of `BASELINES`, from `baseline_thresholds` at the same rate.
        fpr: that the bit is for.

    Raises:
        InputError: no events.
    """
    check_not_empty(**{name.replace(" ", "_"): values for name, values in fired.items()})
    background = fired["background"]
    edges = {
        name: bin_edges(observables["background"][name])
        for name in BINNED
        if name in observables["background"]
    }
    return {
        "target_fpr": fpr,
        "instability": instability(float(background.mean()), fpr),
        "baselines": dict(limits),
        "samples": {
            name: {
                "rate": asdict(rate_interval(values, parents.get(name))),
                "pure": asdict(
                    rate_interval(is_pure(values, observables[name], limits), parents.get(name))
                ),
                "bins": {
                    key: rates_in_bins(values, observables[name][key], edge, parents.get(name))
                    for key, edge in edges.items()
                    if key in observables[name]
                },
            }
            for name, values in fired.items()
        },
    }
