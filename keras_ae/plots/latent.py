"""The latent space: where events lie in it, and what its points decode to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from keras_ae.errors import InputError
from keras_ae.plots.images import as_images, show


def latent_map(codes: np.ndarray, labels: np.ndarray) -> Figure:
    """Codes in two dimensions, coloured by label.

    Args:
        codes: (events, latent_dim); of more than two dimensions the first two principal
            components are shown, of one dimension a histogram. Axes hold all but one in a thousand.
        labels: (events,), numbers, or names, which are drawn in the order in which they come.

    Raises:
        InputError: other shapes.
    """
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or labels.shape != codes.shape[:1]:
        raise InputError(
            "codes must have shape (events, latent_dim) and labels (events,), got "
            f"{codes.shape} and {labels.shape}"
        )
    names = ["latent dimension 1", "latent dimension 2"]
    if codes.shape[1] > 2:
        codes = PCA(2).fit_transform(codes)
        names = [f"principal component {number} of the code" for number in (1, 2)]
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    values, first = np.unique(labels, return_index=True)
    for label in values if labels.dtype.kind in "iufb" else values[np.argsort(first)]:
        chosen = codes[labels == label]
        if codes.shape[1] == 1:
            axes.hist(chosen[:, 0], bins=50, histtype="step", label=str(label))
        else:
            axes.scatter(chosen[:, 0], chosen[:, 1], s=4, label=str(label))
    if codes.shape[1] > 1 and len(codes):
        for limit, values in ((axes.set_xlim, codes[:, 0]), (axes.set_ylim, codes[:, 1])):
            low, high = np.quantile(values, [0.0005, 0.9995])
            margin = 0.05 * (high - low) or 1.0
            limit(low - margin, high + margin)
    axes.set(xlabel=names[0], ylabel="events" if codes.shape[1] == 1 else names[1])
    axes.legend(markerscale=3, fontsize=7)
    return figure


def latent_grid(
    decode: Callable[[np.ndarray], np.ndarray], n: int = 12, span: float = 2.0
) -> Figure:
    """What a plane of two latent dimensions decodes to, n x n images from -span to span.

    Args:
        decode: (codes, 2) -> images (codes, height, width[, 1]).
        n: images in each direction.
        span: in units of the prior's standard deviation.

    Raises:
        InputError: n < 1, or `decode` gives something else.
    """
    if n < 1:
        raise InputError(f"n must be >= 1, got {n}")
    values = np.linspace(-span, span, n)
    # Rows from the top: the second dimension grows upwards.
    codes = np.stack(np.meshgrid(values, values[::-1]), axis=-1).reshape(-1, 2)
    images = as_images(decode(codes), "decoded images")
    height, width = images.shape[1:]
    tiled = images.reshape(n, n, height, width).swapaxes(1, 2).reshape(n * height, n * width)
    figure = Figure(figsize=(6, 6 * height / width), layout="constrained")
    axes = figure.subplots()
    show(axes, tiled, extent=(-span, span, -span, span), aspect="auto")
    axes.set(
        xlabel="latent dimension 1",
        ylabel="latent dimension 2",
        xticks=[-span, 0, span],
        yticks=[-span, 0, span],
    )
    return figure
