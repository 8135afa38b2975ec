"""What is minimized, as settings: the section `objective` of an experiment. Knows no TensorFlow.

Each objective's fields are the arguments of its model class, see `models`; `kind` is its name in
YAML.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, model_validator

from keras_ae.errors import InputError
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.learning import Optimizer

#: Scores of every model.
SCORES = (
    "reconstruction_error",
    "reconstruction",
    "squared_error",
    "masked_squared_error",
    "absolute_error",
    "latent_norm",
    "squared_latent_norm",
)

#: Scores of a model whose encoder gives a distribution.
VARIATIONAL_SCORES = (*SCORES, "normalized_latent_norm", "kl_divergence", "negative_elbo")

#: Further ones of a model of an embedding, see `settings.embedding`.
EMBEDDING_SCORES = ("squared_embedding_norm",)

#: The score of a student that decides, see `models.Student`.
STUDENT_SCORE = "student_score"


def further_student_score(learned: str) -> str:
    """What a student calls its score that has learned another one than the deciding."""
    return f"student_{learned}"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class GaussianNoiseSettings(_Settings):
    """See `corruptions.GaussianNoise`."""

    kind: Literal["gaussian"]
    stddev: float = Field(0.1, ge=0)


class MaskingSettings(_Settings):
    """See `corruptions.Masking`."""

    kind: Literal["masking"]
    rate: float = Field(0.1, ge=0, lt=1)


class SaltAndPepperSettings(_Settings):
    """See `corruptions.SaltAndPepper`."""

    kind: Literal["salt_and_pepper"]
    rate: float = Field(0.1, ge=0, lt=1)
    low: float = 0.0
    high: float = 1.0


class ObjectDropoutSettings(_Settings):
    """See `corruptions.ObjectDropout`."""

    kind: Literal["object_dropout"]
    rate: float = Field(0.1, ge=0, lt=1)
    features_per_object: int = Field(3, ge=1)


CorruptionSettings = Annotated[
    GaussianNoiseSettings | MaskingSettings | SaltAndPepperSettings | ObjectDropoutSettings,
    Discriminator("kind"),
]


class ConstantSettings(_Settings):
    """See `schedules.Constant`."""

    kind: Literal["constant"]


class LinearSettings(_Settings):
    """See `schedules.Linear`; in epochs instead of steps."""

    kind: Literal["linear"]
    n_epochs: int = Field(10, ge=1)


class CyclicalSettings(_Settings):
    """See `schedules.Cyclical`; in epochs instead of steps."""

    kind: Literal["cyclical"]
    n_epochs: int = Field(10, ge=1)
    ramp: float = Field(0.5, gt=0, le=1)


ScheduleSettings = Annotated[
    ConstantSettings | LinearSettings | CyclicalSettings, Discriminator("kind")
]


class Objective(_Settings):
    """What every objective has: the family of p(x|z).

    `variance` is that of a Gaussian family; with `learn_variance` it is only the first guess.
    A subclass with a `kind` is registered under it.
    """

    kind: str
    likelihood: Literal["gaussian", "masked_gaussian", "bernoulli"] = "gaussian"
    variance: float = Field(1.0, gt=0)
    learn_variance: bool = False

    #: Whether the encoder gives a distribution: mean and log-variance.
    variational: ClassVar[bool] = False
    #: Whether its model learns by gradient, so that what a gradient does can be asked for.
    by_gradient: ClassVar[bool] = True
    #: Optimizers that its model can learn by.
    optimizers: ClassVar[tuple[Optimizer, ...]] = get_args(Optimizer)
    #: Fields that say how networks are built, not how they learn.
    of_networks: ClassVar[tuple[str, ...]] = ()
    #: Names of the scores that its model has.
    scores: ClassVar[tuple[str, ...]] = SCORES

    @classmethod
    def class_for(cls, content: Any) -> type[Objective]:
        """The settings class of the kind that a YAML file names, this one where it is none."""
        kind = content.get("kind") if isinstance(content, dict) else None
        return OBJECTIVES.get(str(kind), cls)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        # Not a subclass that inherits its kind.
        if "kind" in cls.__annotations__:
            OBJECTIVES[cls.model_fields["kind"].default] = cls

    @model_validator(mode="after")
    def _check_variance(self) -> Objective:
        if self.likelihood == "bernoulli" and (self.variance != 1 or self.learn_variance):
            raise InputError(
                "variance must not be set for the likelihood 'bernoulli', which has none, got "
                f"variance {self.variance:g} and learn_variance {self.learn_variance}"
            )
        return self

    def check_architecture(self, spec: ArchitectureSpec | ConvolutionalSpec) -> None:
        """Raise InputError where the objective cannot work on the architecture."""
        if spec.condition_dim:
            raise InputError(
                f"architecture.condition_dim must be 0 for objective.kind '{self.kind}', got "
                f"{spec.condition_dim}: choose conditional_variational"
            )


#: kind -> settings.
OBJECTIVES: dict[str, type[Objective]] = {}


class PlainObjective(Objective):
    """Reconstruction alone, see `models.Autoencoder`."""

    kind: Literal["plain"] = "plain"


class LinearObjective(Objective):
    """Reconstruction by linear maps, see `linear.LinearAutoencoder`."""

    kind: Literal["linear"] = "linear"

    def check_architecture(self, spec: ArchitectureSpec | ConvolutionalSpec) -> None:
        super().check_architecture(spec)
        if (
            isinstance(spec, ConvolutionalSpec)
            or spec.hidden_dims
            or spec.latent_activation != "linear"
        ):
            raise InputError(
                f"architecture for objective.kind '{self.kind}' must be dense with hidden_dims [] "
                f"and latent_activation 'linear', got {spec} with '{spec.latent_activation}'"
            )


class _ComponentsObjective(LinearObjective):
    """Principal components: no more than there are features, and not by gradient."""

    by_gradient: ClassVar[bool] = False

    def check_architecture(self, spec: ArchitectureSpec | ConvolutionalSpec) -> None:
        super().check_architecture(spec)
        if spec.latent_dim > spec.input_dim:
            raise InputError(
                f"architecture.latent_dim for objective.kind '{self.kind}' must be <= "
                f"{spec.input_dim}, the number of features, got {spec.latent_dim}"
            )


class PCAObjective(_ComponentsObjective):
    """Principal components in closed form, see `linear.PCA`."""

    kind: Literal["pca"] = "pca"  # type: ignore[assignment]


class OjaObjective(_ComponentsObjective):
    """Principal components by Oja's rule, see `linear.OjaPCA`."""

    kind: Literal["oja"] = "oja"  # type: ignore[assignment]

    # Steps without memory.
    optimizers: ClassVar[tuple[Optimizer, ...]] = ("sgd",)


class SparseObjective(Objective):
    """See `models.SparseAutoencoder`."""

    kind: Literal["sparse"] = "sparse"
    penalty: Literal["l1", "kl"] = "l1"
    weight: float = Field(1e-2, ge=0)
    target_activation: float = Field(0.05, gt=0, lt=1)

    @model_validator(mode="after")
    def _check_target_activation(self) -> SparseObjective:
        unset = SparseObjective.model_fields["target_activation"].default
        if self.penalty == "l1" and self.target_activation != unset:
            raise InputError(
                "target_activation must not be set for the penalty 'l1', which has none, got "
                f"{self.target_activation:g}"
            )
        return self

    def check_architecture(self, spec: ArchitectureSpec | ConvolutionalSpec) -> None:
        super().check_architecture(spec)
        if self.penalty == "kl" and spec.latent_activation != "sigmoid":
            raise InputError(
                "architecture.latent_activation must be 'sigmoid' for objective.penalty 'kl', got "
                f"'{spec.latent_activation}'"
            )


class DenoisingObjective(Objective):
    """See `models.DenoisingAutoencoder`."""

    kind: Literal["denoising"] = "denoising"
    corruption: CorruptionSettings = GaussianNoiseSettings(kind="gaussian")

    def check_architecture(self, spec: ArchitectureSpec | ConvolutionalSpec) -> None:
        super().check_architecture(spec)
        if isinstance(self.corruption, ObjectDropoutSettings):
            size = self.corruption.features_per_object
            if isinstance(spec, ConvolutionalSpec) or spec.input_dim % size:
                raise InputError(
                    f"architecture.input_dim for objective.corruption.kind 'object_dropout' must "
                    f"be a multiple of features_per_object, {size}, got {spec}"
                )


class ContractiveObjective(Objective):
    """See `models.ContractiveAutoencoder`."""

    kind: Literal["contractive"] = "contractive"
    weight: float = Field(1e-2, ge=0)


class _DistributionObjective(Objective):
    """The encoder gives a distribution.

    `log_variance_limit`: bound of the logarithm of its variance in float32, either way; what an
    event far from all others would make of it overflows.
    """

    log_variance_limit: float = Field(15.0, gt=0, le=30)

    variational: ClassVar[bool] = True
    of_networks: ClassVar[tuple[str, ...]] = ("log_variance_limit",)
    scores: ClassVar[tuple[str, ...]] = VARIATIONAL_SCORES


class VariationalObjective(_DistributionObjective):
    """See `models.VariationalAutoencoder`; with beta != 1 the beta-VAE."""

    kind: Literal["variational"] = "variational"
    beta: float = Field(1.0, ge=0)
    n_samples: int = Field(1, ge=1)
    schedule: ScheduleSettings = ConstantSettings(kind="constant")


class ImportanceWeightedObjective(_DistributionObjective):
    """See `models.ImportanceWeightedAutoencoder`."""

    kind: Literal["importance_weighted"] = "importance_weighted"
    n_samples: int = Field(5, ge=1)


class ConditionalVariationalObjective(VariationalObjective):
    """See `models.ConditionalVariationalAutoencoder`."""

    kind: Literal["conditional_variational"] = "conditional_variational"  # type: ignore

    def check_architecture(self, spec: ArchitectureSpec | ConvolutionalSpec) -> None:
        if not spec.condition_dim:
            raise InputError(
                "architecture.condition_dim must be >= 1 for objective.kind "
                "'conditional_variational', got 0"
            )


def parse_objective(content: Any) -> Any:
    """The settings class of `kind`, for pydantic: OBJECTIVES grows by registration."""
    if isinstance(content, Objective):
        return content
    if not isinstance(content, dict):
        raise InputError(f"objective must be a mapping of keys, got {content!r}")
    if "kind" not in content:
        raise InputError(f"objective.kind must be one of {', '.join(OBJECTIVES)}, got none")
    kind = content["kind"]
    if kind not in tuple(OBJECTIVES):
        raise InputError(f"objective.kind must be one of {', '.join(OBJECTIVES)}, got {kind!r}")
    return OBJECTIVES[kind].model_validate(content)
