"""How well a score tells signal from background, with uncertainties."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from keras_ae.arrays import check_not_empty
from keras_ae.errors import InputError

#: The rates at which `separation` quotes the TPR.
TARGET_FPRS = (1e-2, 1e-3, 1e-4, 1e-5)

#: Of several signals, see `over_signals`; longer than a signal's name may be.
MEAN, WORST = "mean of the signals", "worst of the signals"

#: Score of one method on background ("background") and on each signal.
ScoresBySample = Mapping[str, np.ndarray]

#: Parent of each event, (events,), by sample: events of equal parent are not independent. Where a
#: sample is not named, they are.
Parents = Mapping[str, np.ndarray]
NONE_SHARED: Parents = {}

#: Of a background and a signal; None where events are independent.
ParentsOfPair = tuple[np.ndarray | None, np.ndarray | None]

#: Below this many background events above the threshold a rate is not worth printing.
MIN_BACKGROUND_EVENTS = 10

#: Half-width of a 95% interval in standard errors.
Z_95 = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error and its 95% confidence interval."""

    value: float
    error: float
    low: float
    high: float


def roc_auc(
    background: np.ndarray, signal: np.ndarray, parents: ParentsOfPair = (None, None)
) -> Estimate:
    """Area under the ROC curve: P(signal score > background score), ties counted half.

    Its error is that of DeLong et al., Biometrics 44 (1988) 837, from midranks; of events that
    share a parent, that of Obuchowski, Biometrics 53 (1997) 567. Its interval is symmetric in the
    logit, so that it stays within [0, 1]. Where no pair of events is out of order, so that there is
    no error to be had, it ends where that would be seen in one parent of the smaller sample with a
    probability of 95% (the rule of three).

    Args:
        background, signal: scores, (events,).
        parents: of both, (events,).

    Raises:
        InputError: an empty sample, or parents that are not as many as events.
    """
    parts = _placements(background, signal)
    value, error = float(parts[1].mean()), _standard_error(parts, parents)
    if not 0 < value < 1:
        sizes = [len(_sums(part, of)) for part, of in zip(parts, parents, strict=True)]
        missed = 1 - 0.05 ** (1 / min(sizes))
        return Estimate(value, error, *sorted((value, abs(value - missed))))
    half = Z_95 * error / (value * (1 - value))
    low, high = expit(logit(value) + np.array([-half, half]))
    return Estimate(value, error, float(low), float(high))


def auc_difference(
    new: ScoresBySample, old: ScoresBySample, signal: str, parents: Parents = NONE_SHARED
) -> Estimate:
    """AUC of `new` minus that of `old`, two scores of the same events.

    The error is that of the paired comparison of `roc_auc`'s: what both scores share cancels.

    Raises:
        InputError: an empty sample, scores of different numbers of events, or parents that are not
            as many.
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
    parts = [one - other for one, other in pairs]
    value, error = float(parts[1].mean()), _standard_error(parts, of_pair(parents, signal))
    return Estimate(value, error, value - Z_95 * error, value + Z_95 * error)


def of_pair(parents: Parents, signal: str) -> ParentsOfPair:
    """Those of the background and of a signal."""
    return parents.get("background"), parents.get(signal)


def _placements(background: np.ndarray, signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the other sample that each background event stays below, each signal beats."""
    check_not_empty(background=background, signal=signal)
    return 1 - _part_below(background, signal), _part_below(signal, background)


def _part_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each value, (events,), the part of `others` that is smaller; equal ones count half."""
    ordered = np.sort(others)
    # In order, so that neighbours in memory are asked for one after the other.
    place = np.argsort(values, kind="stable")
    below = np.empty(len(values))
    below[place] = (
        np.searchsorted(ordered, values[place], "left")
        + np.searchsorted(ordered, values[place], "right")
    ) / (2 * len(others))
    return below


def _sums(values: np.ndarray, parents: np.ndarray | None) -> np.ndarray:
    """Of the events of each parent; the values themselves where each has its own."""
    if parents is None:
        return values
    if len(parents) != len(values):
        raise InputError(f"parents must be {len(values)}, one an event, got {len(parents)}")
    if not 0 <= parents.min() <= parents.max() < 2 * len(parents):
        _, parents = np.unique(parents, return_inverse=True)
    return np.bincount(parents, weights=values)[np.bincount(parents) > 0]


def numbered(parents: np.ndarray) -> np.ndarray:
    """The same parents, numbered from 0 on: what is asked about them is found sooner."""
    return np.unique(parents, return_inverse=True)[1]


def _standard_error(parts: Sequence[np.ndarray], groups: Sequence[np.ndarray | None]) -> float:
    """Of a sum of independent means over events, of which those of a parent go together."""
    variance = 0.0
    for values, parents in zip(parts, groups, strict=True):
        sums = _sums(values - values.mean(), parents)
        if len(sums) > 1:
            variance += (sums**2).sum() / len(values) ** 2 * len(sums) / (len(sums) - 1)
    return float(np.sqrt(variance))


def effective_number(sizes: np.ndarray) -> float:
    """(sum n)^2 / sum n^2 of groups of n events: as many of equal size have the same error.

    Kish, Survey Sampling (1965). 0 of no events.
    """
    total = float(np.sum(np.square(sizes, dtype=np.float64)))
    return float(np.sum(sizes)) ** 2 / total if total else 0.0


def threshold_at_fpr(background: np.ndarray, target_fpr: float) -> float:
    """The lowest threshold with at most `target_fpr` of background scores *above* it.

    It is one of the background's own scores, so in firmware it lies on the score's grid.

    Raises:
        InputError: an empty background, or a rate outside (0, 1).
    """
    check_not_empty(background=background)
    _check_target_fpr(target_fpr)
    return _threshold(np.sort(background)[::-1], target_fpr)


def _threshold(falling: np.ndarray, target_fpr: float) -> float:
    """The same, of scores in falling order."""
    return float(falling[int(np.floor(target_fpr * len(falling) * (1 + 1e-12)))])


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


def tpr_at_fpr(
    background: np.ndarray,
    signal: np.ndarray,
    target_fpr: float,
    parents: ParentsOfPair = (None, None),
) -> Estimate | None:
    """Signal efficiency at a false-positive rate.

    Its error adds the signal's binomial one to that of the threshold, which moves with the number
    of background events above it. So does each end of its interval, where the binomial part is
    Wilson's and the parts are added in quadrature (Newcombe, Statistics in Medicine 17 (1998) 873,
    method 10). The events of a parent pass together, or as many of them as have. None where there
    are fewer background events above it than `MIN_BACKGROUND_EVENTS`, by their effective number,
    because the sample is small or because the score is too coarse for the rate.

    Args:
        background, signal: scores, (events,).
        target_fpr: of the background.
        parents: of both, (events,).

    Raises:
        InputError: an empty sample, a rate outside (0, 1), or parents that are not as many as
            events.
    """
    check_not_empty(background=background, signal=signal)
    _check_target_fpr(target_fpr)
    ordered = np.sort(background)[::-1]
    threshold = _threshold(ordered, target_fpr)
    of_background, of_signal = parents
    above = _sums((background > threshold).astype(np.float64), of_background)
    if effective_number(above) < MIN_BACKGROUND_EVENTS:
        return None
    n_above, deviation = int(above.sum()), float(np.sqrt((above**2).sum()))

    def at_shifted_threshold(sigmas: float) -> float:
        """TPR where as many more background events pass as their number fluctuates."""
        place = min(round(n_above + sigmas * deviation), len(ordered) - 1)
        return float(np.mean(signal > ordered[max(place, 0)]))

    passed = signal > threshold
    rate = rate_interval(passed, of_signal)
    binomial = rate.value * (1 - rate.value) / _n_independent(passed, of_signal)
    fewer, more = at_shifted_threshold(-Z_95), at_shifted_threshold(Z_95)
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


def rate_interval(passed: np.ndarray, parents: np.ndarray | None = None) -> Rate:
    """Of the events, (events,) bool, that passed.

    Of events that share a parent, Wilson's interval for as many independent ones as have the same
    variance (Rao and Scott, Biometrics 48 (1992) 577).

    Raises:
        InputError: no events, or parents that are not as many.
    """
    check_not_empty(passed=passed)
    value, n = float(passed.mean()), _n_independent(passed, parents)
    spread = Z_95**2 / n
    centre = (value + spread / 2) / (1 + spread)
    half = np.sqrt(spread * (value * (1 - value) + spread / 4)) / (1 + spread)
    return Rate(value, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def _n_independent(passed: np.ndarray, parents: np.ndarray | None) -> float:
    """How many independent events would have the same variance of their fraction that passed.

    Not more than there are; where all or none passed, the effective number.
    """
    n_events = len(passed)
    sizes = _sums(np.ones(n_events), parents)
    value = passed.mean()
    if not 0 < value < 1:
        return effective_number(sizes)
    residuals = _sums(passed - value, parents)
    return float(min(n_events, value * (1 - value) * n_events**2 / (residuals**2).sum()))


def separation(scores: ScoresBySample, parents: Parents = NONE_SHARED) -> dict[str, dict[str, Any]]:
    """AUC and TPR at each of `TARGET_FPRS` by signal; a TPR that the sample cannot give is None.

    With standard errors, and 95% intervals as [low, high], of independent parents.
    """
    background = scores["background"]
    table: dict[str, dict[str, Any]] = {}
    for signal, values in scores.items():
        if signal == "background":
            continue
        pair = of_pair(parents, signal)
        auc = roc_auc(background, values, pair)
        tpr = {f"{fpr:g}": tpr_at_fpr(background, values, fpr, pair) for fpr in TARGET_FPRS}
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


def over_signals(
    separated: Mapping[str, Mapping[str, Any]], left_out: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """AUC and TPR of `separation` as mean over the signals, and the lowest of any, by those names.

    A TPR that one of the signals has not is None. Of fewer than two signals there is neither.

    Args:
        separated: by signal.
        left_out: signals that do not count.
    """
    counted = [found for signal, found in separated.items() if signal not in left_out]
    if len(counted) < 2:
        return {}

    def merged(merge: Callable[[list[float]], float]) -> dict[str, Any]:
        tprs = {fpr: [found["tpr"][fpr] for found in counted] for fpr in counted[0]["tpr"]}
        return {
            "auc": merge([found["auc"] for found in counted]),
            "tpr": {fpr: None if None in each else merge(each) for fpr, each in tprs.items()},
        }

    return {MEAN: merged(lambda values: float(np.mean(values))), WORST: merged(min)}
