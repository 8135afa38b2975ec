"""Scores of any tensors of a network, as they are asked for: in Python, or under `score` in YAML.

Each is a sum of a term of each element. Tensors are named by their role, one of `ROLES`, or by the
layer that gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.section import Section

#: What a tensor is to a trigger, whatever the layer is called that gives it.
ROLES = (
    *("input", "condition", "embedding"),
    *("latent_mean", "latent_log_var", "reconstruction", "output"),
)

#: Of each kind of score: of how many tensors it is.
_N_TENSORS = {
    "squared_error": 2,
    "absolute_error": 2,
    "squared_norm": 1,
    "normalized_norm": 2,
    "gaussian_divergence": 2,
    "value": 1,
}

ScoreKind = Literal[
    "squared_error",
    "absolute_error",
    "squared_norm",
    "normalized_norm",
    "gaussian_divergence",
    "value",
]


class TensorScore(Section):
    """A score: the sum over elements of a term of the tensors `of`.

    Kinds are `squared_error` (x - y)^2 and `absolute_error` |x - y|, with `masked` only where x is
    not zero; `squared_norm` x^2; `normalized_norm` x^2 exp(-v) and `gaussian_divergence`
    (x^2 + exp(v) - 1 - v) / 2 of a mean and a logarithm of a variance; and `value`, a tensor of one
    number, as it is. Terms are rounded to `term_format` where that is given, and their sum to
    `output_format`. `name` is that of the port; by default the kind.

    Raises:
        InputError: as many tensors as the kind does not take, or a mask for another than an error.
    """

    kind: ScoreKind
    of: tuple[str, ...] = Field(strict=False)
    name: str = ""
    masked: bool = False
    term_format: FixedPointFormat | None = None
    output_format: FixedPointFormat | None = None

    @model_validator(mode="after")
    def _check_tensors(self) -> Self:
        wanted = _N_TENSORS[self.kind]
        if len(self.of) != wanted:
            raise InputError(
                f"score of kind '{self.kind}' must be of {wanted} tensors, got "
                f"{', '.join(self.of) or 'none'}"
            )
        if self.masked and not self.kind.endswith("_error"):
            raise InputError(
                f"masked must be false for a score of kind '{self.kind}', got true: only errors "
                "leave out where the first tensor is zero"
            )
        return self

    @property
    def port(self) -> str:
        """Name of its port."""
        return self.name or self.kind

    @property
    def table(self) -> str | None:
        """The function that it takes of its last tensor, by the name of a table of that."""
        tables = {"normalized_norm": "exp(-x)", "gaussian_divergence": "exp(x)-1-x"}
        return tables.get(self.kind)


def squared_error(x: str = "input", y: str = "reconstruction", **options: Any) -> TensorScore:
    """sum_i (x_i - y_i)^2 of two tensors of equal shape; options are those of `TensorScore`."""
    return TensorScore(kind="squared_error", of=(x, y), **options)


def absolute_error(x: str = "input", y: str = "reconstruction", **options: Any) -> TensorScore:
    """sum_i |x_i - y_i|."""
    return TensorScore(kind="absolute_error", of=(x, y), **options)


def squared_norm(x: str = "latent_mean", **options: Any) -> TensorScore:
    """sum_j x_j^2."""
    return TensorScore(kind="squared_norm", of=(x,), **options)


def normalized_norm(
    x: str = "latent_mean", v: str = "latent_log_var", **options: Any
) -> TensorScore:
    """sum_j x_j^2 exp(-v_j)."""
    return TensorScore(kind="normalized_norm", of=(x, v), **options)


def gaussian_divergence(
    x: str = "latent_mean", v: str = "latent_log_var", **options: Any
) -> TensorScore:
    """KL(N(x, exp(v)) || N(0, 1)) = sum_j (x_j^2 + exp(v_j) - 1 - v_j) / 2, in nats."""
    return TensorScore(kind="gaussian_divergence", of=(x, v), **options)


def value(x: str = "output", **options: Any) -> TensorScore:
    """A tensor of one number an event, as the network gives it."""
    return TensorScore(kind="value", of=(x,), **options)


#: Scores that have names of their own, of which `reconstruction_error` is that of the likelihood.
NAMED_SCORES: Mapping[str, TensorScore] = {
    score.port: score
    for score in (
        squared_error(name="reconstruction_error"),
        squared_error(name="squared_error"),
        squared_error(name="masked_squared_error", masked=True),
        absolute_error(name="absolute_error"),
        squared_norm(name="squared_latent_norm"),
        squared_norm("embedding", name="squared_embedding_norm"),
        normalized_norm(name="normalized_latent_norm"),
        gaussian_divergence(name="kl_divergence"),
        value(name="student_score"),
        value(name="model_output"),
    )
}
