"""Background in three parts and signals, from any source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from keras_ae.audit.audit import Audit
from keras_ae.data.array_source import ArrayData
from keras_ae.data.chunk import Chunk
from keras_ae.data.observables import observables
from keras_ae.data.source import BACKGROUND, EventSource
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.input_view import Counts
from keras_ae.metrics import numbered


@dataclass(frozen=True)
class Sample:
    """Events of one kind: `x` (events, ...), `condition` (events, condition_dim).

    `parents`: events of equal parent stay on one side of a split. `labels`: what they are, where
    that is known. `observables`: what one would cut on without a network, by name, (events,).
    `weights`: of the events, where the data have them.
    """

    x: np.ndarray
    condition: np.ndarray
    parents: np.ndarray
    labels: np.ndarray | None = None
    observables: Mapping[str, np.ndarray] = field(default_factory=dict)
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: np.ndarray) -> Sample:
        """The events at `index`."""
        return Sample(
            self.x[index],
            self.condition[index],
            self.parents[index],
            None if self.labels is None else self.labels[index],
            {name: values[index] for name, values in self.observables.items()},
            None if self.weights is None else self.weights[index],
        )


@dataclass(frozen=True)
class Dataset:
    """Background in three parts, signals by name."""

    train: Sample
    validation: Sample
    test: Sample
    signals: Mapping[str, Sample]

    @property
    def tested(self) -> dict[str, Sample]:
        """Background of the test, and signals."""
        return {"background": self.test, **self.signals}

    @property
    def parents(self) -> dict[str, np.ndarray]:
        """Of the events of `tested`, (events,) each, numbered from 0 on."""
        return {name: numbered(sample.parents) for name, sample in self.tested.items()}


def load_dataset(
    source: EventSource,
    front_end: FrontEnd | None,
    seed: int,
    counts: Counts | None = None,
    audit: Audit | None = None,
) -> Dataset:
    """Read and split a source; events of one parent stay together.

    Args:
        source: of the events.
        front_end: what the wires carry: events are its hardware values. Without one, that of the
            source; where there is none either, arrays are as they come.
        seed: of the split.
        counts: the condition, where the source has none of its own.
        audit: of the front end, which looks at all events.

    Raises:
        FileNotFoundError: a file is missing.
        InputError: a file that is not in its layout, no front end for data that need one, or too
            few events to split.
    """
    samples = read_samples(source, front_end, counts, audit)
    background, signals = samples.pop(BACKGROUND), samples
    rest, test = _split(background, source.test_fraction, seed)
    train, validation = _split(rest, source.validation_fraction / (1 - source.test_fraction), seed)
    return Dataset(train, validation, test, signals)


def read_samples(
    source: EventSource,
    front_end: FrontEnd | None,
    counts: Counts | None = None,
    audit: Audit | None = None,
) -> dict[str, Sample]:
    """All events of a source, `background` and signals by name; raises as `load_dataset` does."""
    wires = source.front_end_or_default(front_end)
    if wires is None and isinstance(source, ArrayData):
        return _as_they_come(source)
    wires = source.require_front_end(wires)
    samples = {}
    for name, chunks in source.read(wires).items():
        if audit is not None:
            chunks = _audited(chunks, audit, name)
        samples[name] = _joined(chunks, wires, counts)
    return samples


def halves(sample: Sample, seed: int) -> tuple[Sample, Sample]:
    """A sample in two of about the same size; events of one parent stay together.

    Raises:
        InputError: fewer than 2 independent events.
    """
    n_parents = len(np.unique(sample.parents))
    if n_parents < 2:
        raise InputError(f"sample must hold at least 2 independent events, got {n_parents}")
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.5, random_state=seed)
    first, second = next(splitter.split(sample.parents, groups=sample.parents))
    return sample.take(first), sample.take(second)


def _as_they_come(source: ArrayData) -> dict[str, Sample]:
    """Arrays of any shape."""
    return {
        name: Sample(x, condition, np.arange(len(x)))
        for name, (x, condition) in source.arrays().items()
    }


def _audited(chunks: Iterator[Chunk], audit: Audit, sample: str) -> Iterator[Chunk]:
    """The same chunks, seen by an audit, as the wires carry their events."""
    for chunk in chunks:
        hardware = audit.add(sample, chunk.values, chunk.is_hardware, chunk.classes)
        yield replace(chunk, values=hardware, is_hardware=True)


def _joined(chunks: Iterator[Chunk], front_end: FrontEnd, counts: Counts | None) -> Sample:
    """All chunks of a sample, as the wires carry their events."""
    parts = [_in_hardware(chunk, front_end) for chunk in chunks]
    hardware = np.concatenate([part.values for part in parts])
    condition = _concatenated(part.condition for part in parts)
    if condition is None:
        condition = np.zeros((len(hardware), 0))
        if counts is not None:
            condition = counts.of(front_end, hardware)
    parents = _concatenated(part.parents for part in parts)
    of_source = {
        name: np.concatenate([part.observables[name] for part in parts])
        for name in parts[0].observables
    }
    return Sample(
        hardware.reshape(len(hardware), *front_end.event_shape),
        condition,
        np.arange(len(hardware)) if parents is None else parents,
        _concatenated(part.labels for part in parts),
        observables(front_end, hardware) | of_source,
        _concatenated(part.weights for part in parts),
    )


def _in_hardware(chunk: Chunk, front_end: FrontEnd) -> Chunk:
    values = chunk.values
    if not chunk.is_hardware:
        values = front_end.to_hardware(values)
    return replace(chunk, values=values.astype(front_end.dtype), is_hardware=True)


def _concatenated(parts: Iterable[np.ndarray | None]) -> np.ndarray | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None


def _split(sample: Sample, fraction: float, seed: int) -> tuple[Sample, Sample]:
    n_parents = len(np.unique(sample.parents))
    if n_parents < 4:
        raise InputError(f"background must hold at least 4 independent events, got {n_parents}")
    if not 1 <= round(fraction * n_parents) < n_parents:
        raise InputError(
            f"train_fraction, validation_fraction and what they leave must each be at least one of "
            f"{n_parents} independent background events, got a part of {fraction:.3g}"
        )
    splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    first, second = next(splitter.split(sample.parents, groups=sample.parents))
    return sample.take(first), sample.take(second)
