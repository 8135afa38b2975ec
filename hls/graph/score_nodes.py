"""Scores that are asked for -> their layers in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hls.graph.assembly import Assembly, Networks
from hls.graph.layers.error_scores import AbsoluteError, SquaredError
from hls.graph.layers.lookup_table import TABLE_FUNCTIONS, LookupTable
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.score_layers import (
    GaussianDivergence,
    NormalizedNorm,
    ScoreLayer,
    SquaredNorm,
    Total,
)
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.likelihoods import Bernoulli, MaskedGaussian
from keras_ae.models import Autoencoder, ScoringModel, Student
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES
from keras_ae.settings.objectives import EMBEDDING_SCORES
from keras_ae.settings.tensor_scores import NAMED_SCORES, TensorScore, value

#: One or several, by name or as they are described.
Scores = str | TensorScore | Sequence[str | TensorScore]

#: Layer of each kind.
SCORE_LAYERS: dict[str, type[ScoreLayer]] = {
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "squared_norm": SquaredNorm,
    "normalized_norm": NormalizedNorm,
    "gaussian_divergence": GaussianDivergence,
    "value": Total,
}


def requested_scores(model: Networks, scores: Scores) -> list[TensorScore]:
    """Each as what it is of which tensors.

    Raises:
        InputError: none, two of one name, or a name that the model has no score of.
    """
    wanted = [scores] if isinstance(scores, str | TensorScore) else scores
    if not isinstance(wanted, list | tuple) or not all(
        isinstance(score, str | TensorScore) for score in wanted
    ):
        raise InputError(
            f"scores must be names or such as squared_norm(), one or a list of them, got {scores!r}"
        )
    found = [score if isinstance(score, TensorScore) else _named(model, score) for score in wanted]
    names = [score.port for score in found]
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"scores must be at least one, of different names, got {', '.join(names) or 'none'}"
        )
    return found


def _named(model: Networks, name: str) -> TensorScore:
    """The score of a name."""
    choices = score_choices(model)
    if name not in choices:
        kind = type(model).__name__
        others = "" if isinstance(model, ScoringModel) else ", or such as squared_norm('my_layer')"
        raise InputError(
            f"score of {kind} in firmware must be one of {', '.join(choices)}{others}, got {name!r}"
        )
    if isinstance(model, Student) and model.further_scores:
        # The layers at its ends, in the order of its scores.
        ends = dict(zip(model.score_names, model.encoder.output_names, strict=True))
        return value(ends[name], name=name)
    score = NAMED_SCORES[name]
    masked = isinstance(getattr(model, "likelihood", None), MaskedGaussian)
    if name == "reconstruction_error" and masked:
        return score.model_copy(update={"masked": True})
    return score


def score_choices(model: Networks) -> tuple[str, ...]:
    """Names of the scores that there can be of a model in firmware."""
    if isinstance(model, Student):
        return model.score_names
    if isinstance(model, ScoringModel):
        has_variance = len(model.encoder.outputs) > 1
        has_embedding = getattr(model, "embedding", None) is not None
        of_code = LATENT_SCORES if has_variance else LATENT_SCORES[:1]
        return (*ERROR_SCORES, *of_code, *(EMBEDDING_SCORES if has_embedding else ()))
    return (*ERROR_SCORES, *LATENT_SCORES, "model_output")


def add_score(parts: Assembly, score: TensorScore, table_error: float) -> str:
    """The layers of a score; the name of the last.

    Raises:
        InputError: tensors that are not there, or that do not fit together.
    """
    subject = f"score '{score.port}'"
    tensors = [_tensor(parts, score, name, table_error) for name in score.of]
    if score.kind == "value":
        shape = parts.grid(tensors[0]).shape
        if shape != (1,):
            raise InputError(
                f"{subject}: tensor '{score.of[0]}' must be one number an event, of shape (1,), "
                f"got {shape}: choose a score of it, such as squared_norm"
            )
    if score.table is not None:
        name = f"{score.port}_table"
        tensors[-1] = _add_table(parts, tensors[-1], score.table, table_error, name)
    formats = tuple(_format_of(parts, name) for name in tensors)
    return parts.add(_layer_of(score, formats), *tensors)


def terms(score: TensorScore, *numbers: Any) -> Any:
    """Of each element of tensors of numbers (events, ...), without any rounding."""
    *others, last = numbers
    if score.table is not None:
        last = TABLE_FUNCTIONS[score.table](last)
    # Which formats does not matter: nothing is rounded to them.
    form = FixedPointFormat(8, 4)
    return _layer_of(score, (form,) * len(numbers)).term(np, *others, last)


def _layer_of(score: TensorScore, formats: tuple[FixedPointFormat, ...]) -> ScoreLayer:
    """The layer of a score, of inputs in these formats."""
    options: dict[str, Any] = {}
    if score.kind.endswith("_error"):
        options["masked"] = score.masked
    return SCORE_LAYERS[score.kind](
        input_formats=formats,
        name=score.port,
        term_format=score.term_format,
        output_format=score.output_format,
        **options,
    )


def _tensor(parts: Assembly, score: TensorScore, name: str, table_error: float) -> str:
    """The node of a role or layer; a reconstruction of probabilities is a table of its logits.

    A score that has a name of its own is one of roles.
    """
    subject = f"score '{score.port}'"
    find = parts.roles.find_role if score in NAMED_SCORES.values() else parts.roles.find
    node, model = find(name, subject), parts.model
    if (
        name == "reconstruction"
        and isinstance(model, Autoencoder)
        and isinstance(model.likelihood, Bernoulli)
    ):
        return _add_table(parts, node, "sigmoid", table_error, "probability")
    return node


def _add_table(parts: Assembly, x: str, function: str, max_error: float, name: str) -> str:
    """A table of x, once."""
    if parts.layer(name) is not None:
        return name
    formats = (_format_of(parts, x),)
    return parts.add(LookupTable(function, max_error, input_formats=formats, name=name), x)


def _format_of(parts: Assembly, name: str) -> FixedPointFormat:
    """The format that a node's values are in."""
    layer = parts.layer(name)
    if isinstance(layer, LookupTable):
        return layer.output_format
    if isinstance(layer, Quantizer):
        return layer.form.values
    return parts.grid(name).format
