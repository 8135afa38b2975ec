"""In words, what a proof has found and what to do where it fails."""

from __future__ import annotations

from collections.abc import Sequence

from hls.proof.rtl_report import RtlReport
from hls.proof.validate import Validation
from keras_ae.runs import Run


def shortened(names: Sequence[str], n_shown: int = 3) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return ", ".join(names[:n_shown]) + more


def what_differs(validation: Validation, run: Run) -> str:
    """Where firmware and reference part, and what to do."""
    found = ["firmware and quantized model must be the same function, but differ"]
    for level, (sample, first) in validation.divergences.items():
        if level == "keras" and not validation.keras_is_off:
            continue
        found.append(
            f"{level} first in layer {first.layer}, element {first.element}, event {first.event} "
            f"of {sample}: expected {first.expected_bits}, got {first.found_bits} in {first.format}"
        )
    if validation.altered:
        found.append(f"constants that are not the model's: {', '.join(validation.altered)}")
    return "; ".join([*found, f"'keras-ae convert {run.folder}' writes the project again"])


def what_was_simulated(report: RtlReport) -> str:
    """Events, bits and cycles of RTL."""
    cycles = ", ".join(map(str, report.latency_cycles))
    return (
        f"events simulated: {report.events}   mismatching bits: {report.mismatching_bits}   "
        f"latency: {cycles} cycles, an event in each"
    )


def how_rtl_differs(report: RtlReport, run: Run) -> str:
    """What does not hold, and where to read on."""
    return (
        "RTL and quantized model must be the same function, with a latency of "
        f"{report.stated_latency_cycles} cycles, but differ; see {run.rtl_path}"
    )
