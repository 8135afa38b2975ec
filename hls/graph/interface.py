"""What goes into the firmware and comes out: ports, their formats, and which values they take."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_ae.errors import InputError, ProofError
from keras_ae.files import write_text
from keras_ae.fixed_point import FixedPointFormat

FILE_NAME = "interface.json"

#: Name of the top function, of the project and of its files.
PROJECT_NAME = "anomaly_trigger"

#: Of which values are checked at once.
_CHUNK_NUMBERS = 2**16

#: What to do about a project that was changed or damaged.
REMEDY = "'keras-ae convert' writes the project again"


@dataclass(frozen=True)
class Port:
    """`n_values` fixed-point numbers; the last bit of format `fixed<W,I>` is 2^(I-W).

    `shape` is that of one event; None where it is (n_values,). `is_decision` says of an output that
    it is a bit of the trigger.
    """

    name: str
    format: str
    n_values: int
    shape: tuple[int, ...] | None = None
    is_decision: bool = False

    @classmethod
    def of(cls, name: str, form: FixedPointFormat, shape: tuple[int, ...]) -> Port:
        """Of values of a format, in the shape of one event."""
        n_values = math.prod(shape)
        return cls(name, str(form), n_values, None if shape == (n_values,) else shape)

    @property
    def form(self) -> FixedPointFormat:
        """Format of each value."""
        return FixedPointFormat.parse(self.format)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Of one event, in any case."""
        return self.shape or (self.n_values,)

    @property
    def width(self) -> int:
        """Bits of all values."""
        return self.n_values * self.form.width

    @property
    def n_words(self) -> int:
        """Words of 32 bits that hold them, in which simulators exchange ports."""
        return -(-self.width // 32)

    def as_dict(self) -> dict[str, Any]:
        """As an interface file has it."""
        return {
            **{"name": self.name, "format": self.format, "n_values": self.n_values},
            **({} if self.shape is None else {"shape": list(self.shape)}),
            **({"decision": True} if self.is_decision else {}),
        }

    def check(self, values: Any) -> np.ndarray:
        """Values (events, *shape) as an array of the numbers' own type.

        Raises:
            InputError: another shape, no numbers, or a value that the port cannot take: NaN,
                beyond its range or between two of its numbers.
        """
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise InputError(f"input '{self.name}' must be an array of numbers: {error}") from error
        if np.ma.is_masked(values):
            raise InputError(f"input '{self.name}' must have no masked values, got some")
        shape = self.event_shape
        if array.dtype.kind not in "fiub" or array.ndim == 0 or array.shape[1:] != shape:
            wanted = ", ".join(map(str, ("events", *shape)))
            raise InputError(
                f"input '{self.name}' must be numbers of shape ({wanted}), got "
                f"{array.dtype} of shape {array.shape}"
            )
        flat, form = array.reshape(-1), self.form
        # In parts that stay in the cache.
        for first in range(0, len(flat), _CHUNK_NUMBERS):
            part = flat[first : first + _CHUNK_NUMBERS]
            if not _holds_all(form, part):
                place = first + next(
                    i for i in range(len(part)) if not _holds_all(form, part[i:][:1])
                )
                event, value = divmod(place, self.n_values)
                # In all its digits: what is left out may be what does not fit.
                found = repr(float(flat[place])).removesuffix(".0")
                raise InputError(
                    f"input '{self.name}' must hold multiples of {form.step:g} from {form.low:g} "
                    f"to {form.high:g} ({self.format}), got {found} in event {event}, "
                    f"value {value}"
                )
        return array


def _holds_all(form: FixedPointFormat, numbers: np.ndarray) -> bool:
    """Whether all numbers (n,), one at least, are values of the format."""
    # NaN is within no range.
    if not (numbers.min() >= form.low and numbers.max() <= form.high):
        return False
    if numbers.dtype.kind != "f" and form.step <= 1:
        return True
    units = numbers.astype(np.float64) / form.step
    return bool((units == np.rint(units)).all())


@dataclass(frozen=True)
class Interface:
    """Ports of the top function in their order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def n_inputs(self) -> int:
        """Numbers of one event."""
        return sum(port.n_values for port in self.inputs)

    @property
    def n_outputs(self) -> int:
        """Numbers of one result."""
        return sum(port.n_values for port in self.outputs)

    def check(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """Values (events, *shape) of each input, as the firmware can be given them.

        The reference, C-simulation and simulation of RTL all ask here.

        Raises:
            InputError: another number of inputs, or of events in each, or see `Port.check`.
        """
        if len(inputs) != len(self.inputs):
            names = ", ".join(f"'{port.name}'" for port in self.inputs)
            raise InputError(
                f"inputs must be one array for each of {names}, in a tuple, got {len(inputs)}"
            )
        arrays = [port.check(values) for port, values in zip(self.inputs, inputs, strict=True)]
        sizes = {len(array) for array in arrays}
        if len(sizes) > 1:
            raise InputError(f"inputs must be of as many events each, got {sorted(sizes)}")
        return arrays

    def rows(self, *inputs: Any) -> np.ndarray:
        """All numbers of an event in a row, (events, n_inputs) float64, of inputs (events, *shape).

        Raises:
            InputError: see `check`.
        """
        arrays = zip(self.check(inputs), self.inputs, strict=True)
        return np.hstack(
            [array.reshape(len(array), port.n_values).astype(np.float64) for array, port in arrays]
        )

    def write(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write `interface.json` into a project: the ports, and what else is to be said."""
        content = {
            side: [port.as_dict() for port in getattr(self, side)] for side in ("inputs", "outputs")
        } | dict(facts)
        write_text(folder / FILE_NAME, json.dumps(content, indent=2) + "\n")


def project_folder(folder: Path | str) -> Path:
    """Where a project may be written: nothing is there, or a project that it replaces.

    Raises:
        InputError: something else is.
    """
    path = Path(folder)
    found = sorted(part.name for part in path.iterdir()) if path.is_dir() else []
    is_project = {FILE_NAME, "firmware", "verilog"} & set(found)
    if (path.exists() and not path.is_dir()) or (found and not is_project):
        held = f"a folder with {found[0]}" if found else "a file"
        raise InputError(f"folder of a project must be new, empty or a project, got {path}, {held}")
    return path


def read_interface(folder: Path, remedy: str = REMEDY) -> Interface:
    """Of the project in `folder`, which the `remedy` writes again.

    Raises:
        FileNotFoundError: the folder holds no project.
        ProofError: its file is damaged.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"project not found: {folder} must hold {FILE_NAME}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sides = {side: tuple(map(_read_port, content[side])) for side in ("inputs", "outputs")}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProofError(f"{path} must hold the ports of the project: {remedy}") from error
    return Interface(**sides)


def _read_port(content: dict[str, Any]) -> Port:
    shape = tuple(content.get("shape", (content["n_values"],)))
    port = Port.of(content["name"], FixedPointFormat.parse(content["format"]), shape)
    if port.n_values != content["n_values"]:
        raise ValueError(f"{port.name} must hold {content['n_values']} values, got {shape}")
    return replace(port, is_decision=content.get("decision", False))
