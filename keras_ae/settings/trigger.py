"""How much background a trigger may pass, and by which score."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from keras_ae.errors import InputError
from keras_ae.section import Section

#: Of further bits: also what firmware calls them.
_POINT_NAME = re.compile(r"(?=.{1,12}$)[a-z](_?[a-z0-9])*")
#: More, and hls4ml could not copy the stream of the score.
_MOST_POINTS = 5


class WorkingPoint(Section):
    """How much background may pass: `target_fpr`, a fraction of it, or `target_rate_khz`."""

    target_fpr: float | None = Field(None, gt=0, lt=1)
    target_rate_khz: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if (self.target_fpr is None) == (self.target_rate_khz is None):
            raise InputError(
                "one of target_fpr and target_rate_khz must be given, got "
                + ("neither" if self.target_fpr is None else "both")
            )
        return self

    def fpr_of(self, input_rate_khz: float | None) -> float:
        """The fraction of background that may pass, which arrives at a rate.

        Raises:
            InputError: a target rate that is not below that of the input.
        """
        if self.target_fpr is not None:
            return self.target_fpr
        target, limit = self.target_rate_khz or 0.0, input_rate_khz
        if limit is None or target >= limit:
            raise InputError(
                f"target_rate_khz must be below input_rate_khz, got {target:g} "
                + ("and no input_rate_khz" if limit is None else f"and {limit:g}")
            )
        return target / limit


class TriggerTarget(WorkingPoint):
    """How much background may pass.

    `input_rate_khz` is the rate at which events like those of the background arrive; beside
    `target_fpr` it only adds rates to the fidelity report. `working_points` by name are further
    bits on the same score, each for less background than the one before it.
    """

    input_rate_khz: float | None = Field(None, gt=0)
    working_points: dict[str, WorkingPoint] = Field(default={})

    @model_validator(mode="after")
    def _check_points(self) -> Self:
        if len(self.working_points) > _MOST_POINTS:
            raise InputError(
                f"working_points must be {_MOST_POINTS} at most, got {len(self.working_points)}"
            )
        rates = {"": self.fpr_of(self.input_rate_khz)}
        for name, point in self.working_points.items():
            if not _POINT_NAME.fullmatch(name):
                raise InputError(
                    "names of working_points must be small letters and digits, 12 at most, first "
                    f"a letter, with single '_' between them, got {name!r}"
                )
            try:
                rates[name] = point.fpr_of(self.input_rate_khz)
            except InputError as error:
                raise InputError(f"working_points.{name}: {error}") from None
        for (before, high), (name, low) in pairwise(rates.items()):
            if not low < high:
                raise InputError(
                    "working_points must be in falling order of what may pass, got "
                    f"{low:g} of '{name}' after {high:g}" + (f" of '{before}'" if before else "")
                )
        return self

    @property
    def fpr(self) -> float:
        """The fraction of background that may pass the trigger's bit."""
        return self.fpr_of(self.input_rate_khz)

    @property
    def fprs(self) -> dict[str, float]:
        """That of each further bit, by its name."""
        rate = self.input_rate_khz
        return {name: point.fpr_of(rate) for name, point in self.working_points.items()}


class TriggerSettings(TriggerTarget):
    """And which score decides; with a student, `score` is the one that it learns."""

    score: str
