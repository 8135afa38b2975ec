"""Images: beside their reconstructions, on average, in a strip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from keras_ae.errors import InputError


def reconstructions(x: np.ndarray, reconstruction: np.ndarray, n: int = 8) -> Figure:
    """Rows of input, reconstruction and squared error of the first n images.

    Args:
        x: (events, height, width) or (events, height, width, 1).
        reconstruction: of the same shape.
        n: columns.

    Raises:
        InputError: other shapes.
    """
    x, reconstruction = as_images(x, "x"), as_images(reconstruction, "reconstruction")
    if x.shape != reconstruction.shape:
        raise InputError(
            f"reconstruction must have the shape of x, {x.shape}, got {reconstruction.shape}"
        )
    x, reconstruction = x[:n], reconstruction[:n]
    error = (x - reconstruction) ** 2
    figure = Figure(figsize=(1.1 * len(x) + 1, 3.6), layout="constrained")
    grid = figure.subplots(3, len(x), squeeze=False)
    # Input and reconstruction on the same scale.
    shared: dict[str, Any] = {"vmin": min(x.min(), 0.0), "vmax": x.max()}
    rows: tuple[Any, ...] = (
        ("input", x, shared),
        ("reconstruction", reconstruction, shared),
        ("error", error, {}),
    )
    for row, (label, images, scale) in zip(grid, rows, strict=True):
        row[0].set_ylabel(label)
        for axes, image in zip(row, images, strict=True):
            show(axes, image, **scale)
    return figure


def average_images(samples: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """A row a sample: mean of the images, mean of their reconstructions, mean squared error.

    All on logarithmic scales; the first two columns share one, the third has its own.

    Args:
        samples: name -> images and their reconstructions, (events, height, width[, 1]) each.

    Raises:
        InputError: other shapes.
    """
    rows = {
        name: (as_images(x, name), as_images(reconstruction, name))
        for name, (x, reconstruction) in samples.items()
    }
    means = {
        name: (x.mean(axis=0), y.mean(axis=0), ((x - y) ** 2).mean(axis=0))
        for name, (x, y) in rows.items()
    }
    highest = max(mean.max() for x, y, _ in means.values() for mean in (x, y))
    largest_error = max(error.max() for *_, error in means.values())
    figure = Figure(figsize=(9, 2.8 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for row, (name, columns) in zip(grid, means.items(), strict=True):
        for axes, image, label, top in zip(
            row,
            columns,
            ("mean image", "mean reconstruction", "mean squared error"),
            (highest, highest, largest_error),
            strict=True,
        ):
            norm = LogNorm(top * 1e-4 or 1e-4, top or 1.0, clip=True)
            shown = show(axes, image, norm=norm)
            axes.set_title(f"{name}: {label}", fontsize=9)
            figure.colorbar(shown, ax=axes)
    return figure


def interpolation_strip(images: np.ndarray) -> Figure:
    """A row of images (steps, height, width[, 1]) on one scale."""
    images = as_images(images, "images")
    figure = Figure(figsize=(1.1 * len(images), 1.3), layout="constrained")
    for axes, image in zip(figure.subplots(1, len(images), squeeze=False)[0], images, strict=True):
        show(axes, image, vmin=images.min(), vmax=images.max())
    return figure


def as_images(x: np.ndarray, subject: str) -> np.ndarray:
    """(events, height, width), without a channel.

    Raises:
        InputError: another shape, or no events.
    """
    x = np.asarray(x)
    images = x[..., 0] if x.ndim == 4 and x.shape[-1] == 1 else x
    if images.ndim != 3 or len(images) == 0:
        raise InputError(
            f"{subject} must have shape (events, height, width) or (events, height, width, 1) with "
            f"at least one event, got {x.shape}"
        )
    return images


def show(axes: Any, image: np.ndarray, **options: Any) -> Any:
    """An image without ticks."""
    axes.set(xticks=[], yticks=[])
    return axes.imshow(image, cmap="viridis", **options)
