"""What rules look for in the slots of a collection, and in events."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_ae.audit.counts import Count
from keras_ae.audit.hashing import EMPTY_EVENT
from keras_ae.audit.report import but_for, percent
from keras_ae.audit.rule import Problem, Samples
from keras_ae.audit.samples import CollectionTally


def off_order(samples: Samples, limit: float) -> Iterator[Problem]:
    """Slots with more of the field by which they are ordered than the one before."""
    for sample, tally in samples.collections():
        got = "more in slot {slot} than in the one before, {value},"
        must = "fall from slot to slot"
        yield from _of_slots(sample, tally, tally.off_order, limit, must, got, "sort the objects")


def gaps(samples: Samples, limit: float) -> Iterator[Problem]:
    """Filled slots behind empty ones."""
    for sample, tally in samples.collections():
        got = "an object in slot {slot} behind an empty one, {value},"
        must = "fill the first slots first"
        yield from _of_slots(sample, tally, tally.gaps, limit, must, got, "sort the objects")


def _of_slots(
    sample: str,
    tally: CollectionTally,
    count: Count,
    limit: float,
    must: str,
    got: str,
    remedy: str,
) -> Iterator[Problem]:
    """`limit` is of the share among filled slots; `slot` counts from zero."""
    share, field = count.share(tally.n_filled), tally.collection.momentum
    if share > limit and field is not None:
        # What is compared with a slot before is in the slot behind.
        text = got.format(slot=(count.slot or 0) + 1, value=field.written(count.value or 0.0))
        text = f"{text} and such in {percent(share)} of slots"
        yield Problem.of(sample, field.name, count, tally.n_filled, must, text, remedy)


def other_class(samples: Samples, limit: float) -> Iterator[Problem]:
    """Objects of which the data say that they belong to another collection."""
    for sample, tally in samples.collections():
        count = tally.other_class
        share = count.share(tally.n_filled)
        if share > limit:
            must = "hold objects of its own class in all slots"
            got = f"class {count.value:g} in slot {count.slot} and {percent(share)} of others"
            remedy = "put each object into slots of its class"
            name = tally.collection.name
            yield Problem.of(sample, name, count, tally.n_filled, must, got, remedy)


def never_filled(samples: Samples, limit: float) -> Iterator[Problem]:
    """Collections that are used and of which there is nothing, in more than so many events."""
    for sample, tally in samples.collections():
        n_events = samples.tallies[sample].n_events
        is_used = any(field.name in samples.used for field in tally.collection.fields)
        if is_used and tally.n_filled == 0 and n_events > limit:
            yield Problem(
                sample,
                tally.collection.name,
                "hold an object in some event",
                f"none in {n_events}",
                "are its branch and its cuts right? Or leave it out of what the network uses",
            )


def empty_events(samples: Samples, limit: float) -> Iterator[Problem]:
    """Events that hold nothing."""
    for sample, tally in samples.tallies.items():
        empty = tally.event_hashes == EMPTY_EVENT
        share = float(empty.mean()) if len(empty) else 0.0
        if share > limit:
            yield Problem(
                sample,
                "events",
                f"hold something{but_for(limit)}",
                f"{percent(share)} in which all is zero",
                "are these the right columns, and in the right unit?",
                share=share,
                event=int(np.argmax(empty)),
            )
