"""Where events come from: what every source has, and the registry of sources.

A source is one file of this folder: a subclass of `EventSource`, or of `FileSource` where events
lie in a file for the background and one for each signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from keras_ae.data.chunk import Chunk
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import Column, FrontEnd
from keras_ae.front_end.input_view import Counts
from keras_ae.section import Section

#: Events that are read at once.
CHUNK_EVENTS = 100_000

#: Of a section `data` that names none.
DEFAULT_KIND = "adc2021"

BACKGROUND = "background"
#: Samples that are not signals.
RESERVED_NAMES = (BACKGROUND, "stress", "train", "validation", "test")

PACKAGE_PREFIX = "package:"


class SourceSettings(Section):
    """Background is split in three: what training and validation leave is for the test."""

    max_events: Annotated[int, Field(ge=10)] | None = None
    train_fraction: float = Field(0.5, gt=0, lt=1)
    validation_fraction: float = Field(0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _check_fractions(self) -> Self:
        # 0.7 + 0.3 leaves a rounding.
        if self.test_fraction < 1e-9:
            raise InputError(
                "train_fraction + validation_fraction must be < 1, got "
                f"{self.train_fraction + self.validation_fraction:g}"
            )
        return self

    @property
    def test_fraction(self) -> float:
        """What is left of the background."""
        return 1 - self.train_fraction - self.validation_fraction

    @property
    def paths(self) -> tuple[str, ...]:
        """Files that it reads."""
        return ()


class EventSource(SourceSettings):
    """Where events come from. A subclass with a `kind` is registered under it, and its aliases."""

    kind: str

    #: Older names of its kind.
    aliases: ClassVar[tuple[str, ...]] = ()
    #: Libraries whose version decides what the events are.
    libraries: ClassVar[tuple[str, ...]] = ()
    #: Features of a condition that the source has of its own.
    condition_dim: ClassVar[int] = 0
    #: What a conditional model is given where it has none and nothing else is asked for.
    counts: ClassVar[Counts | None] = None

    def default_front_end(self) -> FrontEnd | None:
        """The front end of its events where the user states none; None where one must be."""
        return None

    def front_end_or_default(self, given: FrontEnd | None) -> FrontEnd | None:
        """What is given, or else that of its own if there is one."""
        return given or self.default_front_end()

    def require_front_end(self, given: FrontEnd | None) -> FrontEnd:
        """The same; raise InputError where there is none."""
        found = self.front_end_or_default(given)
        if found is None:
            raise InputError(
                f"front_end must be given for data.kind '{self.kind}', got none: say what the "
                "wires carry, such as {features: 20, format: 'fixed<16,6>'}"
            )
        return found

    def of_file(self, path: Path, max_events: int | None = None) -> EventSource:
        """Background of another file, read as its own are.

        Raises:
            InputError: a source whose background is no file of its own.
        """
        raise InputError(
            f"events of files must be like those of data with a file for the background, got data "
            f"of kind '{self.kind}'"
        )

    @field_validator("kind", mode="before")
    @classmethod
    def _without_alias(cls, kind: Any) -> Any:
        return cls.model_fields["kind"].default if kind in cls.aliases else kind

    @classmethod
    def class_for(cls, content: Any) -> type[EventSource]:
        """The class of the kind that a YAML file names, this one where it is none."""
        kind = content.get("kind") if isinstance(content, dict) else None
        return SOURCES.get(str(kind), cls)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        # Not a subclass that inherits its kind.
        if "kind" in cls.__annotations__:
            for name in (cls.model_fields["kind"].default, *cls.aliases):
                SOURCES[name] = cls

    def read(self, front_end: FrontEnd) -> dict[str, Iterator[Chunk]]:
        """Background, named so, and each signal by name: lazily, some events at a time.

        `values` of a chunk are (events, front_end.n_values), in the order of its columns.

        Raises:
            FileNotFoundError: a file is missing.
            ImportError: a library that reads the file is not installed.
            InputError: the source cannot fill the front end, a file is not as it says, or a sample
                holds no events. What only the content shows is raised by the iterators.
        """
        raise NotImplementedError


#: kind or alias -> source.
SOURCES: dict[str, type[EventSource]] = {}


def parse_source(content: Any) -> EventSource:
    """The source of `kind`, for pydantic: SOURCES grows by registration."""
    if isinstance(content, EventSource):
        return content
    if not isinstance(content, dict):
        raise InputError(f"data must be a mapping of keys, got {content!r}")
    kind = content.get("kind", DEFAULT_KIND)
    if kind not in tuple(SOURCES):
        raise InputError(f"data.kind must be one of {', '.join(SOURCES)}, got {kind!r}")
    return SOURCES[kind].model_validate({**content, "kind": kind})


class FileSource(EventSource):
    """Background and signals from a file each.

    A path is taken from the working directory; `package:NAME` is a file of the sample that comes
    with keras-ae.
    """

    background: str
    signals: dict[str, str] = Field(default={})

    @field_validator("signals")
    @classmethod
    def _check_names(cls, signals: dict[str, str]) -> dict[str, str]:
        check_signal_names(signals)
        return signals

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.background, *self.signals.values())

    def of_file(self, path: Path, max_events: int | None = None) -> EventSource:
        return self.model_copy(
            update={"background": str(path), "signals": {}, "max_events": max_events}
        )

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError where no file of this source could fill the front end."""

    def read_file(self, path: Path, front_end: FrontEnd, n_events: int) -> Iterator[Chunk]:
        """Events of one file, about `n_events` at a time."""
        raise NotImplementedError

    def read_sample(
        self, sample: str, path: Path, front_end: FrontEnd, n_events: int
    ) -> Iterator[Chunk]:
        """The same, where it matters of which sample the file is."""
        return self.read_file(path, front_end, n_events)

    def read(self, front_end: FrontEnd) -> dict[str, Iterator[Chunk]]:
        self.check(front_end)
        found = {}
        for name, text in {BACKGROUND: self.background, **self.signals}.items():
            subject = f"data.{name}" if name == BACKGROUND else f"data.signals.{name}"
            path = resolve_path(text)
            if not path.exists():
                raise FileNotFoundError(f"{subject}: event file not found: {path}")
            if path.is_dir():
                raise InputError(f"{subject}: {path} must be a file, got a directory")
            found[name] = self._chunks(name, path, front_end, subject)
        return found

    def _chunks(
        self, sample: str, path: Path, front_end: FrontEnd, subject: str
    ) -> Iterator[Chunk]:
        """Of one file no more than `max_events`, and errors that say which sample it is."""
        left = self.max_events
        n_found = 0
        n_events = CHUNK_EVENTS if left is None else min(CHUNK_EVENTS, left)
        try:
            for chunk in self.read_sample(sample, path, front_end, n_events):
                _check_width(path, chunk, front_end)
                kept = chunk if left is None else first_events(chunk, left - n_found)
                n_found += len(kept)
                if len(kept):
                    yield kept
                if n_found == left:
                    return
            if not n_found:
                raise InputError(f"{path} must hold at least one event, got 0")
        except (InputError, FileNotFoundError) as error:
            raise type(error)(f"{subject}: {error}") from error


def _check_width(path: Path, chunk: Chunk, front_end: FrontEnd) -> None:
    """Raise InputError unless events have a number for each column."""
    if chunk.values.shape[1:] != (front_end.n_values,):
        raise InputError(
            f"{path} must give {front_end.n_values} numbers an event, as many as the front end, "
            f"got events of shape {chunk.values.shape[1:]}"
        )


def check_signal_names(signals: Mapping[str, str]) -> None:
    """Raise InputError where a sample cannot be called so."""
    for name in signals:
        if not name.isprintable() or not 0 < len(name) <= 16 or name in RESERVED_NAMES:
            raise InputError(
                "signals must have names of 1 to 16 printable characters, other than "
                f"{', '.join(RESERVED_NAMES)}, got {name!r}"
            )


def first_events(chunk: Chunk, n_events: int) -> Chunk:
    """The first `n_events` of a chunk, or all that there are."""

    def cut(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[:n_events]

    return replace(
        chunk,
        values=chunk.values[:n_events],
        parents=cut(chunk.parents),
        labels=cut(chunk.labels),
        weights=cut(chunk.weights),
        condition=cut(chunk.condition),
        classes=cut(chunk.classes),
        observables={name: values[:n_events] for name, values in chunk.observables.items()},
    )


def check_columns(
    front_end: FrontEnd, n_slots: Mapping[str, int], fields: Mapping[str, tuple[str, ...]]
) -> None:
    """Raise InputError unless a source of fixed collections has every column of the front end.

    Args:
        front_end: what asks for columns.
        n_slots: of each collection that the source has.
        fields: names of the fields of each.
    """
    for name, kind in front_end.collections.items():
        if name not in n_slots:
            raise InputError(
                f"front_end.objects must name some of {', '.join(n_slots)}, which the data have, "
                f"got {name or 'features'!r}"
            )
        if kind.slots > n_slots[name]:
            raise InputError(
                f"front_end.objects.{name}.slots must be <= {n_slots[name]}, as many as the data "
                f"have, got {kind.slots}"
            )
        for field_name in kind.fields:
            if field_name not in fields[name]:
                raise InputError(
                    f"front_end.objects.{name}.fields must be some of {', '.join(fields[name])}, "
                    f"which the data have, got {field_name!r}"
                )


def fill(
    front_end: FrontEnd, n_events: int, values_of: Callable[[Column], np.ndarray | float]
) -> np.ndarray:
    """Values (events, n_values) in float64, column by column."""
    found = np.empty((n_events, front_end.n_values), np.float64)
    for column in front_end.columns:
        found[:, column.index] = values_of(column)
    return found


def resolve_path(path: str) -> Path:
    """Where a file of the configuration is, see `FileSource`."""
    if path.startswith(PACKAGE_PREFIX):
        return Path(str(files("keras_ae") / "data" / "samples" / path[len(PACKAGE_PREFIX) :]))
    return Path(path)
