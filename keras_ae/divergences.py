"""How different two distributions are: Gaussians, histograms and samples, in nats or bits."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import rel_entr

from keras_ae.arrays import check_finite, check_not_empty
from keras_ae.errors import InputError

#: Size of each unit in nats.
UNITS = {"nats": 1.0, "bits": math.log(2)}


def kl_gaussians(
    mean_p: np.ndarray,
    variance_p: np.ndarray,
    mean_q: np.ndarray,
    variance_q: np.ndarray,
    unit: str = "nats",
) -> np.ndarray:
    """KL(p || q) of diagonal Gaussians, summed over the last axis.

    sum_j [log(vq_j / vp_j) + (vp_j + (mp_j - mq_j)^2) / vq_j - 1] / 2 (Kullback, Information Theory
    and Statistics, ch. 9).

    Raises:
        InputError: a variance <= 0, a mean that is not finite, or an unknown unit.
    """
    _check_gaussians(mean_p, variance_p, mean_q, variance_q)
    ratio = np.asarray(variance_p) / variance_q
    distance = np.square(np.subtract(mean_p, mean_q)) / variance_q
    return _in_unit(0.5 * np.sum(ratio + distance - 1 - np.log(ratio), axis=-1), unit)


def geometric_jensen_shannon_gaussians(
    mean_p: np.ndarray,
    variance_p: np.ndarray,
    mean_q: np.ndarray,
    variance_q: np.ndarray,
    unit: str = "nats",
) -> np.ndarray:
    """[KL(p || g) + KL(q || g)] / 2, g the normalized geometric mean of p and q.

    Nielsen, arXiv:1904.04017, sec. IV: of two Gaussians g is one, so that this is a closed form,
    which the usual Jensen-Shannon divergence (`jensen_shannon_samples`) has not. Unlike that it has
    no upper bound. Diagonal Gaussians, summed over the last axis.

    Raises:
        InputError: as `kl_gaussians`.
    """
    _check_gaussians(mean_p, variance_p, mean_q, variance_q)
    variance_p, variance_q = np.asarray(variance_p), np.asarray(variance_q)
    variance = 2 / (1 / variance_p + 1 / variance_q)
    mean = variance * (mean_p / variance_p + mean_q / variance_q) / 2
    return 0.5 * (
        kl_gaussians(mean_p, variance_p, mean, variance, unit)
        + kl_gaussians(mean_q, variance_q, mean, variance, unit)
    )


def kl_histograms(p: np.ndarray, q: np.ndarray, unit: str = "nats") -> float:
    """sum_i p_i log(p_i / q_i) of two histograms, each normalized; infinite where q alone is 0.

    Raises:
        InputError: bins that differ in number or are negative, an empty histogram, or an unknown
            unit.
    """
    p, q = _normalized(p, q)
    return float(_in_unit(rel_entr(p, q).sum(), unit))


def jensen_shannon_histograms(p: np.ndarray, q: np.ndarray, unit: str = "nats") -> float:
    """[KL(p || m) + KL(q || m)] / 2, m = (p + q) / 2 (Lin, IEEE Trans. Inf. Theory 37 (1991) 145).

    Between 0 and log 2, which is one bit.

    Raises:
        InputError: as `kl_histograms`.
    """
    p, q = _normalized(p, q)
    middle = (p + q) / 2
    return float(_in_unit((rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2, unit))


def kl_samples(
    x: np.ndarray, y: np.ndarray, bins: int = 50, unit: str = "nats", pseudo_count: float = 0.5
) -> float:
    """KL of the histograms of two samples, (events,) each, in equal bins over both.

    Args:
        x: the sample of p.
        y: the sample of q.
        bins: of both histograms.
        unit: nats or bits.
        pseudo_count: added to every bin of both (1/2: Jeffreys' prior); with 0, one bin that y
            alone leaves empty makes the result infinite.

    Raises:
        InputError: an empty sample, values that are not finite, bins < 1, pseudo_count < 0, or an
            unknown unit.
    """
    if not 0 <= pseudo_count < math.inf:
        raise InputError(f"pseudo_count must be >= 0, got {pseudo_count}")
    p, q = _common_histograms(x, y, bins)
    return kl_histograms(p + pseudo_count, q + pseudo_count, unit)


def jensen_shannon_samples(
    x: np.ndarray, y: np.ndarray, bins: int = 50, unit: str = "nats"
) -> float:
    """Jensen-Shannon divergence of the histograms of two samples, as `kl_samples`."""
    return jensen_shannon_histograms(*_common_histograms(x, y, bins), unit)


def _common_histograms(x: np.ndarray, y: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    if bins < 1:
        raise InputError(f"bins must be >= 1, got {bins}")
    check_not_empty(x=x, y=y)
    for name, sample in (("x", x), ("y", y)):
        check_finite(np.asarray(sample), name)
    edges = np.histogram_bin_edges(np.concatenate([x, y]), bins)
    return np.histogram(x, edges)[0], np.histogram(y, edges)[0]


def _normalized(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, q = np.asarray(p, float), np.asarray(q, float)
    if p.shape != q.shape:
        raise InputError(f"histograms must have the same bins, got {p.shape} and {q.shape}")
    for name, histogram in (("p", p), ("q", q)):
        if not (histogram >= 0).all() or not 0 < histogram.sum() < np.inf:
            raise InputError(
                f"histogram {name} must hold entries >= 0, some of them > 0, got "
                f"{histogram.min() if histogram.size else 'none'} to "
                f"{histogram.max() if histogram.size else 'none'}"
            )
    return p / p.sum(), q / q.sum()


def _check_gaussians(
    mean_p: np.ndarray, variance_p: np.ndarray, mean_q: np.ndarray, variance_q: np.ndarray
) -> None:
    for name, mean in (("mean_p", mean_p), ("mean_q", mean_q)):
        check_finite(np.asarray(mean, float), name)
    for name, variance in (("variance_p", variance_p), ("variance_q", variance_q)):
        if not (np.asarray(variance) > 0).all():
            raise InputError(f"{name} must be > 0, got {np.min(variance)}")


def _in_unit(nats: np.ndarray, unit: str) -> np.ndarray:
    if unit not in UNITS:
        raise InputError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}")
    return nats / UNITS[unit]
