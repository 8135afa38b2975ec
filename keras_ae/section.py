"""A section of a YAML file: frozen, strict, and of the keys that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from keras_ae.errors import InputError


class Section(BaseModel):
    """What one mapping of a YAML file says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def differs(self, name: str) -> bool:
        """Whether a key has another value than its default.

        Defaults stand in every experiment that a run has written, as if somebody had given them.
        """
        return bool(getattr(self, name) != type(self).model_fields[name].default)


def as_tuple(content: Any) -> Any:
    """A list of YAML as the tuple that it is for, anything else as it is."""
    return tuple(content) if isinstance(content, list) else content


def check_each_once(name: str, values: Sequence[str]) -> None:
    """Raise InputError for a value of the key `name` that stands there twice."""
    if len(set(values)) < len(values):
        raise InputError(f"{name} must name each once, got {', '.join(values)}")
