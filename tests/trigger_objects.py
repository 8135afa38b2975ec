"""The front end of the samples that come with the package, and scalings of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_ae.front_end.input_view import ScaledView, ScalingQuantiles
from keras_ae.front_end.presets import load_front_end
from keras_ae.front_end.scaled_inputs import ScaledInput, ScaledInputs

FRONT_END = load_front_end("adc2021")
N_FEATURES = FRONT_END.n_values
PORT_FORMAT = FRONT_END.port_format


def hardware_of(objects: np.ndarray) -> np.ndarray:
    """Objects (events, 19, 4) of a file as the wires carry them, (events, 57)."""
    return FRONT_END.to_hardware(objects[:, :, :3].reshape(len(objects), N_FEATURES))


def fitted_scaler(events: np.ndarray, quantiles: ScalingQuantiles | None = None) -> ScaledInputs:
    """Fitted on hardware values (events, 57)."""
    return ScaledView(quantiles=quantiles or ScalingQuantiles()).fit(FRONT_END, events)


def scaler_by(offset: Sequence[int], shift: Sequence[int]) -> ScaledInputs:
    """Of given offsets and shifts; what has an offset is masked by the pT of its slot."""
    parts = (
        ScaledInput(column, moved, by, column - column % 3 if moved else None)
        for column, (moved, by) in enumerate(zip(offset, shift, strict=True))
    )
    return ScaledInputs(len(offset), tuple(parts))


#: Words of missing ET and two muons, as ports of their own.
PACKED: dict[str, Any] = {
    "packed": True,
    "objects": {
        "met": {
            "word_bits": 16,
            "fields": {"pt": {"format": "ufixed<9,9>", "low_bit": 3, "last_bit": 0.5}},
        },
        "muon": {
            "slots": 2,
            "word_bits": 64,
            "empty": "pt == 0",
            "order": "pt",
            "fields": {
                # Over the end of the first 32 bits.
                "pt": {"format": "ufixed<9,9>", "low_bit": 28, "last_bit": 0.5},
                "eta": {"format": "fixed<9,9>", "low_bit": 50, "last_bit": 0.01},
            },
        },
    },
}
