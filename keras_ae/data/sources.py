"""Where events come from: the section `data` of an experiment, one class a source."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from keras_ae.data.jets import N_PIXELS
from keras_ae.data.scaling import N_FEATURES
from keras_ae.data.source import PACKAGE_PREFIX, SourceSettings, check_signal_names
from keras_ae.data.source import resolve_path as resolve_path
from keras_ae.errors import InputError


class _Source(SourceSettings):
    """What every source has."""

    #: Of one event, as the source gives it.
    event_shape: ClassVar[tuple[int, ...]]
    #: Features of the condition that the source offers to conditional models.
    condition_dim: ClassVar[int]


class _Files(_Source):
    """Background and signals from files.

    A path is taken from the working directory; `package:NAME` is a file of the sample that comes
    with keras-ae.
    """

    background: str
    signals: dict[str, str]

    @field_validator("signals")
    @classmethod
    def _check_names(cls, signals: dict[str, str]) -> dict[str, str]:
        check_signal_names(signals)
        return signals

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.background, *self.signals.values())


class L1Data(_Files):
    """Trigger events in the ADC2021 layout, see `data.l1`.

    Condition: numbers of filled electron, muon and jet slots, divided by 4, 4 and 8.
    """

    kind: Literal["l1"] = "l1"

    event_shape: ClassVar[tuple[int, ...]] = (N_FEATURES,)
    condition_dim: ClassVar[int] = 3


class JetData(_Files):
    """Jet images, see `data.jets`.

    Files are our own (`images`), or of the public top-tagging reference set (`top_tagging`), where
    background is what is not a signal and signals are the tops of their file. Pixels are raised to
    `power` (0.5 brings out the faint ones). Condition: (pT - 600 GeV) / 64 GeV.
    """

    kind: Literal["jets"]
    layout: Literal["images", "top_tagging"] = "images"
    power: float = Field(0.5, gt=0, le=1)

    event_shape: ClassVar[tuple[int, ...]] = (N_PIXELS, N_PIXELS, 1)
    condition_dim: ClassVar[int] = 1


class DigitsData(_Source):
    """scikit-learn's 8x8 digits, pixels in [0, 1]; the digit `anomaly` is the signal.

    Without an anomaly all ten are background. Condition: the digit, one of ten.
    """

    kind: Literal["digits"]
    anomaly: Annotated[int, Field(ge=0, le=9)] | None = None

    event_shape: ClassVar[tuple[int, ...]] = (8, 8, 1)
    condition_dim: ClassVar[int] = 10


class MnistData(DigitsData):
    """MNIST from the user's own file: Keras' mnist.npz, or a folder with the four idx files."""

    kind: Literal["mnist"]  # type: ignore[assignment]
    path: str

    event_shape: ClassVar[tuple[int, ...]] = (28, 28, 1)

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)


class ArrayData(_Source):
    """Events of a network of the user's own: an npz file of NumPy's, made by `np.savez`.

    `background` (events, ...) and, by any name, signals of the same shape, as the trigger sees
    them; of a second input, `NAME.condition` (events, ...) beside each.
    """

    kind: Literal["arrays"]
    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)


def _kind(content: Any) -> str:
    if isinstance(content, dict):
        return str(content.get("kind", "l1"))
    return str(getattr(content, "kind", "l1"))


#: What says where events come from.
Events = L1Data | JetData | DigitsData | MnistData | ArrayData

#: Any source; in YAML, `kind` is `l1` where it is not named.
Source = Annotated[
    Annotated[L1Data, Tag("l1")]
    | Annotated[JetData, Tag("jets")]
    | Annotated[DigitsData, Tag("digits")]
    | Annotated[MnistData, Tag("mnist")],
    Discriminator(_kind),
]

#: Those, and arrays, whose shape nobody knows before they are read.
AnySource = Annotated[
    Annotated[L1Data, Tag("l1")]
    | Annotated[JetData, Tag("jets")]
    | Annotated[DigitsData, Tag("digits")]
    | Annotated[MnistData, Tag("mnist")]
    | Annotated[ArrayData, Tag("arrays")],
    Discriminator(_kind),
]


def require_absolute_paths(source: Events) -> None:
    """For processes that have another working directory.

    Raises:
        InputError: a file of the data has a relative path.
    """
    for name in source.paths:
        if not name.startswith(PACKAGE_PREFIX) and not Path(name).is_absolute():
            raise InputError(
                "data must have absolute paths for workers on other machines, or be of the "
                f"package, got {name}"
            )


def data_fingerprint(
    source: Events,
) -> dict[str, str]:
    """SHA-256 of every file, to see whether the inputs of a stage have changed.

    Raises:
        FileNotFoundError: a file is missing.
    """
    fingerprint = {"scikit-learn": version("scikit-learn")} if source.kind == "digits" else {}
    for name in source.paths:
        path = resolve_path(name)
        parts = {f"{name}/{part.name}": part for part in path.iterdir()} if path.is_dir() else {}
        for key, file_path in (parts or {name: path}).items():
            with file_path.open("rb") as file:
                fingerprint[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return fingerprint
