"""Objects as a source: lists of jets, muons and others from ROOT and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from keras_ae.data.chunk import Chunk
from keras_ae.data.jagged import Jagged
from keras_ae.data.marks import MarkedSource, require_names
from keras_ae.data.object_layouts import LAYOUTS, Layout, LayoutName
from keras_ae.data.parquet_file import ParquetEvents
from keras_ae.data.root_file import RootEvents
from keras_ae.data.slots import ObjectChoice, fill_slots
from keras_ae.errors import InputError
from keras_ae.front_end.fields import ObjectCollection
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.section import as_tuple

_SUFFIXES = (".root", ".parquet")
_NO_LAYOUT = Layout("Events", {})

#: Branches in the order in which they are looked for, or a constant.
_Places = dict[str, dict[str, tuple[str, ...] | float]]
#: What a file has of a collection: by field, its branch or a constant.
_Found = dict[str, dict[str, str | float]]


#: Lowest and highest value that is kept; None where there is no limit.
Range = Annotated[tuple[float | None, float | None], BeforeValidator(as_tuple)]


class Objects(MarkedSource):
    """Objects of ROOT files (`tree`) and Parquet files, some of which make an event.

    Of each collection of the front end, objects are taken as `where` says (the value that a branch
    must have), cut, sorted by what the collection is ordered by, the largest first, truncated to
    its slots, and padded with what it calls empty.

    Args:
        layout: names of branches that are known, `nanoaod` or `l1_upgrade`; null for none.
        branches: by collection and field the name of a branch, or a number for all; they go before
            the layout's.
        others: the value of fields that have no branch; without it they are refused.
        where: by collection, branches and their value, such as `{met: {sumType: 2}}`; the layout's
            hold for collections that neither `where` nor `branches` names.
        cuts: by collection and field, lowest and highest value, in the front end's unit.
        unit_scale: factors that make the front end's unit of the file's, by field or by collection
            and field: `{pt: 0.001}` of MeV.

    Angles whose field has a `turn` and no sign are taken into the turn.
    """

    kind: Literal["objects"] = "objects"
    tree: str | None = None
    layout: LayoutName | None = None
    branches: dict[str, dict[str, str | float]] = Field(default={})
    others: float | None = None
    where: dict[str, dict[str, float]] = Field(default={})
    cuts: dict[str, dict[str, Range]] = Field(default={})
    unit_scale: dict[str, float] = Field(default={})

    @model_validator(mode="after")
    def _check_map(self) -> Self:
        if self.layout is None and not self.branches:
            raise InputError(
                "branches must name the branches of fields, or layout one of "
                f"{', '.join(LAYOUTS)}, got neither"
            )
        return self

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError unless each field of the front end has a branch or a number."""
        if not front_end.objects:
            raise InputError("front_end must have objects for data.kind 'objects', got none")
        for key in ("branches", "where", "cuts"):
            _check_keys(f"data.{key}", getattr(self, key), front_end.objects)
        for key in ("branches", "cuts"):
            for name, fields in getattr(self, key).items():
                _check_keys(f"data.{key}.{name}", fields, front_end.objects[name].fields)
        scaled = {
            text
            for name, kind in front_end.objects.items()
            for label in kind.fields
            for text in (label, f"{name}.{label}")
        }
        _check_keys("data.unit_scale", self.unit_scale, scaled)
        for name, places in self._places(front_end).items():
            branches = [place for place in places.values() if isinstance(place, tuple)]
            twice = [place for number, place in enumerate(branches) if place in branches[:number]]
            if twice:
                raise InputError(
                    f"data.branches.{name} must have a branch of its own for each field, got "
                    f"{' or '.join(twice[0])} twice"
                )
        for name, limits in self.cuts.items():
            for label, (low, high) in limits.items():
                if low is not None and high is not None and low > high:
                    raise InputError(
                        f"data.cuts.{name}.{label} must be the lowest and the highest value, got "
                        f"{low:g} and {high:g}"
                    )

    def _places(self, front_end: FrontEnd) -> _Places:
        """Where each field of the front end may be."""
        known = self._layout.branches
        found: _Places = {}
        for name, kind in front_end.objects.items():
            found[name] = {}
            for label in kind.fields:
                own: Mapping[str, Any] = self.branches.get(name, {})
                place = own.get(label, known.get(name, {}).get(label, self.others))
                if place is None:
                    raise InputError(
                        f"data.branches.{name} must have a branch or a number for {label!r}, or "
                        f"others a number for all that have none, got {self._names_of(name)}"
                    )
                found[name][label] = (place,) if isinstance(place, str) else place
        return found

    def _names_of(self, name: str) -> str:
        fields = {**self._layout.branches.get(name, {}), **self.branches.get(name, {})}
        return ", ".join(fields) or "none"

    @property
    def _layout(self) -> Layout:
        return _NO_LAYOUT if self.layout is None else LAYOUTS[self.layout]

    def _conditions(self, name: str) -> Mapping[str, float]:
        """Branches and the value of each that objects of a collection must have."""
        if name in self.where:
            return self.where[name]
        # The layout's hold for the layout's branches, as long as there are any.
        of_layout = set(self._layout.branches.get(name, {})) - set(self.branches.get(name, {}))
        return self._layout.where.get(name, {}) if of_layout else {}

    def read_file(self, path: Path, front_end: FrontEnd, n_events: int) -> Iterator[Chunk]:
        with self._open(path) as file:
            found = _choose(path, self._places(front_end), file.names)
            names = {
                place for fields in found.values() for place in fields.values() if _is_branch(place)
            }
            names |= {branch for name in found for branch in self._conditions(name)}
            wanted = (*sorted(map(str, names)), *self.marks)
            require_names(path, wanted, file.names, "branches")
            first = 0
            for columns in file.chunks(wanted, n_events):
                chunk = self._to_chunk(path, front_end, found, columns, first)
                first += len(chunk)
                yield chunk

    def _choice(
        self, name: str, kind: ObjectCollection, places: Mapping[str, str | float]
    ) -> ObjectChoice:
        scales = {
            label: self.unit_scale.get(f"{name}.{label}", self.unit_scale.get(label, 1.0))
            for label in kind.fields
        }
        cuts = self.cuts.get(name, {})
        return ObjectChoice(name, kind, places, scales, self._conditions(name), cuts)

    def _open(self, path: Path) -> RootEvents | ParquetEvents:
        if path.suffix not in _SUFFIXES:
            raise InputError(
                f"{path} must end in {', '.join(_SUFFIXES)}, got {path.suffix or 'none'!r}"
            )
        if path.suffix == ".root":
            return RootEvents(path, self.tree or self._layout.tree)
        return ParquetEvents(path)

    def _to_chunk(
        self,
        path: Path,
        front_end: FrontEnd,
        found: _Found,
        columns: Mapping[str, np.ndarray | Jagged],
        first: int,
    ) -> Chunk:
        if not columns:
            raise InputError(f"{path} must give the values of a branch, got numbers for all fields")
        for name in self.marks:
            if isinstance(columns[name], Jagged):
                raise InputError(f"{path}: '{name}' must be a number an event, got a list")
        parts = [
            fill_slots(path, self._choice(name, kind, found[name]), columns, first)
            for name, kind in front_end.objects.items()
        ]
        marks = self.marked(path, columns, slice(None))
        return Chunk(np.concatenate(parts, axis=1), **marks)


def _is_branch(place: str | float) -> bool:
    return isinstance(place, str)


def _check_keys(key: str, given: Mapping[str, Any], choices: Any) -> None:
    for name in given:
        if name not in choices:
            raise InputError(
                f"{key} must name some of {', '.join(sorted(choices))}, which the front end has, "
                f"got {name!r}"
            )


def _choose(path: Path, places: _Places, names: tuple[str, ...]) -> _Found:
    """Of the branches that may have a field, the first that the file has."""
    there = set(names)
    found: _Found = {}
    for name, fields in places.items():
        found[name] = {}
        for label, place in fields.items():
            if isinstance(place, tuple):
                known = [branch for branch in place if branch in there]
                if not known:
                    require_names(path, place[:1], names, "branches")
                found[name][label] = known[0]
            else:
                found[name][label] = float(place)
    return found
