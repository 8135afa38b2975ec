"""What a trigger gives for events, by whatever evaluates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TriggerOutput:
    """Scores by name, (events,) float64, the deciding one first; and `trigger` (events,) bool."""

    scores: dict[str, np.ndarray]
    trigger: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The one that decides."""
        return next(iter(self.scores.values()))

    @classmethod
    def of(cls, outputs: Mapping[str, np.ndarray]) -> TriggerOutput:
        """Of the outputs of a trigger graph by name, (events, 1) each, the last the decision."""
        *scores, trigger = (values.ravel() for values in outputs.values())
        names = list(outputs)[:-1]
        return cls(
            {name: np.asarray(s, np.float64) for name, s in zip(names, scores, strict=True)},
            trigger > 0.5,
        )

    @classmethod
    def join(cls, parts: Sequence[TriggerOutput]) -> TriggerOutput:
        """Of events one after the other."""
        names = parts[0].scores
        scores = {name: np.concatenate([part.scores[name] for part in parts]) for name in names}
        return cls(scores, np.concatenate([part.trigger for part in parts]))
