"""Where events come from: the section `data` of an experiment, one class a source."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from keras_ae.data.jets import N_PIXELS
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd, ImageWires
from keras_ae.front_end.input_view import Counts
from keras_ae.front_end.presets import load_front_end

#: Samples that are not signals.
RESERVED_NAMES = ("background", "stress", "train", "validation", "test")

_PACKAGE_PREFIX = "package:"


class _Source(BaseModel):
    """Background is split in three: what training and validation leave is for the test."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    max_events: Annotated[int, Field(ge=10)] | None = None
    train_fraction: float = Field(0.5, gt=0, lt=1)
    validation_fraction: float = Field(0.2, gt=0, lt=1)

    #: Features of a condition that the source has of its own.
    condition_dim: ClassVar[int] = 0
    #: What a conditional model is given where it has none.
    counts: ClassVar[Counts | None] = None

    def default_front_end(self) -> FrontEnd | None:
        """What the wires carry where nothing else is said; None where that must be said."""
        return None

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
        for name in signals:
            if not name.isprintable() or not 0 < len(name) <= 16 or name in RESERVED_NAMES:
                raise InputError(
                    "signals must have names of 1 to 16 printable characters, other than "
                    f"{', '.join(RESERVED_NAMES)}, got {name!r}"
                )
        return signals

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.background, *self.signals.values())


class L1Data(_Files):
    """Trigger events in the ADC2021 layout, see `data.l1`.

    Condition: numbers of filled electron, muon and jet slots, divided by 4, 4 and 8.
    """

    kind: Literal["l1"] = "l1"

    #: By powers of two, so that they are exact in fixed point.
    counts: ClassVar[Counts | None] = Counts(shifts={"electron": 2, "muon": 2, "jet": 3})

    def default_front_end(self) -> FrontEnd | None:
        return load_front_end("adc2021")


class JetData(_Files):
    """Jet images, see `data.jets`.

    Files are our own (`images`), or of the public top-tagging reference set (`top_tagging`), where
    background is what is not a signal and signals are the tops of their file. Pixels are raised to
    `power` (0.5 brings out the faint ones). Condition: (pT - 600 GeV) / 64 GeV.
    """

    kind: Literal["jets"]
    layout: Literal["images", "top_tagging"] = "images"
    power: float = Field(0.5, gt=0, le=1)

    condition_dim: ClassVar[int] = 1

    def default_front_end(self) -> FrontEnd | None:
        return FrontEnd(image=ImageWires(shape=(N_PIXELS, N_PIXELS, 1)))


class DigitsData(_Source):
    """scikit-learn's 8x8 digits, pixels in [0, 1]; the digit `anomaly` is the signal.

    Without an anomaly all ten are background. Condition: the digit, one of ten.
    """

    kind: Literal["digits"]
    anomaly: Annotated[int, Field(ge=0, le=9)] | None = None

    #: Of an image, in pixels.
    size: ClassVar[int] = 8
    condition_dim: ClassVar[int] = 10

    def default_front_end(self) -> FrontEnd | None:
        return FrontEnd(image=ImageWires(shape=(self.size, self.size, 1)))


class MnistData(DigitsData):
    """MNIST from the user's own file: Keras' mnist.npz, or a folder with the four idx files."""

    kind: Literal["mnist"]  # type: ignore[assignment]
    path: str

    size: ClassVar[int] = 28

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


def resolve_path(path: str) -> Path:
    """Where a file of the configuration is, see `L1Data`."""
    if path.startswith(_PACKAGE_PREFIX):
        return Path(str(files("keras_ae") / "data" / "samples" / path[len(_PACKAGE_PREFIX) :]))
    return Path(path)


def require_absolute_paths(source: Events) -> None:
    """For processes that have another working directory.

    Raises:
        InputError: a file of the data has a relative path.
    """
    for name in source.paths:
        if not name.startswith(_PACKAGE_PREFIX) and not Path(name).is_absolute():
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
