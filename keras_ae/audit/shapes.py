"""How far a distribution is from a uniform one."""

from __future__ import annotations

import numpy as np

#: In 10,000 uniform samples, Kuiper's distance exceeds this over the root of their size once.
_FLUCTUATION = 2.5


def turn_distance(values: np.ndarray, turn: float) -> float:
    """Kuiper's distance of angles from uniform ones, wherever they begin: 0 to 1; 0 of none."""
    if not len(values):
        return 0.0
    places = np.sort(np.mod(values, turn) / turn)
    steps = np.arange(len(places) + 1) / len(places)
    return max(float((steps[1:] - places).max() + (places - steps[:-1]).max()), 0.0)


def fluctuation(n_values: int, turn: float) -> float:
    """How far uniform angles may be from uniform by chance and, with that turn, by rounding."""
    return _FLUCTUATION / np.sqrt(max(n_values, 1)) + 1 / turn
