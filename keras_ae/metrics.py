"""How well a score tells signal from background, with uncertainties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import binomtest, norm, rankdata

from keras_ae.arrays import check_not_empty
from keras_ae.errors import InputError

#: The rates at which `separation` quotes the TPR.
TARGET_FPRS = (1e-2, 1e-3, 1e-4, 1e-5)

#: Score of one method on background ("background") and on each signal.
ScoresBySample = Mapping[str, np.ndarray]

#: Below this many background events above the threshold a rate is not worth printing.
MIN_BACKGROUND_EVENTS = 10


#: Half-width of a 95% interval in standard errors.
_Z = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error and its 95% confidence interval."""

    value: float
    error: float
    low: float
    high: float


def roc_auc(background: np.ndarray, signal: np.ndarray) -> Estimate:
    """Area under the ROC curve: P(signal score > background score), ties counted half.

    Its error is that of DeLong et al., Biometrics 44 (1988) 837, from midranks; its interval is
    symmetric in the logit, so that it stays within [0, 1]. Where no pair of events is out of order,
    so that there is no error to be had, it ends where that would be seen in one event of the
    smaller sample with a probability of 95% (the rule of three).

    Raises:
        InputError: an empty sample.
    """
    background_part, signal_part = _placements(background, signal)
    value, error = float(signal_part.mean()), _standard_error(background_part, signal_part)
    if not 0 < value < 1:
        missed = 1 - 0.05 ** (1 / min(len(background), len(signal)))
        return Estimate(value, error, *sorted((value, abs(value - missed))))
    half = _Z * error / (value * (1 - value))
    low, high = expit(logit(value) + np.array([-half, half]))
    return Estimate(value, error, float(low), float(high))


def auc_difference(new: ScoresBySample, old: ScoresBySample, signal: str) -> Estimate:
    """AUC of `new` minus that of `old`, two scores of the same events.

    The error is that of DeLong's paired comparison: what both scores share cancels.

    Raises:
        InputError: an empty sample, or scores of different numbers of events.
    """
    for name in ("background", signal):
        if len(new[name]) != len(old[name]):
            raise InputError(
                f"scores of sample {name} must be of the same events, "
                f"got {len(new[name])} and {len(old[name])}"
            )
    pairs = zip(
        _placements(new["background"], new[signal]),
        _placements(old["background"], old[signal]),
        strict=True,
    )
    background_part, signal_part = (one - other for one, other in pairs)
    value, error = float(signal_part.mean()), _standard_error(background_part, signal_part)
    return Estimate(value, error, value - _Z * error, value + _Z * error)


def _placements(background: np.ndarray, signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the other sample that each background event stays below, each signal beats."""
    check_not_empty(background=background, signal=signal)
    n_background, n_signal = len(background), len(signal)
    ranks = rankdata(np.concatenate([background, signal]))
    return (
        1 - (ranks[:n_background] - rankdata(background)) / n_signal,
        (ranks[n_background:] - rankdata(signal)) / n_background,
    )


def _standard_error(*parts: np.ndarray) -> float:
    """Of a sum of independent means."""
    return float(np.sqrt(sum(np.var(x, ddof=1) / len(x) if len(x) > 1 else 0.0 for x in parts)))


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
    of background events above it. So does each end of its interval, where the binomial part is
    Wilson's and the parts are added in quadrature (Newcombe, Statistics in Medicine 17 (1998) 873,
    method 10). None where there are fewer background events above it than `MIN_BACKGROUND_EVENTS`,
    because the sample is small or because the score is too coarse for the rate.

    Raises:
        InputError: an empty sample, or a rate outside (0, 1).
    """
    check_not_empty(background=background, signal=signal)
    threshold = threshold_at_fpr(background, target_fpr)
    n_above = int((background > threshold).sum())
    if n_above < MIN_BACKGROUND_EVENTS:
        return None
    ordered = np.sort(background)[::-1]

    def at_shifted_threshold(sigmas: float) -> float:
        """TPR where as many more background events pass as their number fluctuates."""
        place = min(round(n_above + sigmas * np.sqrt(n_above)), len(ordered) - 1)
        return float(np.mean(signal > ordered[max(place, 0)]))

    rate = rate_interval(signal > threshold)
    binomial = rate.value * (1 - rate.value) / len(signal)
    fewer, more = at_shifted_threshold(-_Z), at_shifted_threshold(_Z)
    shift = (at_shifted_threshold(1) - at_shifted_threshold(-1)) / 2
    return Estimate(
        rate.value,
        float(np.hypot(np.sqrt(binomial), shift)),
        max(0.0, rate.value - float(np.hypot(rate.value - rate.low, rate.value - fewer))),
        min(1.0, rate.value + float(np.hypot(rate.high - rate.value, more - rate.value))),
    )


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
    """AUC and TPR at each of `TARGET_FPRS` by signal; a TPR that the sample cannot give is None.

    With standard errors, and 95% intervals as [low, high].
    """
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
            "auc_interval": [auc.low, auc.high],
            "tpr": {fpr: estimate and estimate.value for fpr, estimate in tpr.items()},
            "tpr_error": {fpr: estimate and estimate.error for fpr, estimate in tpr.items()},
            "tpr_interval": {
                fpr: estimate and [estimate.low, estimate.high] for fpr, estimate in tpr.items()
            },
        }
    return table
