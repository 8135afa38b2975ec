"""Digits as a source: scikit-learn's, and MNIST from the user's own file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from keras_ae.data.chunk import Chunk
from keras_ae.data.digits import load_digits, load_mnist
from keras_ae.data.source import BACKGROUND, EventSource, resolve_path
from keras_ae.front_end.front_end import FrontEnd, ImageWires


class DigitsData(EventSource):
    """scikit-learn's 8x8 digits, pixels in [0, 1]; the digit `anomaly` is the signal.

    Without an anomaly all ten are background. Condition: the digit, one of ten.
    """

    kind: Literal["digits"] = "digits"
    anomaly: Annotated[int, Field(ge=0, le=9)] | None = None

    #: Of an image, in pixels.
    size: ClassVar[int] = 8
    condition_dim: ClassVar[int] = 10
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    def default_front_end(self) -> FrontEnd | None:
        return FrontEnd(image=ImageWires(shape=(self.size, self.size, 1)))

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (events, height, width, 1) and digits (events,)."""
        return load_digits()

    def read(self, front_end: FrontEnd) -> dict[str, Iterator[Chunk]]:
        images, labels = (part[: self.max_events] for part in self.load())
        is_signal = labels == self.anomaly
        samples = {BACKGROUND: ~is_signal}
        if self.anomaly is not None:
            samples[f"digit {self.anomaly}"] = is_signal

        def chunks(chosen: np.ndarray) -> Iterator[Chunk]:
            x, digits = images[chosen], labels[chosen]
            yield Chunk(
                x.reshape(len(x), -1),
                parents=np.flatnonzero(chosen),
                labels=digits,
                condition=np.eye(10)[digits],
            )

        return {name: chunks(chosen) for name, chosen in samples.items()}


class MnistData(DigitsData):
    """MNIST from the user's own file: Keras' mnist.npz, or a folder with the four idx files."""

    kind: Literal["mnist"] = "mnist"  # type: ignore[assignment]
    path: str

    size: ClassVar[int] = 28
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        return load_mnist(resolve_path(self.path))
