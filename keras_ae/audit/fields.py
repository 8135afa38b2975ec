"""A field of a collection, in all its slots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_ae.front_end.fields import ObjectCollection, WireField
from keras_ae.front_end.front_end import EVENT, FrontEnd


@dataclass(frozen=True, eq=False)
class AuditedField:
    """A field with the columns (slots,) of an event that have it.

    `is_momentum` is true of what says that a slot is empty, or by what slots are ordered.
    """

    name: str
    collection: str
    field: WireField
    columns: np.ndarray
    is_momentum: bool

    @property
    def is_feature(self) -> bool:
        """Whether it is a number of the event itself."""
        return self.collection == EVENT and len(self.columns) == 1

    @property
    def short_name(self) -> str:
        """Without its collection."""
        return self.name.removeprefix(f"{self.collection}.")

    def written(self, value: float) -> str:
        """A physical value with its unit."""
        return f"{value:.6g} {self.field.unit}".rstrip()


@dataclass(frozen=True, eq=False)
class AuditedCollection:
    """A collection with its fields; `guard` and `order` are columns (slots,), or None."""

    name: str
    kind: ObjectCollection
    fields: tuple[AuditedField, ...]
    guard: np.ndarray | None
    order: np.ndarray | None

    @property
    def momentum(self) -> AuditedField | None:
        """The field by which slots are ordered, or else the one that says that they are empty."""
        chosen = self.order if self.order is not None else self.guard
        if chosen is None:
            return None
        return next(field for field in self.fields if field.columns[0] == chosen[0])


def audited_collections(front_end: FrontEnd) -> tuple[AuditedCollection, ...]:
    """All that a front end has, in its order."""
    columns: dict[tuple[str, str], list[int]] = {}
    for column in front_end.columns:
        columns.setdefault((column.collection, column.field_name), []).append(column.index)
    return tuple(_audited(name, kind, columns) for name, kind in front_end.collections.items())


def _audited(
    name: str, kind: ObjectCollection, columns: dict[tuple[str, str], list[int]]
) -> AuditedCollection:
    rule = kind.empty_rule
    guard = None if rule is None else rule.field
    fields = tuple(
        AuditedField(
            f"{name}.{label}" if name else label,
            name,
            field,
            np.array(columns[name, label]),
            label in (guard, kind.order),
        )
        for label, field in kind.fields.items()
    )
    places = {label: field.columns for label, field in zip(kind.fields, fields, strict=True)}
    return AuditedCollection(
        name,
        kind,
        fields,
        None if guard is None else places[guard],
        None if kind.order is None else places[kind.order],
    )
