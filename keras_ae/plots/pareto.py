"""Physics against resources."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

_MARKERS = ("o", "s", "D", "^", "v")


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


@dataclass(frozen=True)
class Design:
    """One design in a figure.

    Args:
        name: of the design.
        kind: of the design; each has a marker of its own.
        resource: what it takes.
        qualities: one for each panel; None where it has none.
        errors: of them, 0 where there is none.
    """

    name: str
    kind: str
    resource: float
    qualities: Sequence[float | None]
    errors: Sequence[float]


def designs_compared(
    designs: Sequence[Design], resource_label: str, quality_labels: Sequence[str]
) -> Figure:
    """A panel for each quality against the resource, a named point for each design."""
    figure = Figure(figsize=(5.2 * len(quality_labels), 4.4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(quality_labels)))
    kinds = list(dict.fromkeys(design.kind for design in designs))
    for panel, (axes, label) in enumerate(zip(panels, quality_labels, strict=True)):
        for number, kind in enumerate(kinds):
            shown = [d for d in designs if d.kind == kind and d.qualities[panel] is not None]
            axes.errorbar(
                [design.resource for design in shown],
                [design.qualities[panel] for design in shown],
                [design.errors[panel] for design in shown],
                fmt=_MARKERS[number % len(_MARKERS)],
                capsize=2,
                label=kind,
            )
            for design in shown:
                axes.annotate(
                    design.name,
                    (design.resource, float(design.qualities[panel] or 0)),
                    textcoords="offset points",
                    xytext=(5, 4),
                    fontsize=7,
                )
        axes.set(xscale="log", xlabel=resource_label, ylabel=label)
        # Room for the names.
        axes.margins(x=0.25, y=0.1)
    panels[0].legend(fontsize=8, loc="lower right")
    return figure
