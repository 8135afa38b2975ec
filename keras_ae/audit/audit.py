"""Events in, a report out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_ae.audit.fields import audited_collections
from keras_ae.audit.hashing import EMPTY_EVENT
from keras_ae.audit.of_samples import share_in, share_of_duplicates
from keras_ae.audit.report import QUANTILES, AuditReport, FieldSummary, SampleSummary
from keras_ae.audit.rule import BACKGROUND, Samples
from keras_ae.audit.rules import findings
from keras_ae.audit.samples import CollectionTally, SampleTally
from keras_ae.audit.values import FieldTally
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import Column, FrontEnd


class Audit:
    """Looks at the events of all samples, some at a time, and says what is odd.

    The sample beside which the others are put is called `background`. Rules that only concern a
    network look at the fields of `used` columns, at all where it is None.
    """

    def __init__(self, front_end: FrontEnd, used: Iterable[Column] | None = None) -> None:
        self.front_end = front_end
        columns = front_end.columns if used is None else used
        self._used = frozenset(column.group for column in columns)
        self._collections = audited_collections(front_end)
        self._samples: dict[str, SampleTally] = {}

    def add(
        self,
        sample: str,
        values: np.ndarray,
        is_hardware: bool = False,
        classes: np.ndarray | None = None,
    ) -> np.ndarray:
        """Count events (events, n_values), physical or hardware values; returns hardware values.

        `classes` (events, slots of all collections) are numbers of the collection that objects
        belong to, from 1 on in the front end's order, 0 where nothing is said. In what is returned
        a value that is not finite is zero: `AuditReport.require` refuses it.

        Raises:
            InputError: another shape, or classes of another shape or of features.
        """
        values = self.front_end.checked(values).astype(np.float64)
        tally = self._samples.setdefault(sample, SampleTally(self._collections))
        present = self._present(values, is_hardware)
        for each in tally.fields:
            columns = each.field.columns
            count = each.add_hardware if is_hardware else each.add_physical
            count(values[:, columns], present[:, columns], tally.n_events)
        # Hardware values are what they are, also in slots that hold nothing.
        kept = np.isfinite(values) & (present | is_hardware)
        values = np.where(kept, values, 0.0)
        hardware = values if is_hardware else self.front_end.to_hardware(values)
        self._add_classes(tally, hardware, classes)
        tally.add(hardware, values)
        return hardware.astype(self.front_end.dtype)

    def _present(self, values: np.ndarray, is_hardware: bool) -> np.ndarray:
        """Where the data do not say that a slot is empty; of hardware values, zero says it."""
        if not is_hardware:
            return ~self.front_end.is_empty(values)
        present = np.ones(values.shape, bool)
        for column in self.front_end.columns:
            if column.guard is not None:
                present[:, column.index] = values[:, column.guard] != 0
        return present

    def _add_classes(
        self, tally: SampleTally, hardware: np.ndarray, classes: np.ndarray | None
    ) -> None:
        if classes is None:
            return
        slots = [each.kind.slots for each in self._collections]
        classes = np.asarray(classes)
        wanted = (len(hardware), sum(slots))
        if not self.front_end.objects or classes.shape != wanted or classes.dtype.kind not in "fiu":
            raise InputError(
                f"classes must be numbers of shape {wanted} of objects, got {classes.dtype} of "
                f"{classes.shape}"
            )
        parts = np.split(classes, np.cumsum(slots)[:-1], axis=1)
        for number, (each, part) in enumerate(zip(tally.collections, parts, strict=True), start=1):
            seen = each.filled(hardware) & (part != 0) & (part != number)
            each.other_class.add(seen, part, tally.n_events)

    def report(self) -> AuditReport:
        """What was found so far.

        Raises:
            InputError: no events were added.
        """
        if not any(tally.n_events for tally in self._samples.values()):
            raise InputError("samples of an audit must hold at least one event, got none")
        # The background first, the others as they came.
        tallies = dict(sorted(self._samples.items(), key=lambda item: item[0] != BACKGROUND))
        rows = [
            [
                _summary(name, sample, collection, tally)
                for collection in sample.collections
                for tally in collection.fields
            ]
            for name, sample in tallies.items()
        ]
        return AuditReport(
            tuple(_of_sample(name, tally, tallies) for name, tally in tallies.items()),
            tuple(row for of_field in zip(*rows, strict=True) for row in of_field),
            findings(Samples(tallies, self._used)),
        )

    def values(self, field: str) -> dict[str, np.ndarray]:
        """A field such as `jet.pt` in the filled slots of some events, (n,) by sample.

        In physical units, as the wires carry it.

        Raises:
            InputError: there is no such field.
        """
        names = [each.name for collection in self._collections for each in collection.fields]
        if field not in names:
            raise InputError(f"field must be one of {', '.join(names)}, got {field!r}")
        found = {}
        for sample, tally in self._samples.items():
            own = tally.fields[names.index(field)]
            found[sample] = tally.kept_values(own) * own.field.field.last_bit.value
        return found


def _of_sample(name: str, tally: SampleTally, tallies: dict[str, SampleTally]) -> SampleSummary:
    hashes = tally.event_hashes
    other = tallies.get(BACKGROUND)
    return SampleSummary(
        name,
        tally.n_events,
        float(np.mean(hashes == EMPTY_EVENT)) if len(hashes) else 0.0,
        share_of_duplicates(tally)[0],
        share_in(tally, other)[0] if other is not None and other is not tally else 0.0,
    )


def _summary(
    name: str, sample: SampleTally, collection: CollectionTally, tally: FieldTally
) -> FieldSummary:
    found = sample.kept_values(tally) * tally.field.field.last_bit.value
    quantiles: list[Any] = [None] * len(QUANTILES)
    if len(found):
        quantiles = np.quantile(found, QUANTILES).tolist()
    low, high = (float(end) if np.isfinite(end) else None for end in (tally.low, tally.high))
    counts, n_events = tally.counts, max(sample.n_events, 1)
    return FieldSummary(
        tally.field.name,
        tally.field.field.unit,
        name,
        collection.n_filled / n_events,
        collection.n_without / n_events,
        tuple(quantiles),
        low,
        high,
        counts["below"].share(tally.n_present),
        counts["above"].share(tally.n_present),
        counts["to_zero"].share(tally.n_not_zero),
        collection.off_order.n if tally.field.is_momentum else 0,
    )
