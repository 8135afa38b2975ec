"""What the firmware is made for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from keras_ae.architecture import ConvolutionalSpec
from keras_ae.config import Experiment, validate_settings
from keras_ae.errors import InputError

#: Parts by the start of their name: AMD/Xilinx families that the Vitis and Vivado backends target.
KNOWN_PART_FAMILIES = (
    "xc7a",
    "xc7k",
    "xc7v",
    "xc7z",
    "xcku",
    "xcvu",
    "xczu",
    "xcu",
    "xcve",
    "xcvc",
    "xcvh",
    "xcvm",
    "xcvp",
)


#: Scores that there is firmware for, see `hls.trigger`.
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

    `scores` are given out beside the one that decides. The `threshold` is a constant, or an input
    of the firmware, so that it can change at run time. `table_error` is the largest error of an
    entry of a table of exp or sigmoid, where a score needs one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    backend: Literal["Vitis", "Vivado"] = "Vitis"
    part: str = "xcvu13p-flga2577-2-e"
    clock_ns: float = Field(5.0, gt=0)
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    strategy: Literal["latency", "resource", "distributed_arithmetic"] = "latency"
    reuse_factor: int = Field(1, ge=1)
    scores: tuple[str, ...] = Field((), strict=False)
    threshold: Literal["constant", "input"] = "constant"
    table_error: float = Field(2.0**-6, gt=0)

    @field_validator("part")
    @classmethod
    def _check_part(cls, part: str) -> str:
        if not part.lower().startswith(KNOWN_PART_FAMILIES):
            raise InputError(
                f"part must start with one of {', '.join(KNOWN_PART_FAMILIES)}, got {part!r}"
            )
        return part
