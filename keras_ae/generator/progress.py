"""How far a production is, by process: a bar each on a terminal, else a line a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 60.0


@dataclass
class Tally:
    """What was made of a process.

    `n_items` events or jets, of `n_accepted` that passed among `n_simulated`. `squares`: sum over
    parents of the square of the number of their items. `seconds` of one worker for
    `n_timed` of the items.
    """

    n_items: int = 0
    n_simulated: int = 0
    n_accepted: int = 0
    squares: int = 0
    seconds: float = 0.0
    n_timed: int = 0

    def add(self, parents: np.ndarray, record: Mapping[str, int]) -> None:
        """A chunk: the parents (items,) of its items, and its provenance."""
        self.n_items += len(parents)
        self.n_simulated += int(record["n_simulated"])
        self.n_accepted += int(record["n_accepted"])
        self.squares += int((np.unique(parents, return_counts=True)[1] ** 2).sum())

    @property
    def acceptance(self) -> float:
        return self.n_accepted / self.n_simulated if self.n_simulated else float("nan")

    @property
    def effective(self) -> float:
        """(sum n)^2 / sum n^2 over the parents."""
        return self.n_items**2 / self.squares if self.squares else 0.0

    @property
    def rate(self) -> float:
        """Items a second of one worker, nan if none was made now."""
        return self.n_timed / self.seconds if self.seconds else float("nan")

    def __str__(self) -> str:
        return f"{self.rate:.3g}/s, accepted {self.acceptance:.2e}, effective {self.effective:,.0f}"


class Progress:
    """Shows the tallies of a production as its chunks are finished."""

    def __init__(self, totals: Mapping[str, int], n_workers: int, unit: str) -> None:
        """`totals`: items of each process that are asked for, in whole chunks."""
        self.tallies = {name: Tally() for name in totals}
        self._totals, self._n_workers, self._unit = totals, n_workers, unit
        self._is_terminal = sys.stderr.isatty()
        self._last_line = time.monotonic()
        width = max(map(len, totals), default=0)
        self._bars = {
            name: tqdm(
                total=total,
                desc=name.rjust(width),
                position=position,
                bar_format="{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} {postfix}",
                disable=not self._is_terminal,
            )
            for position, (name, total) in enumerate(totals.items())
        }

    def add(
        self, name: str, parents: np.ndarray, record: Mapping[str, int], seconds: float | None
    ) -> None:
        """A finished chunk, and how long a worker took for it if it was made now."""
        tally = self.tallies[name]
        tally.add(parents, record)
        if seconds is None:
            self._bars[name].update(len(parents))
            return
        tally.seconds += seconds
        tally.n_timed += len(parents)
        self._bars[name].set_postfix_str(f"{tally}; {self.expected_end()}", refresh=False)
        self._bars[name].update(len(parents))
        if not self._is_terminal and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            made = sum(tally.n_items for tally in self.tallies.values())
            total = sum(self._totals.values())
            print(
                f"{made:,} of {total:,} {self._unit}s, {self.expected_end()}; {name}: {tally}",
                file=sys.stderr,
            )

    def expected_end(self) -> str:
        """When all will be there, as far as each process' rate is known."""
        seconds = 0.0
        for name, total in self._totals.items():
            left, tally = total - self.tallies[name].n_items, self.tallies[name]
            if left > 0 and not tally.seconds:
                return f"end unknown until the first of {name} are there"
            seconds += left / tally.rate / self._n_workers if left > 0 else 0
        return f"end expected {datetime.now() + timedelta(seconds=seconds):%d %b %H:%M}"

    def warn(self, line: str) -> None:
        """A line that no bar writes over."""
        tqdm.write(f"warning: {line}", file=sys.stderr)

    def close(self) -> None:
        """Leave a table behind."""
        for bar in self._bars.values():
            bar.close()
        rows = [("process", f"{self._unit}s", "effective", "acceptance", "rate of a worker")]
        for name, tally in self.tallies.items():
            rate = "made before" if tally.n_items else "none made"
            if tally.seconds:
                rate = f"{tally.rate:.3g}/s"
            rows.append(
                (
                    name,
                    f"{tally.n_items:,}",
                    f"{tally.effective:,.0f}",
                    f"{tally.acceptance:.2e}",
                    rate,
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [row[0].ljust(widths[0])] + [
                cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
            ]
            print("  ".join(cells), file=sys.stderr)
