"""How a denoising autoencoder's input is spoiled; its target stays clean.

A corruption is a function of an input (batch, ...) and of the random seed of this call, a pair of
integers as `keras.random` and `tf.random.stateless_*` take them.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_ae.errors import InputError

Tensor = Any


class Corruption:
    """What all corruptions share: they are saved by the arguments that they were made with."""

    def __init__(self, **arguments: float) -> None:
        self._arguments = arguments

    def __call__(self, x: Tensor, seed: Tensor) -> Tensor:
        """The spoiled input, in the shape of x."""
        raise NotImplementedError

    def get_config(self) -> dict[str, float]:
        return dict(self._arguments)

    @classmethod
    def from_config(cls, config: dict[str, float]) -> Corruption:
        return cls(**config)


def _check_rate(rate: float) -> float:
    if not 0 <= rate < 1:
        raise InputError(f"rate of a corruption must be in [0, 1), got {rate}")
    return rate


def _chosen(shape: Tensor, rate: float, seed: Tensor) -> Tensor:
    """True with probability `rate`."""
    return tf.random.stateless_uniform(shape, seed) < rate


@keras.saving.register_keras_serializable("keras_ae")
class GaussianNoise(Corruption):
    """x + stddev * N(0, 1) (Vincent et al., JMLR 11 (2010) 3371, sec. 3.3).

    Raises:
        InputError: stddev < 0.
    """

    def __init__(self, stddev: float = 0.1) -> None:
        if not stddev >= 0:
            raise InputError(f"stddev of a corruption must be >= 0, got {stddev}")
        super().__init__(stddev=stddev)
        self._stddev = stddev

    def __call__(self, x: Tensor, seed: Tensor) -> Tensor:
        return x + self._stddev * tf.random.stateless_normal(ops.shape(x), seed, dtype=x.dtype)


@keras.saving.register_keras_serializable("keras_ae")
class Masking(Corruption):
    """Each feature is zero with probability `rate` (Vincent et al., sec. 3.3).

    Raises:
        InputError: rate outside [0, 1).
    """

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__(rate=rate)
        self._rate = _check_rate(rate)

    def __call__(self, x: Tensor, seed: Tensor) -> Tensor:
        return ops.where(_chosen(ops.shape(x), self._rate, seed), ops.zeros_like(x), x)


@keras.saving.register_keras_serializable("keras_ae")
class SaltAndPepper(Corruption):
    """Each feature is `low` or `high`, equally likely, with probability `rate` (ibid., sec. 3.3).

    Raises:
        InputError: rate outside [0, 1), or low not below high.
    """

    def __init__(self, rate: float = 0.1, low: float = 0.0, high: float = 1.0) -> None:
        if not low < high:
            raise InputError(f"low of a corruption must be below high, got {low} and {high}")
        super().__init__(rate=rate, low=low, high=high)
        self._rate, self._low, self._high = _check_rate(rate), low, high

    def __call__(self, x: Tensor, seed: Tensor) -> Tensor:
        draw = ops.cast(tf.random.stateless_uniform(ops.shape(x), seed), x.dtype)
        spoiled = ops.where(
            draw < self._rate / 2,
            ops.full_like(x, self._low),
            ops.full_like(x, self._high),
        )
        return ops.where(draw < self._rate, spoiled, x)


@keras.saving.register_keras_serializable("keras_ae")
class ObjectDropout(Corruption):
    """Each trigger object is lost with probability `rate`: all its features are zero.

    Its slot is left empty; the softer objects behind it do not move up, as they would behind an
    inefficient detector, and the missing momentum is an object like others. The features of an
    object stand side by side, as in `data.l1`.

    Args:
        rate: of each object.
        features_per_object: their number must be a multiple of it.

    Raises:
        InputError: rate outside [0, 1), or features_per_object < 1; on use, a number of features
            that is not a multiple.
    """

    def __init__(self, rate: float = 0.1, features_per_object: int = 3) -> None:
        if features_per_object < 1:
            raise InputError(f"features_per_object must be >= 1, got {features_per_object}")
        super().__init__(rate=rate, features_per_object=features_per_object)
        self._rate, self._size = _check_rate(rate), int(features_per_object)

    def __call__(self, x: Tensor, seed: Tensor) -> Tensor:
        n_features = x.shape[-1]
        if len(x.shape) != 2 or n_features % self._size:
            raise InputError(
                f"input of ObjectDropout must be (events, a multiple of {self._size} features), "
                f"got {tuple(x.shape)}"
            )
        shape = (ops.shape(x)[0], n_features // self._size)
        lost = ops.repeat(_chosen(shape, self._rate, seed), self._size, axis=-1)
        return ops.where(lost, ops.zeros_like(x), x)


CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": GaussianNoise,
    "masking": Masking,
    "salt_and_pepper": SaltAndPepper,
    "object_dropout": ObjectDropout,
}
