"""An experiment: the YAML file as frozen, strict models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from keras_ae.architecture import ArchitectureSpec
from keras_ae.data.dataset import L1Data
from keras_ae.data.scaling import N_FEATURES, HardwareUnits, ScalingQuantiles
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormats

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
    "tuple_type": "must be a list",
}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ScalingSettings(_Section):
    """How network inputs are made of the trigger's integers, see `L1Scaler.fit`."""

    units: HardwareUnits = HardwareUnits()
    quantiles: ScalingQuantiles = ScalingQuantiles()


class ObjectiveSettings(_Section):
    """What is minimized."""

    kind: Literal["plain", "variational"]
    likelihood: Literal["gaussian", "masked_gaussian"] = "masked_gaussian"
    variance: float = Field(1.0, gt=0)
    beta: float = Field(1.0, ge=0)


class TrainingSettings(_Section):
    """How long and how fast; patience in epochs of the validation loss."""

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    early_stopping_patience: int = Field(10, ge=1)
    plateau_patience: int = Field(4, ge=1)
    plateau_factor: float = Field(0.3, gt=0, lt=1)
    mixed_precision: bool = False
    jit_compile: bool = False
    tensorboard: bool = False


class TriggerSettings(_Section):
    """Which score decides, and how much background may pass."""

    score: Literal["squared_latent_norm", "reconstruction_error"]
    target_fpr: float = Field(gt=0, lt=1)


class Experiment(_Section):
    """Everything that decides a run; `firmware` is validated by `hls.settings`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    seed: int = Field(1, ge=0)
    data: L1Data
    scaling: ScalingSettings = ScalingSettings()
    architecture: ArchitectureSpec
    objective: ObjectiveSettings
    training: TrainingSettings = TrainingSettings()
    precision: FixedPointFormats
    quantization: TrainingSettings = TrainingSettings()
    trigger: TriggerSettings
    firmware: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check_sections_fit(self) -> Experiment:
        if self.architecture.input_dim != N_FEATURES:
            raise InputError(
                f"architecture.input_dim must be {N_FEATURES}, the features of an L1 event, "
                f"got {self.architecture.input_dim}"
            )
        if self.objective.kind == "plain" and self.objective.beta != 1:
            raise InputError(
                f"objective.beta must be 1 for objective.kind 'plain', got {self.objective.beta:g}"
            )
        if self.quantization.mixed_precision:
            raise InputError(
                "quantization.mixed_precision must be false, got true: "
                "fixed-point values are exact in float32, not in float16"
            )
        if self.trigger.score == "squared_latent_norm" and self.objective.kind != "variational":
            raise InputError(
                "trigger.score must be 'reconstruction_error' for objective.kind "
                f"'{self.objective.kind}', got '{self.trigger.score}'"
            )
        return self


def load_experiment(path: Path) -> Experiment:
    """Read a YAML file.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not YAML, an unknown key, a wrong type or value; with the dotted path.
    """
    if path.is_dir():
        raise InputError(f"{path} must be a YAML file, got a directory")
    if not path.is_file():
        raise FileNotFoundError(f"experiment file not found: {path}")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{path} must be YAML: {error.problem}, in line {line}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a mapping of sections, got {type(content).__name__}")
    return validate_settings(Experiment, content, str(path))


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
        raise InputError(f"{subject}: {_first_fault(model, error, section)}") from None


def _first_fault(model: type[BaseModel], error: ValidationError, section: str) -> str:
    fault = error.errors(include_url=False)[0]
    location = [*([section] if section else []), *map(str, fault["loc"])]
    path = ".".join(location)
    if fault["type"] == "extra_forbidden":
        found = _section_at(model, fault["loc"][:-1])
        choices = ", ".join(found.model_fields) if found else ""
        return f"unknown key {path}; choices: {choices}"
    if fault["type"] == "missing":
        return f"missing key {path}"
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        # A rule that names its own key needs only the sections before it.
        if location and str(cause).startswith(location[-1]):
            return ".".join([*location[:-1], str(cause)])
        return f"{path}: {cause}" if path else str(cause)
    rule = _RULES.get(fault["type"], f"{fault['msg'][0].lower()}{fault['msg'][1:]}")
    return f"{path}: {rule}, got {fault['input']!r}"


def _section_at(model: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel] | None:
    for part in location:
        annotation = model.model_fields[part].annotation
        candidates = (annotation, *get_args(annotation))
        sections = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not sections:
            return None
        model = sections[0]
    return model
