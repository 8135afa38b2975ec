"""Traced logic == Keras layer, on all values or at the edges, for any format."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from hls.layers import AboveThreshold, LogicLayer, SquaredError, SquaredNorm
from hls.logic import output_format, trace_logic
from keras_ae.fixed_point import FixedPointFormat

FORMATS = st.integers(2, 8).flatmap(
    lambda width: st.integers(-1, width).map(lambda integer: FixedPointFormat(width, integer))
)


def all_values(form: FixedPointFormat) -> np.ndarray:
    return np.arange(round(form.low / form.step), round(form.high / form.step) + 1) * form.step


def random_inputs(form: FixedPointFormat, n_inputs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    inputs = rng.choice(all_values(form), size=(200, n_inputs))
    # Edges: all lowest, all highest, all zero, and sparse ones.
    inputs[0], inputs[1], inputs[2] = form.low, form.high, 0.0
    inputs[3:100] *= rng.random((97, n_inputs)) < 0.5
    return inputs


def assert_equal(layer: LogicLayer, inputs: np.ndarray) -> np.ndarray:
    expected = np.asarray(layer(inputs.astype("float32")))
    found = trace_logic(layer, inputs.shape[1]).predict(inputs)
    np.testing.assert_array_equal(found, expected)
    form = output_format(layer, inputs.shape[1])
    np.testing.assert_array_equal(form.quantize(expected), expected)
    return expected


@settings(deadline=None, max_examples=30)
@given(FORMATS, st.integers(1, 6), st.integers(0, 1000))
def test_squared_norm(form: FixedPointFormat, n_inputs: int, seed: int) -> None:
    inputs = random_inputs(form, n_inputs, seed)
    found = assert_equal(SquaredNorm(input_format=str(form)), inputs)
    np.testing.assert_array_equal(found[:, 0], (inputs**2).sum(axis=1))


@settings(deadline=None, max_examples=30)
@given(FORMATS, st.integers(1, 5), st.booleans(), st.integers(0, 1000))
def test_squared_error(form: FixedPointFormat, n_features: int, masked: bool, seed: int) -> None:
    inputs = random_inputs(form, 2 * n_features, seed)
    found = assert_equal(SquaredError(masked, input_format=str(form)), inputs)
    x, y = inputs[:, :n_features], inputs[:, n_features:]
    weight = (x != 0) if masked else 1
    np.testing.assert_array_equal(found[:, 0], (weight * (x - y) ** 2).sum(axis=1))


def test_threshold_beyond_float32() -> None:
    # The score is float64, and must stay so.
    layer = AboveThreshold(2.0**24, input_format="ufixed<28,28>")
    scores = np.array([[2.0**24 - 1], [2.0**24], [2.0**24 + 1]])
    found = np.asarray(layer(tf.constant(scores, "float64")))
    np.testing.assert_array_equal(found[:, 0], [0, 0, 1])
    np.testing.assert_array_equal(trace_logic(layer, 1).predict(scores), found)


@settings(deadline=None, max_examples=30)
@given(FORMATS, st.data())
def test_threshold_on_every_value(form: FixedPointFormat, data: st.DataObject) -> None:
    values = all_values(form)
    # On the grid, where equality counts, and between its points.
    threshold = data.draw(st.sampled_from(values)) + data.draw(st.sampled_from([0, form.step / 4]))
    inputs = values[:, None]
    found = assert_equal(AboveThreshold(float(threshold), input_format=str(form)), inputs)
    np.testing.assert_array_equal(found[:, 0], values > threshold)
