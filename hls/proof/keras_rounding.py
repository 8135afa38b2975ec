"""Keras' float32: which of its differences from the exact reference are rounding, and which not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np

from hls.graph.exact import ExactGraph
from hls.graph.operation import producers
from keras_ae.mapping import map_batches

#: Events of which every layer is held at once.
_CHUNK_EVENTS = 1000


def keras_tracer(graph: keras.Model, layers: Iterable[str]) -> Callable[..., dict[str, np.ndarray]]:
    """Of values (events, ...) of each input: what Keras gives for each of these layers, in float64.

    Args:
        graph: a trigger graph.
        layers: their names.
    """
    names = list(layers)
    probe = keras.Model(graph.inputs, [graph.get_layer(name).output for name in names])

    def trace(*values: np.ndarray) -> dict[str, np.ndarray]:
        outputs = map_batches(lambda *parts: probe(list(parts)), *values, dtype=np.float64)
        return dict(zip(names, outputs, strict=True))

    return trace


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
    bounds = exact.float32_bounds
    in_keras = keras_tracer(graph, bounds)
    beyond = np.zeros(len(values[0]), bool)
    for first in range(0, len(beyond), _CHUNK_EVENTS):
        chunk = slice(first, first + _CHUNK_EVENTS)
        parts = [part[chunk] for part in values]
        expected = exact.trace(*parts)
        errors = {
            name: np.abs(found - expected[name]).reshape(len(found), -1).max(axis=1)
            for name, found in in_keras(*parts).items()
        }
        for name, bound in bounds.items():
            # NaN is beyond every bound.
            beyond[chunk] |= _same_inputs(graph, name, errors) & ~(errors[name] <= bound)
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
