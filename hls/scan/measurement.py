"""What a trial is judged by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """What is maximized, with its standard error; of the mean of signals, not above this one."""

    value: float
    error: float


@dataclass(frozen=True)
class Measurement:
    """What became of a trial.

    `search` is the quality that the search sees, on validation background and one half of the
    signals, of the exact reference; `float_model` that of the float model there. `test` is on test
    background and the other half, which nothing was chosen by. Resources are estimates.
    """

    search: Quality
    test: Quality
    float_model: Quality
    lut: float
    register_bits: int
    latency_cycles: int
