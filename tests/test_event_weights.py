"""Weights of events: the objective is a weighted mean, whichever way Keras is given them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ae.errors import InputError
from keras_ae.models import build_autoencoder, build_student
from keras_ae.models.vicreg import build_vicreg
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.embedding import VICRegObjective

SPEC = ArchitectureSpec(input_dim=6, hidden_dims=(5,), latent_dim=2)
LINEAR = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=2)
KINDS = [
    "plain",
    "sparse",
    "denoising",
    "contractive",
    "variational",
    "importance_weighted",
    "linear",
]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 4, 64).astype(np.float32)


def compiled(kind: str, optimizer: Any = None) -> Any:
    model = build_autoencoder(kind, LINEAR if kind in ("linear", "pca", "oja") else SPEC, seed=3)
    model.compile(optimizer=optimizer or keras.optimizers.SGD(1e-2))
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_is_the_weighted_mean_of_the_events(
    kind: str, x: np.ndarray, weights: np.ndarray
) -> None:
    model = compiled(kind)
    # Noise depends on the place in a batch.
    batch = 64 if kind == "importance_weighted" else 10
    per_event = model.evaluate(x[:1], verbose=0, return_dict=True)
    single = [
        model.evaluate(x[n : n + 1], verbose=0, return_dict=True)["loss"] for n in range(len(x))
    ]
    found = model.evaluate(x, sample_weight=weights, batch_size=batch, verbose=0, return_dict=True)
    assert set(found) == set(per_event)
    if kind != "importance_weighted":
        expected = np.average(single, weights=weights)
        np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    ones = model.evaluate(x, sample_weight=np.full(64, 3.0), verbose=0)
    np.testing.assert_allclose(ones, model.evaluate(x, verbose=0), rtol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "contractive", "linear", "oja"])
def test_a_weight_is_that_many_events(kind: str, x: np.ndarray, weights: np.ndarray) -> None:
    one, other = compiled(kind), compiled(kind)
    one.fit(x, sample_weight=weights, batch_size=64, epochs=1, verbose=0)
    repeated = np.repeat(x, weights.astype(int), axis=0)
    other.fit(repeated, batch_size=len(repeated), epochs=1, verbose=0)
    for found, expected in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_every_way_to_give_them(x: np.ndarray, weights: np.ndarray) -> None:
    def generator() -> Iterator[tuple[np.ndarray, ...]]:
        yield x, x, weights

    batches = tf.data.Dataset.from_tensor_slices((x, x, weights)).batch(64)
    columns = tf.data.Dataset.from_tensor_slices((x, x, weights[:, None])).batch(64)
    ways: dict[str, Any] = {
        "fit": lambda m: m.fit(x, sample_weight=weights, batch_size=64, verbose=0),
        "with y": lambda m: m.fit(x, x, sample_weight=weights, batch_size=64, verbose=0),
        "tf.data": lambda m: m.fit(batches, shuffle=False, verbose=0),
        "tf.data, as a column": lambda m: m.fit(columns, shuffle=False, verbose=0),
        "generator": lambda m: m.fit(generator(), steps_per_epoch=1, shuffle=False, verbose=0),
        "train_on_batch": lambda m: m.train_on_batch(x, x, sample_weight=weights),
    }
    states = {}
    for name, way in ways.items():
        model = compiled("plain")
        way(model)
        states[name] = model.get_weights()
    unweighted = compiled("plain")
    unweighted.fit(x, batch_size=64, verbose=0)
    for name, found in states.items():
        for one, other in zip(found, states["fit"], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7, err_msg=name)
        assert np.abs(found[0] - unweighted.get_weights()[0]).max() > 1e-6


def test_validation_data_have_their_own(x: np.ndarray, weights: np.ndarray) -> None:
    model = compiled("plain")
    history = model.fit(x, validation_data=(x, x, weights), batch_size=16, verbose=0).history
    expected = model.evaluate(x, sample_weight=weights, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(history["val_loss"][-1], expected, rtol=1e-5)
    found = model.test_on_batch(x, x, sample_weight=weights, return_dict=True)["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pca_of_weighted_events(x: np.ndarray, weights: np.ndarray) -> None:
    one, other = compiled("pca"), compiled("pca")
    one.fit(x, sample_weight=weights)
    other.fit(np.repeat(x, weights.astype(int), axis=0))
    np.testing.assert_allclose(one.mean_, other.mean_, atol=1e-6)
    np.testing.assert_allclose(one.components_, other.components_, atol=1e-5)
    np.testing.assert_allclose(
        one.explained_variance_ratio_, other.explained_variance_ratio_, rtol=1e-5
    )
    equal = compiled("pca")
    equal.fit(x, sample_weight=np.full(64, 0.25))
    plain = compiled("pca")
    plain.fit(x)
    np.testing.assert_allclose(equal.explained_variance_, plain.explained_variance_, rtol=1e-5)


@pytest.mark.parametrize("focus", [1.0, 4.0])
def test_a_student(x: np.ndarray, weights: np.ndarray, focus: float) -> None:
    y = np.exp(x[:, 0]).astype(np.float32)
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(4,), latent_dim=1)
    student = build_student(spec, seed=1, focus=focus)
    student.adapt(y, [1.0, 2.0] if focus > 1 else [])
    student.compile(optimizer=keras.optimizers.SGD(1e-2))
    single = [student.evaluate(x[n : n + 1], y[n : n + 1], verbose=0) for n in range(64)]
    found = student.evaluate(x, y, sample_weight=weights, batch_size=10, verbose=0)
    np.testing.assert_allclose(found, np.average(single, weights=weights), rtol=1e-5)
    history = student.fit(
        x, y, sample_weight=weights, validation_data=(x, y, weights), verbose=0
    ).history
    expected = student.evaluate(x, y, sample_weight=weights, verbose=0)
    np.testing.assert_allclose(history["val_loss"][-1], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones(63), "sample_weight of x must be one for each of 64 events, got 63"),
        (
            np.zeros(64),
            "sample_weight of x must be >= 0, and above 0 for one event at least, got 0",
        ),
        (np.linspace(-1, 1, 64), "sample_weight of x must be >= 0, .*, got -1 to 1"),
        (np.full(64, np.nan), "sample_weight of x: every value must be finite"),
        (np.ones((64, 2)), r"sample_weight of x must have shape \(events\), got \(64, 2\)"),
    ],
)
def test_refused(x: np.ndarray, wrong: np.ndarray, message: str) -> None:
    model = compiled("plain")
    for method in (model.fit, model.evaluate):
        with pytest.raises(InputError, match=message):
            method(x, sample_weight=wrong, verbose=0)


def test_a_loss_of_batches_has_none(x: np.ndarray, weights: np.ndarray) -> None:
    model = build_vicreg(
        SPEC,
        VICRegObjective.model_validate({"kind": "vicreg", "augmentations": [{"kind": "rotated"}]}),
    )
    model.compile()
    with pytest.raises(InputError, match="sample_weight of x must be None: the terms of VICReg"):
        model.fit(x, x, sample_weight=weights, verbose=0)
    batches = tf.data.Dataset.from_tensor_slices((x, x, weights)).batch(32)
    with pytest.raises(InputError, match="sample_weight of a batch must be None"):
        model.fit(batches, shuffle=False, verbose=0)
    with pytest.raises(InputError, match="class_weight must be None"):
        compiled("plain").fit(x, class_weight={0: 1.0}, verbose=0)


def test_terms_stand_still_after_a_loss_that_is_not_finite() -> None:
    model = compiled("plain")
    for loss, term in ((1.0, 1.0), (np.inf, 2.0), (np.nan, np.nan), (5.0, 5.0)):
        terms = {"reconstruction": tf.fill([4], tf.constant(term, tf.float32))}
        shown = model._track(tf.constant(loss, tf.float32), terms, None)
    assert not np.isfinite(shown["loss"])
    assert float(shown["reconstruction"]) == 1.5
