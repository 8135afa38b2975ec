"""Why a layer cannot be put into firmware as it is."""

from __future__ import annotations

from collections.abc import Sequence

from keras_ae.errors import InputError


class Refusal(InputError):
    """A layer that breaks a rule of exactness or of synthesis, and the way round.

    Args:
        layer: its name.
        rule: what must hold, e.g. "weights must be <= 4096".
        value: what was found instead.
        remedy: what to do, e.g. "choose strategy 'resource'".
    """

    def __init__(self, layer: str, rule: str, value: object, remedy: str) -> None:
        super().__init__(f"layer '{layer}': {rule}, got {value}; {remedy}")
        self.layer = layer
        self.rule = rule
        self.value = value
        self.remedy = remedy


def require_none(refusals: Sequence[Refusal], shown_by: str = "keras-ae check") -> None:
    """Raise the first of `refusals`, if there is one, and say how many there are.

    `shown_by`: what says all of them.

    Raises:
        InputError: what `keras-ae check` shows line by line.
    """
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        raise InputError(f"{refusals[0]} (and {len(refusals) - 1} more, see {shown_by})")
