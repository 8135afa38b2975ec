"""Figures hold the numbers that they were given."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from keras_ae import plots
from keras_ae.compression import RatePoint
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

RNG = np.random.default_rng(1)
IMAGES = RNG.random((12, 5, 4))


def shown(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_training_curves() -> None:
    history = {"loss": [3.0, 2.0], "val_loss": [4.0, 3.0], "kl": [1.0, 0.5], "learning_rate": [1]}
    figure = plots.training_curves(history)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "kl"]
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), [4.0, 3.0])
    assert len(figure.axes[1].lines) == 1


def test_roc_has_a_band_and_ends_where_the_sample_does() -> None:
    background, signal = RNG.normal(size=2000), RNG.normal(1, size=500)
    figure = plots.roc_curves({"background": background, "s": signal}, "score")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == (0.005, 1.0)
    fpr, tpr = axes.lines[0].get_data()
    threshold = 0.7
    at = np.searchsorted(fpr, (background > threshold).mean())
    assert tpr[at] == pytest.approx((signal > threshold).mean(), abs=0.01)
    band = axes.collections[0].get_paths()[0].vertices
    near = np.abs(band[:, 0] - fpr[at]) < 0.01
    error = np.sqrt(tpr[at] * (1 - tpr[at]) / 500)
    assert band[near, 1].min() < tpr[at] - 0.5 * error
    assert band[near, 1].max() > tpr[at] + 0.5 * error


@pytest.mark.parametrize("offset", [0.0, -50.0])
def test_score_distributions_are_normalized(offset: float) -> None:
    values = RNG.exponential(size=5000) + offset
    (axes,) = plots.score_distributions({"background": values}, "score").axes
    vertices = axes.patches[0].get_xy()
    assert vertices[:, 0].min() <= np.quantile(values, 0.01)
    # The outline of the histogram encloses an area of 1 (shoelace formula).
    x, y = vertices.T
    area = 0.5 * abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    assert area == pytest.approx(1, rel=0.02)


def test_field_distributions() -> None:
    values = {"background": np.repeat([0.5, 1.0, 2.5], [100, 300, 100]), "none": np.zeros(0)}
    figure = plots.field_distributions(values, "jet.pt", "GeV", step=0.5)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "jet.pt [GeV]"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["background (500)"]
    # Bins are around values, and what they hold is a density.
    edges, heights = axes.patches[0].get_xy().T
    np.testing.assert_allclose(np.unique(edges), [0.25, 0.75, 1.25, 1.75, 2.25, 2.75])
    inside = (edges > 0.75 - 1e-9) & (edges < 1.25 + 1e-9)
    assert heights[inside].max() == pytest.approx(300 / 500 / 0.5)
    # One value, many steps, and no steps at all.
    assert plots.field_distributions({"a": np.ones(3)}, "x").axes
    wide = plots.field_distributions({"a": np.arange(1000), "b": np.arange(500)}, "x", step=1)
    edges = np.unique(wide.axes[0].patches[0].get_xy()[:, 0])
    np.testing.assert_allclose(np.diff(edges), 17)
    message = "^values of field 'jet.pt' must be of one sample at least, got none$"
    with pytest.raises(InputError, match=message):
        plots.field_distributions({"background": np.zeros(0)}, "jet.pt")


def test_rate_distortion_and_contributions() -> None:
    points = [RatePoint(FixedPointFormat(width, 4), 3 * width, 1 / width) for width in (8, 6, 12)]
    (axes,) = plots.rate_distortion_curve(points).axes
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [18, 24, 36])
    contributions = RNG.random((10, 3))
    (axes,) = plots.feature_contributions(contributions, ["a", "b", "c"]).axes
    heights = [patch.get_height() for patch in axes.patches]
    np.testing.assert_allclose(heights, contributions.mean(axis=0))
    with pytest.raises(InputError, match=r"must have shape \(events, 2\) for 2 names, got"):
        plots.feature_contributions(contributions, ["a", "b"])


def test_reconstructions() -> None:
    figure = plots.reconstructions(IMAGES[..., None], IMAGES[..., None] / 2, n=3)
    assert len(figure.axes) == 9
    np.testing.assert_array_equal(shown(figure.axes[1]), IMAGES[1])
    np.testing.assert_array_equal(shown(figure.axes[4]), IMAGES[1] / 2)
    np.testing.assert_allclose(shown(figure.axes[7]), (IMAGES[1] / 2) ** 2)
    assert figure.axes[0].images[0].get_clim() == figure.axes[3].images[0].get_clim()
    with pytest.raises(InputError, match="reconstruction must have the shape of x"):
        plots.reconstructions(IMAGES, IMAGES[:, :3])
    with pytest.raises(InputError, match=r"x must have shape \(events, height, width\)"):
        plots.reconstructions(IMAGES[0], IMAGES[0])


def test_average_images() -> None:
    figure = plots.average_images({"QCD": (IMAGES, IMAGES / 2), "top": (2 * IMAGES, IMAGES)})
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == 6
    np.testing.assert_allclose(shown(panels[0]), IMAGES.mean(axis=0))
    np.testing.assert_allclose(shown(panels[5]), (IMAGES**2).mean(axis=0))
    scales = [axes.images[0].get_clim() for axes in panels]
    assert scales[0] == scales[1] == scales[3] == scales[4]
    assert scales[2] == scales[5]


def test_strip_and_grid() -> None:
    figure = plots.interpolation_strip(IMAGES)
    assert len(figure.axes) == 12
    seen = []

    def decode(codes: np.ndarray) -> np.ndarray:
        seen.append(codes)
        return np.broadcast_to(codes[:, :1, None], (len(codes), 2, 3))

    figure = plots.latent_grid(decode, n=3, span=1.0)
    np.testing.assert_array_equal(seen[0][0], [-1, 1])  # top left
    tiled = shown(figure.axes[0])
    assert tiled.shape == (6, 9)
    np.testing.assert_array_equal(tiled[0], np.repeat([-1, 0, 1], 3))


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_latent_map(latent_dim: int) -> None:
    codes = RNG.normal(size=(60, latent_dim))
    labels = np.repeat(["a", "b", "c"], 20)
    (axes,) = plots.latent_map(codes, labels).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "c"]
    if latent_dim == 2:
        np.testing.assert_allclose(axes.collections[1].get_offsets(), codes[20:40])
    if latent_dim == 5:
        assert "principal component" in axes.get_xlabel()
    with pytest.raises(InputError, match="codes must have shape"):
        plots.latent_map(codes, labels[:5])


def test_pareto_front_shows_every_trial() -> None:
    figure = plots.pareto_front(
        [300.0, 100.0, 0.0, 200.0],
        [0.9, 0.7, 0.5, 0.6],
        [0.01, 0.02, 0.03, 0.04],
        [0, 4, 5, 7],
        {0, 4, 5},
        reference=0.8,
        axes_labels=("estimated LUT", "mean AUC"),
    )
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("estimated LUT", "mean AUC")
    # Of no LUT at all, at the edge; from the smallest on.
    np.testing.assert_array_equal(axes.containers[0].lines[0].get_xdata(), [1, 100, 300])
    np.testing.assert_array_equal(axes.containers[0].lines[0].get_ydata(), [0.5, 0.7, 0.9])
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[200, 0.6]])
    assert [text.get_text() for text in axes.texts] == ["5", "4", "0"]


def test_designs_are_points_with_names_in_each_panel() -> None:
    designs = [
        plots.Design("small", "networks", 800.0, (0.7, 1.0), (0.01, 0.2)),
        plots.Design("count", "no network", 60.0, (0.75, None), (0.0, 0.0)),
    ]
    figure = plots.designs_compared(designs, "LUT", ("AUC", "TPR"))
    first, second = figure.axes
    assert [text.get_text() for text in first.texts] == ["small", "count"]
    assert [text.get_text() for text in second.texts] == ["small"]
    (x, y), *_ = (line.get_xydata()[0] for line in first.lines)
    assert (x, y) == (800.0, 0.7)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_names_are_no_formulas_and_no_tex_is_run(suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    name = r"$\foo$ and $x_"
    scores = {"background": rng.normal(size=500), name: rng.normal(1, 1, 500)}
    with matplotlib.rc_context({"text.usetex": True}):
        figure = plots.roc_curves(scores, name)
        plots.save(figure, tmp_path / f"figure{suffix}")
    written = (tmp_path / f"figure{suffix}").read_bytes()
    assert len(written) > 1000
    if suffix == ".svg":
        assert name.encode() in written
