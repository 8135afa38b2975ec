"""How well a score tells signal from background, with uncertainties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, rankdata

from keras_ae.arrays import check_not_empty
from keras_ae.errors import InputError

#: The rates at which `separation` quotes the TPR.
TARGET_FPRS = (1e-2, 1e-3, 1e-4, 1e-5)

#: Score of one method on background ("background") and on each signal.
ScoresBySample = Mapping[str, np.ndarray]

#: Below this many background events above the threshold a rate is not worth printing.
MIN_BACKGROUND_EVENTS = 10


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error."""

    value: float
    error: float


def roc_auc(background: np.ndarray, signal: np.ndarray) -> Estimate:
    """Area under the ROC curve: P(signal score > background score), ties counted half.

    Its error is that of DeLong et al., Biometrics 44 (1988) 837, from midranks.

    Raises:
        InputError: an empty sample.
    """
    check_not_empty(background=background, signal=signal)
    n_background, n_signal = len(background), len(signal)
    ranks = rankdata(np.concatenate([background, signal]))
    # Fraction of the other sample that each event beats.
    background_part = 1 - (ranks[:n_background] - rankdata(background)) / n_signal
    signal_part = (ranks[n_background:] - rankdata(signal)) / n_background
    variance = sum(
        np.var(part, ddof=1) / len(part) if len(part) > 1 else 0.0
        for part in (background_part, signal_part)
    )
    return Estimate(float(signal_part.mean()), float(np.sqrt(variance)))


def threshold_at_fpr(background: np.ndarray, target_fpr: float) -> float:
    """The lowest threshold with at most `target_fpr` of background scores *above* it.

    It is one of the background's own scores, so in firmware it lies on the score's grid.

    Raises:
        InputError: an empty background, or a rate outside (0, 1).
    """
    check_not_empty(background=background)
    _check_target_fpr(target_fpr)
    n_above = int(np.floor(target_fpr * len(background) * (1 + 1e-12)))
    return float(np.sort(background)[::-1][n_above])


def _check_target_fpr(target_fpr: float) -> None:
    if not 0 < target_fpr < 1:
        raise InputError(f"target_fpr must be within (0, 1), got {target_fpr}")


def check_rate(n_background: int, target_fpr: float, subject: str) -> None:
    """Raise InputError where a rate means fewer than `MIN_BACKGROUND_EVENTS` background events.

    Or where it lies outside (0, 1).
    """
    _check_target_fpr(target_fpr)
    if target_fpr * n_background < MIN_BACKGROUND_EVENTS:
        needed = int(np.ceil(MIN_BACKGROUND_EVENTS / target_fpr))
        raise InputError(
            f"{subject} must hold at least {needed} events for a threshold at target_fpr "
            f"{target_fpr:g}, got {n_background}"
        )


def tpr_at_fpr(background: np.ndarray, signal: np.ndarray, target_fpr: float) -> Estimate | None:
    """Signal efficiency at a false-positive rate.

    Its error adds the signal's binomial one to that of the threshold, which moves with the number
    of background events above it. None where those are fewer than `MIN_BACKGROUND_EVENTS`, because
    the sample is small or because the score is too coarse for the rate.

    Raises:
        InputError: an empty sample, or a rate outside (0, 1).
    """
    check_not_empty(background=background, signal=signal)
    threshold = threshold_at_fpr(background, target_fpr)
    n_above = int((background > threshold).sum())
    if n_above < MIN_BACKGROUND_EVENTS:
        return None
    efficiency = float(np.mean(signal > threshold))
    ordered = np.sort(background)[::-1]
    low, high = (
        float(
            np.mean(
                signal > ordered[min(round(n_above + side * np.sqrt(n_above)), len(ordered) - 1)]
            )
        )
        for side in (-1, 1)
    )
    binomial = efficiency * (1 - efficiency) / len(signal)
    return Estimate(efficiency, float(np.sqrt(binomial + ((high - low) / 2) ** 2)))


@dataclass(frozen=True)
class Rate:
    """A fraction of events with its 95% confidence interval (Wilson)."""

    value: float
    low: float
    high: float


def rate_interval(passed: np.ndarray) -> Rate:
    """Of the events, (events,) bool, that passed.

    Raises:
        InputError: no events.
    """
    check_not_empty(passed=passed)
    interval = binomtest(int(passed.sum()), len(passed)).proportion_ci(method="wilson")
    return Rate(float(passed.mean()), float(interval.low), float(interval.high))


def separation(scores: ScoresBySample) -> dict[str, dict[str, Any]]:
    """AUC and TPR at each of `TARGET_FPRS` by signal; a TPR that the sample cannot give is None."""
    background = scores["background"]
    table: dict[str, dict[str, Any]] = {}
    for signal, values in scores.items():
        if signal == "background":
            continue
        auc = roc_auc(background, values)
        tpr = {f"{fpr:g}": tpr_at_fpr(background, values, fpr) for fpr in TARGET_FPRS}
        table[signal] = {
            "auc": auc.value,
            "auc_error": auc.error,
            "tpr": {fpr: estimate and estimate.value for fpr, estimate in tpr.items()},
            "tpr_error": {fpr: estimate and estimate.error for fpr, estimate in tpr.items()},
        }
    return table
