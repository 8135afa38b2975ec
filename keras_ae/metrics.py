"""How well a score tells signal from background, with uncertainties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from keras_ae.errors import InputError

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
    _check_not_empty(background=background, signal=signal)
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
    _check_not_empty(background=background)
    if not 0 < target_fpr < 1:
        raise InputError(f"target_fpr must be within (0, 1), got {target_fpr}")
    n_above = int(np.floor(target_fpr * len(background) * (1 + 1e-12)))
    return float(np.sort(background)[::-1][n_above])


def check_rate(n_background: int, target_fpr: float) -> None:
    """Raise InputError where a rate means fewer than `MIN_BACKGROUND_EVENTS` background events."""
    if target_fpr * n_background < MIN_BACKGROUND_EVENTS:
        needed = int(np.ceil(MIN_BACKGROUND_EVENTS / target_fpr))
        raise InputError(
            f"background for the threshold must hold at least {needed} events for "
            f"trigger.target_fpr {target_fpr:g}, got {n_background} "
            "(the validation part of data.background)"
        )


def tpr_at_fpr(background: np.ndarray, signal: np.ndarray, target_fpr: float) -> Estimate | None:
    """Signal efficiency at a false-positive rate, with its binomial error.

    None where the rate means fewer than `MIN_BACKGROUND_EVENTS` background events.

    Raises:
        InputError: an empty sample, or a rate outside (0, 1).
    """
    _check_not_empty(background=background, signal=signal)
    threshold = threshold_at_fpr(background, target_fpr)
    if target_fpr * len(background) < MIN_BACKGROUND_EVENTS:
        return None
    efficiency = float(np.mean(signal > threshold))
    return Estimate(efficiency, float(np.sqrt(efficiency * (1 - efficiency) / len(signal))))


def _check_not_empty(**samples: np.ndarray) -> None:
    for name, sample in samples.items():
        if len(sample) == 0:
            raise InputError(f"{name} must hold at least one event, got 0")
