"""What the firmware is made for."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hls.cpp.backends import BACKENDS
from keras_ae.errors import InputError
from keras_ae.settings.architecture import ConvolutionalSpec
from keras_ae.settings.experiment import Experiment, validate_settings

#: Scores that there is firmware for, see `hls.graph.build`.
LATENT_SCORES = ("squared_latent_norm", "normalized_latent_norm", "kl_divergence")
ERROR_SCORES = ("reconstruction_error", "squared_error", "masked_squared_error", "absolute_error")


def load_firmware_settings(experiment: Experiment, subject: str) -> FirmwareSettings | None:
    """The section `firmware` of an experiment, as settings; None for one without firmware.

    Raises:
        InputError: its first fault, named after `subject`, with the dotted path; or an experiment
            that cannot be put into firmware.
    """
    if experiment.firmware is None:
        return None
    settings = validate_settings(FirmwareSettings, experiment.firmware, subject, "firmware")
    _check_deployable(experiment, settings, subject)
    return settings


def firmware_settings(experiment: Experiment, subject: str) -> FirmwareSettings:
    """Of an experiment that has them.

    Raises:
        InputError: `firmware: null`, or a fault in them.
    """
    settings = load_firmware_settings(experiment, subject)
    if settings is None:
        raise InputError(f"{subject}: section firmware must be given for firmware, got null")
    return settings


def _check_deployable(experiment: Experiment, settings: FirmwareSettings, subject: str) -> None:
    """Before hours of training, not after them."""
    if experiment.student is not None:
        # Nothing of its teacher goes into firmware.
        if settings.scores:
            raise InputError(
                f"{subject}: firmware.scores must be empty with a student, which has one score, "
                f"got {', '.join(settings.scores)}"
            )
        return
    spec = experiment.architecture
    if len({experiment.trigger.score, *settings.scores}) <= len(settings.scores):
        raise InputError(
            f"{subject}: firmware.scores must name each once, and not trigger.score, "
            f"'{experiment.trigger.score}', got {', '.join(settings.scores)}"
        )
    scores = [
        name for name in (*ERROR_SCORES, *LATENT_SCORES) if name in experiment.objective.scores
    ]
    if isinstance(spec, ConvolutionalSpec) and spec.upsampling == "transpose":
        raise InputError(
            f"{subject}: architecture.upsampling must be 'upsample' for firmware, got 'transpose': "
            "hls4ml has no transposed convolution"
        )
    for name, value, choices in (
        ("trigger.score", experiment.trigger.score, scores),
        *(("firmware.scores", score, scores) for score in settings.scores),
        ("architecture.latent_activation", spec.latent_activation, ("linear", "relu")),
    ):
        if value not in choices:
            raise InputError(
                f"{subject}: {name} must be {' or '.join(map(repr, choices))} for firmware, got "
                f"{value!r}: choose another or set 'firmware: null'"
            )


class FirmwareSettings(BaseModel):
    """Settings of the HLS project, named as in hls4ml.

    Which parts and strategies a `backend` knows is in `hls.cpp.backends`; where they are not given,
    they are the backend's own.

    `scores` are given out beside the one that decides. The `threshold` is a constant, or an input
    of the firmware, so that it can change at run time. `table_error` is the largest error of an
    entry of a table of exp or sigmoid, where a score needs one. `levels_per_stage` is of the RTL:
    how many levels of logic, adders or multiplexers, may lie between two registers; beyond
    `max_rtl_lut`, by the cost model, RTL is not written: tracing would take too long.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    backend: Literal["Vitis", "Vivado", "Quartus", "Catapult"] = "Vitis"
    part: str
    clock_ns: float = Field(5.0, gt=0)
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    strategy: Literal["latency", "resource", "distributed_arithmetic"]
    reuse_factor: int = Field(1, ge=1)
    scores: tuple[str, ...] = Field((), strict=False)
    threshold: Literal["constant", "input"] = "constant"
    table_error: float = Field(2.0**-6, gt=0)
    levels_per_stage: int = Field(4, ge=1)
    max_rtl_lut: int = Field(300_000, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Part and strategy, where they are not given, are the backend's."""
        name = values.get("backend", "Vitis")
        backend = BACKENDS.get(name) if isinstance(name, str) else None
        if backend is None:  # pydantic names the choices
            return values
        return {"part": backend.default_part, "strategy": backend.strategies[0], **values}

    @model_validator(mode="after")
    def _check_backend(self) -> Self:
        backend = BACKENDS[self.backend]
        if not self.part.lower().startswith(backend.part_families):
            raise InputError(
                f"part must start with one of {', '.join(backend.part_families)} for backend "
                f"{backend.name}, got {self.part!r}"
            )
        if self.strategy == "distributed_arithmetic" and self.reuse_factor != 1:
            raise InputError(
                "reuse_factor must be 1 for strategy 'distributed_arithmetic', which has no "
                f"multipliers to share, got {self.reuse_factor}"
            )
        if self.strategy not in backend.strategies:
            others = [b.name for b in BACKENDS.values() if self.strategy in b.strategies]
            raise InputError(
                f"strategy must be {' or '.join(map(repr, backend.strategies))} for backend "
                f"{backend.name}, got {self.strategy!r}: choose another or backend "
                f"{' or '.join(others)}"
            )
        return self
