"""Arrays of any shape as a source: events of a network of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from keras_ae.data.array_file import read_array_file
from keras_ae.data.chunk import Chunk
from keras_ae.data.source import EventSource, resolve_path
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd


class ArrayData(EventSource):
    """Events of a network of the user's own: an npz file of NumPy's, made by `np.savez`.

    `background` (events, ...) and, by any name, signals of the same shape, as the trigger sees
    them; of a second input, `NAME.condition` (events, ...) beside each.
    """

    kind: Literal["arrays"] = "arrays"
    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def arrays(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Events (events, ...) and condition (events, n) of each sample; see `read_array_file`."""
        return read_array_file(resolve_path(self.path), self.max_events)

    def read(self, front_end: FrontEnd) -> dict[str, Iterator[Chunk]]:
        found = self.arrays()

        def chunks(x: np.ndarray, condition: np.ndarray) -> Iterator[Chunk]:
            flat = x.reshape(len(x), -1)
            if flat.shape[1] != front_end.n_values:
                raise InputError(
                    f"{self.path} must hold {front_end.n_values} values an event, as many as the "
                    f"front end, got {flat.shape[1]}"
                )
            own = condition if condition.shape[1] else None
            yield Chunk(flat, is_hardware=front_end.is_hardware, condition=own)

        return {name: chunks(*arrays) for name, arrays in found.items()}
