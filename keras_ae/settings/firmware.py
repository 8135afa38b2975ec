"""What the firmware is made for: the section `firmware` of an experiment."""

from __future__ import annotations

import re
from typing import Any, Literal, Self, cast

from pydantic import Field, model_validator

from keras_ae.errors import InputError
from keras_ae.section import Section
from keras_ae.settings.targets import TARGETS, BackendName, Strategy, Target

#: Scores that there is firmware for, see `hls.graph.build`.
LATENT_SCORES = ("squared_latent_norm", "normalized_latent_norm", "kl_divergence")
ERROR_SCORES = ("reconstruction_error", "squared_error", "masked_squared_error", "absolute_error")


_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class FirmwareSettings(Section):
    """Settings of the HLS project, named as in hls4ml.

    Which parts and strategies a `backend` knows is in `targets`; where they are not given, they are
    the backend's own.

    `scores` are given out beside the one that decides. The `threshold` is a constant, or an input
    of the firmware, so that it can change at run time. `table_error` is the largest error of an
    entry of a table of exp or sigmoid, where a score needs one. `levels_per_stage` is of the RTL:
    how many levels of logic, adders or multiplexers, may lie between two registers; beyond
    `max_rtl_lut`, by the cost model, RTL is not written: tracing would take too long.
    """

    backend: BackendName = "Vitis"
    part: str = Field(default_factory=lambda found: _target(found).default_part)
    clock_ns: float = Field(5.0, gt=0)
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    strategy: Strategy = Field(default_factory=lambda found: _target(found).strategies[0])
    reuse_factor: int = Field(1, ge=1)
    scores: tuple[str, ...] = Field((), strict=False)
    threshold: Literal["constant", "input"] = "constant"
    table_error: float = Field(2.0**-6, gt=0)
    levels_per_stage: int = Field(4, ge=1)
    max_rtl_lut: int = Field(300_000, ge=1)

    @model_validator(mode="after")
    def _check_backend(self) -> Self:
        target = TARGETS[self.backend]
        # It is written into scripts that a vendor's tool and a shell run.
        if not _PART.fullmatch(self.part):
            raise InputError(
                "part must be of letters, digits, '-', '_' and '.', as a vendor calls it, got "
                f"{self.part!r}"
            )
        if not self.part.lower().startswith(target.part_families):
            raise InputError(
                f"part must start with one of {', '.join(target.part_families)} for backend "
                f"{self.backend}, got {self.part!r}"
            )
        if self.strategy == "distributed_arithmetic" and self.reuse_factor != 1:
            raise InputError(
                "reuse_factor must be 1 for strategy 'distributed_arithmetic', which has no "
                f"multipliers to share, got {self.reuse_factor}"
            )
        if self.strategy not in target.strategies:
            others = [name for name, other in TARGETS.items() if self.strategy in other.strategies]
            raise InputError(
                f"strategy must be {' or '.join(map(repr, target.strategies))} for backend "
                f"{self.backend}, got {self.strategy!r}: choose another or backend "
                f"{' or '.join(others)}"
            )
        return self


def _target(found: dict[str, Any]) -> Target:
    """Of the backend among fields that were found valid; of any, where that is none."""
    return TARGETS[cast(BackendName, found.get("backend", "Vitis"))]
