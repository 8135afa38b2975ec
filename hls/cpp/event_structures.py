"""The structures of a front end's events in C++, and what runs through their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from hls.cpp.cpp_names import cpp_names, cpp_types
from keras_ae.front_end.fields import ObjectCollection, WireField
from keras_ae.front_end.front_end import EVENT, FrontEnd

_INDENT = "    "


@dataclass(frozen=True)
class EventNames:
    """What a front end is called in C++: types, members of the event, members of each object."""

    front_end: FrontEnd

    @cached_property
    def types(self) -> dict[str, str]:
        """Structures of collections by name."""
        return cpp_types(self.front_end.objects, ["Event"])

    @cached_property
    def members(self) -> dict[str, str]:
        """Of the event: its objects, features or pixels."""
        if self.front_end.objects:
            # A member named like a type would change what the name means.
            return cpp_names(self.front_end.objects, ["Event", *self.types.values()])
        return cpp_names(self.front_end.collections[EVENT].fields, ["Event"])

    def fields(self, collection: str) -> dict[str, str]:
        """Members of an object."""
        return cpp_names(self.front_end.objects[collection].fields, [self.types[collection]])

    @property
    def first_member(self) -> str:
        """Of the event, down to a number of it."""
        [(name, member), *_] = self.members.items()
        if self.front_end.image is not None:
            return f"{member}[0][0][0]"
        if not self.front_end.objects:
            return member
        slot = "[0]" if self.front_end.objects[name].slots > 1 else ""
        return f"{member}{slot}.{next(iter(self.fields(name).values()))}"


def renamed_comments(names: EventNames) -> Iterator[str]:
    """Comments on what could not keep its name."""
    groups: list[tuple[str, Mapping[str, str]]] = [("", names.members)]
    groups += [(f"{name}.", names.fields(name)) for name in names.front_end.objects]
    changed = [
        f"`{place}{name}` is called {member}"
        for place, members in groups
        for name, member in members.items()
        if name != member
    ]
    if changed:
        yield "//"
        yield "// Names that C++ or this header need for something else have an underscore behind:"
        yield from (f"// {line}" for line in changed)


def structures(names: EventNames) -> Iterator[str]:
    """Of each collection, and of the event."""
    front_end = names.front_end
    for name, kind in front_end.objects.items():
        members = names.fields(name)
        lines = [
            f"{_INDENT}double {members[label]}; {_said(field)}"
            for label, field in kind.fields.items()
        ]
        yield _structure(names.types[name], lines, _said_of(name, kind))
    lines = list(_members_of_event(names))
    yield _structure("Event", lines, "// The numbers of an event, in the order of the port.")


def _members_of_event(names: EventNames) -> Iterator[str]:
    """Objects, features or pixels (row, column, channel)."""
    front_end = names.front_end
    for name, kind in front_end.objects.items():
        yield f"{_INDENT}{names.types[name]} {names.members[name]}{_size(kind)};"
    for name, field in front_end.features.items():
        yield f"{_INDENT}double {names.members[name]}; {_said(field)}"
    if front_end.image is not None:
        [member] = names.members.values()
        size = "".join(f"[{length}]" for length in front_end.image.shape)
        yield f"{_INDENT}double {member}{size}; {_said(front_end.image.pixel)}"


def _structure(name: str, lines: list[str], note: str) -> str:
    return "\n".join([note, f"struct {name} {{", *lines, "};"])


def _size(kind: ObjectCollection) -> str:
    return f"[{kind.slots}]" if kind.slots > 1 else ""


def _said(field: WireField) -> str:
    """A comment on a field."""
    unit = f" {field.unit}" if field.unit else ""
    return _comment(f"1 is {field.last_bit}{unit}, {field.format}")


def _said_of(name: str, kind: ObjectCollection) -> str:
    """A comment on a collection."""
    parts = [f"{name}: {kind.slots} slot{'s' if kind.slots > 1 else ''}"]
    parts += [f"ordered by {kind.order}, the largest first"] if kind.order else []
    parts += [f"empty where {kind.empty}"] if kind.empty else ["never empty"]
    return _comment("; ".join(parts))


def _comment(text: str) -> str:
    """On one line, whatever a user called a unit: a backslash would take the next line, too."""
    return "// " + " ".join(text.split()).replace("\\", "/").replace("??/", "?")


def number_statements(names: EventNames, statement: str, kind_of_reference: str) -> Iterator[str]:
    """Statements for each number of the event, in their order."""
    front_end = names.front_end
    if front_end.image is not None:
        [member] = names.members.values()
        yield f"{_INDENT}for ({kind_of_reference} &row : event.{member})"
        yield f"{_INDENT * 2}for ({kind_of_reference} &pixel : row)"
        yield f"{_INDENT * 3}for ({kind_of_reference} &channel : pixel)"
        yield f"{_INDENT * 4}{statement.format('channel')}"
        return
    if not front_end.objects:
        yield from (f"{_INDENT}{statement.format(f'event.{m}')}" for m in names.members.values())
        return
    for name, kind in front_end.objects.items():
        place = f"event.{names.members[name]}"
        members = names.fields(name).values()
        if kind.slots == 1:
            yield from (f"{_INDENT}{statement.format(f'{place}.{member}')}" for member in members)
            continue
        yield f"{_INDENT}for ({kind_of_reference} &object : {place}) {{"
        yield from (f"{_INDENT * 2}{statement.format(f'object.{member}')}" for member in members)
        yield f"{_INDENT}}}"
