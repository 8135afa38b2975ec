"""How much smaller a code is than what it stands for, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat


class Codec(Protocol):
    """Anything that encodes and decodes arrays, like an autoencoder without condition."""

    def encode(self, x: np.ndarray) -> np.ndarray:
        """(events, ...) -> (events, latent_dim)."""

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """(events, latent_dim) -> (events, ...)."""


@dataclass(frozen=True)
class RatePoint:
    """Codes rounded to `format`: `bits` of each code, `distortion` in squared error a feature."""

    format: FixedPointFormat
    bits: int
    distortion: float


def space_saving(input_dim: int, latent_dim: int) -> float:
    """(n - k) / n, the share of n numbers that k save; negative if over-complete.

    It says nothing of how many bits each has, see `bits_per_code`.

    Raises:
        InputError: a dimension below 1.
    """
    for name, value in (("input_dim", input_dim), ("latent_dim", latent_dim)):
        if value < 1:
            raise InputError(f"{name} must be >= 1, got {value}")
    return (input_dim - latent_dim) / input_dim


def bits_per_code(latent_dim: int, form: FixedPointFormat) -> int:
    """Bits of latent_dim numbers in a format.

    Raises:
        InputError: latent_dim below 1.
    """
    if latent_dim < 1:
        raise InputError(f"latent_dim must be >= 1, got {latent_dim}")
    return latent_dim * form.width


def rate_distortion(
    model: Codec, x: np.ndarray, formats: Sequence[FixedPointFormat]
) -> list[RatePoint]:
    """Mean squared error of the reconstruction with codes rounded to each of `formats`.

    Args:
        model: codes of the whole precision.
        x: (events, ...).
        formats: one a point.
    """
    codes = model.encode(x)
    return [
        RatePoint(
            form,
            bits_per_code(codes.shape[1], form),
            float(np.mean((x - model.decode(form.quantize(codes))) ** 2)),
        )
        for form in formats
    ]
