"""What a pipeline of RTL is, in numbers, as its project holds them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_ae.errors import ProofError
from keras_ae.files import write_text

_FILE_NAME = "design.json"
#: What to do about a project that was changed or damaged.
RTL_REMEDY = "'keras-ae rtl' writes the project again"


@dataclass(frozen=True)
class RtlDesign:
    """A pipeline that takes an event in every cycle.

    `latency_cycles` from an event to its result; `estimated_lut` and `register_bits` are da4ml's
    estimates, before synthesis. `adder_bits` are the widths of all `n_adders`, constants and
    subtracters among them.
    """

    latency_cycles: int
    estimated_lut: float
    register_bits: int
    n_adders: int
    adder_bits: int

    @property
    def timing(self) -> dict[str, Any]:
        """Latency and initiation interval, as a `ResourceReport` has them."""
        cycles = self.latency_cycles
        return {
            "latency_cycles_min": cycles,
            "latency_cycles_max": cycles,
            "interval_min": 1,
            "interval_max": 1,
        }

    def write(self, folder: Path) -> None:
        """Into the project in `folder`."""
        write_text(folder / _FILE_NAME, json.dumps(asdict(self), indent=2) + "\n")


def read_design(folder: Path) -> RtlDesign:
    """Of the project in `folder`.

    Raises:
        FileNotFoundError: the folder holds no project.
        ProofError: its file is damaged.
    """
    path = folder / _FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"RTL project not found: {folder} must hold {_FILE_NAME}")
    try:
        return RtlDesign(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ProofError(f"{path} must say what the RTL is: {RTL_REMEDY}") from error
