"""Trained model + scores + threshold -> the trigger graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hls.graph.keras_form import exact_layer, producers
from hls.graph.keras_network import read_network
from hls.graph.layer import GraphInput, Layer
from hls.graph.layer_graph import LayerGraph, not_unique
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.error_scores import AbsoluteError, SquaredError
from hls.graph.layers.lookup_table import LookupTable
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.scale_objects import ScaleObjects
from hls.graph.layers.score_layers import (
    GaussianDivergence,
    NormalizedNorm,
    ScoreLayer,
    SquaredNorm,
    Total,
)
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.data.scaling import L1Scaler
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.likelihoods import Bernoulli, MaskedGaussian
from keras_ae.metrics import check_rate, threshold_at_fpr
from keras_ae.models import Autoencoder, ScoringModel, Student
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES
from keras_ae.settings.objectives import STUDENT_SCORE


def build_trigger_graph(
    model: ScoringModel,
    scores: Sequence[str],
    background: tuple[np.ndarray, ...],
    target_fpr: float,
    scaler: L1Scaler | None = None,
    units: FixedPointFormat | None = None,
    threshold_input: bool = False,
    table_error: float = 2.0**-6,
) -> TriggerGraph:
    """The trigger graph, its threshold set on background.

    Args:
        model: quantized autoencoder or student.
        scores: the first decides; see `LATENT_SCORES` and `ERROR_SCORES`; of a student, its own.
        background: hardware values (events, *input_shape) on which the threshold is set, and the
            condition (events, condition_dim) where the model has one.
        target_fpr: the fraction of background that may pass, at most.
        scaler: hardware integers -> network inputs; None where the hardware values are those.
        units: format of the hardware integers that `scaler` takes; without, that of the network's
            input, to which the values have been rounded.
        threshold_input: the threshold is an input of the firmware, its last, instead of a constant.
        table_error: of exp and sigmoid, where a score needs them.

    Raises:
        InputError: a model that is not quantized or has layers without an exact form, an unknown
            score, sums too wide to be exact, or background that is too little or no hardware value.
    """
    check_rate(len(background[0]), target_fpr, "background")
    graph = build_score_graph(model, scores, scaler, units, table_error)
    values = graph.outputs(*background)[scores[0]].ravel()
    return with_decision(graph, threshold_at_fpr(values, target_fpr), threshold_input)


def build_score_graph(
    model: ScoringModel,
    scores: Sequence[str],
    scaler: L1Scaler | None = None,
    units: FixedPointFormat | None = None,
    table_error: float = 2.0**-6,
) -> LayerGraph:
    """The trigger graph without its decision, for which no background is needed.

    Raises:
        Refusal: a layer without an exact form, or sums too wide to be exact.
    """
    parts = _Parts(model, scaler, units)
    for name in scores:
        parts.add_score(name, table_error)
    return LayerGraph.of(parts.nodes, parts.inputs, tuple(scores))


def with_decision(graph: LayerGraph, threshold: float, from_input: bool = False) -> TriggerGraph:
    """A graph of scores with the decision on the first of them.

    Args:
        graph: whose outputs are the scores.
        threshold: above which an event fires, rounded down to the score's last bit.
        from_input: it is an input of the firmware, the last, instead of a constant.
    """
    score = graph.output_names[0]
    form = graph.grids[score].format
    formats = (form,) * (1 + from_input)
    decision = AboveThreshold(threshold, from_input, input_formats=formats, name="trigger")
    nodes, inputs, sources = list(graph.nodes), list(graph.input_names), [score]
    if from_input:
        nodes.append(Node(GraphInput(form, (1,), name="threshold")))
        inputs.append("threshold")
        sources.append("threshold")
    nodes.append(Node(decision, tuple(sources)))
    return TriggerGraph.of(nodes, inputs, (*graph.output_names, decision.name))


class _Parts:
    """Nodes of a trigger graph that grows: inputs and networks of a model, then its scores."""

    def __init__(
        self, model: ScoringModel, scaler: L1Scaler | None, units: FixedPointFormat | None
    ) -> None:
        self._model = model
        self._layers: dict[str, Node] = {}
        form = units or _format(model.encoder.get_layer("encoder_input_format"))
        self.inputs = ["objects"]
        x = self._add(GraphInput(form, model.sample_shape, name="objects"))
        if scaler is not None:
            scale = ScaleObjects(scaler.offset, scaler.shift, input_formats=(form,), name="scale")
            x = self._add(scale, x)
        sources = [x]
        if model.condition_dim:
            form = _format(model.encoder.get_layer("encoder_condition_format"))
            self.inputs.append("condition")
            sources.append(self._add(GraphInput(form, (model.condition_dim,), name="condition")))
        self._add_network(model.encoder, sources)
        if isinstance(model, Autoencoder):
            # Both are in their format already; hls4ml fuses one quantizer into the layer before,
            # not two.
            given = {"decoder_input_format": "latent_mean_format"}
            if model.condition_dim:
                given["decoder_condition_format"] = "encoder_condition_format"
            self._add_network(model.decoder, list(given.values()), given)

    @property
    def nodes(self) -> list[Node]:
        """So far."""
        return list(self._layers.values())

    def _add(self, layer: Layer, *inputs: str) -> str:
        return self._place(Node(layer, inputs))

    def _place(self, node: Node) -> str:
        if node.name in self._layers:
            raise not_unique(node.name)
        self._layers[node.name] = node
        return node.name

    def _add_network(
        self, network: Any, sources: Sequence[str], given: dict[str, str] | None = None
    ) -> None:
        """The layers of a network on other inputs; `given` layers stand in the place of some."""
        inputs = dict(zip(producers(network.inputs), sources, strict=True))
        places = given or {}
        for node in read_network(network, inputs).nodes:
            if node.name not in places:
                sources_ = tuple(places.get(name, name) for name in node.inputs)
                self._place(Node(node.layer, sources_))

    def _format_of(self, name: str) -> FixedPointFormat:
        """The format that a layer rounds to, or of the entries of a table."""
        if name not in self._layers:
            raise Refusal(
                name, "a quantizer must have this name", "none", "name it as build_autoencoder does"
            )
        layer = self._layers[name].layer
        if isinstance(layer, LookupTable):
            return layer.output_format
        return _quantizer(layer).form

    def add_score(self, name: str, table_error: float) -> None:
        """The layers of a score."""
        choices = [*ERROR_SCORES, *LATENT_SCORES]
        if isinstance(self._model, Student):
            choices = [STUDENT_SCORE]
        elif "latent_log_var_format" not in self._layers:
            choices = [*ERROR_SCORES, "squared_latent_norm"]
        if name not in choices:
            raise InputError(
                f"score of {type(self._model).__name__} in firmware must be one of "
                f"{', '.join(choices)}, got {name!r}"
            )
        if name in ERROR_SCORES:
            self._add_error_score(name, table_error)
        elif name == STUDENT_SCORE:
            self._add_on(Total, name, "latent_mean_format")
        elif name == "squared_latent_norm":
            self._add_on(SquaredNorm, name, "latent_mean_format")
        else:
            kind, function = {
                "normalized_latent_norm": (NormalizedNorm, "exp(-x)"),
                "kl_divergence": (GaussianDivergence, "exp(x)-1-x"),
            }[name]
            weight = self._add_table(
                "latent_log_var_format", function, table_error, f"{name}_table"
            )
            self._add_on(kind, name, "latent_mean_format", weight)

    def _add_error_score(self, name: str, table_error: float) -> None:
        model: Any = self._model
        y = "reconstruction_format"
        if isinstance(model.likelihood, Bernoulli):
            y = self._add_table(y, "sigmoid", table_error, "probability")
        masked = name == "masked_squared_error" or (
            name == "reconstruction_error" and isinstance(model.likelihood, MaskedGaussian)
        )
        kind = AbsoluteError if name == "absolute_error" else SquaredError
        self._add_on(kind, name, "encoder_input_format", y, masked=masked)

    def _add_table(self, x: str, function: str, max_error: float, name: str) -> str:
        """A table of x, once."""
        if name in self._layers:
            return name
        formats = (self._format_of(x),)
        return self._add(LookupTable(function, max_error, input_formats=formats, name=name), x)

    def _add_on(
        self, kind: Callable[..., ScoreLayer], name: str, *inputs: str, **options: Any
    ) -> None:
        formats = tuple(map(self._format_of, inputs))
        self._add(kind(**options, input_formats=formats, name=name), *inputs)


def _format(layer: Any) -> FixedPointFormat:
    """Of a quantizing layer of Keras."""
    return _quantizer(exact_layer(layer)).form


def _quantizer(layer: Layer) -> Quantizer:
    if not isinstance(layer, Quantizer):
        raise InputError(f"layer '{layer.name}' must round to a format, got {type(layer).__name__}")
    return layer
