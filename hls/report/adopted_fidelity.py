"""Fidelity of a network that came trained: quantized, firmware and, where there is one, float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from hls.graph.assembly import name_ends
from hls.graph.layers.lookup_table import LookupTable
from hls.graph.roles import Roles
from hls.graph.score_nodes import requested_scores, terms
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from hls.report.fidelity import Fidelity, LayerError, layer_outputs
from keras_ae.errors import InputError
from keras_ae.metrics import NONE_SHARED, Parents
from keras_ae.settings.tensor_scores import TensorScore

Values = tuple[np.ndarray, ...]


def adopted_fidelity(
    graph: TriggerGraph,
    reference: Mapping[str, TriggerOutput],
    firmware: Mapping[str, TriggerOutput],
    in_float: Mapping[str, Mapping[str, np.ndarray]] | None,
    layers: tuple[LayerError, ...] = (),
    parents: Parents = NONE_SHARED,
) -> Fidelity:
    """Of scores by sample, "background" and signals: by the exact reference, firmware and float.

    `parents` are those of the events by sample.
    """
    found: dict[str, Mapping[str, Mapping[str, np.ndarray]]] = {
        "quantized": {sample: output.scores for sample, output in reference.items()},
        "firmware": {sample: output.scores for sample, output in firmware.items()},
    }
    if in_float is not None:
        found = {"float": in_float, **found}

    def by_level(score: str) -> dict[str, dict[str, np.ndarray]]:
        return {
            level: {sample: scores[score] for sample, scores in samples.items()}
            for level, samples in found.items()
        }

    deciding, *others = graph.score_names
    tables = tuple(layer for layer in graph.layers if isinstance(layer, LookupTable))
    other_scores = {name: by_level(name) for name in others}
    return Fidelity(deciding, by_level(deciding), other_scores, layers, tables, (), parents)


def scores_in_float(
    model: keras.Model,
    scores: Sequence[str | TensorScore],
    roles: Mapping[str, str],
    inputs: Values,
) -> dict[str, np.ndarray]:
    """What scores would be without any rounding, each (events,).

    Args:
        model: in float, with layers of the names that the scores are made of.
        scores, roles: as of the quantized model.
        inputs: of the model, (events, ...) each.

    Raises:
        InputError: a tensor that the model has not, or inputs that it does not take.
    """
    wanted = requested_scores(model, scores)
    found = _roles_of(model, roles)
    _check_inputs(model, inputs)
    names = list(
        dict.fromkeys(
            found.find(name, f"score '{score.port}' of the float model")
            for score in wanted
            for name in score.of
        )
    )
    tensors = dict(zip(names, tensors_of(model, names, inputs), strict=True))
    results = {}
    for score in wanted:
        parts = [
            tensors[found.find(name, f"score '{score.port}'")].astype(np.float64)
            for name in score.of
        ]
        values = np.asarray(terms(score, *parts))
        results[score.port] = values.reshape(len(values), -1).sum(axis=1)
    return results


def _check_inputs(model: keras.Model, inputs: Values) -> None:
    """Raise InputError unless a network in float takes what the quantized one does."""
    given = [x.shape[1:] for x in inputs]
    taken = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    # None is any length.
    fits = len(given) == len(taken) and all(
        len(x) == len(y) and all(m in (None, n) for n, m in zip(x, y, strict=True))
        for x, y in zip(given, taken, strict=True)
    )
    if not fits:
        raise InputError(
            "the float model must take inputs of the shapes of the quantized model's, "
            f"{', '.join(map(str, given))}, got {', '.join(map(str, taken))}"
        )


def tensors_of(model: keras.Model, names: Sequence[str], inputs: Values) -> list[np.ndarray]:
    """Outputs of layers by name, (events, ...) each; of an input its values."""
    ends = [tensor._keras_history.operation.name for tensor in model.inputs]
    layers = [name for name in names if name not in ends]
    if not layers:
        return [inputs[ends.index(name)] for name in names]
    given = zip(layers, layer_outputs(model, layers, inputs), strict=True)
    by_name = dict(given) | dict(zip(ends, inputs, strict=True))
    return [by_name[name] for name in names]


def layer_errors_of(
    in_float: keras.Model,
    quantized: Mapping[str, np.ndarray],
    formats: Mapping[str, Any],
    inputs: Values,
) -> tuple[LayerError, ...]:
    """Of the layers that both have: the graph's `quantized` outputs beside those in float."""
    names = [layer.name for layer in in_float.layers if layer.name in quantized]
    pairs = zip(names, tensors_of(in_float, names, inputs), strict=True)
    return tuple(
        LayerError.of(name, formats[name], expected, quantized[name])
        for name, expected in pairs
        if expected.shape == quantized[name].shape
    )


def _roles_of(model: keras.Model, chosen: Mapping[str, str]) -> Roles:
    """Layers of a network in float by role."""
    if not getattr(model, "inputs", None):
        raise InputError("the float model must be built of layers with an input, got another")
    roles = Roles()
    roles.add_layers({layer.name: layer.name for layer in model.layers})
    inputs, outputs = (
        [tensor._keras_history.operation.name for tensor in tensors]
        for tensors in (model.inputs, model.outputs)
    )
    for role, name in zip(("input", "condition"), inputs, strict=False):
        roles.add(role, [name])
    name_ends(roles, outputs, [t.shape for t in model.outputs], model.inputs[0].shape)
    roles.assign(chosen)
    return roles
