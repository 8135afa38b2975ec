"""What a rule is, what it sees, and what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from keras_ae.audit.counts import Count
from keras_ae.audit.report import Finding
from keras_ae.audit.samples import CollectionTally, SampleTally
from keras_ae.audit.values import FieldTally

#: The sample beside which the others are put.
BACKGROUND = "background"


@dataclass(frozen=True)
class Samples:
    """All samples by name, the background first, and the names of fields that are used."""

    tallies: Mapping[str, SampleTally]
    used: frozenset[str]

    def fields(self, only_used: bool = True) -> Iterator[tuple[str, FieldTally]]:
        """Fields of all samples that hold something, with the name of the sample."""
        for name, sample in self.tallies.items():
            for tally in sample.fields:
                if tally.n_present and (not only_used or tally.field.name in self.used):
                    yield name, tally

    def collections(self) -> Iterator[tuple[str, CollectionTally]]:
        """Collections of all samples, with the name of the sample."""
        for name, sample in self.tallies.items():
            yield from ((name, tally) for tally in sample.collections)

    @property
    def background(self) -> SampleTally | None:
        """None where there is none."""
        return self.tallies.get(BACKGROUND)

    @property
    def signals(self) -> dict[str, SampleTally]:
        """All others by name."""
        return {name: tally for name, tally in self.tallies.items() if name != BACKGROUND}


@dataclass(frozen=True)
class Problem:
    """A finding before its rule is named; see `Finding`."""

    sample: str
    field: str
    must: str
    got: str
    remedy: str
    share: float | None = None
    event: int | None = None
    value: float | None = None

    @classmethod
    def of(
        cls, sample: str, field: str, count: Count, total: int, must: str, got: str, remedy: str
    ) -> Problem:
        """Of what was counted among `total`, with its first example."""
        share, value = count.share(total), count.value
        if value is not None and not math.isfinite(value):
            value = None
        return cls(sample, field, must, got, remedy, share, count.event, value)


@dataclass(frozen=True)
class Rule:
    """`look` finds what is beyond the limit; what rule `instead_of` found there is left out."""

    name: str
    level: Literal["error", "warning"]
    limit: float
    look: Callable[[Samples, float], Iterator[Problem]]
    instead_of: str | None = None

    def findings(self, samples: Samples) -> Iterator[Finding]:
        """All that it finds."""
        for problem in self.look(samples, self.limit):
            yield Finding(self.level, self.name, limit=self.limit, **vars(problem))
