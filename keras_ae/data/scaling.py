"""Physical units -> hardware integers -> network inputs, exactly.

A trigger sees integers: `HardwareUnits` states their least significant bits. `L1Scaler` turns them
into network inputs by an offset and a power of two for each class of objects, so that in firmware
it costs a subtraction and no multiplication. The same scaler works on numpy arrays here and, with
the same numbers, in the trigger graph and its firmware.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from keras_ae.arrays import check_finite
from keras_ae.data.l1 import N_OBJECTS, OBJECT_CLASSES
from keras_ae.errors import InputError
from keras_ae.files import write_text
from keras_ae.fixed_point import FixedPointFormat

#: Network inputs of an event, slot by slot.
FEATURES = ("pt", "eta", "phi")
N_FEATURES = N_OBJECTS * len(FEATURES)


class HardwareUnits(BaseModel):
    """Least significant bits of the trigger's integers, and their width.

    The defaults are of the size that the CMS Global Trigger uses: 0.5 GeV, 0.087/2 and 2 pi/144.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    pt_lsb_gev: float = Field(0.5, gt=0)
    eta_lsb: float = Field(0.0435, gt=0)
    phi_lsb: float = Field(2 * math.pi / 144, gt=0)
    n_bits: int = Field(13, ge=8, le=16)

    @property
    def format(self) -> FixedPointFormat:
        """Of every input of the firmware: a signed integer."""
        return FixedPointFormat(self.n_bits, self.n_bits)

    def to_integers(self, objects: np.ndarray) -> np.ndarray:
        """Round objects (events, 19, 4) to integers (events, 57) int32: pt, eta, phi by slot.

        Values beyond the format saturate; empty slots are zero.

        Raises:
            InputError: another shape, or values that are not finite.
        """
        if objects.ndim != 3 or objects.shape[1:] != (N_OBJECTS, 4):
            raise InputError(
                f"objects must have shape (events, {N_OBJECTS}, 4), got {objects.shape}"
            )
        check_finite(objects, "objects")
        lsb = np.array([self.pt_lsb_gev, self.eta_lsb, self.phi_lsb])
        integers = self.format.quantize(objects[:, :, :3] / lsb)
        # Also where a small pT rounds to zero: an empty slot is zero in all its integers.
        integers[integers[:, :, 0] <= 0] = 0
        return integers.astype(np.int32).reshape(len(objects), N_FEATURES)


class ScalingQuantiles(BaseModel):
    """Quantiles of the background that the scaler is fitted to, over the filled slots of a class.

    `pt_offset` of the pT is subtracted; at 0, the default, that is the threshold of the class.
    `pt_spread` of pT - offset, and `angle_spread` of |eta| and |phi|, become 1 at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    pt_offset: float = Field(0.0, ge=0, le=1)
    pt_spread: float = Field(0.5, ge=0, le=1)
    angle_spread: float = Field(0.9, ge=0, le=1)


@dataclass(frozen=True)
class L1Scaler:
    """x = (integer - offset) / 2^shift for filled slots, 0 for empty ones (pT = 0).

    `offset` and `shift` are integers for each of the 57 features, equal within a class of objects.
    An empty slot is zero in all its integers, so that only a feature with an offset needs a mask.
    """

    offset: tuple[int, ...]
    shift: tuple[int, ...]

    @classmethod
    def fit(cls, integers: np.ndarray, quantiles: ScalingQuantiles) -> L1Scaler:
        """Fit on background integers (events, 57), class by class, over filled slots.

        Raises:
            InputError: no events, or another number of features.
        """
        _check_shape(integers)
        if len(integers) == 0:
            raise InputError("background must hold at least one event, got 0")
        slots = integers.reshape(-1, N_OBJECTS, len(FEATURES))
        filled = slots[:, :, 0] > 0
        offset = np.zeros((N_OBJECTS, len(FEATURES)), int)
        shift = np.zeros((N_OBJECTS, len(FEATURES)), int)
        for kind in OBJECT_CLASSES:
            values = slots[:, kind.slots][filled[:, kind.slots]]
            if len(values) == 0:
                continue
            # eta and phi are symmetric.
            offset[kind.slots, 0] = round(np.quantile(values[:, 0], quantiles.pt_offset))
            distance = np.abs(values - offset[kind.first_slot])
            spread = [
                np.quantile(distance[:, 0], quantiles.pt_spread),
                *np.quantile(distance[:, 1:], quantiles.angle_spread, axis=0),
            ]
            shift[kind.slots] = np.ceil(np.log2(np.maximum(spread, 1)))
        return cls(tuple(offset.ravel().tolist()), tuple(shift.ravel().tolist()))

    def transform(self, integers: np.ndarray) -> np.ndarray:
        """Network inputs (events, 57) float32, exact, of integers (events, 57).

        Raises:
            InputError: another number of features.
        """
        _check_shape(integers)
        scaled = (integers - np.array(self.offset)) * 2.0 ** -np.array(self.shift)
        filled = np.repeat(integers[:, :: len(FEATURES)] > 0, len(FEATURES), axis=1)
        kept = filled | (np.array(self.offset) == 0)
        return np.where(kept, scaled, 0.0).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> L1Scaler:
        """Read what `save` wrote.

        Raises:
            InputError: the file is damaged.
        """
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple(stored["offset"]), tuple(stored["shift"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} must hold a scaler's offset and shift: {error}") from error


def _check_shape(integers: np.ndarray) -> None:
    if integers.ndim != 2 or integers.shape[1] != N_FEATURES:
        raise InputError(f"integers must have shape (events, {N_FEATURES}), got {integers.shape}")
