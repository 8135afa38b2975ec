"""Ways between two codes."""

from __future__ import annotations

import numpy as np


def linear(start: np.ndarray, stop: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """The straight way: (latent_dim,) twice and (steps, 1) -> (steps, latent_dim)."""
    return (1 - fraction) * start + fraction * stop


def spherical(start: np.ndarray, stop: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Along the great circle, where a Gaussian has its probability (White, arXiv:1609.04468).

    Shapes as in `linear`, which it is for codes that are parallel or zero.
    """
    lengths = np.linalg.norm(start) * np.linalg.norm(stop)
    cosine = np.clip(start @ stop / lengths, -1, 1) if lengths else 1.0
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-6:
        return linear(start, stop, fraction)
    weights = np.sin((1 - fraction) * angle), np.sin(fraction * angle)
    return (weights[0] * start + weights[1] * stop) / np.sin(angle)


INTERPOLATIONS = {"linear": linear, "spherical": spherical}
