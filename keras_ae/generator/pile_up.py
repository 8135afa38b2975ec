"""How many other collisions lie in one crossing: a mean number, or a table of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from keras_ae.errors import InputError

#: Mean numbers of collisions beside the one that is looked at, each with its weight.
PileUp = tuple[tuple[float, float], ...]

_MAX_MEAN = 500.0


def read_pile_up(text: str) -> PileUp:
    """A mean number, 0 for none, or the table in a CSV file: lines of mean number and weight.

    Its first line may be `mean,weight`; what stands behind # is left out.

    Raises:
        InputError: neither; a number that is not finite or negative, a mean above 500, or weights
            that sum to zero.
    """
    try:
        mean = float(text)
    except ValueError:
        return _read_table(Path(text))
    return check_pile_up(((mean, 1.0),)) if mean else ()


def _read_table(path: Path) -> PileUp:
    if not path.is_file():
        raise InputError(
            "pile_up must be a number or a CSV file with lines of mean number and weight, got "
            f"'{path}', which is {'a folder' if path.is_dir() else 'neither'}"
        )
    rule = f"pile_up: {path} must hold lines of two numbers, mean and weight"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{rule}, got what is no text") from None
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(lines, start=1):
        content = line.split("#")[0].strip()
        is_head = not rows and content.replace(" ", "").lower() == "mean,weight"
        if not content or is_head:
            continue
        try:
            mean, weight = map(float, content.split(","))
        except ValueError:
            raise InputError(f"{rule}, got {content!r} in line {number}") from None
        rows.append((mean, weight))
    if not rows:
        raise InputError(f"{rule}, got none")
    try:
        return check_pile_up(tuple(rows))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def check_pile_up(table: PileUp) -> PileUp:
    """The same table; raise InputError unless a mean can be drawn from it. Empty is no pile-up."""
    for mean, weight in table:
        if not 0 <= mean <= _MAX_MEAN:
            raise InputError(f"pile_up: means must be 0 to {_MAX_MEAN:g}, got {mean:g}")
        if not 0 <= weight < math.inf:
            raise InputError(f"pile_up: weights must be finite and >= 0, got {weight:g}")
    if table and sum(weight for _, weight in table) <= 0:
        raise InputError("pile_up: weights must sum to more than 0, got 0")
    return table


def draw_counts(table: PileUp, n_events: int, rng: np.random.Generator) -> np.ndarray:
    """(events,) numbers of other collisions: Poisson of a mean that the table gives."""
    means, weights = np.array(table).T
    return rng.poisson(rng.choice(means, size=n_events, p=weights / weights.sum()))
