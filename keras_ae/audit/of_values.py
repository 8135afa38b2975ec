"""What rules look for in the values of a field."""

from __future__ import annotations

from collections.abc import Iterator

from keras_ae.audit.counts import first_of
from keras_ae.audit.fields import AuditedField
from keras_ae.audit.report import but_for, percent
from keras_ae.audit.rule import BACKGROUND, Problem, Samples
from keras_ae.audit.values import FieldTally


def not_finite(samples: Samples, limit: float) -> Iterator[Problem]:
    """NaN and infinities that no emptiness explains."""
    for sample, tally in samples.fields(only_used=False):
        remedy = "leave such events out"
        if tally.field.is_momentum:
            remedy = _declare(tally.field, "nan")
        got = "{value} in {share} of slots"
        yield from _counted(sample, tally, "not_finite", limit, "be finite", got, remedy)


def not_zero(samples: Samples, limit: float) -> Iterator[Problem]:
    """Something where the front end says that nothing ever is."""
    for sample, tally in samples.fields(only_used=False):
        got, remedy = "{value}, and such in {share} of slots,", "are columns exchanged?"
        yield from _counted(sample, tally, "not_zero", limit, "be zero", got, remedy)


def off_format(samples: Samples, limit: float) -> Iterator[Problem]:
    """Hardware values that are none of the field's format."""
    for sample, tally in samples.fields(only_used=False):
        must = f"be hardware values of {tally.field.field.format}"
        got = "one that means {value}, and such in {share} of slots,"
        remedy = "are these physical values?"
        yield from _counted(sample, tally, "off_format", limit, must, got, remedy)


def in_empty(samples: Samples, limit: float) -> Iterator[Problem]:
    """Hardware values that are not zero in empty slots."""
    for sample, tally in samples.fields():
        must = f"be zero where {tally.field.collection} is empty{but_for(limit)}"
        got = "{value}, and such in {share} of slots,"
        remedy = "a network sees them where it does not mask"
        yield from _counted(sample, tally, "in_empty", limit, must, got, remedy)


def negative(samples: Samples, limit: float) -> Iterator[Problem]:
    """Momenta below zero that are not declared to mean an empty slot."""
    for sample, tally in samples.fields(only_used=False):
        remedy = "is the column right?"
        if tally.negative_low == tally.negative_high:
            remedy = _declare(tally.field, f"{tally.negative_low:g}")
        got = "{value} in {share} of slots"
        yield from _counted(sample, tally, "negative", limit, "not be negative", got, remedy)


def _declare(field: AuditedField, value: str) -> str:
    return f'where it means an empty slot, say empty: "{field.short_name} == {value}"'


def _counted(
    sample: str, tally: FieldTally, counted: str, limit: float, must: str, got: str, remedy: str
) -> Iterator[Problem]:
    """What was counted in more than so many slots; `got` names {value} and {share}."""
    count = tally.counts[counted]
    # Of those, empty slots count as well.
    of = tally.n_slots if counted in ("in_empty", "off_format") else tally.n_present
    share = count.share(of)
    if share > limit:
        text = got.format(value=tally.field.written(count.value or 0.0), share=percent(share))
        yield Problem.of(sample, tally.field.name, count, of, must, text, remedy)


def saturates(samples: Samples, limit: float) -> Iterator[Problem]:
    """Values beyond the format, in more than so much of a sample."""
    for sample, tally in samples.fields():
        yield from _saturates(sample, tally, limit)


def background_saturates(samples: Samples, limit: float) -> Iterator[Problem]:
    """The same in the background; a signal may be what saturates."""
    for sample, tally in samples.fields():
        if sample == BACKGROUND:
            yield from _saturates(sample, tally, limit)


def _saturates(sample: str, tally: FieldTally, limit: float) -> Iterator[Problem]:
    count = first_of(tally.counts["below"], tally.counts["above"])
    share = count.share(tally.n_present)
    wire, field = tally.field.field, tally.field
    if share <= limit or wire.format is None:
        return
    low, high = (end * wire.last_bit.value for end in (wire.format.low, wire.format.high))
    must = f"be within {low:.6g} and {field.written(high)}{but_for(limit)}"
    got = f"{percent(share)} saturated, such as {field.written(count.value or 0.0)},"
    remedy = "is it in another unit?"
    yield Problem.of(sample, field.name, count, tally.n_present, must, got, remedy)


def rounds_to_zero(samples: Samples, limit: float) -> Iterator[Problem]:
    """Values that are not zero and become it."""
    for sample, tally in samples.fields():
        yield from _rounds_to_zero(sample, tally, limit)


def most_rounds_to_zero(samples: Samples, limit: float) -> Iterator[Problem]:
    """The same of momenta and of features; of images, most pixels may be nearly zero."""
    for sample, tally in samples.fields():
        if tally.field.is_momentum or tally.field.is_feature:
            yield from _rounds_to_zero(sample, tally, limit)


def _rounds_to_zero(sample: str, tally: FieldTally, limit: float) -> Iterator[Problem]:
    count, field = tally.counts["to_zero"], tally.field
    share = count.share(tally.n_not_zero)
    if share > limit:
        last_bit = field.written(field.field.last_bit.value)
        must = f"not round to zero by its last bit {last_bit}{but_for(limit)}"
        got = f"{percent(share)} that do, such as {field.written(count.value or 0.0)},"
        remedy = "is it in another unit, or the last bit too large?"
        yield Problem.of(sample, field.name, count, tally.n_not_zero, must, got, remedy)


def beyond_a_turn(samples: Samples, limit: float) -> Iterator[Problem]:
    """Angles of more than one turn, counted from zero or from minus half a turn."""
    for sample, tally in samples.fields():
        counts, field, turn = tally.counts, tally.field, tally.turn
        count = counts["beyond_turn"]
        if counts["before_zero"].n:
            count = first_of(counts["before_half_turn"], counts["beyond_half_turn"])
        share = count.share(tally.n_present)
        if share > limit:
            ends = f"±{turn / 2:.6g} or 0 to {field.written(turn)}"
            must = f"be within one turn, {ends}{but_for(limit)}"
            got = f"{percent(share)} beyond, such as {field.written(count.value or 0.0)},"
            far = counts["far_beyond"].n > 0
            remedy = "is it in degrees?" if far else "is it exchanged with another field?"
            yield Problem.of(sample, field.name, count, tally.n_present, must, got, remedy)


def far_beyond_a_turn(samples: Samples, limit: float) -> Iterator[Problem]:
    """Angles so far out that no resolution took them there."""
    for sample, tally in samples.fields(only_used=False):
        two_turns = tally.field.written(2 * tally.turn)
        must, got = f"be within ±{two_turns}", "{value} in {share} of slots"
        remedy = "is it a value that means nothing? Leave such events out"
        yield from _counted(sample, tally, "far_beyond", limit, must, got, remedy)


def constant(samples: Samples, limit: float) -> Iterator[Problem]:
    """Fields that the network uses and that have one value, in more than so many slots."""
    for sample, tally in samples.fields():
        low, high = tally.hardware_low, tally.hardware_high
        if tally.n_filled > limit and low == high and not tally.field.field.always_zero:
            value = low * tally.field.field.last_bit.value
            got = f"{tally.field.written(value)} in all {tally.n_filled} filled slots"
            yield Problem(
                sample,
                tally.field.name,
                "have more than one value",
                got,
                "leave it out of what the network uses, or is a column missing?",
                share=1.0,
                value=value,
            )
