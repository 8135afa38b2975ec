"""A section of a YAML file: frozen, strict, and of the keys that are known."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """What one mapping of a YAML file says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def as_tuple(content: Any) -> Any:
    """A list of YAML as the tuple that it is for, anything else as it is."""
    return tuple(content) if isinstance(content, list) else content
