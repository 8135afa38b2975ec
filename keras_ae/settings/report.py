"""How results are summed up."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from keras_ae.section import Section, check_each_once


class ReportSettings(Section):
    """What results are shown of, beside all that there is.

    `background_like` are signals that the background holds as well, or that look just like it: they
    are shown, but have no part in means over signals, by which a search chooses, too.
    """

    background_like: tuple[str, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        check_each_once("background_like", self.background_like)
        return self
