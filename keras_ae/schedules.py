"""How the weight beta of the KL term grows while training.

A schedule is a function of the number of training steps done; what it gives, between 0 and 1,
multiplies beta. Validation always uses the whole beta, so that its losses compare between epochs.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_ae.errors import InputError

Tensor = Any


class Schedule:
    """What all schedules share: they are saved by the arguments that they were made with."""

    def __init__(self, **arguments: float) -> None:
        self._arguments = arguments

    def __call__(self, step: Tensor) -> Tensor:
        """Factor in [0, 1], a float32 scalar, of the number of steps done."""
        raise NotImplementedError

    def get_config(self) -> dict[str, float]:
        return dict(self._arguments)

    @classmethod
    def from_config(cls, config: dict[str, float]) -> Schedule:
        return cls(**config)


def _check_steps(name: str, n_steps: int) -> float:
    if n_steps < 1:
        raise InputError(f"{name} of a schedule must be >= 1, got {n_steps}")
    return float(n_steps)


@keras.saving.register_keras_serializable("keras_ae")
class Constant(Schedule):
    """The whole beta from the first step."""

    def __call__(self, step: Tensor) -> Tensor:
        return ops.ones((), "float32")


@keras.saving.register_keras_serializable("keras_ae")
class Linear(Schedule):
    """From 0 to the whole beta in `n_steps` (Bowman et al., arXiv:1511.06349, sec. 3.1).

    Raises:
        InputError: n_steps < 1.
    """

    def __init__(self, n_steps: int) -> None:
        self._n_steps = _check_steps("n_steps", n_steps)
        super().__init__(n_steps=n_steps)

    def __call__(self, step: Tensor) -> Tensor:
        return ops.minimum(ops.cast(step, "float32") / self._n_steps, 1.0)


@keras.saving.register_keras_serializable("keras_ae")
class Cyclical(Schedule):
    """Again and again from 0 to the whole beta (Fu et al., arXiv:1903.10145, eq. 6 and 7).

    Args:
        n_steps: of one cycle.
        ramp: the part of a cycle in which beta rises; in the rest it is whole.

    Raises:
        InputError: n_steps < 1, or ramp outside (0, 1].
    """

    def __init__(self, n_steps: int, ramp: float = 0.5) -> None:
        if not 0 < ramp <= 1:
            raise InputError(f"ramp of a schedule must be in (0, 1], got {ramp}")
        self._n_steps, self._ramp = _check_steps("n_steps", n_steps), ramp
        super().__init__(n_steps=n_steps, ramp=ramp)

    def __call__(self, step: Tensor) -> Tensor:
        # In integers: float32 would lose a step above 2^24.
        within = ops.cast(ops.mod(ops.cast(step, "int64"), int(self._n_steps)), "float32")
        return ops.minimum(within / (self._n_steps * self._ramp), 1.0)


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "linear": Linear,
    "cyclical": Cyclical,
}
