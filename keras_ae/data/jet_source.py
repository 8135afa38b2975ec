"""Jet images as a source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from keras_ae.data.chunk import Chunk
from keras_ae.data.jets import N_PIXELS, JetImages, read_jet_images
from keras_ae.data.source import BACKGROUND, FileSource
from keras_ae.data.top_tagging import read_top_tagging
from keras_ae.front_end.front_end import FrontEnd, ImageWires


class JetData(FileSource):
    """Jet images, see `data.jets`.

    Files are our own (`images`), or of the public top-tagging reference set (`top_tagging`), where
    background is what is not a signal and signals are the tops of their file. Pixels are raised to
    `power` (0.5 brings out the faint ones). Condition: (pT - 600 GeV) / 64 GeV.
    """

    kind: Literal["jets"] = "jets"
    layout: Literal["images", "top_tagging"] = "images"
    power: float = Field(0.5, gt=0, le=1)

    condition_dim: ClassVar[int] = 1

    def default_front_end(self) -> FrontEnd | None:
        return FrontEnd(image=ImageWires(shape=(N_PIXELS, N_PIXELS, 1)))

    def read_sample(
        self, sample: str, path: Path, front_end: FrontEnd, n_events: int
    ) -> Iterator[Chunk]:
        if self.layout == "top_tagging":
            jets: JetImages = read_top_tagging(path, sample != BACKGROUND, self.max_events)
        else:
            jets = read_jet_images(path, self.max_events)
        for first in range(0, len(jets.images), n_events):
            part = slice(first, first + n_events)
            images = jets.images[part] ** self.power
            yield Chunk(
                images.reshape(len(images), -1).astype(np.float32),
                parents=jets.parents[part],
                condition=(jets.pt_gev[part, None] - 600) / 64,
                observables={"jet_mass": jets.mass_gev[part]},
            )
