"""What of the wires a network sees, as it is asked for; fitted on background."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag

from keras_ae.errors import InputError
from keras_ae.files import write_text
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.float_inputs import FloatInputs
from keras_ae.front_end.front_end import Column, FrontEnd
from keras_ae.front_end.scaled_inputs import ScaledInput, ScaledInputs, angle_of, as_it_is
from keras_ae.section import Section, as_tuple


def _as_patterns(content: Any) -> Any:
    """A list of YAML, or one name alone."""
    return (content,) if isinstance(content, str) else as_tuple(content)


#: Columns by name or pattern, see `FrontEnd.choose`.
Patterns = Annotated[tuple[str, ...], BeforeValidator(_as_patterns)]


class Scale(Section):
    """x = (hardware value - offset) / 2^shift."""

    offset: float = 0.0
    shift: int = Field(0, ge=-32, le=32)


class ScalingQuantiles(Section):
    """Quantiles of the background that the scale is fitted to, over filled slots.

    Of the field that says whether a slot is empty, such as pT, `pt_offset` is subtracted; at 0, the
    default, that is the threshold of the collection. `pt_spread` of it, and `angle_spread` of the
    absolute values of other fields, become 1 at most. Of what is never empty the median is
    subtracted, and `angle_spread` of the distance from it becomes 1 at most; where that is zero,
    of the distances that are not.
    """

    pt_offset: float = Field(0.0, ge=0, le=1)
    pt_spread: float = Field(0.5, ge=0, le=1)
    angle_spread: float = Field(0.9, ge=0, le=1)


class ScaledView(Section):
    """Exact in firmware: columns `use`, each less an offset, by a power of two.

    `scale` is fitted on background by `quantiles`, for all slots of a field alike; or `none`; or a
    mapping from columns to offset and shift, in which the others are as they are. With `format` the
    scaled values are rounded to it by its modes, before the network's input rounds them to its own.
    Empty slots are zero where they are `masked`; otherwise they are scaled as zeros. Fields in
    `absolute` lose their sign. With `relative_to`, an angle such as `met.phi`, all other angles are
    measured from it.
    """

    kind: Literal["scaled"] = "scaled"
    use: Patterns = Field(("*",), min_length=1)
    scale: Literal["fitted", "none"] | dict[str, Scale] = "fitted"
    quantiles: ScalingQuantiles = ScalingQuantiles()
    format: FixedPointFormat | None = None
    masked: bool = True
    absolute: Patterns = ()
    relative_to: str | None = None

    #: Whether firmware can do the same.
    in_firmware: ClassVar[bool] = True

    def columns(self, front_end: FrontEnd) -> list[Column]:
        """Those that the network sees; raises as `FrontEnd.choose` does."""
        return front_end.choose(self.use, "use")

    def needs(self, front_end: FrontEnd) -> list[Column]:
        """What the network's inputs depend on: beside those, what masks them and their angles."""
        reference, columns = self._reference(front_end), self.columns(front_end)
        return [*columns, *_guards(columns, front_end), *([reference] if reference else [])]

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError for a column that is not there, or is none of its kind."""
        self._unscaled(front_end)
        if isinstance(self.scale, dict):
            self._given(front_end, self.scale)

    @property
    def is_fitted(self) -> bool:
        """Whether it takes background to know the scale."""
        return self.scale == "fitted"

    def fit(self, front_end: FrontEnd, background: np.ndarray) -> ScaledInputs:
        """On hardware values (events, n_values), which only `fitted` looks at.

        Raises:
            InputError: columns that are not there, or no events to fit on.
        """
        if not front_end.is_hardware and self == ScaledView():
            # The wires carry what the network sees.
            return as_it_is(front_end)
        unscaled = self._unscaled(front_end)
        if isinstance(self.scale, dict):
            scales = self._given(front_end, self.scale)
        elif self.scale == "fitted":
            scales = self._fitted(front_end, unscaled, background)
        else:
            scales = {}
        inputs = tuple(
            self._scaled(front_end.columns[part.column], part, scales, front_end.packed)
            for part in unscaled.inputs
        )
        return ScaledInputs(front_end.n_values, inputs, self.format)

    def _unscaled(self, front_end: FrontEnd) -> ScaledInputs:
        """With angles and absolute values alone."""
        without_sign = self._of_used("absolute", self.absolute, front_end)
        for column in without_sign:
            if column.guard == column.index:
                raise InputError(
                    f"absolute must not name {column.group}, which says whether a slot is empty, "
                    f"got {', '.join(self.absolute)}"
                )
        signless = {column.index for column in without_sign}
        reference = self._reference(front_end)
        parts = []
        for column in self.columns(front_end):
            is_angle = column.field.turn is not None and column is not reference
            parts.append(
                ScaledInput(
                    column.index,
                    absolute=column.index in signless,
                    angle=angle_of(column, reference) if reference and is_angle else None,
                )
            )
        return ScaledInputs(front_end.n_values, tuple(parts))

    def _reference(self, front_end: FrontEnd) -> Column | None:
        if self.relative_to is None:
            return None
        found = front_end.choose([self.relative_to], "relative_to")
        if len(found) != 1 or found[0].field.turn is None:
            raise InputError(
                "relative_to must name one number of a field with turn, got "
                f"{self.relative_to!r}, {len(found)} of them"
            )
        return found[0]

    def _given(self, front_end: FrontEnd, scales: dict[str, Scale]) -> dict[int, Scale]:
        """By column; of two patterns the later counts."""
        return {
            column.index: scale
            for pattern, scale in scales.items()
            for column in self._of_used("scale", [pattern], front_end)
        }

    def _of_used(self, key: str, patterns: Iterable[str], front_end: FrontEnd) -> list[Column]:
        """Columns of patterns, of which some at least must be among those that are used."""
        return _among(self.columns(front_end), key, patterns, front_end)

    def _fitted(
        self, front_end: FrontEnd, unscaled: ScaledInputs, background: np.ndarray
    ) -> dict[int, Scale]:
        """By column, the same for all slots of a field."""
        if len(background) == 0:
            raise InputError("background must hold at least one event, got 0")
        values = unscaled.measured(background)
        filled = front_end.is_filled(background)
        by_group: dict[str, list[int]] = {}
        for place, part in enumerate(unscaled.inputs):
            by_group.setdefault(front_end.columns[part.column].group, []).append(place)
        scales = {}
        for places in by_group.values():
            columns = [unscaled.inputs[place].column for place in places]
            found = values[:, places][filled[:, columns]]
            scale = self._fit_group(front_end.columns[columns[0]], found)
            scales.update(dict.fromkeys(columns, scale))
        return scales

    def _fit_group(self, column: Column, values: np.ndarray) -> Scale:
        """Of all values (n,) of a field in filled slots."""
        if len(values) == 0:
            return Scale()
        quantiles, form = self.quantiles, column.field.format
        step = 1.0 if form is None else form.step
        is_guard = column.guard == column.index
        offset, quantile = 0.0, quantiles.angle_spread
        if is_guard:
            offset, quantile = np.quantile(values, quantiles.pt_offset), quantiles.pt_spread
        elif column.guard is None and column.field.turn is None:
            offset = np.median(values)
        offset = float(np.round(offset / step) * step)
        distances = np.abs(values - offset)
        spread = float(np.quantile(distances, quantile))
        if not is_guard and spread == 0:
            # A field that is mostly one value, such as the zero that pads it.
            distances = distances[distances > 0]
            spread = float(np.quantile(distances, quantile)) if len(distances) else 1.0
        return Scale(offset=offset, shift=math.ceil(math.log2(max(spread, step))))

    def _scaled(
        self, column: Column, part: ScaledInput, scales: dict[int, Scale], packed: bool
    ) -> ScaledInput:
        scale = scales.get(column.index, Scale())
        # What is zero stays so without a mask, where whoever fills the wires keeps to their rule;
        # words may carry an angle of no momentum.
        moves = scale.offset != 0 or part.angle is not None or packed
        guard = column.guard if self.masked and moves else None
        return ScaledInput(part.column, scale.offset, scale.shift, guard, part.absolute, part.angle)


def _among(
    used: list[Column], key: str, patterns: Iterable[str], front_end: FrontEnd
) -> list[Column]:
    """Columns of patterns; raise InputError for a pattern of which none is used."""
    indices = {column.index for column in used}
    found: list[Column] = []
    for pattern in patterns:
        named = front_end.choose([pattern], key)
        if not indices & {column.index for column in named}:
            raise InputError(f"{key} must name columns that are in use, got {pattern!r}")
        found += named
    return found


def _guards(columns: list[Column], front_end: FrontEnd) -> list[Column]:
    """What says of columns whether they are empty."""
    return [front_end.columns[c.guard] for c in columns if c.guard is not None]


class FloatView(Section):
    """For a teacher, which never meets firmware: columns `use` in physical units, transformed.

    Columns in `log` become sign(x) log(1 + |x|). Then, with `standardize`, each column has mean 0
    and deviation 1 on background, and with `clip` none is beyond plus or minus that.
    """

    kind: Literal["float"]
    use: Patterns = Field(("*",), min_length=1)
    log: Patterns = ()
    standardize: bool = True
    clip: float | None = Field(None, gt=0)

    in_firmware: ClassVar[bool] = False
    is_fitted: ClassVar[bool] = True

    def columns(self, front_end: FrontEnd) -> list[Column]:
        """Those that the network sees; raises as `FrontEnd.choose` does."""
        return front_end.choose(self.use, "use")

    def needs(self, front_end: FrontEnd) -> list[Column]:
        """What the network's inputs depend on: beside those, what says that they are empty."""
        columns = self.columns(front_end)
        return [*columns, *_guards(columns, front_end)]

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError for a column that is not there, or not in use."""
        self._logs(front_end)

    def _logs(self, front_end: FrontEnd) -> list[Column]:
        return _among(self.columns(front_end), "log", self.log, front_end)

    def fit(self, front_end: FrontEnd, background: np.ndarray) -> FloatInputs:
        """On hardware values (events, n_values).

        Raises:
            InputError: columns that are not there, or no events.
        """
        if len(background) == 0:
            raise InputError("background must hold at least one event, got 0")
        columns = self.columns(front_end)
        logs = {column.index for column in self._logs(front_end)}
        inputs = FloatInputs(
            front_end.n_values,
            tuple(column.index for column in columns),
            tuple(column.field.last_bit.value for column in columns),
            tuple(column.index in logs for column in columns),
        )
        if self.standardize:
            inputs = inputs.standardized_on(background)
        return inputs.clipped_at(self.clip)


def _kind(content: Any) -> str:
    if isinstance(content, dict):
        return str(content.get("kind", "scaled"))
    return str(getattr(content, "kind", "scaled"))


#: Either; in YAML `kind` is `scaled` where it is not named.
InputView = Annotated[
    Annotated[ScaledView, Tag("scaled")] | Annotated[FloatView, Tag("float")], Discriminator(_kind)
]


def check_view(view: ScaledView | FloatView, front_end: FrontEnd, where: str) -> None:
    """Raise InputError, with the place in the settings, for a column that is not there."""
    try:
        view.check(front_end)
    except InputError as error:
        raise InputError(f"{where}.{error}") from None


class Counts(Section):
    """Condition of a conditional model: how many slots of each collection are filled.

    `shifts` by collection: the count is divided by 2^shift, so that it is exact in fixed point.
    """

    shifts: dict[str, int] = Field(min_length=1)

    def of(self, front_end: FrontEnd, hardware: np.ndarray) -> np.ndarray:
        """(events, n) of hardware values (events, n_values), a column for each collection.

        Raises:
            InputError: a collection that is not there, or whose slots are never empty.
        """
        self.check(front_end)
        counts = (
            front_end.n_filled(hardware, name) / 2.0**shift for name, shift in self.shifts.items()
        )
        return np.stack(list(counts), axis=1)

    def needs(self, front_end: FrontEnd) -> list[Column]:
        """What says whether the slots that are counted are empty."""
        counted = [c for c in front_end.columns if c.group.split(".")[0] in self.shifts]
        return _guards(counted, front_end)

    def fits(self, front_end: FrontEnd) -> bool:
        """Whether all collections are there, and may have empty slots."""
        return set(self.shifts) <= set(_countable(front_end))

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError for a collection that is not there, or whose slots are never empty."""
        counted = _countable(front_end)
        for name in self.shifts:
            if name not in counted:
                raise InputError(
                    "condition.shifts must be of collections that may have empty slots, "
                    f"{', '.join(counted) or 'of which there are none'}, got {name!r}"
                )


def _countable(front_end: FrontEnd) -> list[str]:
    return [name for name, kind in front_end.collections.items() if kind.empty]


def save_inputs(inputs: ScaledInputs | FloatInputs, path: Path) -> None:
    """Write what makes network inputs of hardware values, as JSON."""
    write_text(path, json.dumps(inputs.as_dict()))


def load_inputs(path: Path) -> ScaledInputs | FloatInputs:
    """Read what `save_inputs` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: the file is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"network inputs not found: {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind = FloatInputs if content["kind"] == "float" else ScaledInputs
        return kind.from_dict(content)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} must hold network inputs as a run saves them: {error}") from error
