"""An experiment: the YAML file as frozen, strict models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    model_validator,
)

from keras_ae.data.source import EventSource, parse_source
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormats
from keras_ae.front_end.front_end import Column, FrontEnd
from keras_ae.front_end.input_view import Counts, FloatView, InputView, ScaledView, check_view
from keras_ae.front_end.presets import load_front_end
from keras_ae.section import Section
from keras_ae.settings.architecture import Architecture, ConvolutionalSpec
from keras_ae.settings.embedding import EmbeddingSettings
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES, FirmwareSettings
from keras_ae.settings.learning import (
    QuantizationSettings,
    StudentSettings,
    TrainingSettings,
)
from keras_ae.settings.objectives import (
    EMBEDDING_SCORES,
    STUDENT_SCORE,
    Objective,
    further_student_score,
    parse_objective,
)
from keras_ae.settings.report import ReportSettings
from keras_ae.settings.teachers import (
    NEGATIVE_LOG_LIKELIHOOD,
    AutoencoderTeacher,
    DensityTeacher,
    Teacher,
)
from keras_ae.settings.trigger import TriggerSettings
from keras_ae.yaml_files import dump_mapping, load_mapping, validate_settings


def _as_front_end(given: Any) -> Any:
    """A front end by its name or file, or as it stands in YAML."""
    return None if given is None else load_front_end(given)


#: A front end by the name of a preset, by its file, or as it stands there.
FrontEndOrName = Annotated[FrontEnd | None, BeforeValidator(_as_front_end)]


class Experiment(Section):
    """Everything that decides a run.

    `front_end` is what the trigger's wires carry, by the name of a preset, a YAML file or as it
    stands there; without, it is that of the data. `inputs` are what the network sees of it,
    `condition` what it is told beside; with `embedding` the autoencoder is one of what a frozen
    network makes of them. `firmware` is null for an experiment that ends with its
    evaluation.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    seed: int = Field(1, ge=0, lt=2**32)
    data: Annotated[SerializeAsAny[EventSource], BeforeValidator(parse_source)]
    front_end: FrontEndOrName = None
    inputs: InputView = ScaledView()
    condition: Counts | None = None
    embedding: EmbeddingSettings | None = None
    architecture: Architecture
    objective: Annotated[SerializeAsAny[Objective], BeforeValidator(parse_objective)]
    training: TrainingSettings = TrainingSettings()
    student: StudentSettings | None = None
    precision: FixedPointFormats
    quantization: QuantizationSettings = QuantizationSettings()
    trigger: TriggerSettings
    firmware: FirmwareSettings | None = Field(default_factory=FirmwareSettings)
    report: ReportSettings = ReportSettings()

    @property
    def wires(self) -> FrontEnd:
        """What the trigger's wires carry.

        Raises:
            InputError: neither the experiment nor its data say so.
        """
        return self.data.require_front_end(self.front_end)

    @property
    def counts(self) -> Counts | None:
        """The condition, where a network is told one and the data have none of their own."""
        if self.architecture.condition_dim == 0:
            return None
        return self.condition or self.data.counts

    @property
    def used_columns(self) -> list[Column]:
        """Those that what a network of the experiment sees depends on."""
        wires = self.wires
        needed = [*self.inputs.needs(wires), *self.deployed_inputs.needs(wires)]
        if self.counts is not None:
            needed += self.counts.needs(wires)
        return list({column.index: column for column in needed}.values())

    @property
    def deployed_inputs(self) -> ScaledView | FloatView:
        """What the model that goes into firmware sees of the wires."""
        if self.student is None or self.student.inputs is None:
            return self.inputs
        return self.student.inputs

    @property
    def first_architecture(self) -> Architecture:
        """Of the network that sees the inputs: the embedding's, or the autoencoder's."""
        return self.architecture if self.embedding is None else self.embedding.architecture

    @property
    def deployed_architecture(self) -> Architecture:
        """Of the network of the model in firmware that sees the inputs."""
        return self.first_architecture if self.student is None else self.student.architecture

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of those that the autoencoder has."""
        own = self.objective.scores
        return own if self.embedding is None else (*own, *EMBEDDING_SCORES)

    @property
    def deciding_score(self) -> str:
        """The score that the quantized model gives, and the firmware."""
        return self.trigger.score if self.student is None else STUDENT_SCORE

    @property
    def learned_method(self) -> str:
        """What the deployed model has learned, as `metrics.json` names it."""
        several = self.student is not None and bool(self.student.teachers)
        return "teacher/mean" if several else f"float/{self.trigger.score}"

    @property
    def firmware_scores(self) -> tuple[str, ...]:
        """All scores in the firmware, the deciding one first."""
        others = () if self.firmware is None else self.firmware.scores
        return (self.deciding_score, *others)

    @property
    def deployed(self) -> str:
        """In words, the model that is quantized and goes into firmware."""
        model = f"{self.objective.kind} autoencoder {self.architecture}"
        if self.embedding is not None:
            model += f" of a frozen embedding {self.embedding.architecture}"
        if self.student is None:
            return model
        teachers = [_in_words(teacher, model) for teacher in self.student.teachers]
        learned = f"{self.trigger.score} of a {model}"
        if teachers:
            learned = (
                f"mean of the scores of {', '.join(teachers)}" if teachers[1:] else teachers[0]
            )
        return f"student {self.student.architecture}, which learned the logarithm of the {learned}"

    def require_embedding(self) -> EmbeddingSettings:
        """The section `embedding`.

        Raises:
            InputError: there is none.
        """
        if self.embedding is None:
            raise InputError("section embedding must be given to embed, got none")
        return self.embedding

    def require_firmware(self, subject: str) -> FirmwareSettings:
        """The section `firmware`.

        Raises:
            InputError: `firmware: null`; named after `subject`.
        """
        if self.firmware is None:
            raise InputError(f"{subject}: section firmware must be given for firmware, got null")
        return self.firmware

    @model_validator(mode="after")
    def _check_sections_fit(self) -> Experiment:
        self._check_front_end()
        self.objective.check_architecture(self.architecture)
        sections = {"training": self.training, "quantization": self.quantization}
        for name, section in sections.items():
            of_teacher = self.student is None or name == "training"
            choices = self.objective.optimizers
            if of_teacher and section.optimizer not in choices:
                raise InputError(
                    f"{name}.optimizer must be {' or '.join(map(repr, choices))} for "
                    f"objective.kind '{self.objective.kind}', got '{section.optimizer}'"
                )
        if self.student is None and not self.objective.by_gradient:
            self._check_not_by_gradient(self.quantization)
        if self.embedding is not None:
            self._check_embedding(self.embedding)
        if self.trigger.score not in self.scores:
            raise InputError(
                f"trigger.score for objective.kind '{self.objective.kind}' must be one of "
                f"{', '.join(self.scores)}, got '{self.trigger.score}'"
            )
        if self.student is not None:
            self._check_student(self.student)
        if self.firmware is not None:
            self._check_deployable(self.firmware)
        return self

    def _check_front_end(self) -> None:
        """Raise InputError where wires, what the networks see of them, and their sizes differ."""
        wires, spec = self.wires, self.architecture
        first = "" if self.embedding is None else "embedding."
        views = {"": (self.inputs, f"{first}architecture", self.first_architecture)}
        if self.student is not None:
            student = self.student.architecture
            views["student."] = (self.deployed_inputs, "student.architecture", student)
        for prefix, (view, name, architecture) in views.items():
            check_view(view, wires, f"{prefix}inputs")
            n_inputs = len(view.columns(wires))
            if architecture.input_dim != n_inputs:
                raise InputError(
                    f"{name}.input_dim must be {n_inputs}, the numbers of an event that the "
                    f"network sees of {wires.n_values}, got {architecture.input_dim}"
                )
        if self.condition is not None:
            if self.data.condition_dim:
                raise InputError(
                    f"condition must be null for data.kind '{self.data.kind}', which has its own, "
                    f"got {', '.join(self.condition.shifts)}"
                )
            self.condition.check(wires)
        counts = self.condition or self.data.counts
        condition_dim = self.data.condition_dim if counts is None else len(counts.shifts)
        if spec.condition_dim not in (0, condition_dim):
            raise InputError(
                f"architecture.condition_dim must be 0 or {condition_dim}, what there is of a "
                f"condition, got {spec.condition_dim}"
            )
        if self.firmware is not None and not wires.is_hardware:
            self._check_without_formats(wires)
        if self.firmware is not None and not self.deployed_inputs.in_firmware:
            where = "inputs" if self.student is None else "student.inputs"
            raise InputError(
                f"{where}.kind must be 'scaled' for firmware, got 'float': give the student, or "
                "the model, scaled inputs, or set 'firmware: null'"
            )

    def _check_without_formats(self, wires: FrontEnd) -> None:
        """Raise InputError for what takes formats that the front end does not state.

        There the wires carry what the network sees, rounded to the format of its input.
        """
        guarded = [column.group for column in wires.columns if column.guard is not None]
        around = [column.group for column in wires.columns if column.field.turn is not None]
        for what, found in (("empty", guarded), ("turn", around)):
            if found:
                raise InputError(
                    f"front_end must state the format of every field for firmware where a field "
                    f"has {what}, got none of {found[0]}"
                )
        if self.deployed_inputs != ScaledView():
            raise InputError(
                "front_end must state the format of every field for firmware that scales or "
                "chooses inputs, got none of some"
            )

    def _check_embedding(self, settings: EmbeddingSettings) -> None:
        """Raise InputError where the autoencoder cannot be one of the embedding."""
        settings.check(self.wires)
        spec, n_outputs = self.architecture, settings.architecture.latent_dim
        if isinstance(spec, ConvolutionalSpec) or spec.input_dim != n_outputs:
            raise InputError(
                f"architecture must be dense with input_dim {n_outputs}, the outputs of the "
                f"embedding, got {spec}"
            )
        if spec.condition_dim:
            raise InputError(
                "architecture.condition_dim must be 0 for an autoencoder of an embedding, got "
                f"{spec.condition_dim}"
            )
        for name, fits, rule in (
            ("kind", self.objective.by_gradient, "one that learns by gradient"),
            ("likelihood", self.objective.likelihood == "gaussian", "'gaussian'"),
        ):
            if not fits:
                raise InputError(
                    f"objective.{name} must be {rule} for the outputs of an embedding, got "
                    f"'{getattr(self.objective, name)}'"
                )

    def _check_not_by_gradient(self, settings: QuantizationSettings) -> None:
        """Raise InputError where fine-tuning is asked for what only gradients do."""
        pruning, penalty = settings.pruning, settings.resource_penalty
        for name, none, found in (
            ("pruning", "null", pruning and f"sparsity {pruning.sparsity:g}"),
            ("resource_penalty", "0", penalty and f"{penalty:g}"),
        ):
            if found:
                raise InputError(
                    f"quantization.{name} must be {none} for objective.kind "
                    f"'{self.objective.kind}', whose weights are not learned by gradient, got "
                    f"{found}"
                )

    def _check_student(self, student: StudentSettings) -> None:
        """Raise InputError where the student cannot learn from the teacher."""
        own = student.architecture
        same = {"condition_dim": self.architecture}
        if student.inputs is None:
            same["input_shape"] = self.first_architecture
        for name, teachers in same.items():
            if getattr(own, name) != getattr(teachers, name):
                raise InputError(
                    f"student.architecture must have the {name} of architecture, "
                    f"{getattr(teachers, name)}, got {getattr(own, name)}"
                )
        for teacher in student.teachers:
            of_embedding = isinstance(teacher, DensityTeacher) and teacher.sees == "embedding"
            if of_embedding and self.embedding is None:
                raise InputError(
                    "student.teachers.sees must be 'inputs' without a section embedding, got "
                    "'embedding'"
                )
            score = getattr(teacher, "score", None)
            if getattr(teacher, "n_seeds", 1) > 1 and not self.objective.by_gradient:
                raise InputError(
                    f"student.teachers.n_seeds must be 1 for objective.kind "
                    f"'{self.objective.kind}', which gives the same each time"
                )
            choices = self.scores
            if self.objective.variational:
                choices = (*choices, NEGATIVE_LOG_LIKELIHOOD)
            if score is not None and score not in choices:
                raise InputError(
                    f"student.teachers.score for objective.kind '{self.objective.kind}' must be "
                    f"one of {', '.join(choices)}, got '{score}'"
                )
        if not student.teachers and self.trigger.score in student.further_scores:
            raise InputError(
                "student.further_scores must not name trigger.score, which the first output "
                f"learns, '{self.trigger.score}'"
            )
        for score in student.further_scores:
            if score not in self.scores:
                raise InputError(
                    f"student.further_scores for objective.kind '{self.objective.kind}' must be of "
                    f"{', '.join(self.scores)}, got '{score}'"
                )
        if student.exposure is not None:
            if self.data.condition_dim and own.condition_dim:
                raise InputError(
                    f"student.exposure must be null for data.kind '{self.data.kind}', whose "
                    "condition no made-up event has"
                )
            student.exposure.check(self.wires, "student.exposure.steps")

    def _check_deployable(self, settings: FirmwareSettings) -> None:
        """Raise InputError where there is no firmware for what is asked for."""
        if self.student is not None:
            # Nothing of its teacher goes into firmware.
            names = list(map(further_student_score, self.student.further_scores))
            if len(set(settings.scores) & set(names)) < len(settings.scores):
                raise InputError(
                    "firmware.scores with a student must be further scores of its own, each once, "
                    f"got {', '.join(settings.scores)}; choices: {', '.join(names) or 'none'}"
                )
            return
        spec = self.architecture
        if len({self.trigger.score, *settings.scores}) <= len(settings.scores):
            raise InputError(
                "firmware.scores must name each once, and not trigger.score, "
                f"'{self.trigger.score}', got {', '.join(settings.scores)}"
            )
        in_firmware = (*ERROR_SCORES, *LATENT_SCORES, *EMBEDDING_SCORES)
        scores = [name for name in in_firmware if name in self.scores]
        if isinstance(spec, ConvolutionalSpec) and spec.upsampling == "transpose":
            raise InputError(
                "architecture.upsampling must be 'upsample' for firmware, got 'transpose': "
                "hls4ml has no transposed convolution"
            )
        for name, value, choices in (
            ("trigger.score", self.trigger.score, scores),
            *(("firmware.scores", score, scores) for score in settings.scores),
            ("architecture.latent_activation", spec.latent_activation, ("linear", "relu")),
        ):
            if value not in choices:
                raise InputError(
                    f"{name} must be {' or '.join(map(repr, choices))} for firmware, got "
                    f"{value!r}: choose another or set 'firmware: null'"
                )


def _in_words(teacher: Teacher, autoencoder: str) -> str:
    if isinstance(teacher, AutoencoderTeacher):
        return f"{teacher.n_seeds} of a {autoencoder}" if teacher.n_seeds > 1 else autoencoder
    seen = " of the embedding" if teacher.sees == "embedding" else ""
    return f"{teacher.kind}{seen}"


def load_experiment(path: Path) -> Experiment:
    """Read a YAML file.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not YAML, an unknown key, a wrong type or value; with the dotted path.
    """
    content = load_mapping(path, "experiment")
    if "network" in content:
        raise InputError(
            f"{path} must be an experiment, got the settings of a network that came trained: "
            f"'keras-ae adopt MODEL {path}'"
        )
    return validate_settings(Experiment, content, str(path))


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML, every default written out."""
    return dump_mapping(experiment.model_dump(mode="json"))
