"""Hardware values -> network inputs by any function of floats, for a network without firmware."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from keras_ae.front_end.scaled_inputs import flat_events


@dataclass(frozen=True)
class FloatInputs:
    """Network inputs of columns of hardware values (events, n_values), in physical units.

    Of each: its column, the worth of its last bit, whether sign(x) log(1 + |x|) is taken, and then
    (x - mean) / deviation, clipped at plus or minus `clip`.
    """

    n_values: int
    columns: tuple[int, ...]
    last_bits: tuple[float, ...]
    logs: tuple[bool, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    clip: float | None = None

    @property
    def n_inputs(self) -> int:
        """Of the network."""
        return len(self.columns)

    def transform(self, hardware: np.ndarray) -> np.ndarray:
        """Network inputs (events, n_inputs) float64.

        Raises:
            InputError: another number of values.
        """
        hardware = flat_events(hardware, self.n_values)
        x = hardware[:, list(self.columns)] * np.array(self.last_bits)
        x = np.where(self.logs, np.sign(x) * np.log1p(np.abs(x)), x)
        if self.mean:
            x = (x - np.array(self.mean)) / np.array(self.deviation)
        return x if self.clip is None else np.clip(x, -self.clip, self.clip)

    def standardized_on(self, background: np.ndarray) -> FloatInputs:
        """With mean 0 and deviation 1 on these events; what is constant becomes 0."""
        x = self.transform(background)
        # Equal floats have neither exactly their mean, nor a deviation of exactly zero.
        constant = np.ptp(x, axis=0) == 0
        mean = np.where(constant, x[0], x.mean(axis=0))
        deviation = np.where(constant, 1.0, x.std(axis=0))
        return replace(self, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))

    def clipped_at(self, clip: float | None) -> FloatInputs:
        """With another bound, or none."""
        return replace(self, clip=clip)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": "float", **asdict(self)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FloatInputs:
        """What `as_dict` gave."""
        values = {key: value for key, value in content.items() if key != "kind"}
        lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists})
