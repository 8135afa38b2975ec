"""The trigger's own layers: Keras == exact NumPy == traced logic == the formula, for any format."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from hls.graph.grid import Grid
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.error_scores import AbsoluteError, SquaredError
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.layers.lookup_table import TABLE_FUNCTIONS, LookupTable
from hls.graph.layers.score_layers import GaussianDivergence, NormalizedNorm, SquaredNorm, Total
from hls.rtl.levels import timed
from hls.rtl.logic import trace_logic
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

FORMATS = st.integers(2, 8).flatmap(
    lambda width: st.integers(-1, width).map(lambda integer: FixedPointFormat(width, integer))
)
UNSIGNED = st.integers(1, 8).map(lambda width: FixedPointFormat(width, width // 2, signed=False))


def all_values(form: FixedPointFormat) -> np.ndarray:
    return np.arange(round(form.low / form.step), round(form.high / form.step) + 1) * form.step


def random_inputs(form: FixedPointFormat, n_inputs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    inputs = rng.choice(all_values(form), size=(200, n_inputs))
    # Edges: all lowest, all highest, all zero, and sparse ones.
    inputs[0], inputs[1], inputs[2] = form.low, form.high, 0.0
    inputs[3:100] *= rng.random((97, n_inputs)) < 0.5
    return inputs


def assert_equal(layer: LogicLayer, expected: np.ndarray, *inputs: np.ndarray) -> None:
    """In Keras, in exact arithmetic and traced; and that the layer's grid holds it."""
    tensors = [tf.constant(part, "float32") for part in inputs]
    in_keras = np.asarray(layer(tensors if len(tensors) > 1 else tensors[0]))
    np.testing.assert_array_equal(in_keras, expected)
    np.testing.assert_array_equal(layer.exact(*inputs), expected)
    shapes = [part.shape[1:] for part in inputs]
    grids = [Grid.of(form, shape) for form, shape in zip(layer.input_formats, shapes, strict=True)]
    grid = layer.grid(*grids)
    np.testing.assert_array_equal(grid.format.quantize(expected), expected)
    assert (expected >= grid.low).all() and (expected <= grid.high).all()
    if type(layer).trace is not LogicLayer.trace:
        traced = trace_logic(layer, *shapes).predict(np.hstack(inputs))
        np.testing.assert_array_equal(traced, expected)


@settings(deadline=None, max_examples=30)
@given(FORMATS, st.integers(1, 6), st.integers(0, 1000))
def test_squared_norm(form: FixedPointFormat, n_inputs: int, seed: int) -> None:
    x = random_inputs(form, n_inputs, seed)
    assert_equal(SquaredNorm(input_formats=[str(form)]), (x**2).sum(axis=1, keepdims=True), x)


@settings(deadline=None, max_examples=30)
@given(FORMATS, st.integers(1, 6), st.integers(0, 1000))
def test_total_of_either_sign(form: FixedPointFormat, n_inputs: int, seed: int) -> None:
    x = random_inputs(form, n_inputs, seed)
    layer = Total(input_formats=[str(form)])
    assert_equal(layer, x.sum(axis=1, keepdims=True), x)
    # Partial sums in any order stay within what the grid holds, also of values of one sign.
    values = np.sort(np.abs(x[3]))[::-1]
    grid = layer.grid(Grid(np.full(n_inputs, form.step), values, values))
    sums = np.concatenate([[0], np.cumsum(values)])
    assert (sums >= grid.low).all() and (sums <= grid.high).all()
    assert sums.max() <= grid.largest_sum


@pytest.mark.parametrize(
    ("kind", "term"),
    [
        (NormalizedNorm, lambda x, w: x**2 * w),
        (GaussianDivergence, lambda x, w: (x**2 + w) / 2),
    ],
)
@settings(deadline=None, max_examples=15)
@given(FORMATS, UNSIGNED, st.integers(1, 4), st.integers(0, 1000))
def test_weighted_norms(
    kind: type[LogicLayer],
    term: Callable[[np.ndarray, np.ndarray], np.ndarray],
    form: FixedPointFormat,
    weight_form: FixedPointFormat,
    n_inputs: int,
    seed: int,
) -> None:
    x = random_inputs(form, n_inputs, seed)
    w = random_inputs(weight_form, n_inputs, seed + 1)
    layer = kind(input_formats=[str(form), str(weight_form)])
    assert_equal(layer, term(x, w).sum(axis=1, keepdims=True), x, w)


@pytest.mark.parametrize(("kind", "power"), [(SquaredError, 2), (AbsoluteError, 1)])
@settings(deadline=None, max_examples=20)
@given(FORMATS, FORMATS, st.integers(1, 5), st.booleans(), st.integers(0, 1000))
def test_errors(
    kind: type[LogicLayer],
    power: int,
    x_form: FixedPointFormat,
    y_form: FixedPointFormat,
    n_features: int,
    masked: bool,
    seed: int,
) -> None:
    x = random_inputs(x_form, n_features, seed)
    y = random_inputs(y_form, n_features, seed + 1)
    weight = (x != 0) if masked else 1
    expected = (weight * np.abs(x - y) ** power).sum(axis=1, keepdims=True)
    assert_equal(kind(masked, input_formats=[str(x_form), str(y_form)]), expected, x, y)


@pytest.mark.parametrize("function", TABLE_FUNCTIONS)
@pytest.mark.parametrize("form", ["fixed<6,3>", "ufixed<5,2>", "fixed<4,4>"])
@pytest.mark.parametrize("max_error", [2.0**-3, 2.0**-9, 0.01])
def test_table(function: str, form: str, max_error: float) -> None:
    layer = LookupTable(function, max_error, input_formats=[form])
    x = all_values(FixedPointFormat.parse(form))[:, None]
    expected = layer.exact(x)
    assert_equal(layer, expected, x)
    wide = x.astype(np.longdouble)
    truth = {
        "sigmoid": 1 / (1 + np.exp(-wide)),
        "exp(-x)": np.exp(-wide),
        "exp(x)-1-x": np.exp(wide) - 1 - wide,
    }[function]
    assert np.abs(expected - truth).max() <= max_error
    # Not finer than the bound asks for.
    step = layer.grid(Grid.of(layer.input_formats[0], (1,))).step
    assert max_error < step <= 2 * max_error
    assert (expected >= 0).all()


def test_table_too_large() -> None:
    with pytest.raises(InputError, match=r"must have at most 12 bits, got fixed<13,5>"):
        LookupTable("exp(-x)", 0.01, input_formats=["fixed<13,5>"])


def test_threshold_beyond_float32() -> None:
    # The score is float64, and must stay so.
    layer = AboveThreshold(2.0**24, input_formats=["ufixed<28,28>"])
    scores = np.array([[2.0**24 - 1], [2.0**24], [2.0**24 + 1]])
    found = np.asarray(layer(tf.constant(scores, "float64")))
    np.testing.assert_array_equal(found[:, 0], [0, 0, 1])
    np.testing.assert_array_equal(layer.exact(scores), found)
    np.testing.assert_array_equal(trace_logic(layer, (1,)).predict(scores), found)


@settings(deadline=None, max_examples=30)
@given(FORMATS, st.data())
def test_threshold_on_every_value(form: FixedPointFormat, data: st.DataObject) -> None:
    values = all_values(form)
    # On the grid, where equality counts, and between its points.
    threshold = data.draw(st.sampled_from(values)) + data.draw(st.sampled_from([0, form.step / 4]))
    scores = values[:, None]
    expected = (scores > threshold).astype(float)
    assert_equal(AboveThreshold(float(threshold), input_formats=[str(form)]), expected, scores)


@settings(deadline=None, max_examples=20)
@given(FORMATS, st.integers(0, 1000))
def test_threshold_from_an_input(form: FixedPointFormat, seed: int) -> None:
    scores, thresholds = random_inputs(form, 1, seed), random_inputs(form, 1, seed + 1)
    layer = AboveThreshold(0.0, from_input=True, input_formats=[str(form), str(form)])
    assert_equal(layer, (scores > thresholds).astype(float), scores, thresholds)


def test_decision_at_the_end_of_wide_scores() -> None:
    """2^50 of the last bits, the largest threshold and one more, are 50 bits to da4ml."""
    form = FixedPointFormat.parse("ufixed<50,38>")
    ends = np.array([0, form.step, form.high - form.step, form.high])
    scores, thresholds = (part.reshape(-1, 1) for part in np.meshgrid(ends, ends))
    layer = AboveThreshold(0.0, from_input=True, input_formats=[str(form), str(form)])
    logic = timed(trace_logic(layer, (1,), (1,)), 4)
    found = logic.predict(np.hstack([scores, thresholds]))
    np.testing.assert_array_equal(found, layer.exact(scores, thresholds))
