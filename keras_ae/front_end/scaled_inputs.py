"""Hardware values -> network inputs, exactly: what firmware does in front of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ae.arrays import as_numbers
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.front_end import Column, FrontEnd


@dataclass(frozen=True)
class Angle:
    """An angle measured from another: from `factor` times the number at `column`.

    A full angle is `turn`; what results is from -turn/2 to below turn/2.
    """

    column: int
    factor: int
    turn: int

    def of(self, values: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Angles (events,) from those of the other; what is once around at most comes in range."""
        difference = values - self.factor * reference
        half = self.turn / 2
        once = np.where(difference >= half, difference - self.turn, difference)
        return np.where(difference < -half, difference + self.turn, once)


@dataclass(frozen=True)
class ScaledInput:
    """One network input: (value - offset) / 2^shift of the number at `column` of an event.

    Before that, an angle is taken relative to another, then the absolute value where that is asked
    for. It is zero unless the number at `guard` is above zero, where there is one.
    """

    column: int
    offset: float = 0.0
    shift: int = 0
    guard: int | None = None
    absolute: bool = False
    angle: Angle | None = None


@dataclass(frozen=True)
class ScaledInputs:
    """Network inputs by power-of-two scaling of hardware values (events, n_values).

    With `form`, scaled values are rounded to it by its modes before the network's input rounds
    them again.

    Raises:
        InputError: a column that is none of the event's.
    """

    n_values: int
    inputs: tuple[ScaledInput, ...]
    form: FixedPointFormat | None = None

    def __post_init__(self) -> None:
        for part in self.inputs:
            angle = () if part.angle is None else (part.angle.column,)
            for column in (part.column, *angle, *(() if part.guard is None else (part.guard,))):
                if not 0 <= column < self.n_values:
                    raise InputError(
                        f"column of a network input must be 0 to {self.n_values - 1}, got {column}"
                    )

    @property
    def n_inputs(self) -> int:
        """Of the network."""
        return len(self.inputs)

    @property
    def is_identity(self) -> bool:
        """Whether the network sees the hardware values as they are."""
        as_they_are = tuple(ScaledInput(column) for column in range(self.n_values))
        return self.form is None and self.inputs == as_they_are

    @property
    def offsets(self) -> np.ndarray:
        """Of each input, (n_inputs,)."""
        return np.array([part.offset for part in self.inputs])

    @property
    def steps(self) -> np.ndarray:
        """2^-shift of each input, (n_inputs,)."""
        return 2.0 ** -np.array([part.shift for part in self.inputs], float)

    def transform(self, hardware: np.ndarray) -> np.ndarray:
        """Network inputs (events, n_inputs) float64 of hardware values (events, n_values).

        Images (events, height, width, channels) of as many values are taken, too.

        Raises:
            InputError: another number of values.
        """
        hardware = flat_events(hardware, self.n_values)
        scaled = (self.measured(hardware) - self.offsets) * self.steps
        for index, part in enumerate(self.inputs):
            if part.guard is not None:
                scaled[hardware[:, part.guard] <= 0, index] = 0.0
        return scaled if self.form is None else self.form.quantize(scaled)

    def measured(self, hardware: np.ndarray) -> np.ndarray:
        """The values that are scaled: with angles and absolute values taken, (events, n_inputs)."""
        hardware = flat_events(hardware, self.n_values)
        values = hardware[:, [part.column for part in self.inputs]].astype(np.float64)
        for index, part in enumerate(self.inputs):
            if part.angle is not None:
                reference = hardware[:, part.angle.column].astype(np.float64)
                values[:, index] = part.angle.of(values[:, index], reference)
            if part.absolute:
                values[:, index] = np.abs(values[:, index])
        return values

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": "scaled",
            "n_values": self.n_values,
            "form": None if self.form is None else str(self.form),
            "inputs": [
                [part.column, part.offset, part.shift, part.guard, part.absolute]
                + (
                    []
                    if part.angle is None
                    else [part.angle.column, part.angle.factor, part.angle.turn]
                )
                for part in self.inputs
            ],
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ScaledInputs:
        """What `as_dict` gave."""
        parts = []
        for column, offset, shift, guard, absolute, *angle in content["inputs"]:
            measured = Angle(*angle) if angle else None
            parts.append(ScaledInput(column, offset, shift, guard, absolute, measured))
        form = content["form"]
        return cls(
            content["n_values"],
            tuple(parts),
            None if form is None else FixedPointFormat.parse(form),
        )


def flat_events(hardware: np.ndarray, n_values: int) -> np.ndarray:
    """Hardware values as (events, n_values).

    Raises:
        InputError: of another size.
    """
    hardware = as_numbers(hardware, "hardware values")
    if hardware.ndim < 2 or math.prod(hardware.shape[1:]) != n_values:
        raise InputError(
            f"hardware values must have shape (events, {n_values}), got {hardware.shape}"
        )
    return hardware.reshape(len(hardware), n_values)


def as_it_is(front_end: FrontEnd) -> ScaledInputs:
    """A network that sees every hardware value as it is."""
    return ScaledInputs(front_end.n_values, tuple(map(ScaledInput, range(front_end.n_values))))


def angle_of(column: Column, reference: Column) -> Angle:
    """An angle relative to another, in the last bit of the first.

    Raises:
        InputError: the reference has another last bit, of which the first's is no whole part.
    """
    turn, of_reference = column.field.turn, reference.field.turn
    last_bits = column.field.last_bit.value, reference.field.last_bit.value
    if (
        turn is None
        or of_reference is None
        or turn % of_reference
        or not math.isclose(turn * last_bits[0], of_reference * last_bits[1], rel_tol=1e-9)
    ):
        raise InputError(
            f"relative_to must be an angle whose turn divides that of {column.name}, {turn}, got "
            f"{reference.name} of {of_reference}"
        )
    return Angle(reference.index, turn // of_reference, turn)
