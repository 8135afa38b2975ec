"""Findings, the numbers of each field and sample, and their table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from keras_ae.errors import InputError

#: Shares of which quantiles are shown.
QUANTILES = (0.01, 0.5, 0.99)


@dataclass(frozen=True)
class Finding:
    """What a rule found in a sample.

    `field` is what it found it in: a field, a collection, or `events`. `must` says what was
    expected and `got` what was found instead; `value` is in physical units and `share` of what is
    counted, where there are such; `event` is the number of an example within the sample. `limit`
    is that of the rule.
    """

    level: Literal["error", "warning"]
    rule: str
    sample: str
    field: str
    must: str
    got: str
    remedy: str
    limit: float
    value: float | None = None
    share: float | None = None
    event: int | None = None

    def __str__(self) -> str:
        where = self.sample if self.event is None else f"{self.sample}, event {self.event}"
        return f"{self.field} must {self.must}, got {self.got} in {where}: {self.remedy}"


@dataclass(frozen=True)
class FieldSummary:
    """A field of a sample, over slots that hold something, in physical units.

    `quantiles` are those of QUANTILES of what the wires carry, None of none; `low` and `high` are
    the ends of what was given. `saturates_low` and `saturates_high` are shares of what was given
    beyond the format, `to_zero` that of numbers that round to zero and are not.
    """

    field: str
    unit: str
    sample: str
    mean_filled: float
    share_without: float
    quantiles: tuple[float | None, ...]
    low: float | None
    high: float | None
    saturates_low: float
    saturates_high: float
    to_zero: float
    off_order: int


@dataclass(frozen=True)
class SampleSummary:
    """A sample: `empty` is the share of events that hold nothing.

    `duplicates` is the share of others that are there before, `in_background` that of those which
    the background has, too.
    """

    sample: str
    n_events: int
    empty: float
    duplicates: float
    in_background: float


@dataclass(frozen=True)
class AuditReport:
    """What was found, errors first; fields by name, of each the background before the signals."""

    samples: tuple[SampleSummary, ...]
    fields: tuple[FieldSummary, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings for which nothing is trained."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The others."""
        return tuple(finding for finding in self.findings if finding.level == "warning")

    def require(self) -> None:
        """Raise InputError, in one line, for the first error."""
        if self.errors:
            first, *others = map(str, self.errors)
            raise InputError(f"{first} (and {len(others)} more)" if others else first)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: samples, fields and findings."""
        return asdict(self)

    def table(self) -> tuple[str, ...]:
        """Lines of text: samples, then each field in all samples, then what was found."""
        found = [f"{finding.level}: {finding}" for finding in self.findings]
        return (*_aligned(self._sample_rows()), "", *_aligned(self._field_rows()), "", *found)

    def _sample_rows(self) -> Iterator[tuple[str, ...]]:
        yield "sample", "events", "empty", "duplicates", "in background"
        for row in self.samples:
            shares = (row.empty, row.duplicates, row.in_background)
            yield row.sample, str(row.n_events), *map(percent, shares)

    def _field_rows(self) -> Iterator[tuple[str, ...]]:
        ends = [f"{100 * share:g} %" for share in QUANTILES]
        yield "field", "sample", "filled", "without", *ends, "saturates", "to zero", "off order"
        before = ""
        for row in self.fields:
            label = f"{row.field} [{row.unit}]" if row.unit else row.field
            quantiles = ("-" if value is None else f"{value:.4g}" for value in row.quantiles)
            saturates = percent(row.saturates_low + row.saturates_high)
            numbers = (f"{row.mean_filled:.3g}", percent(row.share_without), *quantiles, saturates)
            lost = (percent(row.to_zero), str(row.off_order))
            yield "" if label == before else label, row.sample, *numbers, *lost
            before = label


def percent(share: float) -> str:
    """A share as text."""
    return f"{100 * share:.3g} %"


def but_for(limit: float) -> str:
    """What a rule lets pass, behind what must be: a share, or nothing."""
    return f", but for {percent(limit)}" if limit else ""


def _aligned(rows: Iterator[tuple[str, ...]]) -> list[str]:
    """Columns of one width, the first two to the left."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < 2 and not cell.endswith("%") else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
