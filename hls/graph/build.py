"""Networks + scores + threshold -> the trigger graph."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from hls.graph.assembly import Assembly, InputFormats, Networks
from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import THRESHOLD, TRIGGER, AboveThreshold
from hls.graph.node import Node
from hls.graph.score_nodes import Scores, add_score, requested_scores
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.errors import InputError
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.metrics import check_rate, threshold_at_fpr

#: No further working points.
NO_OTHERS: Mapping[str, float] = MappingProxyType({})


def build_trigger_graph(
    model: Networks,
    scores: Scores,
    background: tuple[np.ndarray, ...] | np.ndarray,
    target_fpr: float,
    scaler: ScaledInputs | None = None,
    input_formats: InputFormats = None,
    threshold_input: bool = False,
    table_error: float = 2.0**-6,
    roles: Mapping[str, str] | None = None,
    working_points: Mapping[str, float] = NO_OTHERS,
) -> TriggerGraph:
    """The trigger graph, its thresholds set on background.

    Args:
        model: quantized: an autoencoder or student of this package; any Functional or Sequential
            `keras.Model` of layers with an exact form; or a pair of these, encoder and decoder.
        scores: the first decides: names, see `NAMED_SCORES`, or scores of any tensors, see
            `TensorScore`; of a student its own; `model_output` of a network that ends in its score.
        background: hardware values (events, *input_shape) on which the threshold is set, and of
            further inputs, such as a condition, likewise; values that the ports can take.
        target_fpr: the fraction of background that may pass, at most.
        scaler: hardware integers -> network inputs; None where the hardware values are those.
        input_formats: of the values of the first input, or of each by its name, or the front end
            whose hardware values they are; without, that of the quantizer behind the input, to
            which the values have been rounded.
        threshold_input: the threshold is an input of the firmware, its last, instead of a constant.
        table_error: of exp and sigmoid, where a score needs them.
        roles: layers by role, `{"latent_mean": "my_mu"}`, where the ends of the networks do not
            say. By default `input` is what stands behind the first input, `latent_mean` and
            `latent_log_var` are the encoder's outputs and `reconstruction` is the decoder's; of
            one network alone, outputs of the input's shape are reconstructions.
        working_points: of further bits by name, the fraction of background that may pass each.

    Raises:
        InputError: a model that is not quantized or has layers without an exact form, an unknown
            score, a role that no tensor has or two have, sums too wide to be exact, or background
            that is too little or no hardware value.
    """
    graph = build_score_graph(model, scores, scaler, input_formats, table_error, roles)
    return set_threshold(graph, background, target_fpr, threshold_input, working_points)


def build_score_graph(
    model: Networks,
    scores: Scores,
    scaler: ScaledInputs | None = None,
    input_formats: InputFormats = None,
    table_error: float = 2.0**-6,
    roles: Mapping[str, str] | None = None,
) -> LayerGraph:
    """The trigger graph without its decision, for which no background is needed.

    Raises:
        InputError: see `build_trigger_graph`.
    """
    wanted = requested_scores(model, scores)
    names = [score.port for score in wanted]
    parts = Assembly(model, scaler, input_formats, roles, [*names, *(f"{n}_table" for n in names)])
    for score in wanted:
        add_score(parts, score, table_error)
    return LayerGraph.of(parts.nodes, parts.inputs, tuple(names))


def build_network_graph(
    model: Networks, scaler: ScaledInputs | None = None, input_formats: InputFormats = None
) -> LayerGraph:
    """What an encoder, or the one network, gives, of hardware values and without scores.

    Raises:
        InputError: see `build_trigger_graph`.
    """
    parts = Assembly(model, scaler, input_formats)
    return LayerGraph.of(parts.nodes, parts.inputs, tuple(dict.fromkeys(parts.ends)))


def set_threshold(
    graph: LayerGraph,
    background: tuple[np.ndarray, ...] | np.ndarray,
    target_fpr: float,
    threshold_input: bool = False,
    working_points: Mapping[str, float] = NO_OTHERS,
) -> TriggerGraph:
    """A graph of scores with the decisions that let a fraction of background pass, at most.

    Args:
        graph: whose first output is the score that decides.
        background: values of its inputs.
        target_fpr: of the trigger's bit.
        threshold_input: thresholds are inputs of the firmware.
        working_points: of further bits by name, the fraction that may pass each.

    Raises:
        InputError: background that is too little or no hardware value.
    """
    values = background if isinstance(background, tuple | list) else (background,)
    scores = graph.outputs(*values)[graph.output_names[0]].ravel()
    if "" in working_points:
        raise InputError("working_points must have names, got ''")
    thresholds = {}
    for name, fpr in {"": target_fpr, **working_points}.items():
        check_rate(len(scores), fpr, "background")
        thresholds[name] = threshold_at_fpr(scores, fpr)
        if not threshold_input:
            _warn_if_none_passes(graph, scores, thresholds[name], fpr)
    return with_decision(graph, thresholds.pop(""), threshold_input, thresholds)


def _warn_if_none_passes(
    graph: LayerGraph, scores: np.ndarray, threshold: float, target_fpr: float
) -> None:
    """Where no background event is above the threshold: too many share the largest score."""
    name = graph.output_names[0]
    if (scores > threshold).any():
        return
    share = float((scores == threshold).mean())
    at_end = threshold >= float(graph.grids[name].high.max()) > 0
    remedy = "more integer bits" if at_end else "a finer format, or a longer training"
    warnings.warn(
        f"score '{name}' must leave background events above its threshold, got {share:.3g} of them "
        f"with the largest score that there is, {threshold:g}, and none above it where "
        f"{target_fpr:g} may be: give it, or the layers before it, {remedy}",
        stacklevel=3,
    )


def with_decision(
    graph: LayerGraph,
    threshold: float,
    from_input: bool = False,
    others: Mapping[str, float] = NO_OTHERS,
) -> TriggerGraph:
    """A graph of scores with decisions on the first of them.

    Args:
        graph: whose outputs are the scores.
        threshold: above which an event fires, rounded down to the score's last bit.
        from_input: it is an input of the firmware, the last, instead of a constant; others before
            it.
        others: thresholds of further bits, by name.
    """
    score = graph.output_names[0]
    form = graph.grids[score].format
    formats = (form,) * (1 + from_input)
    nodes, inputs, bits = list(graph.nodes), list(graph.input_names), []
    named = {f"_{name}": limit for name, limit in others.items()} | {"": threshold}
    for suffix, limit in named.items():
        name = f"{TRIGGER}{suffix}"
        decision = AboveThreshold(limit, from_input, input_formats=formats, name=name)
        sources = [score]
        if from_input:
            inputs.append(f"{THRESHOLD}{suffix}")
            sources.append(inputs[-1])
            nodes.append(Node(GraphInput(form, (1,), name=inputs[-1])))
        nodes.append(Node(decision, tuple(sources)))
        bits.append(name)
    return TriggerGraph.of(nodes, inputs, (*graph.output_names, *bits))
