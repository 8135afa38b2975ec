"""What the firmware is made for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from keras_ae.config import validate_settings
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


def load_firmware_settings(section: dict[str, Any], subject: str) -> FirmwareSettings:
    """The section `firmware` of an experiment, as settings.

    Raises:
        InputError: its first fault, named after `subject`, with the dotted path.
    """
    return validate_settings(FirmwareSettings, section, subject, "firmware")


class FirmwareSettings(BaseModel):
    """Settings of the HLS project, named as in hls4ml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    backend: Literal["Vitis", "Vivado"] = "Vitis"
    part: str = "xcvu13p-flga2577-2-e"
    clock_ns: float = Field(5.0, gt=0)
    io_type: Literal["io_parallel"] = "io_parallel"
    strategy: Literal["latency", "resource", "distributed_arithmetic"] = "latency"
    reuse_factor: int = Field(1, ge=1)

    @field_validator("part")
    @classmethod
    def _check_part(cls, part: str) -> str:
        if not part.lower().startswith(KNOWN_PART_FAMILIES):
            raise InputError(
                f"part must start with one of {', '.join(KNOWN_PART_FAMILIES)}, got {part!r}"
            )
        return part
