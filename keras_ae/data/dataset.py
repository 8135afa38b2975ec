"""Background in three parts and signals, from any source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from keras_ae.data.array_file import BACKGROUND, read_array_file
from keras_ae.data.digits import load_digits, load_mnist
from keras_ae.data.jets import JetImages, read_jet_images
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.sources import (
    ArrayData,
    DigitsData,
    Events,
    JetData,
    L1Data,
    MnistData,
    resolve_path,
)
from keras_ae.data.top_tagging import read_top_tagging
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.input_view import Counts
from keras_ae.front_end.presets import load_front_end


@dataclass(frozen=True)
class Sample:
    """Events of one kind: `x` (events, ...), `condition` (events, condition_dim).

    `parents`: events of equal parent stay on one side of a split. `labels`: what they are, where
    that is known. `observables`: what one would cut on without a network, by name, (events,).
    """

    x: np.ndarray
    condition: np.ndarray
    parents: np.ndarray
    labels: np.ndarray | None = None
    observables: Mapping[str, np.ndarray] = field(default_factory=dict)

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


def load_dataset(
    source: Events, front_end: FrontEnd | None, seed: int, counts: Counts | None = None
) -> Dataset:
    """Read and split a source; events of one parent stay together.

    Args:
        source: of the events.
        front_end: what the wires carry: events are its hardware values. Without one they are as
            the source has them, and so they are where it states no formats.
        seed: of the split.
        counts: the condition, where the source has none of its own.

    Raises:
        FileNotFoundError: a file is missing.
        InputError: a file that is not in its layout, or too few events to split.
    """
    background, signals = _read(source, front_end, counts)
    rest, test = _split(background, source.test_fraction, seed)
    train, validation = _split(rest, source.validation_fraction / (1 - source.test_fraction), seed)
    return Dataset(train, validation, test, signals)


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


def _read(
    source: Events, front_end: FrontEnd | None, counts: Counts | None
) -> tuple[Sample, dict[str, Sample]]:
    """All background, and the signals."""
    if isinstance(source, DigitsData):
        return _read_digits(source)
    if isinstance(source, ArrayData):
        return _read_arrays(source)
    samples = {}
    for name, path in {"background": source.background, **source.signals}.items():
        try:
            if isinstance(source, JetData):
                samples[name] = _read_jets(source, path, signal=name != "background")
            else:
                wires = front_end or load_front_end("adc2021")
                samples[name] = _read_l1(source, path, wires, counts)
        except (InputError, FileNotFoundError) as error:
            key = name if name == "background" else f"signals.{name}"
            raise type(error)(f"data.{key}: {error}") from error
    return samples.pop("background"), samples


def _read_l1(source: L1Data, path: str, front_end: FrontEnd, counts: Counts | None) -> Sample:
    events = read_l1_events(resolve_path(path), source.max_events)
    values = events.objects[:, :, :3].reshape(len(events), -1)
    hardware = front_end.to_hardware(values)
    n_filled = {name: front_end.n_filled(hardware, name) for name in ("electron", "muon", "jet")}
    return Sample(
        hardware,
        np.zeros((len(events), 0)) if counts is None else counts.of(front_end, hardware),
        events.parents,
        events.process,
        {
            "n_objects": np.sum(list(n_filled.values()), axis=0),
            "n_leptons": n_filled["electron"] + n_filled["muon"],
        },
    )


def _read_jets(source: JetData, path: str, signal: bool) -> Sample:
    if source.layout == "top_tagging":
        jets: JetImages = read_top_tagging(resolve_path(path), signal, source.max_events)
    else:
        jets = read_jet_images(resolve_path(path), source.max_events)
    return Sample(
        (jets.images[..., None] ** source.power).astype(np.float32),
        (jets.pt_gev[:, None] - 600) / 64,
        jets.parents,
        None,
        {"jet_mass": jets.mass_gev},
    )


def _read_digits(source: DigitsData) -> tuple[Sample, dict[str, Sample]]:
    if isinstance(source, MnistData):
        images, labels = load_mnist(resolve_path(source.path))
    else:
        images, labels = load_digits()
    images, labels = images[: source.max_events], labels[: source.max_events]
    sample = Sample(images, np.eye(10)[labels], np.arange(len(images)), labels)
    if source.anomaly is None:
        return sample, {}
    is_signal = labels == source.anomaly
    return (
        sample.take(np.flatnonzero(~is_signal)),
        {f"digit {source.anomaly}": sample.take(np.flatnonzero(is_signal))},
    )


def _read_arrays(source: ArrayData) -> tuple[Sample, dict[str, Sample]]:
    found = read_array_file(resolve_path(source.path), source.max_events)
    samples = {
        name: Sample(x, condition, np.arange(len(x))) for name, (x, condition) in found.items()
    }
    return samples.pop(BACKGROUND), samples


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
