"""Trained model + scores + threshold -> the trigger graph.

The trigger graph is a flat Functional model: hardware values -> one score or several, (batch, 1)
each, and the trigger bit (batch, 1). It is what is converted, and what `exact` evaluates as the
reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hls.graph.exact import ExactGraph, TriggerOutput
from hls.graph.logic_layers import AboveThreshold, HardwareInput, LookupTable, ScaleObjects
from hls.graph.operation import producers
from hls.graph.score_layers import (
    AbsoluteError,
    GaussianDivergence,
    NormalizedNorm,
    ScoreLayer,
    SquaredError,
    SquaredNorm,
    Total,
)
from keras_ae.data.scaling import L1Scaler
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.likelihoods import Bernoulli, MaskedGaussian
from keras_ae.mapping import map_batches
from keras_ae.metrics import check_rate, threshold_at_fpr
from keras_ae.models import Autoencoder, ScoringModel, Student
from keras_ae.precision import quantizer_format
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES
from keras_ae.settings.objectives import STUDENT_SCORE

Tensors = dict[str, Any]


def build_trigger_graph(
    model: ScoringModel,
    scores: Sequence[str],
    background: tuple[np.ndarray, ...],
    target_fpr: float,
    scaler: L1Scaler | None = None,
    units: FixedPointFormat | None = None,
    threshold_input: bool = False,
    table_error: float = 2.0**-6,
) -> keras.Model:
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
            score, sums too wide to be exact, or too little background.
    """
    check_rate(len(background[0]), target_fpr, "background")
    inputs, scored = _scored(model, scores, scaler, units, table_error)
    exact = ExactGraph(_alone(inputs, scored))
    score_format = str(exact.grids[scores[0]].format)
    threshold = threshold_at_fpr(exact.outputs(*background)[scores[0]].ravel(), target_fpr)
    decision = AboveThreshold(
        threshold,
        threshold_input,
        input_formats=[score_format] * (1 + threshold_input),
        name="trigger",
    )
    if threshold_input:
        port = HardwareInput((1,), score_format, name="threshold").output
        return _alone([*inputs, port], [*scored, decision([scored[0], port])])
    return _alone(inputs, [*scored, decision(scored[0])])


def build_score_graph(
    model: ScoringModel,
    scores: Sequence[str],
    scaler: L1Scaler | None = None,
    units: FixedPointFormat | None = None,
    table_error: float = 2.0**-6,
) -> keras.Model:
    """The trigger graph without its decision, for which no background is needed.

    Raises:
        Refusal: a layer without an exact form, or sums too wide to be exact.
    """
    graph = _alone(*_scored(model, scores, scaler, units, table_error))
    ExactGraph(graph)
    return graph


def with_threshold(graph: keras.Model, values: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Values of all inputs of the graph: of events, and of the threshold where that is one."""
    decision = graph.get_layer("trigger")
    if not decision.from_input:
        return values
    return (*values, np.full((len(values[0]), 1), decision.threshold))


def run_trigger_graph(graph: keras.Model, *inputs: np.ndarray) -> TriggerOutput:
    """Evaluate the trigger graph in Keras on hardware values (events, ...) of each input."""
    # On a GPU, TensorFlow may multiply with fewer bits than float32 has (TF32).
    with tf.device("/CPU:0"):
        # An input that float32 does not hold is a float64 one; Keras casts for the others.
        outputs = map_batches(lambda *parts: graph(list(parts)), *inputs, dtype=np.float64)
    return TriggerOutput.of(dict(zip(producers(graph.outputs), outputs, strict=True)))


def _scored(
    model: ScoringModel,
    scores: Sequence[str],
    scaler: L1Scaler | None,
    units: FixedPointFormat | None,
    table_error: float,
) -> tuple[list[Any], list[Any]]:
    """The hardware inputs and the tensors of the scores."""
    inputs, tensors = _network(model, scaler, units)
    return inputs, [_score(model, name, tensors, table_error) for name in scores]


def _network(
    model: ScoringModel, scaler: L1Scaler | None, units: FixedPointFormat | None
) -> tuple[list[Any], Tensors]:
    """The hardware inputs, and the tensors of the network on them by the name of their layer."""
    input_format = str(units or _format(model.encoder.get_layer("encoder_input_format")))
    objects = HardwareInput(model.sample_shape, input_format, name="objects").output
    inputs, x = [objects], objects
    if scaler is not None:
        scale = ScaleObjects(
            list(scaler.offset), list(scaler.shift), input_formats=[input_format], name="scale"
        )
        x = scale(objects)
    if model.condition_dim:
        form = str(_format(model.encoder.get_layer("encoder_condition_format")))
        inputs.append(HardwareInput((model.condition_dim,), form, name="condition").output)
    encoded = _call_again(model.encoder, [x, *inputs[1:]], {})
    if not isinstance(model, Autoencoder):
        return inputs, encoded
    # Both are in their format already; hls4ml fuses one quantizer into the layer before, not two.
    quantized = {"decoder_input_format": encoded["latent_mean_format"]}
    if model.condition_dim:
        quantized["decoder_condition_format"] = encoded["encoder_condition_format"]
    decoded = _call_again(model.decoder, list(quantized.values()), quantized)
    return inputs, encoded | decoded


def _score(model: ScoringModel, name: str, tensors: Tensors, table_error: float) -> Any:
    """The score's tensor."""
    choices = [*ERROR_SCORES, *LATENT_SCORES]
    if isinstance(model, Student):
        choices = [STUDENT_SCORE]
    elif "latent_log_var_format" not in tensors:
        choices = [*ERROR_SCORES, "squared_latent_norm"]
    if name not in choices:
        raise InputError(
            f"score of {type(model).__name__} in firmware must be one of {', '.join(choices)}, "
            f"got {name!r}"
        )
    if name in ERROR_SCORES:
        return _error_score(model, name, tensors, table_error)
    mean = tensors["latent_mean_format"]
    mean_format = str(_format(mean))
    if name == STUDENT_SCORE:
        return Total(input_formats=[mean_format], name=name)(mean)
    if name == "squared_latent_norm":
        return SquaredNorm(input_formats=[mean_format], name=name)(mean)
    kind, function = {
        "normalized_latent_norm": (NormalizedNorm, "exp(-x)"),
        "kl_divergence": (GaussianDivergence, "exp(x)-1-x"),
    }[name]
    weight, weight_format = _look_up(
        tensors["latent_log_var_format"], function, table_error, f"{name}_table"
    )
    layer: ScoreLayer = kind(input_formats=[mean_format, weight_format], name=name)
    return layer([mean, weight])


def _error_score(model: Any, name: str, tensors: Tensors, table_error: float) -> Any:
    x, y = tensors["encoder_input_format"], tensors["reconstruction_format"]
    x_format, y_format = str(_format(x)), str(_format(y))
    if isinstance(model.likelihood, Bernoulli):
        if "probability" not in tensors:
            tensors["probability"] = _look_up(y, "sigmoid", table_error, "probability")
        y, y_format = tensors["probability"]
    masked = name == "masked_squared_error" or (
        name == "reconstruction_error" and isinstance(model.likelihood, MaskedGaussian)
    )
    kind = AbsoluteError if name == "absolute_error" else SquaredError
    return kind(masked, input_formats=[x_format, y_format], name=name)([x, y])


def _look_up(x: Any, function: str, max_error: float, name: str) -> tuple[Any, str]:
    """A table of x, and the format of its entries."""
    table = LookupTable(function, max_error, input_formats=[str(_format(x))], name=name)
    return table(x), str(table.output_format)


def _call_again(network: keras.Model, inputs: list[Any], given: Tensors) -> Tensors:
    """The tensors of a network on other inputs, by the name of their layer.

    hls4ml asks for flat graphs, without models inside. What is `given` for a layer stands in its
    place.
    """
    copy = keras.Model.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    places = [(layer, layer.input, layer.output) for layer in copy.layers]
    found = {id(old): new for old, new in zip(copy.inputs, inputs, strict=True)}
    tensors = {}
    for layer, old_inputs, old_output in places:
        if id(old_output) in found:
            continue
        if layer.name in given:
            new = given[layer.name]
        elif isinstance(old_inputs, list | tuple):
            new = layer([found[id(tensor)] for tensor in old_inputs])
        else:
            new = layer(found[id(old_inputs)])
        found[id(old_output)] = tensors[layer.name] = new
    return tensors


def _alone(inputs: list[Any], outputs: list[Any]) -> keras.Model:
    """A graph whose layers are in no other graph, as hls4ml wants them."""
    graph = keras.Model(inputs, outputs, name="trigger_graph")
    alone = keras.Model.from_config(graph.get_config())
    alone.set_weights(graph.get_weights())
    return alone


def _format(source: Any) -> FixedPointFormat:
    """Of a quantizing layer, or of the tensor that it gave."""
    layer = source if isinstance(source, keras.Layer) else source._keras_history.operation
    return quantizer_format(getattr(layer, "activation", None))
