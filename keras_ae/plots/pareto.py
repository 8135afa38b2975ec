"""Physics against resources."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.figure import Figure


def pareto_front(
    resource: Sequence[float],
    quality: Sequence[float],
    error: Sequence[float],
    numbers: Sequence[int],
    front: Collection[int],
    reference: float,
    axes_labels: tuple[str, str],
) -> Figure:
    """Every trial of a scan, those of the front by number and with their standard errors.

    Args:
        resource: of each trial; none at all is shown as 1 on the logarithmic axis.
        quality: of each.
        error: of each quality.
        numbers: of the trials.
        front: numbers of those on it.
        reference: quality of the float model, the best where there are several.
        axes_labels: of resource and quality.
    """
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    x, y, errors = np.maximum(resource, 1), np.asarray(quality), np.asarray(error)
    on_front = np.array([number in front for number in numbers], bool)
    axes.scatter(x[~on_front], y[~on_front], s=14, color="gray", label="other trials")
    order = np.flatnonzero(on_front)[np.argsort(x[on_front], kind="stable")]
    axes.errorbar(x[order], y[order], errors[order], fmt="o", capsize=2, label="Pareto front")
    # As good as the next smaller one, until the next.
    axes.step(x[order], y[order], where="post", linewidth=0.8, color="C0")
    for place in order:
        axes.annotate(
            str(numbers[place]),
            (x[place], y[place]),
            textcoords="offset points",
            xytext=(4, -9),
            fontsize=7,
        )
    axes.axhline(
        reference, color="black", linestyle="--", linewidth=0.8, label="float model, the best"
    )
    axes.set(xscale="log", xlabel=axes_labels[0], ylabel=axes_labels[1])
    axes.legend(fontsize=8, loc="lower right")
    return figure
