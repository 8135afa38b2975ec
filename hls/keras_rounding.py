"""Keras' float32: which of its differences from the exact reference are rounding, and which not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from hls.exact import ExactGraph
from hls.operation import producers
from keras_ae.batches import map_batches

#: Events of which every layer is held at once.
_CHUNK_EVENTS = 1000


def trace_keras(
    graph: keras.Model, layers: Iterable[str], values: tuple[np.ndarray, ...]
) -> dict[str, np.ndarray]:
    """What Keras gives for each of these layers: name -> (events, ...) float64.

    Args:
        graph: a trigger graph.
        layers: their names.
        values: of each input, (events, ...).
    """
    names = list(layers)
    probe = keras.Model(graph.inputs, [graph.get_layer(name).output for name in names])
    outputs = map_batches(lambda *parts: probe(list(parts)), *values, dtype=np.float64)
    return dict(zip(names, outputs, strict=True))


def beyond_rounding(
    graph: keras.Model, exact: ExactGraph, values: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Which of the events that Keras gives another result for it evaluates worse than float32 may.

    In such an event a layer whose inputs are those of the reference gives something else: more than
    its rounding bound away, which is zero where float32 is exact. What lies behind a layer that
    rounds has other inputs, and so is not held against Keras.

    Args:
        graph: a trigger graph.
        exact: its reference.
        values: of each input, (events, ...), of events in which the two differ.

    Returns:
        (events,) bool.
    """
    if not exact.inexact_in_float32:
        return np.ones(len(values[0]), bool)
    found = [
        _beyond_rounding(
            graph, exact, tuple(part[first : first + _CHUNK_EVENTS] for part in values)
        )
        for first in range(0, len(values[0]), _CHUNK_EVENTS)
    ]
    return np.concatenate([np.zeros(0, bool), *found])


def _beyond_rounding(
    graph: keras.Model, exact: ExactGraph, values: tuple[np.ndarray, ...]
) -> np.ndarray:
    expected = exact.trace(*values)
    errors = {
        name: np.abs(found - expected[name]).reshape(len(found), -1).max(axis=1)
        for name, found in trace_keras(graph, expected, values).items()
    }
    beyond = np.zeros(len(values[0]), bool)
    for name, bound in exact.float32_bounds.items():
        # NaN is beyond every bound.
        beyond |= _same_inputs(graph, name, errors) & ~(errors[name] <= bound)
    return beyond


def _same_inputs(
    graph: keras.Model, name: str, errors: Mapping[str, np.ndarray]
) -> np.ndarray | bool:
    """Events in which all inputs of a layer are the reference's; those of the graph always are."""
    return np.logical_and.reduce(
        [
            errors[source] == 0
            for source in producers(graph.get_layer(name).input)
            if source in errors
        ]
        or [True]
    )
