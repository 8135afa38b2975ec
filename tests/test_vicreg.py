"""VICReg: its terms by hand and in NumPy, what it learns, collapse, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from keras_ae.errors import InputError
from keras_ae.models import VICReg, build_vicreg
from keras_ae.models.vicreg import invariance, off_diagonal_covariance, variance_hinge
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.embedding import VICRegObjective
from keras_ae.yaml_files import validate_settings

SPEC = ArchitectureSpec(input_dim=6, hidden_dims=(8,), latent_dim=3)


def objective(**content: Any) -> VICRegObjective:
    steps = [{"kind": "masked", "rate": 0.1}]
    return validate_settings(VICRegObjective, {"augmentations": steps, **content}, "objective")


def views(n_events: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Of three hidden numbers seen through six, each view with noise of its own."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n_events, 3)) @ rng.normal(size=(3, 6))
    first, second = (x + 0.1 * rng.normal(size=x.shape) for _ in range(2))
    return first.astype("float32"), second.astype("float32")


def numpy_terms(z: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Eq. 1 to 5 of arXiv:2105.04906, with NumPy's own covariance."""
    variance = covariance = 0.0
    for view in (z, other):
        found = np.cov(view, rowvar=False)
        deviations = np.sqrt(np.diag(found) + 1e-4)
        variance += np.maximum(0, 1 - deviations).mean()
        covariance += (found**2).sum() / len(found) - (np.diag(found) ** 2).sum() / len(found)
    return ((z - other) ** 2).sum(axis=1).mean(), variance, covariance


def test_terms_of_a_worked_example() -> None:
    z, other = np.array([[[0, 0], [2, 0]], [[0, 0], [2, 2]]], "float32")
    assert float(invariance(z, other)) == 2.0
    # Deviations sqrt(2) and, but for epsilon, 0; sqrt(2) twice.
    assert float(variance_hinge(z)) == pytest.approx((0 + 0.99) / 2)
    assert float(variance_hinge(other)) == 0.0
    # One covariance of 2 on either side of the diagonal, by two outputs.
    assert float(off_diagonal_covariance(z)) == 0.0
    assert float(off_diagonal_covariance(other)) == pytest.approx(4.0)


def test_terms_and_loss_equal_numpy() -> None:
    model = build_vicreg(SPEC, objective(projector_dims=[5, 4]), seed=2)
    model.compile()
    x, y = views(64)
    projected = [np.asarray(model.projector(model.embed(view)), float) for view in (x, y)]
    expected = numpy_terms(*projected)
    found = model.evaluate(x, y, batch_size=64, return_dict=True, verbose=0)
    assert_allclose([found[name] for name in model.term_names], expected, rtol=1e-5)
    assert found["loss"] == pytest.approx(np.dot([25, 25, 1], expected), rel=1e-5)


def test_learns_what_views_share() -> None:
    model = build_vicreg(SPEC, objective(projector_dims=[]), seed=2)
    model.compile(keras.optimizers.Adam(1e-2))
    x, y = views()
    history = model.fit(x, y, batch_size=128, epochs=60, validation_data=(x, y), verbose=0).history
    assert set(history) == {f"{v}{n}" for v in ("", "val_") for n in ("loss", *model.term_names)}
    z = model.embed(x)
    model.check_not_collapsed(x)
    assert_allclose(z.std(axis=0), 1, atol=0.3)
    off = np.corrcoef(z, rowvar=False) - np.eye(3)
    assert np.abs(off).max() < 0.2
    # Far less apart than two events are.
    apart = ((z - model.embed(y)) ** 2).sum(axis=1).mean()
    assert apart < 0.1 * ((z - z[::-1]) ** 2).sum(axis=1).mean()


def test_collapse_is_named() -> None:
    model = build_vicreg(SPEC, objective(), seed=2)
    last = model.encoder.get_layer("embedding")
    kernel, bias = last.get_weights()
    last.set_weights([kernel * np.array([1, 1e-6, 1]), bias])
    with pytest.raises(InputError, match=r"got less of 1 of 3, 1 \(.*\): it has collapsed; choose"):
        model.check_not_collapsed(views()[0])


def test_centred_outputs_and_the_same_terms() -> None:
    model = build_vicreg(SPEC, objective(), seed=2)
    model.compile()
    x, y = views()
    x, y = x + 3, y + 3
    before = model.evaluate(x, y, return_dict=True, verbose=0)
    model.centre(x)
    assert_allclose(model.embed(x).mean(axis=0), 0, atol=1e-5)
    after = model.evaluate(x, y, return_dict=True, verbose=0)
    assert_allclose([after[k] for k in before], list(before.values()), rtol=1e-3)


def test_scores_and_saving(tmp_path: Path) -> None:
    model = build_vicreg(SPEC, objective(), FixedPoint(), seed=2)
    x, _ = views()
    z = model.embed(x)
    assert_array_equal(z, np.round(z * 16) / 16)
    scores = model.scores(x)
    assert_allclose(scores["squared_latent_norm"], (z**2).sum(axis=1), rtol=1e-6)
    assert_allclose(scores["latent_norm"], np.sqrt((z**2).sum(axis=1)), rtol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_array_equal(loaded.embed(x), z)
    assert loaded.weights_of_terms == (25.0, 25.0, 1.0)
    other = build_vicreg(SPEC, objective(), FixedPoint(), seed=3)
    other.copy_from(loaded)
    for mine, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        assert_array_equal(mine, theirs)


def test_refusals() -> None:
    model = build_vicreg(SPEC, objective(), seed=2)
    model.compile()
    x, y = views(8)
    for arguments, message in (
        ({"x": x, "y": y, "batch_size": 1}, "batch_size must be >= 2, of one event there is no"),
        ({"x": x[:1], "y": y[:1]}, "x must be two views of the same events, of two at least"),
        ({"x": x, "y": y[:5]}, "two views of the same events, of two at least, got 8 and 5"),
        ({"x": x}, "y of x must be an array"),
        ({"x": x, "y": y, "validation_data": (x,)}, "y of validation data must be an array"),
        ({"x": x[:, :3], "y": y}, r"x must have shape \(events, 6\), got \(8, 3\)"),
        ({"x": x * np.nan, "y": y}, "every value must be finite, got NaN"),
    ):
        with pytest.raises(InputError, match=message):
            model.fit(**arguments, verbose=0)
    encoder, projector = model.encoder, model.projector
    with pytest.raises(InputError, match="variance_weight must be > 0, or all outputs become"):
        VICReg(encoder, projector, variance_weight=0)
    with pytest.raises(InputError, match="invariance_weight must be >= 0, got -1"):
        VICReg(encoder, projector, invariance_weight=-1)
    with pytest.raises(InputError, match="projector must take what the encoder gives"):
        VICReg(encoder, encoder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"variance_weight": 0.0}, "variance_weight: input should be greater than 0, got 0.0"),
        ({"augmentations": []}, "augmentations: must have more entries, got none"),
        (
            {"augmentations": [{"kind": "flipped"}]},
            "augmentations.0.kind must be one of 'exchanged', .*, got 'flipped'",
        ),
        ({"n_pairs": 0}, "n_pairs: input should be greater than or equal to 1"),
    ],
)
def test_settings(content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        objective(**content)
