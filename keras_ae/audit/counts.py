"""How often something was seen, and where first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Count:
    """`n` in all; the first one in `event`, in `slot` and of `value`, None where there is none."""

    n: int = 0
    event: int | None = None
    slot: int | None = None
    value: float | None = None

    def add(self, seen: np.ndarray, values: np.ndarray, first_event: int) -> None:
        """Count where `seen` (events, slots) is true, of `values` of the same shape."""
        found = int(np.count_nonzero(seen))
        if found and self.event is None:
            event, slot = np.unravel_index(int(np.argmax(seen)), seen.shape)
            self.event, self.slot = first_event + int(event), int(slot)
            self.value = float(values[event, slot])
        self.n += found

    def share(self, of: int) -> float:
        """Of so many; zero of none."""
        return self.n / of if of else 0.0


def first_of(*counts: Count) -> Count:
    """All together, with the first example of them."""
    seen = [count for count in counts if count.event is not None]
    first = min(seen, key=lambda count: count.event or 0, default=Count())
    return Count(sum(count.n for count in counts), first.event, first.slot, first.value)
