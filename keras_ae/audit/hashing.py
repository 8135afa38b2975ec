"""Events as one number each, by which equal ones are found."""

from __future__ import annotations

import numpy as np

#: What stands for an event that holds nothing.
EMPTY_EVENT = np.uint64(0)


def hashes(values: np.ndarray) -> np.ndarray:
    """A number (events,) uint64 for events (events, n_values); equal events have equal ones.

    That different ones have equal ones is as likely as for random numbers of 64 bits. It is
    EMPTY_EVENT where all values are zero.
    """
    odd = np.random.default_rng(0).integers(2**63, size=values.shape[1], dtype=np.uint64)
    # -0.0 is 0.0, too.
    bits = (np.ascontiguousarray(values, np.float64) + 0.0).view(np.uint64)
    mixed = bits ^ (bits >> np.uint64(32))
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    mixed *= odd * np.uint64(2) + np.uint64(1)
    mixed ^= mixed >> np.uint64(29)
    found = mixed.sum(axis=1, dtype=np.uint64)
    found ^= found >> np.uint64(31)
    found *= np.uint64(0xD6E8FEB86659FD93)
    found[found == EMPTY_EVENT] = 1
    found[~bits.any(axis=1)] = EMPTY_EVENT
    return found
