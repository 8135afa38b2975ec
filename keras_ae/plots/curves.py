"""Training curves, ROC, score distributions, rate and distortion, contributions to a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from keras_ae.compression import RatePoint
from keras_ae.errors import InputError
from keras_ae.metrics import MIN_BACKGROUND_EVENTS, roc_auc


def training_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Every term of the objective by epoch, training and validation if it is there."""
    names = [name for name in history if not name.startswith("val_") and name != "learning_rate"]
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                epochs = np.arange(1, len(history[key]) + 1)
                # One epoch alone makes no line.
                axes.plot(epochs, history[key], label=label, marker="o" if len(epochs) == 1 else "")
        axes.set(xlabel="epoch", ylabel=name)
        axes.legend()
    return figure


def roc_curves(scores: Mapping[str, np.ndarray], title: str) -> Figure:
    """ROC of every signal, down to the smallest FPR that the background supports.

    The band is one standard deviation (binomial) of the TPR or of the FPR at each threshold, the
    larger shift of the two.
    """
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    background = scores["background"]
    for number, (signal, values) in enumerate(scores.items()):
        if signal == "background":
            continue
        labels = np.repeat([0, 1], [len(background), len(values)])
        fpr, tpr, _ = roc_curve(labels, np.concatenate([background, values]))
        auc = roc_auc(background, values)
        # The colours of the other figures, where the background has the first one.
        color = f"C{number}"
        axes.plot(fpr, tpr, color=color, label=f"{signal}: {auc.value:.3f} ± {auc.error:.3f}")
        low, high = _band(fpr, tpr, len(background), len(values))
        axes.fill_between(fpr, low, high, color=color, alpha=0.2, linewidth=0)
    lowest = MIN_BACKGROUND_EVENTS / len(background)
    axes.plot([lowest, 1], [lowest, 1], color="gray", linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1.05), title=title)
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate")
    if len(scores) > 1:
        axes.legend(title="AUC")
    return figure


def _band(
    fpr: np.ndarray, tpr: np.ndarray, n_background: int, n_signal: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest TPR at each FPR within one standard deviation."""
    tpr_error = np.sqrt(tpr * (1 - tpr) / n_signal)
    fpr_error = np.sqrt(fpr * (1 - fpr) / n_background)
    low = np.minimum(tpr - tpr_error, np.interp(fpr - fpr_error, fpr, tpr))
    high = np.maximum(tpr + tpr_error, np.interp(fpr + fpr_error, fpr, tpr))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def score_distributions(scores: Mapping[str, np.ndarray], title: str) -> Figure:
    """Normalized distribution of a score in every sample."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    top = max(np.quantile(values, 0.99) for values in scores.values())
    # Scores are sums of squares or the like, but a log-likelihood can be negative.
    bottom = min(0.0, *(np.quantile(values, 0.001) for values in scores.values()))
    bins = np.linspace(bottom, top if top > bottom else bottom + 1, 60)
    for sample, values in scores.items():
        axes.hist(
            np.clip(values, bottom, bins[-1]),
            bins.tolist(),
            density=True,
            histtype="step",
            label=sample,
        )
    axes.set(yscale="log", xlabel=f"{title} (last bin: and above)", ylabel="events, normalized")
    axes.legend()
    return figure


def rate_distortion_curve(points: Sequence[RatePoint]) -> Figure:
    """Mean squared error by bits of a code, see `compression.rate_distortion`."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(points, key=lambda point: point.bits)
    axes.plot([p.bits for p in ordered], [p.distortion for p in ordered], marker="o")
    for point in ordered:
        axes.annotate(str(point.format), (point.bits, point.distortion), fontsize=7)
    axes.set(xlabel="bits of a code", ylabel="mean squared error of a feature", yscale="log")
    return figure


def feature_contributions(contributions: np.ndarray, names: Sequence[str]) -> Figure:
    """Mean contribution of each feature to a score: (events, features), one name a feature.

    Raises:
        InputError: another number of names than of features.
    """
    if contributions.ndim != 2 or contributions.shape[1] != len(names):
        raise InputError(
            f"contributions must have shape (events, {len(names)}) for {len(names)} names, got "
            f"{contributions.shape}"
        )
    figure = Figure(figsize=(max(4.0, 0.2 * len(names)), 3), layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(len(names)), contributions.mean(axis=0))
    axes.set_xticks(np.arange(len(names)), names, rotation=90, fontsize=6)
    axes.set(ylabel="mean contribution")
    return figure
