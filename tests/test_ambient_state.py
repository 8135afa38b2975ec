"""No global switch of Keras changes a bit of a fixed-point model, or it is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ae.errors import InputError
from keras_ae.models import build_autoencoder, build_student
from keras_ae.networks import build_encoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec

SPEC = ArchitectureSpec(input_dim=6, hidden_dims=(5,), latent_dim=2)
X = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)

# TensorFlow says that data sets are traced all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Even though the")

#: Each switch: how it is set, and what it is by default.
SWITCHES: dict[str, tuple[Any, Any, Any]] = {
    **{
        f"policy {name}": (keras.config.set_dtype_policy, name, "float32")
        for name in ("mixed_bfloat16", "mixed_float16", "float16", "bfloat16", "float64")
    },
    "floatx float64": (keras.config.set_floatx, "float64", "float32"),
    "floatx float16": (keras.config.set_floatx, "float16", "float32"),
    "epsilon": (keras.config.set_epsilon, 1e-2, 1e-7),
    "channels first": (keras.config.set_image_data_format, "channels_first", "channels_last"),
    "eagerly": (tf.config.run_functions_eagerly, True, False),
    "seed": (keras.utils.set_random_seed, 99, 1),
}


@pytest.fixture(params=SWITCHES)
def switched(request: pytest.FixtureRequest) -> Iterator[str]:
    switch, value, default = SWITCHES[request.param]
    switch(value)
    yield request.param
    switch(default)


def scores() -> dict[str, np.ndarray]:
    model = build_autoencoder("variational", SPEC, FixedPoint(), seed=1)
    student = build_student(
        ArchitectureSpec(input_dim=6, hidden_dims=(4,), latent_dim=1), FixedPoint(), seed=1
    )
    found = {**model.scores(X), **student.scores(X)}
    found["call"] = model.predict(X, verbose=0)
    return found


BEFORE = scores()
SAVED = build_autoencoder("plain", SPEC, FixedPoint(), seed=1)


def test_same_bits_or_refused(switched: str) -> None:
    if switched.startswith("floatx"):
        with pytest.raises(InputError, match=r"floatx\(\) must be 'float32' for a model in fixed"):
            scores()
        return
    for name, values in scores().items():
        np.testing.assert_array_equal(values, BEFORE[name], err_msg=name)


def test_a_model_that_is_read(switched: str, tmp_path: Path) -> None:
    SAVED.save(tmp_path / "m.keras")
    read = keras.models.load_model(tmp_path / "m.keras")
    if not switched.startswith("floatx"):
        for name, values in read.scores(X).items():
            if name in BEFORE and name != "call":
                assert values.dtype == np.float32
        np.testing.assert_array_equal(read.predict(X, verbose=0), SAVED.predict(X, verbose=0))


def test_networks_that_are_built_alone() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = build_encoder(SPEC, FixedPoint())
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in encoder.layers} == {"float32"}


@pytest.mark.parametrize("fitted", [True, False])
def test_what_is_exported_is_what_is_predicted(fitted: bool, tmp_path: Path) -> None:
    model = build_autoencoder("variational", SPEC, seed=1)
    model.compile()
    if fitted:
        model.fit(X, verbose=0)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    found = exported.serve(tf.constant(X))
    np.testing.assert_allclose(np.asarray(found), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


def test_a_conditional_model_is_exported(tmp_path: Path) -> None:
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(5,), latent_dim=2, condition_dim=3)
    model = build_autoencoder("conditional_variational", spec, seed=1)
    condition = np.eye(3, dtype=np.float32)[np.arange(300) % 3]
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    found = exported.serve([tf.constant(X), tf.constant(condition)])
    expected = model.predict((X, condition), verbose=0)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5, atol=1e-6)
