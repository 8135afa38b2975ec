"""An experiment: the YAML file as frozen, strict models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from keras_ae.data.scaling import HardwareUnits, ScalingQuantiles
from keras_ae.data.sources import Source
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormats
from keras_ae.settings.architecture import Architecture
from keras_ae.settings.learning import (
    QuantizationSettings,
    Section,
    StudentSettings,
    TrainingSettings,
)
from keras_ae.settings.objectives import (
    OBJECTIVES,
    SIGNED_SCORES,
    STUDENT_SCORE,
    Objective,
    parse_objective,
)

Model = TypeVar("Model", bound=BaseModel)


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                mark = node.value[index][0].start_mark
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=mark)
        return super().construct_mapping(node, deep)


#: In the words of the YAML file instead of pydantic's.
_RULES = {
    "model_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "tuple_type": "must be a list",
    "too_short": "must have more entries",
    "float_type": "must be a number (in YAML 1.0e-3, not 1e-3)",
}


class ScalingSettings(Section):
    """How network inputs are made of the trigger's integers, see `L1Scaler.fit`."""

    units: HardwareUnits = HardwareUnits()
    quantiles: ScalingQuantiles = ScalingQuantiles()


class TriggerSettings(Section):
    """Which score decides, and how much background may pass.

    As a fraction of it, `target_fpr`, or as a rate, `target_rate_khz`. `input_rate_khz` is the rate
    at which events like those of the background arrive; beside `target_fpr` it only adds rates to
    the fidelity report. With a student, `score` is the one that it learns.
    """

    score: str
    target_fpr: float | None = Field(None, gt=0, lt=1)
    target_rate_khz: float | None = Field(None, gt=0)
    input_rate_khz: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _check_target(self) -> TriggerSettings:
        if (self.target_fpr is None) == (self.target_rate_khz is None):
            raise InputError(
                "one of target_fpr and target_rate_khz must be given, got "
                + ("neither" if self.target_fpr is None else "both")
            )
        if self.target_rate_khz is not None:
            limit = self.input_rate_khz
            if limit is None or self.target_rate_khz >= limit:
                raise InputError(
                    f"target_rate_khz must be below input_rate_khz, got {self.target_rate_khz:g} "
                    + ("and no input_rate_khz" if limit is None else f"and {limit:g}")
                )
        return self

    @property
    def fpr(self) -> float:
        """The fraction of background that may pass."""
        if self.target_fpr is not None:
            return self.target_fpr
        return (self.target_rate_khz or 0.0) / (self.input_rate_khz or 1.0)


class Experiment(Section):
    """Everything that decides a run.

    `firmware` is validated by `keras_ae.settings.firmware`; null for an experiment that ends with
    its evaluation.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    seed: int = Field(1, ge=0, lt=2**32)
    data: Source
    scaling: ScalingSettings = ScalingSettings()
    architecture: Architecture
    objective: Annotated[SerializeAsAny[Objective], BeforeValidator(parse_objective)]
    training: TrainingSettings = TrainingSettings()
    student: StudentSettings | None = None
    precision: FixedPointFormats
    quantization: QuantizationSettings = QuantizationSettings()
    trigger: TriggerSettings
    firmware: dict[str, Any] | None = Field(default_factory=dict)

    @property
    def deciding_score(self) -> str:
        """The score that the quantized model gives, and the firmware."""
        return self.trigger.score if self.student is None else STUDENT_SCORE

    @property
    def deployed(self) -> str:
        """In words, the model that is quantized and goes into firmware."""
        model = f"{self.objective.kind} autoencoder {self.architecture}"
        if self.student is None:
            return model
        return (
            f"student {self.student.architecture}, which learned the logarithm of the "
            f"{self.trigger.score} of a {model}"
        )

    @model_validator(mode="after")
    def _check_sections_fit(self) -> Experiment:
        n_features = math.prod(self.data.event_shape)
        if self.architecture.input_dim != n_features:
            raise InputError(
                f"architecture.input_dim must be {n_features}, the features of an event of "
                f"data.kind '{self.data.kind}', got {self.architecture.input_dim}"
            )
        if self.architecture.condition_dim not in (0, self.data.condition_dim):
            raise InputError(
                f"architecture.condition_dim must be 0 or {self.data.condition_dim} for data.kind "
                f"'{self.data.kind}', got {self.architecture.condition_dim}"
            )
        self.objective.check_architecture(self.architecture)
        if self.quantization.mixed_precision:
            raise InputError(
                "quantization.mixed_precision must be false, got true: "
                "fixed-point values are exact in float32, not in float16"
            )
        sections = {"training": self.training, "quantization": self.quantization}
        for name, section in sections.items():
            of_teacher = self.student is None or name == "training"
            if self.objective.kind == "oja" and of_teacher and section.optimizer != "sgd":
                raise InputError(
                    f"{name}.optimizer must be 'sgd' for objective.kind 'oja', "
                    f"got '{section.optimizer}'"
                )
        if self.student is None and self.objective.kind in ("pca", "oja"):
            self._check_not_by_gradient(self.quantization)
        if self.trigger.score not in self.objective.scores:
            raise InputError(
                f"trigger.score for objective.kind '{self.objective.kind}' must be one of "
                f"{', '.join(self.objective.scores)}, got '{self.trigger.score}'"
            )
        if self.student is not None:
            self._check_student(self.student)
        return self

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
        own, teachers = student.architecture, self.architecture
        for name in ("input_shape", "condition_dim"):
            if getattr(own, name) != getattr(teachers, name):
                raise InputError(
                    f"student.architecture must have the {name} of architecture, "
                    f"{getattr(teachers, name)}, got {getattr(own, name)}"
                )
        if self.trigger.score in SIGNED_SCORES:
            choices = (name for name in self.objective.scores if name not in SIGNED_SCORES)
            raise InputError(
                "trigger.score must be one that is never negative for a student, which learns its "
                f"logarithm: {', '.join(choices)}, got '{self.trigger.score}'"
            )


def load_experiment(path: Path) -> Experiment:
    """Read a YAML file.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not YAML, an unknown key, a wrong type or value; with the dotted path.
    """
    content = load_mapping(path, "experiment")
    return validate_settings(Experiment, content, str(path))


def load_mapping(path: Path, kind: str) -> dict[str, Any]:
    """What a YAML file holds; `kind` is what the file is called where it is missing.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not YAML, a key that stands twice, or no mapping.
    """
    if path.is_dir():
        raise InputError(f"{path} must be a YAML file, got a directory")
    if not path.is_file():
        raise FileNotFoundError(f"{kind} file not found: {path}")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{path} must be YAML: {error.problem}, in line {line}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a mapping of sections, got {type(content).__name__}")
    return content


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML, every default written out."""
    return yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False)


def validate_settings(
    model: type[Model], content: dict[str, Any], subject: str, section: str = ""
) -> Model:
    """`content`, the whole file or one `section` of it, as a `model`.

    Raises:
        InputError: the first of its faults, with subject, dotted path, rule, value and choices.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{subject}: {_first_fault(model, content, error, section)}") from None


def _first_fault(
    model: type[BaseModel], content: dict[str, Any], error: ValidationError, section: str
) -> str:
    fault = error.errors(include_url=False)[0]
    keys, found = _follow(model, content, fault["loc"])
    location = [*([section] if section else []), *keys]
    path = ".".join(location)
    cause = fault.get("ctx", {}).get("error")
    if fault["type"] == "extra_forbidden":
        choices = ", ".join(found.model_fields) if found else ""
        return f"unknown key {path}; choices: {choices}"
    if fault["type"] == "missing":
        return f"missing key {path}"
    if fault["type"].startswith("union_tag"):
        found_tag = fault.get("ctx", {}).get("tag", "none")
        tags = fault["ctx"].get("expected_tags", "named")
        return f"{path}.kind must be one of {tags}, got '{found_tag}'"
    if isinstance(cause, InputError):
        # A rule that names its own key needs only the sections before it.
        if location and str(cause).startswith(location[-1]):
            return ".".join([*location[:-1], str(cause)])
        return f"{path}: {cause}" if path else str(cause)
    rule = _RULES.get(fault["type"], f"{fault['msg'][0].lower()}{fault['msg'][1:]}")
    return f"{path}: {rule}, got {fault['input']!r}"


def _follow(
    model: type[BaseModel], content: dict[str, Any], location: tuple[Any, ...]
) -> tuple[list[str], type[BaseModel] | None]:
    """The keys of pydantic's location, without the tags of unions, and the last section in it."""
    keys: list[str] = []
    section: type[BaseModel] | None = model
    candidates: list[type[BaseModel]] = []
    for part in location:
        tagged = [c for c in candidates if part in get_args(c.model_fields["kind"].annotation)]
        if tagged:
            section, candidates = tagged[0], []
            continue
        keys.append(str(part))
        if section and part in section.model_fields:
            sections = sections_in(section.model_fields[part].annotation)
            section = sections[0] if len(sections) == 1 else None
            if section is Objective:
                # Its settings are found by its kind.
                objective = content.get(part)
                kind = objective.get("kind") if isinstance(objective, dict) else None
                section = OBJECTIVES.get(str(kind), Objective)
            candidates = [c for c in sections if "kind" in c.model_fields]
    # An unknown key stands behind the section that it is unknown to.
    if section is None and len(keys) == 1:
        section = model
    return keys, section


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field of this annotation can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_in(part)]
