"""Keras' float32: which of its differences from the exact reference are rounding, and which not."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from hls.graph.keras_form import evaluate_in_keras
from hls.graph.layer_graph import LayerGraph

#: Events of which every layer is held at once.
_CHUNK_EVENTS = 1000


def beyond_rounding(
    model: keras.Model, graph: LayerGraph, values: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Which of the events that Keras gives another result for it evaluates worse than float32 may.

    In such an event a layer whose inputs are those of the reference gives something else: more than
    its rounding bound away, which is zero where float32 is exact. What lies behind a layer that
    rounds has other inputs, and so is not held against Keras.

    Args:
        model: a graph in Keras.
        graph: of which it should be.
        values: of each input, (events, ...), of events in which the two differ.

    Returns:
        (events,) bool.
    """
    if not graph.inexact_in_float32:
        return np.ones(len(values[0]), bool)
    bounds = graph.float32_bounds
    beyond = np.zeros(len(values[0]), bool)
    for first in range(0, len(beyond), _CHUNK_EVENTS):
        chunk = slice(first, first + _CHUNK_EVENTS)
        parts = [part[chunk] for part in values]
        expected = graph.trace(*parts)
        errors = {
            name: np.abs(found - expected[name]).reshape(len(found), -1).max(axis=1)
            for name, found in evaluate_in_keras(model, list(bounds), parts).items()
        }
        for name, bound in bounds.items():
            # NaN is beyond every bound.
            beyond[chunk] |= _same_inputs(graph, name, errors) & ~(errors[name] <= bound)
    return beyond


def _same_inputs(
    graph: LayerGraph, name: str, errors: Mapping[str, np.ndarray]
) -> np.ndarray | bool:
    """Events in which all inputs of a layer are the reference's; those of the graph always are."""
    return np.logical_and.reduce(
        [errors[source] == 0 for source in graph.node(name).inputs if source in errors] or [True]
    )
