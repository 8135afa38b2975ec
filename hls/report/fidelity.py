"""The same score at every level of precision: float, post-training, quantized, firmware.

The proof says that firmware and quantized model are one function; this says what the function has
lost on the way from float, in physics (AUC, TPR, trigger rate) and number by number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np

from hls.graph.layers.lookup_table import LookupTable
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from keras_ae.data.dataset import Dataset
from keras_ae.evaluation import evaluated_models, seen_by
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.mapping import map_batches
from keras_ae.metrics import (
    Parents,
    ScoresBySample,
    auc_difference,
    rate_interval,
    separation,
)
from keras_ae.models import ScoringModel
from keras_ae.precision import is_quantizer, layer_quantizer, quantizer_format
from keras_ae.run_contents import sample_scores, tested_inputs
from keras_ae.runs import Run
from keras_ae.teaching import learned_scores

#: Events on which layers are compared.
_N_EVENTS = 2000


@dataclass(frozen=True)
class LayerError:
    """|float - fixed| of the numbers that a layer gives, and the format they are in."""

    layer: str
    format: str
    largest: float
    rms: float

    @classmethod
    def of(cls, layer: str, form: FixedPointFormat, in_float: np.ndarray, fixed: Any) -> LayerError:
        """Of what a layer gives in float and in fixed point, (events, ...) each."""
        difference = np.abs(in_float.astype(np.float64) - fixed)
        rms = float(np.sqrt((difference**2).mean()))
        return cls(layer, str(form), float(difference.max()), rms)


@dataclass(frozen=True)
class Fidelity:
    """Scores by level and sample ("background" and signals), and errors by layer.

    `scores` are those of the score `deciding`; `other_scores` by name those given out beside it.
    `tables` stand in firmware for functions, in the scores `with_tables`. `parents` are those of
    the events by sample.
    """

    deciding: str
    scores: Mapping[str, ScoresBySample]
    other_scores: Mapping[str, Mapping[str, ScoresBySample]]
    layers: tuple[LayerError, ...]
    tables: tuple[LookupTable, ...]
    with_tables: tuple[str, ...]
    parents: Parents = field(default_factory=dict)

    def as_dict(self, threshold: float) -> dict[str, Any]:
        """AUC and TPR by level and signal; trigger rate above `threshold` by level and sample.

        `auc_changes` of post-training, quantized and firmware are against float on the same events;
        `table_effects`, by score, are firmware against quantized, which has functions for tables.
        """
        signals = [name for name in self.scores["firmware"] if name != "background"]

        def changes(new: ScoresBySample, old: ScoresBySample) -> dict[str, Any]:
            return {
                signal: asdict(auc_difference(new, old, signal, self.parents)) for signal in signals
            }

        by_score = {self.deciding: self.scores, **self.other_scores}
        return {
            "levels": {
                level: {
                    "separation": separation(samples, self.parents),
                    # A teacher's score is another quantity, with no such threshold.
                    "trigger_rate": None
                    if level == "teacher"
                    else {
                        name: asdict(rate_interval(values > threshold, self.parents.get(name)))
                        for name, values in samples.items()
                    },
                }
                for level, samples in self.scores.items()
            },
            "auc_changes": {
                level: changes(self.scores[level], self.scores["float"])
                for level in ("post_training", "quantized", "firmware")
                if level in self.scores and "float" in self.scores
            },
            "other_scores": {
                score: {
                    level: separation(samples, self.parents) for level, samples in levels.items()
                }
                for score, levels in self.other_scores.items()
            },
            "tables": [
                {
                    "layer": table.name,
                    "function": table.function,
                    "entries": len(table.entries),
                    "format": str(table.output_format),
                    "max_error": table.max_error,
                }
                for table in self.tables
            ],
            "table_effects": {
                score: changes(by_score[score]["firmware"], by_score[score]["quantized"])
                for score in self.with_tables
            },
            "layers": [asdict(error) for error in self.layers],
        }


def measure_fidelity(
    run: Run, data: Dataset, graph: TriggerGraph, firmware: Mapping[str, TriggerOutput]
) -> Fidelity:
    """Of a run whose firmware, made of `graph`, gave this for the test background and the signals.

    Levels are `float`, `post_training`, `quantized` and `firmware`, before them a student's
    `teacher`.
    """
    models, experiment = evaluated_models(run), run.experiment
    methods = {level: level for level in ("float", "post_training", "quantized")}
    if experiment.student is not None:
        methods["float"] = "student"
    inputs = tested_inputs(run, data)
    found = {
        level: {
            sample: sample_scores(models[method], x)
            for sample, x in inputs[seen_by(method)].items()
        }
        for level, method in methods.items()
    }
    found["firmware"] = {sample: output.scores for sample, output in firmware.items()}
    taught: dict[str, ScoresBySample] = {}
    if experiment.student is not None:
        samples = data.tested.items()
        learned = {
            name: learned_scores(run, sample).reshape(len(sample), -1) for name, sample in samples
        }
        taught = {
            score: {name: values[:, number] for name, values in learned.items()}
            for number, score in enumerate(models["student"].score_names)
        }

    def by_level(score: str) -> dict[str, ScoresBySample]:
        teacher = {"teacher": taught[score]} if taught else {}
        return teacher | {
            level: {sample: scores[score] for sample, scores in samples.items()}
            for level, samples in found.items()
        }

    deciding, *others = firmware["background"].scores
    layers = layer_errors(
        models[methods["float"]],
        models["quantized"],
        *(first_events(inputs[seen_by(m)]["background"]) for m in (methods["float"], "quantized")),
    )
    tables = tuple(layer for layer in graph.layers if isinstance(layer, LookupTable))
    other_scores = {score: by_level(score) for score in others}
    names = [table.name for table in tables]
    with_tables = tuple(
        score for score in (deciding, *others) if set(graph.node(score).inputs) & set(names)
    )
    return Fidelity(
        deciding, by_level(deciding), other_scores, layers, tables, with_tables, data.parents
    )


def layer_errors(
    in_float: ScoringModel,
    in_fixed: ScoringModel,
    float_inputs: tuple[np.ndarray, ...],
    fixed_inputs: tuple[np.ndarray, ...],
) -> tuple[LayerError, ...]:
    """Of every quantized layer of the networks, which has the same name in float.

    Args:
        in_float, in_fixed: the same autoencoder or student.
        float_inputs, fixed_inputs: of each, (events, ...), and the condition if any.
    """
    errors = []
    for exact, rounded in zip(in_float.networks, in_fixed.networks, strict=True):
        names = [layer.name for layer in rounded.layers if is_quantizer(layer)]
        pairs = zip(
            layer_outputs(exact, names, _inputs_of(in_float, exact, float_inputs)),
            layer_outputs(rounded, names, _inputs_of(in_fixed, rounded, fixed_inputs)),
            strict=True,
        )
        for name, (expected, found) in zip(names, pairs, strict=True):
            form = quantizer_format(layer_quantizer(rounded.get_layer(name)))
            errors.append(LayerError.of(name, form, expected, found))
    return tuple(errors)


def _inputs_of(
    model: Any, network: keras.Model, inputs: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """Of the first the event, of the encoder its embedding, of the decoder its code.

    Each with the condition.
    """
    if network is model.networks[0]:
        return inputs
    if network is model.encoder:
        return (model.embed(inputs[0]),)
    x, condition = inputs if len(inputs) > 1 else (inputs[0], None)
    return (model.encode(x, condition), *inputs[1:])


def layer_outputs(
    network: keras.Model, names: Sequence[str], inputs: tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """Of layers by name, (events, ...) each."""
    probe = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    outputs = map_batches(lambda *parts: probe(list(parts)), *inputs)
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def first_events(inputs: Any) -> tuple[np.ndarray, ...]:
    """Of network inputs, without or with condition, as many as layers are compared on."""
    return tuple(x[:_N_EVENTS] for x in (inputs if isinstance(inputs, tuple) else (inputs,)))
