"""What is counted in the values of a field."""

from __future__ import annotations

import math

import numpy as np

from keras_ae.audit.counts import Count
from keras_ae.audit.fields import AuditedField

#: What is counted of every field, by name.
_COUNTED = (
    "not_finite",
    "negative",
    "below",
    "above",
    "off_format",
    "in_empty",
    "to_zero",
    "not_zero",
    "before_half_turn",
    "before_zero",
    "beyond_half_turn",
    "beyond_turn",
    "far_beyond",
)


class FieldTally:
    """Counts of a field over the slots that the data do not declare empty.

    `n_present` is how many those are of `n_slots`, `n_not_zero` how many are not zero; `low` and
    `high` are their ends in physical units, `negative_low` and `negative_high` those of the
    negative ones.
    `hardware_low` and `hardware_high` are the ends of hardware values in filled slots.
    """

    def __init__(self, field: AuditedField) -> None:
        self.field = field
        self.counts = {name: Count() for name in _COUNTED}
        self.n_slots = self.n_present = self.n_not_zero = self.n_filled = 0
        self.low, self.high = math.inf, -math.inf
        self.negative_low, self.negative_high = math.inf, -math.inf
        self.hardware_low, self.hardware_high = math.inf, -math.inf

    def add_physical(self, values: np.ndarray, present: np.ndarray, first_event: int) -> None:
        """Count physical values (events, slots), in `present` slots."""
        present = self._add_common(values, present, first_event)
        wire, form = self.field.field, self.field.field.format
        if form is None:
            return
        hardware = wire.to_hardware(values)
        # Of a damaged file, values may be of any size.
        with np.errstate(over="ignore", invalid="ignore"):
            beyond = form.rounded(values / wire.last_bit.value) - hardware
        if wire.turn:
            # A full angle more is the same angle.
            with np.errstate(invalid="ignore"):
                beyond = np.fmod(beyond, wire.turn)
        if self.field.is_momentum:
            # A negative one is counted as that.
            present = present & (values >= 0)
        self._count("below", present & (beyond < 0), values, first_event)
        self._count("above", present & (beyond > 0), values, first_event)
        lost = present & (values != 0) & (hardware == 0)
        if wire.turn:
            lost &= np.abs(values) < wire.last_bit.value
        self._count("to_zero", lost, values, first_event)

    def add_hardware(self, hardware: np.ndarray, present: np.ndarray, first_event: int) -> None:
        """Count hardware values (events, slots), in `present` slots.

        A momentum that is the largest of its format has saturated before.
        """
        wire, form = self.field.field, self.field.field.format
        values, empty = hardware * wire.last_bit.value, ~present
        present = self._add_common(values, present, first_event)
        if form is None:
            return
        self._count("off_format", form.quantize(hardware) != hardware, values, first_event)
        self._count("in_empty", empty & (hardware != 0), values, first_event)
        if self.field.is_momentum:
            self._count("above", present & (hardware >= form.high), values, first_event)

    def add_filled(self, hardware: np.ndarray, filled: np.ndarray) -> None:
        """Note the range of hardware values (events, slots) in filled slots."""
        found = hardware[filled]
        self.n_filled += found.size
        if found.size:
            self.hardware_low = min(self.hardware_low, float(found.min()))
            self.hardware_high = max(self.hardware_high, float(found.max()))

    def _add_common(self, values: np.ndarray, present: np.ndarray, first_event: int) -> np.ndarray:
        """Count what needs no format; returns where there are numbers."""
        self.n_slots += present.size
        self.n_present += int(np.count_nonzero(present))
        finite = np.isfinite(values)
        self._count("not_finite", present & ~finite, values, first_event)
        present = present & finite
        found = values[present]
        self.n_not_zero += int(np.count_nonzero(found))
        if found.size:
            self.low, self.high = min(self.low, found.min()), max(self.high, found.max())
        if self.field.is_momentum:
            self._add_negative(values, present & (values < 0), first_event)
        if self.field.field.always_zero:
            self._count("not_zero", present & (values != 0), values, first_event)
        if self.field.field.turn:
            self._add_angles(values, present, first_event)
        return present

    def _add_negative(self, values: np.ndarray, seen: np.ndarray, first_event: int) -> None:
        self._count("negative", seen, values, first_event)
        if seen.any():
            found = values[seen]
            self.negative_low = min(self.negative_low, found.min())
            self.negative_high = max(self.negative_high, found.max())

    def _add_angles(self, values: np.ndarray, present: np.ndarray, first_event: int) -> None:
        """Whether angles are of one turn, whichever of the two ways they are counted."""
        turn = self.turn
        # As far as rounding may take them.
        margin = 0.5 * self.field.field.last_bit.value * (1 + 1e-6)
        self._count(
            "before_half_turn", present & (values < -turn / 2 - margin), values, first_event
        )
        self._count("before_zero", present & (values < -margin), values, first_event)
        self._count("beyond_half_turn", present & (values > turn / 2 + margin), values, first_event)
        self._count("beyond_turn", present & (values > turn + margin), values, first_event)
        self._count("far_beyond", present & (np.abs(values) > 2 * turn), values, first_event)

    @property
    def turn(self) -> float:
        """A full angle in physical units; zero where the field is no angle."""
        return (self.field.field.turn or 0) * self.field.field.last_bit.value

    def _count(self, name: str, seen: np.ndarray, values: np.ndarray, first_event: int) -> None:
        self.counts[name].add(seen, values, first_event)
