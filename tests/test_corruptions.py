"""Corruptions and schedules against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from keras_ae.corruptions import (
    CORRUPTIONS,
    GaussianNoise,
    Masking,
    ObjectDropout,
    SaltAndPepper,
)
from keras_ae.errors import InputError
from keras_ae.schedules import SCHEDULES, Constant, Cyclical, Linear

X = tf.constant(np.random.default_rng(1).uniform(1, 2, size=(4000, 12)).astype("float32"))
SEED = (1, 2)


def test_gaussian_noise() -> None:
    added = np.asarray(GaussianNoise(0.3)(X, SEED) - X)
    assert added.mean() == pytest.approx(0, abs=0.01)
    assert added.std() == pytest.approx(0.3, rel=0.02)


def test_masking() -> None:
    spoiled = np.asarray(Masking(0.2)(X, SEED))
    lost = spoiled == 0
    assert lost.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(spoiled[~lost], np.asarray(X)[~lost])


def test_salt_and_pepper() -> None:
    spoiled = np.asarray(SaltAndPepper(0.2, low=-1, high=5)(X, SEED))
    assert (spoiled == -1).mean() == pytest.approx(0.1, abs=0.01)
    assert (spoiled == 5).mean() == pytest.approx(0.1, abs=0.01)
    kept = (spoiled != -1) & (spoiled != 5)
    np.testing.assert_array_equal(spoiled[kept], np.asarray(X)[kept])


def test_objects_are_lost_as_a_whole() -> None:
    lost = (np.asarray(ObjectDropout(0.25)(X, SEED)) == 0).reshape(-1, 4, 3)
    np.testing.assert_array_equal(lost.all(axis=2), lost.any(axis=2))
    assert lost.mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_same_seed_same_corruption_and_images_too(kind: str) -> None:
    corruption = CORRUPTIONS[kind]()
    np.testing.assert_array_equal(corruption(X, SEED), corruption(X, SEED))
    assert not np.array_equal(corruption(X, SEED), corruption(X, (1, 3)))
    again = type(corruption).from_config(corruption.get_config())
    np.testing.assert_array_equal(corruption(X, SEED), again(X, SEED))
    images = tf.reshape(X, (-1, 2, 6, 1))
    if kind == "object_dropout":
        with pytest.raises(InputError, match="input of ObjectDropout must be"):
            corruption(images, SEED)
    else:
        assert corruption(images, SEED).shape == images.shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(-1), "stddev of a corruption must be >= 0, got -1"),
        (lambda: Masking(1.0), r"rate of a corruption must be in \[0, 1\), got 1.0"),
        (lambda: SaltAndPepper(0.1, 1, 1), "low of a corruption must be below high, got 1 and 1"),
        (lambda: ObjectDropout(0.1, 0), "features_per_object must be >= 1, got 0"),
        (lambda: Linear(0), "n_steps of a schedule must be >= 1, got 0"),
        (lambda: Cyclical(10, 0.0), r"ramp of a schedule must be in \(0, 1\], got 0.0"),
    ],
)
def test_bad_arguments(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_schedules() -> None:
    steps = np.arange(20)

    def values(schedule) -> list[float]:
        return [float(schedule(tf.constant(step, tf.int64))) for step in steps]

    assert values(Constant()) == [1.0] * 20
    np.testing.assert_allclose(values(Linear(10)), np.minimum(steps / 10, 1), rtol=1e-6)
    expected = np.minimum((steps % 8) / 4, 1)
    np.testing.assert_allclose(values(Cyclical(8, 0.5)), expected, rtol=1e-6)
    assert set(SCHEDULES) == {"constant", "linear", "cyclical"}
