"""How results are summed up."""

from __future__ import annotations

from pydantic import Field

from keras_ae.section import Section


class ReportSettings(Section):
    """What results are shown of, beside all that there is.

    `background_like` are signals that the background holds as well, or that look just like it: they
    are shown, but have no part in means over signals, by which a search chooses, too.
    """

    background_like: tuple[str, ...] = Field((), strict=False)
