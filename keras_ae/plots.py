"""Figures of arrays; the one importer of matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from keras_ae.files import whole_file
from keras_ae.metrics import MIN_BACKGROUND_EVENTS, roc_auc


def training_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Every term of the objective by epoch, training and validation."""
    names = [name for name in history if not name.startswith("val_") and name != "learning_rate"]
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        epochs = np.arange(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], label="training")
        axes.plot(epochs, history[f"val_{name}"], label="validation")
        axes.set(xlabel="epoch", ylabel=f"{name} [nats]")
        axes.legend()
    return figure


def roc_curves(scores: Mapping[str, np.ndarray], title: str) -> Figure:
    """ROC of every signal, down to the smallest FPR that the background supports."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    background = scores["background"]
    for signal, values in scores.items():
        if signal == "background":
            continue
        labels = np.repeat([0, 1], [len(background), len(values)])
        fpr, tpr, _ = roc_curve(labels, np.concatenate([background, values]))
        auc = roc_auc(background, values)
        axes.plot(fpr, tpr, label=f"{signal}: {auc.value:.3f} ± {auc.error:.3f}")
    lowest = MIN_BACKGROUND_EVENTS / len(background)
    axes.plot([lowest, 1], [lowest, 1], color="gray", linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1.05), title=title)
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate")
    if len(scores) > 1:
        axes.legend(title="AUC")
    return figure


def score_distributions(scores: Mapping[str, np.ndarray], title: str) -> Figure:
    """Normalized distribution of a score in every sample."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    top = max(np.quantile(values, 0.99) for values in scores.values())
    bins = np.linspace(0, top or 1.0, 60)
    for sample, values in scores.items():
        axes.hist(
            np.minimum(values, top), bins.tolist(), density=True, histtype="step", label=sample
        )
    axes.set(yscale="log", xlabel=f"{title} (last bin: and above)", ylabel="events, normalized")
    axes.legend()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
