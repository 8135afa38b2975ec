"""Images as a source: (events, height, width), with or without channels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from keras_ae.data.chunk import Chunk
from keras_ae.data.marks import MarkedSource
from keras_ae.data.stored_arrays import beside, choose_array, open_arrays
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd

#: Where pixels are added or left out: below and to the right, or on both sides alike, of an odd
#: number one more below and to the right.
Side = Literal["end", "both"]


class Images(MarkedSource):
    """Images of HDF5, npz or npy files: the array called `key`, or the only one of its kind.

    (events, H, W) or (events, H, W, C). Where the front end's image is larger, `pad` says where
    zeros are added, where it is smaller, `crop` what is left out: at the `end` or at `both` sides.
    """

    kind: Literal["images"] = "images"
    key: str | None = None
    pad: Side | None = None
    crop: Side | None = None

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError where the front end is of no image."""
        if front_end.image is None:
            raise InputError("front_end must have an image for data.kind 'images', got none")

    def read_file(self, path: Path, front_end: FrontEnd, n_events: int) -> Iterator[Chunk]:
        height, width, channels = front_end.event_shape
        with open_arrays(path) as arrays:
            stored = choose_array(
                path, arrays, self.key, (3, 4), "(events, height, width[, channels])"
            )
            shape = (*stored.shape[1:], 1)[:3]
            self._check_shape(path, shape, (height, width, channels))
            marks = {name: beside(path, arrays, name, len(stored)) for name in self.marks}
            for first in range(0, len(stored), n_events):
                events = slice(first, first + n_events)
                images = np.asarray(stored[events])
                images = images.reshape(len(images), *shape)
                for axis, size in ((1, height), (2, width)):
                    images = self._fit(images, axis, size)
                flat = images.reshape(len(images), height * width * channels)
                yield Chunk(flat, **self.marked(path, marks, events))

    def _check_shape(
        self, path: Path, shape: tuple[int, ...], wanted: tuple[int, int, int]
    ) -> None:
        """Raise InputError unless images become those of the front end as the user states."""
        text = " x ".join(map(str, wanted))
        got = " x ".join(map(str, shape))
        if shape[2] != wanted[2]:
            raise InputError(
                f"{path} must hold images of {wanted[2]} channels, as the front end's of {text}, "
                f"got {got}"
            )
        for there, needed in zip(shape[:2], wanted[:2], strict=True):
            for key, stated, is_so in (
                ("pad", self.pad, there < needed),
                ("crop", self.crop, there > needed),
            ):
                if is_so and stated is None:
                    raise InputError(
                        f"{path} must hold images of {text}, as the front end's, or {key} must be "
                        f"one of end, both, got {got}"
                    )

    def _fit(self, images: np.ndarray, axis: int, size: int) -> np.ndarray:
        """With `size` pixels along an axis."""
        more = size - images.shape[axis]
        side = self.pad if more > 0 else self.crop
        before = abs(more) // 2 if side == "both" else 0
        if more > 0:
            widths = [(0, 0)] * images.ndim
            widths[axis] = (before, more - before)
            return np.pad(images, widths)
        return np.take(images, range(before, before + size), axis=axis)
