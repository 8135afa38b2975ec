"""What is like an array is checked as one, or refused, wherever it is given."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from keras_ae.arrays import as_numbers, check_events
from keras_ae.detector import AnomalyDetector
from keras_ae.errors import InputError
from keras_ae.front_end.presets import load_front_end
from keras_ae.models import build_autoencoder
from keras_ae.models.student import build_student
from keras_ae.settings.architecture import ArchitectureSpec

GOOD = np.arange(60, dtype=np.float32).reshape(20, 3) / 16
SPEC = ArchitectureSpec(input_dim=3, hidden_dims=(4,), latent_dim=1)


class Frame:
    """What numpy knows of a data frame, which has a shape and makes an array."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.shape = values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype)


def holed() -> np.ndarray:
    bad = GOOD.copy()
    bad[7, 1] = np.nan
    return bad


def masked() -> Any:
    return np.ma.masked_array(GOOD, np.isnan(holed()))


@functools.cache
def model() -> Any:
    """Untrained, and left so."""
    return build_autoencoder("plain", SPEC, seed=1)


def compiled() -> Any:
    """To be trained; without a graph, whose tracing takes longer."""
    trained = build_autoencoder("plain", SPEC, seed=1)
    trained.compile(run_eagerly=True)
    return trained


def fit(x: Any) -> np.ndarray:
    trained = compiled()
    trained.fit(x, epochs=1, verbose=0)
    return trained.score(GOOD, "reconstruction_error")


def evaluate(x: Any) -> np.ndarray:
    trained = compiled()
    return np.array(trained.evaluate(x, verbose=0))


def validate(x: Any) -> np.ndarray:
    trained = compiled()
    history = trained.fit(GOOD, validation_data=(x,), epochs=1, verbose=0).history
    return np.array(history["val_loss"])


def teach(x: Any) -> np.ndarray:
    student = build_student(SPEC)
    scores = np.arange(1.0, 21.0)
    student.adapt(scores)
    student.compile(run_eagerly=True)
    student.fit(x, scores, epochs=1, verbose=0)
    return student.score(GOOD, "student_score")


def detect(x: Any) -> np.ndarray:
    detector = AnomalyDetector(model(), target_fpr=0.6, epochs=0)
    return detector.fit(GOOD).anomaly_score(x)


def detect_fit(x: Any) -> np.ndarray:
    return AnomalyDetector(model(), target_fpr=0.6, epochs=0).fit(x).anomaly_score(GOOD)


def solve(x: Any) -> np.ndarray:
    spec = ArchitectureSpec(input_dim=3, hidden_dims=(), latent_dim=1)
    solved = build_autoencoder("pca", spec)
    solved.fit(x)
    return solved.score(GOOD, "reconstruction_error")


#: Functions that take events.
TAKERS: dict[str, Callable[[Any], np.ndarray]] = {
    "check_events": lambda x: check_events(x, (3,), "x"),
    "front_end": load_front_end({"features": 3, "format": "fixed<12,8>"}).to_hardware,
    "score": lambda x: model().score(x, "reconstruction_error"),
    "predict": lambda x: model().predict(x, verbose=0),
    "fit": fit,
    "evaluate": evaluate,
    "validate": validate,
    "pca": solve,
    "teach": teach,
    "detect": detect,
    "detect_fit": detect_fit,
}


LIKES: dict[str, Callable[..., Any]] = {
    "frame": Frame,
    "list": np.ndarray.tolist,
    "tensor": tf.constant,
    "variable": tf.Variable,
    "keras": keras.ops.convert_to_tensor,
    "unmasked": np.ma.array,
}


@functools.cache
def result(taker: str) -> np.ndarray:
    return TAKERS[taker](GOOD)


@pytest.mark.parametrize(
    ("taker", "like"),
    [
        *((taker, "frame") for taker in TAKERS),
        *((taker, like) for taker in ("check_events", "predict") for like in LIKES),
        *((taker, like) for taker in ("fit", "detect") for like in ("list", "tensor")),
    ],
)
def test_what_is_like_an_array_is_taken_as_one(taker: str, like: str) -> None:
    take, like_it = TAKERS[taker], LIKES[like]
    np.testing.assert_array_equal(take(like_it(GOOD)), result(taker))
    # And its content is checked.
    with pytest.raises(InputError, match="every value must be finite, got NaN or .* is event 7$"):
        take(like_it(holed()))


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (masked(), "must have no masked values, got some$"),
        (scipy.sparse.csr_matrix(GOOD), "must hold numbers, got csr_matrix$|X: Sparse data was"),
        (tf.sparse.from_dense(GOOD), "must hold numbers, got SparseTensor$"),
        (GOOD.astype(str), "must hold numbers, got <U32$|X: dtype='numeric' is not compatible"),
        (GOOD.astype(complex), "must hold numbers, got complex128$|X: Complex data not supported"),
        (GOOD.astype("datetime64[s]"), r"must hold numbers, got datetime64\[s\]$"),
        (
            [[1.0, 2.0, 3.0], [1.0, 2.0]],
            "must be an array of numbers, got list that makes none, perhaps of rows of|X: ",
        ),
        (GOOD[:, :2], r"must (have shape|be numbers of shape) \(events, 3\)|X must have shape"),
    ],
    ids=["masked", "sparse", "sparse tensor", "text", "complex", "dates", "ragged", "shape"],
)
def test_what_is_refused(taker: str, given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        TAKERS[taker](given)
    assert "\n" not in str(caught.value)


def test_nothing_is_refused() -> None:
    for taker in ("predict", "fit", "evaluate"):
        with pytest.raises(InputError, match=re.escape("x must be an array (events, (3,)), got N")):
            TAKERS[taker](None)


def test_a_list_of_events_is_no_pair() -> None:
    # Of two events of one model, and of three of which the first two were taken for a pair.
    for n in (1, 2, 3):
        found = model().predict(list(GOOD[:n]), verbose=0)
        np.testing.assert_array_equal(found, model().predict(GOOD[:n], verbose=0))


def test_datasets_are_left_to_keras() -> None:
    batches = tf.data.Dataset.from_tensor_slices(GOOD).batch(5)
    assert model().check_inputs(batches, "x") is batches


def test_conditions_are_checked_too() -> None:
    spec = ArchitectureSpec(input_dim=3, hidden_dims=(4,), latent_dim=1, condition_dim=1)
    conditional = build_autoencoder("conditional_variational", spec)
    condition = GOOD[:, :1]
    good = conditional.predict((GOOD, condition), verbose=0)
    given = (GOOD.tolist(), condition.tolist())
    np.testing.assert_array_equal(conditional.predict(given, verbose=0), good)
    with pytest.raises(InputError, match="^condition: every value must be finite"):
        conditional.predict((GOOD, tf.constant(holed()[:, 1:2])), verbose=0)
    with pytest.raises(InputError, match="^condition must have no masked values, got some$"):
        conditional.predict((GOOD, masked()[:, 1:2]), verbose=0)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (tf.constant(holed()[:, 1]), "y of x: every value must be finite"),
        (masked()[:, 1], "y of x must have no masked values, got some"),
        (GOOD, r"y of x must be an array of numbers \(events,\), got \(20, 3\)"),
    ],
)
def test_scores_of_a_teacher(scores: Any, message: str) -> None:
    student = build_student(SPEC)
    student.adapt(Frame(np.arange(1.0, 21.0)))
    student.compile(run_eagerly=True)
    with pytest.raises(InputError, match=f"^{message}"):
        student.fit(tf.constant(GOOD), scores, verbose=0)


def test_ends_of_a_way() -> None:
    variational = build_autoencoder("variational", SPEC)
    with pytest.raises(InputError, match="^a must have no masked values, got some$"):
        variational.interpolate(masked()[7], GOOD[0], 3)
    found = variational.interpolate(tf.constant(GOOD[1]), GOOD[0].tolist(), 3)
    np.testing.assert_array_equal(found, variational.interpolate(GOOD[1], GOOD[0], 3))


def test_numbers() -> None:
    assert as_numbers([[True, 2], [3, 4]], "x").dtype == np.int64
    with pytest.raises(InputError, match="^x must hold numbers, got object$"):
        as_numbers(np.array([1, None]), "x")
    with pytest.raises(InputError, match="^x must hold numbers, got dict$"):
        as_numbers({}, "x")
