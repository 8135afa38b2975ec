"""Two evaluations of the same events, compared: events, bits, the first that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hls.graph.trigger_output import TriggerOutput
from keras_ae.errors import ProofError
from keras_ae.fixed_point import FixedPointFormat

#: Values of each input of the trigger, (events, ...) each.
HardwareValues = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Comparison:
    """Of two evaluations of the same events."""

    events: int
    mismatching_events: int
    mismatching_bits: int
    first_mismatching_event: int | None = None

    def __add__(self, later: Comparison) -> Comparison:
        """With that of later events of the same sample."""
        first = self.first_mismatching_event
        if first is None and later.first_mismatching_event is not None:
            first = self.events + later.first_mismatching_event
        return Comparison(
            self.events + later.events,
            self.mismatching_events + later.mismatching_events,
            self.mismatching_bits + later.mismatching_bits,
            first,
        )


def compare_outputs(
    expected: TriggerOutput, found: TriggerOutput, formats: Mapping[str, FixedPointFormat]
) -> Comparison:
    """Count the events and the output bits, of scores in their formats and trigger, that differ.

    Raises:
        ProofError: results of different numbers of events.
    """
    if len(expected.trigger) != len(found.trigger):
        raise ProofError(
            f"results must be of {len(expected.trigger)} events, got {len(found.trigger)}"
        )
    different = events_that_differ(expected, found)
    bits = np.zeros(len(different), np.int64)
    for name, fired in expected.bits.items():
        bits += fired != found.bits[name]
    for name, form in formats.items():
        pair = expected.scores[name], found.scores[name]
        unequal = pair[0] != pair[1]
        units = [np.rint(values / form.step).astype(np.int64) for values in pair]
        # A sign reaches beyond the width of the format.
        port = np.uint64(2**form.width - 1)
        flipped = np.bitwise_count((units[0] ^ units[1]).view(np.uint64) & port).astype(np.int64)
        # A value between two grid points differs although its rounded bits may not.
        bits += np.where(unequal, np.maximum(flipped, 1), 0)
    return Comparison(
        events=len(different),
        mismatching_events=int(different.sum()),
        mismatching_bits=int(bits.sum()),
        first_mismatching_event=int(np.flatnonzero(different)[0]) if different.any() else None,
    )


def events_that_differ(expected: TriggerOutput, found: TriggerOutput) -> np.ndarray:
    """Events (events,) bool with another score or another decision."""
    different = np.zeros(len(expected.trigger), bool)
    for name, fired in expected.bits.items():
        different |= fired != found.bits[name]
    for name, scores in expected.scores.items():
        different |= scores != found.scores[name]
    return different
