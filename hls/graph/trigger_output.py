"""What a trigger gives for events, by whatever evaluates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hls.graph.interface import Interface


@dataclass(frozen=True)
class TriggerOutput:
    """Scores by name, (events,) float64, the deciding one first; bits by name, (events,) bool."""

    scores: dict[str, np.ndarray]
    bits: dict[str, np.ndarray]

    @property
    def score(self) -> np.ndarray:
        """The one that decides."""
        return next(iter(self.scores.values()))

    @property
    def trigger(self) -> np.ndarray:
        """The trigger's bit, the last."""
        return next(reversed(self.bits.values()))

    @classmethod
    def of(cls, outputs: Mapping[str, np.ndarray], interface: Interface) -> TriggerOutput:
        """Of the outputs of a trigger graph by name, (events, 1) each; `interface` is its."""
        decisions = [port.name for port in interface.outputs if port.is_decision]
        flat = {name: values.ravel() for name, values in outputs.items()}
        return cls(
            {name: np.asarray(s, np.float64) for name, s in flat.items() if name not in decisions},
            {name: flat[name] > 0.5 for name in decisions},
        )

    @classmethod
    def join(cls, parts: Sequence[TriggerOutput]) -> TriggerOutput:
        """Of events one after the other."""
        return cls(
            {n: np.concatenate([part.scores[n] for part in parts]) for n in parts[0].scores},
            {n: np.concatenate([part.bits[n] for part in parts]) for n in parts[0].bits},
        )
