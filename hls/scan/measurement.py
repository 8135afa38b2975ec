"""What a trial is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from keras_ae.data.dataset import Sample


@dataclass(frozen=True)
class Quality:
    """What is maximized, with its standard error; for the mean of several signals a bound of it."""

    value: float
    error: float


#: (events,) of a sample.
Score: TypeAlias = Callable[[Sample], np.ndarray]
#: In firmware, and in float.
Scores: TypeAlias = tuple[Score, Score]
#: For the search and for the test, in firmware and then in float.
Qualities: TypeAlias = tuple[Quality, Quality, Quality, Quality]


@dataclass(frozen=True)
class Measurement:
    """What became of a trial.

    `search` is the quality that the search sees, on validation background and one half of the
    signals, of the exact reference. `test` is on test background and the other half, which nothing
    was chosen by. What needs no signal is of validation and test background alone, and, for
    agreement, of events made up of it. `float_search` and `float_test` are those of the float model
    on the same events: only on the same events do two models compare. Resources are estimates.
    `signals`, where nothing was chosen by them, is the mean AUC on test background and all their
    events.
    """

    search: Quality
    test: Quality
    float_search: Quality
    float_test: Quality
    lut: float
    register_bits: int
    latency_cycles: int
    signals: Quality | None = None
