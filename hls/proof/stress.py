"""Events that provoke rounding and overflow everywhere."""

from __future__ import annotations

import numpy as np

from keras_ae.fixed_point import FixedPointFormat


def stress_events(
    form: FixedPointFormat, shape: tuple[int, ...], n_events: int, seed: int
) -> np.ndarray:
    """Values (events, *shape) over the whole range of a format, in every width.

    So that every format behind it saturates. Every other event is of one width, so that all its
    values are large or small together; in the others each value has its own.
    """
    rng = np.random.default_rng(seed)
    n_bits = rng.integers(1, form.width + 1 - form.signed, size=(n_events, *shape), endpoint=True)
    first = (slice(None, None, 2), *(slice(1),) * len(shape))
    n_bits[::2] = n_bits[first]
    magnitude = rng.integers(0, 2**n_bits, size=(n_events, *shape))
    sign = rng.choice([-1, 1] if form.signed else [1], size=(n_events, *shape))
    return np.clip(sign * magnitude * form.step, form.low, form.high)


def stress_words(shape: tuple[int, ...], n_events: int, seed: int) -> np.ndarray:
    """Words of 32 bits (events, *shape) uint32: of all bits with equal chance, or of few.

    So that each field of a word has small values and large ones, and none at all.
    """
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**32, size=(n_events, *shape), dtype=np.uint32)
    # Every other event has a quarter of the bits, and a quarter of the words are empty.
    words[::2] &= rng.integers(0, 2**32, size=words[::2].shape, dtype=np.uint32)
    words[rng.random(words.shape) < 0.25] = 0
    return words
