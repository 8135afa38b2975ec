"""Background in three parts and signals, as the trigger sees them: hardware integers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sklearn.model_selection import GroupShuffleSplit

from keras_ae.data.l1 import L1Events, read_l1_events
from keras_ae.data.scaling import HardwareUnits
from keras_ae.errors import InputError

#: Samples that are not signals.
RESERVED_NAMES = ("background", "stress")

_PACKAGE_PREFIX = "package:"


class L1Data(BaseModel):
    """Files in the ADC2021 layout.

    A path is taken from the working directory; `package:NAME` is a file of the sample that comes
    with keras-ae. The rest of the background, after training and validation, is for the test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    background: str
    signals: dict[str, str]
    max_events: Annotated[int, Field(ge=10)] | None = None
    train_fraction: float = Field(0.5, gt=0, lt=1)
    validation_fraction: float = Field(0.2, gt=0, lt=1)

    @field_validator("signals")
    @classmethod
    def _check_names(cls, signals: dict[str, str]) -> dict[str, str]:
        for name in signals:
            if not name.isprintable() or not 0 < len(name) <= 16 or name in RESERVED_NAMES:
                raise InputError(
                    "signals must have names of 1 to 16 printable characters, other than "
                    f"{' and '.join(RESERVED_NAMES)}, got {name!r}"
                )
        return signals

    @model_validator(mode="after")
    def _check_fractions(self) -> Self:
        if self.test_fraction <= 0:
            raise InputError(
                "train_fraction + validation_fraction must be < 1, got "
                f"{self.train_fraction + self.validation_fraction:g}"
            )
        return self

    @property
    def test_fraction(self) -> float:
        """What is left of the background."""
        return 1 - self.train_fraction - self.validation_fraction


@dataclass(frozen=True)
class L1Dataset:
    """Integers (events, 57) int32: background in three parts, signals by name."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    signals: Mapping[str, np.ndarray]


def load_l1_dataset(settings: L1Data, units: HardwareUnits, seed: int) -> L1Dataset:
    """Read and split the files; hadronizations of one parton-level event stay together.

    Raises:
        FileNotFoundError: a file is missing.
        InputError: a file that is not in the layout, or too few events to split.
    """
    background = _read("background", settings.background, settings.max_events)
    rest, test = _split(background, settings.test_fraction, seed)
    train, validation = _split(
        rest, settings.validation_fraction / (1 - settings.test_fraction), seed
    )
    return L1Dataset(
        train=units.to_integers(train.objects),
        validation=units.to_integers(validation.objects),
        test=units.to_integers(test.objects),
        signals={
            name: units.to_integers(read_l1_events(resolve_path(path), settings.max_events).objects)
            for name, path in settings.signals.items()
        },
    )


def data_fingerprint(settings: L1Data) -> dict[str, str]:
    """SHA-256 of every file, to see whether the inputs of a stage have changed.

    Raises:
        FileNotFoundError: a file is missing.
    """
    fingerprint = {}
    for name in (settings.background, *settings.signals.values()):
        with resolve_path(name).open("rb") as file:
            fingerprint[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return fingerprint


def resolve_path(path: str) -> Path:
    """Where a file of the configuration is, see `L1Data`."""
    if path.startswith(_PACKAGE_PREFIX):
        return Path(str(files("keras_ae") / "data" / "samples" / path[len(_PACKAGE_PREFIX) :]))
    return Path(path)


def _read(key: str, path: str, max_events: int | None) -> L1Events:
    try:
        return read_l1_events(resolve_path(path), max_events)
    except (InputError, FileNotFoundError) as error:
        raise type(error)(f"data.{key}: {error}") from error


def _split(events: L1Events, fraction: float, seed: int) -> tuple[L1Events, L1Events]:
    n_parents = len(np.unique(events.parents))
    if n_parents < 4:
        raise InputError(f"background must hold at least 4 independent events, got {n_parents}")
    splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    first, second = next(splitter.split(events.parents, groups=events.parents))
    return events.take(first), events.take(second)
