"""What a score loses on the way from float to firmware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from keras_ae.metrics import MIN_BACKGROUND_EVENTS, ScoresBySample

#: Events of each sample in the scatter plot.
_N_SHOWN = 1000


def layer_error_bars(
    names: Sequence[str], largest: Sequence[float], rms: Sequence[float]
) -> Figure:
    """Largest and root-mean-square error of each layer, from the input at the top down."""
    figure = Figure(figsize=(7, 0.9 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(names))
    for values, label, offset in ((largest, "largest", -0.2), (rms, "rms", 0.2)):
        axes.barh(places + offset, values, height=0.4, label=label)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    if max(largest, default=0) > 0:
        axes.set_xscale("log")
    axes.set_xlabel("|float - fixed|")
    axes.legend(loc="lower right")
    return figure


def score_scatter(
    in_float: ScoresBySample, in_firmware: ScoresBySample, threshold: float
) -> Figure:
    """Scores in firmware by those in float, of the first events of every sample."""
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    shown = {name: (in_float[name][:_N_SHOWN], in_firmware[name][:_N_SHOWN]) for name in in_float}
    for name, (x, y) in shown.items():
        axes.scatter(x, y, s=4, label=name, rasterized=True)
    values = np.concatenate([part for pair in shown.values() for part in pair])
    low = float(values.min())
    high = max(float(np.quantile(values, 0.995)), 1.1 * threshold, low + 1e-6)
    axes.plot([low, high], [low, high], color="gray", linewidth=0.8)
    axes.axhline(threshold, color="black", linestyle="--", linewidth=0.8, label="threshold")
    if low > 0:
        axes.set(xscale="log", yscale="log")
    margin = 0.02 * (high - low)
    axes.set(xlim=(low, high + margin), ylim=(low, high + margin))
    axes.set(xlabel="score in float", ylabel="score in firmware")
    axes.legend(markerscale=3, fontsize=7, loc="lower right")
    return figure


def roc_overlay(levels: Mapping[str, ScoresBySample]) -> Figure:
    """ROC of every level of precision, a panel a signal."""
    signals = [name for name in next(iter(levels.values())) if name != "background"]
    n_columns = min(2, len(signals))
    n_rows = -(-len(signals) // n_columns)
    figure = Figure(figsize=(3.9 * n_columns, 3.2 * n_rows), layout="constrained")
    grid = np.ravel(figure.subplots(n_rows, n_columns, squeeze=False))
    for axes in grid[len(signals) :]:
        axes.set_visible(False)
    styles = ("-", "--", "-.", ":")
    for axes, signal in zip(grid, signals, strict=False):
        for number, (level, scores) in enumerate(levels.items()):
            samples = scores["background"], scores[signal]
            labels = np.repeat([0, 1], [len(sample) for sample in samples])
            fpr, tpr, _ = roc_curve(labels, np.concatenate(samples))
            axes.plot(fpr, tpr, styles[number % len(styles)], label=level.replace("_", "-"))
        lowest = MIN_BACKGROUND_EVENTS / len(samples[0])
        axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1.05), title=signal)
        axes.set(xlabel="false-positive rate", ylabel="true-positive rate")
        axes.legend(fontsize=7, loc="lower right")
    return figure
