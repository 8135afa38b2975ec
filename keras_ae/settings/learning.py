"""How models learn: sections `training`, `student` and `quantization`. Knows no TensorFlow."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from keras_ae.errors import InputError
from keras_ae.exposure import Exposure
from keras_ae.front_end.input_view import InputView
from keras_ae.section import Section, as_tuple, check_each_once
from keras_ae.settings.architecture import Architecture
from keras_ae.settings.teachers import DensityTeacher, Teacher

Optimizer = Literal["adam", "sgd"]
LearningRateSchedule = Literal["plateau", "cosine"]


class TrainingSettings(Section):
    """How long and how fast; patience in epochs of the validation loss.

    The learning rate is multiplied by `plateau_factor` where the loss has not improved for
    `plateau_patience` epochs, and training stops where it has not for `early_stopping_patience`;
    or, with the schedule `cosine`, the rate falls to 0 in the course of all epochs as half a period
    of the cosine (Loshchilov & Hutter, arXiv:1608.03983, without restarts). The best epoch is kept.
    """

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(1024, ge=1)
    optimizer: Optimizer = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    learning_rate_schedule: LearningRateSchedule = "plateau"
    early_stopping_patience: int = Field(10, ge=1)
    plateau_patience: int = Field(4, ge=1)
    plateau_factor: float = Field(0.3, gt=0, lt=1)
    mixed_precision: bool = False
    jit_compile: bool = False
    tensorboard: bool = False

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        for name in ("early_stopping_patience", "plateau_patience", "plateau_factor"):
            if self.learning_rate_schedule != "plateau" and self.differs(name):
                raise InputError(
                    f"{name} must not be set for the learning_rate_schedule "
                    f"{self.learning_rate_schedule!r}, which goes through all epochs, got "
                    f"{getattr(self, name)}"
                )
        return self


class PruningSettings(Section):
    """Magnitude pruning, see `pruning.Pruning`.

    `sparsity` is the share of each kernel's weights that become zero, in the course of the first
    `n_epochs`. Of the epochs after them the best is kept.
    """

    sparsity: float = Field(gt=0, lt=1)
    n_epochs: int = Field(4, ge=1)


class QuantizationSettings(TrainingSettings):
    """Fine-tuning in fixed point; with `pruning` also with fewer weights.

    With `resource_penalty` > 0 also with fewer bits in them: what a bit operation costs, in nats,
    see `bit_penalty.ResourcePenalty`.
    """

    pruning: PruningSettings | None = None
    resource_penalty: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _check_precision(self) -> QuantizationSettings:
        if self.mixed_precision:
            raise InputError(
                "mixed_precision must be false, got true: fixed-point values are exact in float32, "
                "not in float16"
            )
        return self

    @model_validator(mode="after")
    def _check_pruning(self) -> QuantizationSettings:
        if self.pruning is not None and self.pruning.n_epochs >= self.epochs:
            raise InputError(
                f"pruning.n_epochs must be < epochs, {self.epochs}, so that one epoch at least "
                f"trains what is left, got {self.pruning.n_epochs}"
            )
        return self


class FocusSettings(Section):
    """Where a student has to be right: at the thresholds of a trigger.

    An event whose learned score lies between the thresholds for the lowest and the highest of
    `target_fprs`, on background, counts `weight` times, one far from them once; see
    `models.Student`.
    """

    target_fprs: Annotated[tuple[float, ...], BeforeValidator(as_tuple)] = (1e-2, 1e-3)
    weight: float = Field(5.0, gt=1)

    @field_validator("target_fprs")
    @classmethod
    def _check_rates(cls, target_fprs: tuple[float, ...]) -> tuple[float, ...]:
        if not target_fprs or not all(0 < fpr < 1 for fpr in target_fprs):
            raise InputError(
                f"target_fprs must be one rate within (0, 1) or several, got {list(target_fprs)}"
            )
        return target_fprs

    def check_events(self, n_events: int) -> None:
        """Raise InputError where not one event of so much background lies above a threshold."""
        if min(self.target_fprs) * n_events < 1:
            raise InputError(
                f"student.focus.target_fprs must be at least 1/{n_events}, one of the background "
                f"events of the training, got {min(self.target_fprs):g}"
            )


def _one_latent_dimension(content: Any) -> Any:
    """The architecture of a student, in which latent_dim need not be written."""
    return {"latent_dim": 1, **content} if isinstance(content, dict) else content


class StudentSettings(Section):
    """A small network that learns the score of the run's autoencoder, see `models.Student`.

    It is what is quantized and goes into firmware. Only an encoder is built of its architecture,
    whose one latent dimension is the score. `inputs` are what it sees of the wires; without, what
    its teacher sees. It learns the run's autoencoder's `trigger.score`, or, with `teachers`, the
    mean of their scores, each with mean 0 and deviation 1 on background: that is the score that
    decides. Each of `further_scores`, which are the autoencoder's, is learned by one more output.
    `exposure` are events that it learns from beside background. With `initial_biases: centred` it
    begins with biases that leave no unit without events, see `weights.centre_units`. It is trained
    from `n_init` initial weights, and that of the lowest loss on validation is kept. With `focus`
    events at the thresholds of a trigger count more.
    """

    inputs: InputView | None = None
    teachers: Annotated[tuple[Teacher, ...], BeforeValidator(as_tuple)] = ()
    further_scores: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    exposure: Exposure | None = None
    architecture: Annotated[Architecture, BeforeValidator(_one_latent_dimension)]
    initial_biases: Literal["zero", "centred"] = "zero"
    n_init: int = Field(1, ge=1)
    focus: FocusSettings | None = None
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _check_score(self) -> StudentSettings:
        spec = self.architecture
        for name, value in (("latent_dim", 1), ("latent_activation", "linear")):
            if getattr(spec, name) != value:
                raise InputError(
                    f"architecture.{name} of a student must be {value!r}, because its latent "
                    f"dimension is its score, got {getattr(spec, name)!r}"
                )
        # The first of several autoencoders is that of one.
        alike = [teacher.model_copy(update={"n_seeds": 1}) for teacher in self.teachers]
        for number, teacher in enumerate(alike):
            if teacher in alike[:number]:
                raise InputError(
                    f"teachers.{number} must differ from those before it, got {teacher.kind} with "
                    "the same settings; n_seeds gives several of an autoencoder"
                )
        check_each_once("further_scores", self.further_scores)
        return self

    def check_events(self, n_events: int) -> None:
        """Raise InputError where so much background is too little to learn from."""
        for number, teacher in enumerate(self.teachers):
            if isinstance(teacher, DensityTeacher):
                try:
                    teacher.check_events(n_events)
                except InputError as error:
                    raise InputError(f"student.teachers.{number}: {error}") from error
        if self.focus is not None:
            self.focus.check_events(n_events)
