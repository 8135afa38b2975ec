"""A network that comes trained: what `keras-ae adopt` makes a run of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from keras_ae.data.source import EventSource, parse_source
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.front_end import Column, FrontEnd
from keras_ae.front_end.input_view import Counts, ScaledView, check_view
from keras_ae.section import Section
from keras_ae.settings.experiment import Experiment, FrontEndOrName
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.report import ReportSettings
from keras_ae.settings.tensor_scores import NAMED_SCORES, ROLES, TensorScore
from keras_ae.settings.trigger import TriggerTarget
from keras_ae.yaml_files import dump_mapping, load_mapping, validate_settings


class NetworkSettings(Section):
    """Which tensor of the network is what, and what its inputs are.

    `model` is its file, and `contents` are SHA-256 of this and the other files, so that a changed
    one is seen; `keras-ae adopt` fills in both.
    `roles` are names of layers by role, where the ends of the network do not say; `input_formats`
    are of inputs without a quantizer behind them, by name. `inputs` is the file of a run,
    `inputs_float.json`, that says what the network sees of the wires.
    `float_model` is the file of a Keras model in float, with layers of the same names, that the
    report compares with.
    """

    model: str = ""
    contents: dict[str, str] = Field(default={})
    roles: dict[str, str] = Field(default={})
    input_formats: dict[str, FixedPointFormat] = Field(default={})
    inputs: str | None = None
    float_model: str | None = None

    @model_validator(mode="after")
    def _check_roles(self) -> Self:
        for role in self.roles:
            if role not in ROLES:
                raise InputError(f"roles must be of {', '.join(ROLES)}, got {role!r}")
        return self


def _as_score(content: Any) -> Any:
    """A mapping as a score of tensors, with its first mistake in the words of the YAML file."""
    return (
        validate_settings(TensorScore, content, "score") if isinstance(content, dict) else content
    )


class AdoptedTriggerSettings(TriggerTarget):
    """And which score decides, by its name or by what it is of which tensors."""

    score: Annotated[str | TensorScore, BeforeValidator(_as_score)] = "model_output"

    @model_validator(mode="after")
    def _check_score(self) -> Self:
        if isinstance(self.score, str) and self.score not in NAMED_SCORES:
            raise InputError(
                f"score must be one of {', '.join(NAMED_SCORES)}, or a mapping with kind and of, "
                f"got {self.score!r}"
            )
        return self


class Adoption(Section):
    """All that decides a run of a network that comes trained.

    `front_end` is what the wires carry, see `Experiment`. `inputs` are what the network sees of it,
    with a scale that is given or none, as it was trained so; without, and without
    `network.inputs`, it takes the hardware values as they are.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    seed: int = Field(1, ge=0, lt=2**32)
    data: Annotated[SerializeAsAny[EventSource], BeforeValidator(parse_source)]
    front_end: FrontEndOrName = None
    inputs: ScaledView | None = None
    network: NetworkSettings = NetworkSettings()
    trigger: AdoptedTriggerSettings
    firmware: FirmwareSettings = Field(default_factory=FirmwareSettings)
    report: ReportSettings = ReportSettings()

    #: Sections of an experiment that a run of this kind goes without.
    @property
    def objective(self) -> None:
        return None

    @property
    def student(self) -> None:
        return None

    @property
    def precision(self) -> None:
        return None

    @property
    def wires(self) -> FrontEnd | None:
        """What the trigger's wires carry, where that is said."""
        return self.data.front_end_or_default(self.front_end)

    @property
    def used_columns(self) -> list[Column] | None:
        """Those that the network sees; None of all, or where that is not known."""
        if self.inputs is None or self.wires is None:
            return None
        return self.inputs.needs(self.wires)

    @property
    def counts(self) -> Counts | None:
        """Of a network that comes trained nothing but its data say what the condition is."""
        counts, wires = self.data.counts, self.wires
        has_all = wires is not None and counts is not None and counts.fits(wires)
        return counts if has_all else None

    @property
    def deciding_score(self) -> str:
        """Name of the score that decides."""
        score = self.trigger.score
        return score if isinstance(score, str) else score.port

    @property
    def scores(self) -> tuple[str | TensorScore, ...]:
        """All scores in the firmware, the deciding one first."""
        return (self.trigger.score, *self.firmware.scores)

    @property
    def deployed(self) -> str:
        """In words, what goes into firmware."""
        return f"network {Path(self.network.model).stem}, which came trained"

    def require_firmware(self, subject: str) -> FirmwareSettings:
        """The section `firmware`, which is always there."""
        return self.firmware

    @model_validator(mode="after")
    def _check_inputs(self) -> Self:
        if self.inputs is not None and self.inputs.is_fitted:
            raise InputError(
                "inputs.scale must be none or a mapping from columns to offset and shift, as the "
                "network was trained with it, got 'fitted'"
            )
        if self.inputs is not None and self.network.inputs is not None:
            raise InputError(
                f"network.inputs must be null beside inputs, got {self.network.inputs!r}"
            )
        is_scaled = self.inputs is not None or self.network.inputs is not None
        has_wires = self.wires is not None and self.wires.is_hardware
        if is_scaled and not has_wires:
            raise InputError(
                "front_end must state formats where inputs of the network are scaled, got none"
            )
        if self.inputs is not None and self.wires is not None:
            check_view(self.inputs, self.wires, "inputs")
        if is_scaled and self.network.input_formats:
            raise InputError(
                "network.input_formats must be empty where inputs are scaled, which are in the "
                f"format of the front end, got {', '.join(self.network.input_formats)}"
            )
        return self


RunSettings = Experiment | Adoption


def load_adoption(path: Path) -> Adoption:
    """Read a YAML file.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not YAML, an unknown key, a wrong type or value; with the dotted path.
    """
    return validate_settings(Adoption, load_mapping(path, "config"), str(path))


def load_run_settings(path: Path) -> RunSettings:
    """What a run directory holds, of either kind; raises as `load_adoption` does."""
    content = load_mapping(path, "experiment")
    if "network" in content:
        return validate_settings(Adoption, content, str(path))
    return validate_settings(Experiment, content, str(path))


def dump_run_settings(settings: RunSettings) -> str:
    """As YAML, every default written out."""
    return dump_mapping(settings.model_dump(mode="json"))
