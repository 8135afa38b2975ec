"""One layer of a trigger graph in exact arithmetic: on numbers, on their ranges, as logic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hls.graph.grid import Grid


@dataclass(frozen=True)
class Operation:
    """One layer in exact arithmetic: its function on arrays (events, ...), on grids, and as logic.

    `trace` takes and gives da4ml's symbolic arrays of one event, without the axis of events.
    `in_float32`: Keras computes it in float32. `dtype`: what `exact` is given here.
    """

    exact: Callable[..., np.ndarray]
    grid: Callable[..., Grid]
    trace: Callable[..., Any]
    in_float32: bool = True
    name: str = ""
    inputs: tuple[str, ...] = ()
    dtype: type = np.float64


def producers(tensors: Any) -> tuple[str, ...]:
    """Names of the layers that give a Keras tensor, or each of several."""
    parts = tensors if isinstance(tensors, list | tuple) else [tensors]
    return tuple(str(tensor._keras_history.operation.name) for tensor in parts)
