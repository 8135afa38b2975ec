"""What the numbers of a model take, beside what their formats give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_ae.fixed_point import FixedPointFormat


def tensor_ranges(
    names: Sequence[str],
    ranges: Sequence[tuple[float, float]],
    quantiles: Mapping[float, Sequence[float]],
    formats: Sequence[FixedPointFormat | None],
) -> Figure:
    """Magnitudes of each tensor in powers of two, from the input at the top down.

    A bar is the bits of a format, from its step to its end; a line is the range of |x| but zero.

    Args:
        names: of the tensors.
        ranges: smallest |x| that is not zero, and largest; zero where all are.
        quantiles: of |x|, one a tensor, by their shares; those that are zero are left out.
        formats: None where a tensor is not rounded.
    """
    figure = Figure(figsize=(7, 1.1 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(names))
    rounded = [(place, form) for place, form in zip(places, formats, strict=True) if form]
    axes.barh(
        [place for place, _ in rounded],
        [form.width - form.signed for _, form in rounded],
        left=[-form.fractional for _, form in rounded],
        height=0.7,
        color="lightsteelblue",
        label="bits of the format",
    )
    with np.errstate(divide="ignore"):
        ends = np.where(np.array(ranges) > 0, np.log2(ranges), np.nan)
        exponents = {
            share: np.where(np.array(values) > 0, np.log2(values), np.nan)
            for share, values in quantiles.items()
        }
    axes.hlines(places, ends[:, 0], ends[:, 1], color="black", linewidth=1, label="range of |x|")
    for (share, values), marker in zip(exponents.items(), "|x.o+*", strict=False):
        axes.plot(values, places, marker, color="black", label=f"{100 * share:g} % of |x|")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel("power of two")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
