"""What rules look for in a sample as a whole, and beside the background."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_ae.audit.fields import AuditedField
from keras_ae.audit.hashing import EMPTY_EVENT
from keras_ae.audit.report import but_for, percent
from keras_ae.audit.rule import Problem, Samples
from keras_ae.audit.samples import CollectionTally, SampleTally
from keras_ae.audit.shapes import fluctuation, turn_distance
from keras_ae.audit.values import FieldTally

#: Below so many values nothing is said of a distribution.
_FEWEST = 20
#: Part of a turn that all angles together take.
_FULL = 0.97
#: Of what a sample has so little in the mean, nothing is said beside the background.
_LITTLE = 0.1


def exchanged(samples: Samples, limit: float) -> Iterator[Problem]:
    """Angles that are not uniform beside another field of the objects that is, over a turn.

    The distance is Kuiper's, in the first slot; `limit` is beyond what chance gives.
    """
    for sample, collection, angle, values in _angles(samples):
        turn = angle.field.field.turn or 1
        highest = limit + fluctuation(len(values), turn)
        distance = turn_distance(values, turn)
        if not collection.collection.name or distance <= highest:
            continue
        for other in collection.fields:
            if not _is_one_turn(other, angle.turn):
                continue
            # Of the other field, a turn as it is in the unit of the angle.
            across = angle.turn / other.field.field.last_bit.value
            own = turn_distance(samples.tallies[sample].kept_values(other, True), across)
            if own <= min(highest, distance / 2):
                name = other.field.name
                yield Problem(
                    sample,
                    angle.field.name,
                    f"be uniform, and {name} not",
                    f"distances of {distance:.2f} and {own:.2f} from uniform, above and below "
                    f"{highest:.2f},",
                    f"is it exchanged with {name}?",
                    value=distance,
                )


def _is_one_turn(tally: FieldTally, turn: float) -> bool:
    """Whether a field, none of those that are called angles or momenta, takes a turn and no more.

    Pseudorapidities end before it, or go beyond.
    """
    margin = (1 - _FULL) * turn
    is_other = tally.field.field.turn or tally.field.is_momentum
    is_within = any(
        low - margin < tally.low and tally.high < low + turn + margin for low in (-turn / 2, 0.0)
    )
    return not is_other and is_within and tally.high - tally.low > _FULL * turn


def not_uniform(samples: Samples, limit: float) -> Iterator[Problem]:
    """Angles that are not uniform; see `exchanged`."""
    for sample, _, angle, values in _angles(samples):
        turn = angle.field.field.turn or 1
        highest = limit + fluctuation(len(values), turn)
        distance = turn_distance(values, turn)
        # One value is another rule's.
        if distance > highest and angle.hardware_low < angle.hardware_high:
            yield Problem(
                sample,
                angle.field.name,
                "be uniform",
                f"a distance of {distance:.2f}, at most {highest:.2f}, from uniform in first slots",
                "is it the right column, and in its unit?",
                value=distance,
            )


def _angles(samples: Samples) -> Iterator[tuple[str, CollectionTally, FieldTally, np.ndarray]]:
    """Used angles with enough values, with their hardware values (n,) in the first slot."""
    for sample, collection in samples.collections():
        for tally in collection.fields:
            if tally.field.field.turn and tally.field.name in samples.used:
                values = samples.tallies[sample].kept_values(tally, only_first=True)
                if len(values) >= _FEWEST:
                    yield sample, collection, tally, values


def _beside_background(
    samples: Samples,
) -> Iterator[tuple[str, AuditedField, tuple[np.ndarray, np.ndarray]]]:
    """Of each signal and field with values enough: those of the signal and of the background."""
    background = samples.background
    if background is None:
        return
    for sample, signal in samples.signals.items():
        for own, reference in zip(signal.fields, background.fields, strict=True):
            values = signal.kept_values(own), background.kept_values(reference)
            if min(map(len, values)) >= _FEWEST:
                yield sample, own.field, values


def _unlike(sample: str, field: AuditedField, must: str, numbers: tuple[float, float]) -> Problem:
    """A number of a signal, in physical units, that is far from the background's."""
    got = " beside ".join(map(field.written, numbers))
    remedy = "are they in the same unit?"
    return Problem(sample, field.name, must, got, remedy, value=numbers[0])


def other_unit(samples: Samples, limit: float) -> Iterator[Problem]:
    """Momenta whose median is so many times that of the background, or the other way around."""
    for sample, field, values in _beside_background(samples):
        if field.is_momentum:
            first, second = (float(np.median(part)) * field.field.last_bit.value for part in values)
            if max(first, second) > limit * max(min(first, second), 0.0):
                must = f"have a median within a factor {limit:g} of that of the background"
                yield _unlike(sample, field, must, (first, second))


def other_spread(samples: Samples, limit: float) -> Iterator[Problem]:
    """Features that spread so many times as far as those of the background, or the other way."""
    for sample, field, values in _beside_background(samples):
        if not field.collection and field.name in samples.used:
            first, second = (float(np.ptp(np.quantile(part, (0.01, 0.99)))) for part in values)
            # A constant feature is another rule's.
            if min(first, second) > 0 and max(first, second) > limit * min(first, second):
                last_bit = field.field.last_bit.value
                must = f"spread within a factor {limit:g} of the background"
                yield _unlike(sample, field, must, (first * last_bit, second * last_bit))


def other_occupancy(samples: Samples, limit: float) -> Iterator[Problem]:
    """Collections with so many times as many objects as in the background, or the other way."""
    background = samples.background
    if background is None or not background.n_events:
        return
    for sample, signal in samples.signals.items():
        for own, reference in zip(signal.collections, background.collections, strict=True):
            if not signal.n_events or own.collection.guard is None:
                continue
            means = own.n_filled / signal.n_events, reference.n_filled / background.n_events
            if max(means) > max(limit * min(means), _LITTLE):
                yield Problem(
                    sample,
                    own.collection.name,
                    f"have within a factor {limit:g} as many objects as in the background",
                    f"{means[0]:.3g} an event beside {means[1]:.3g}",
                    "are both selected and read alike?",
                    value=means[0],
                )


def duplicates(samples: Samples, limit: float) -> Iterator[Problem]:
    """Events that are there before; empty ones are another rule's."""
    for sample, tally in samples.tallies.items():
        share, event = share_of_duplicates(tally)
        if share > limit:
            yield Problem(
                sample,
                "events",
                f"be there once{but_for(limit)}",
                f"{percent(share)} that are there before",
                "was a file read twice?",
                share=share,
                event=event,
            )


def in_background(samples: Samples, limit: float) -> Iterator[Problem]:
    """Events of a signal that the background has, too.

    Where numbers are so coarse that events repeat by chance, the background repeats itself as well.
    """
    if samples.background is None:
        return
    by_chance, _ = share_of_duplicates(samples.background)
    for sample, tally in samples.signals.items():
        share, event = share_in(tally, samples.background)
        if share > limit + by_chance:
            yield Problem(
                sample,
                "events",
                f"not be those of the background{but_for(limit)}",
                f"{percent(share)} that are",
                "are the same events in both files?",
                share=share,
                event=event,
            )


def share_of_duplicates(tally: SampleTally) -> tuple[float, int | None]:
    """Of events that hold something, and the first that is there before."""
    hashes = tally.event_hashes
    held = np.flatnonzero(hashes != EMPTY_EVENT)
    if not len(held):
        return 0.0, None
    _, first = np.unique(hashes[held], return_index=True)
    again = np.ones(len(held), bool)
    again[first] = False
    return float(again.mean()), int(held[np.argmax(again)]) if again.any() else None


def share_in(tally: SampleTally, other: SampleTally) -> tuple[float, int | None]:
    """Of events that hold something, those that the other sample has, and the first of them."""
    hashes = tally.event_hashes
    held = np.flatnonzero(hashes != EMPTY_EVENT)
    if not len(held):
        return 0.0, None
    seen = np.isin(hashes[held], other.event_hashes)
    return float(seen.mean()), int(held[np.argmax(seen)]) if seen.any() else None


def padded(samples: Samples, limit: float) -> Iterator[Problem]:
    """Features whose lowest value is negative, far below others, in more than such a share."""
    for sample, each in samples.tallies.items():
        for tally in each.fields:
            values = each.kept_values(tally) if tally.field.is_feature else np.zeros(0)
            low = values.min(initial=0.0)
            others = values[values > low]
            if low >= 0 or not len(others) or tally.field.name not in samples.used:
                continue
            share = 1 - len(others) / len(values)
            ends = np.quantile(others, [0.05, 0.95])
            if share > limit and others.min() - low > (ends[1] - ends[0]) / 2:
                value = tally.field.written(low * tally.field.field.last_bit.value)
                yield Problem(
                    sample,
                    tally.field.name,
                    "be spread over its values",
                    f"{value} in {percent(share)} of events, far below all others,",
                    "is that padding? To the network it is a number",
                    share=share,
                )
