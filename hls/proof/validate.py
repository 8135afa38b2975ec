"""The proof: exact reference, quantized Keras and C-simulation, every event, every output bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hls.cpp.constants import altered_constants, check_copies, read_rows
from hls.cpp.csim import Simulation
from hls.cpp.ports import BENCH_INPUTS, BENCH_OUTPUTS, check_port_types
from hls.graph.interface import REMEDY, read_interface
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from hls.proof.comparison import (
    Comparison,
    HardwareValues,
    compare_outputs,
    events_that_differ,
)
from hls.proof.divergence import Divergence, firmware_divergence, keras_divergence
from hls.proof.keras_rounding import beyond_rounding
from keras_ae.errors import InputError, ProofError
from keras_ae.fixed_point import FixedPointFormat


@dataclass(frozen=True)
class Validation:
    """Each evaluation against the exact reference.

    `firmware`: C-simulation by sample; `bench`: the project's own test bench on its own events;
    `keras` by sample. `inexact_layers` of Keras have sums too wide for float32: Keras may round
    there, and only then may it differ from the reference. `keras_beyond_rounding`: only the events
    of `keras` that this does not explain. `outputs` are the firmware's, by sample, `reference`
    those of the exact reference. `altered`: constants of the project that are not the graph's,
    whether an event shows it or not. `divergences`: of the firmware and of Keras, where the first
    event that differs first does; the sample's name comes first. `events_per_second` of
    C-simulation.
    """

    firmware: Mapping[str, Comparison]
    bench: Comparison
    keras: Mapping[str, Comparison]
    keras_beyond_rounding: Mapping[str, Comparison]
    inexact_layers: tuple[str, ...]
    altered: tuple[str, ...]
    outputs: Mapping[str, TriggerOutput]
    reference: Mapping[str, TriggerOutput]
    divergences: Mapping[str, tuple[str, Divergence]]
    events_per_second: float

    @property
    def events(self) -> int:
        """Events that were compared."""
        return sum(comparison.events for comparison in self.firmware.values())

    @property
    def is_proved(self) -> bool:
        """Whether no bit and no constant differs."""
        return not self.mismatching_bits and not self.altered

    @property
    def keras_is_off(self) -> bool:
        """Whether Keras differs from the reference by more than its rounding."""
        return any(found.mismatching_events for found in self.keras_beyond_rounding.values())

    @property
    def mismatching_bits(self) -> int:
        """Of all comparisons; Keras counts where it does more than round."""
        compared = [*self.firmware.values(), self.bench, *self.keras_beyond_rounding.values()]
        return sum(comparison.mismatching_bits for comparison in compared)

    def as_dict(self) -> dict[str, Any]:
        """The comparisons as plain data."""
        return {
            "firmware": {name: asdict(found) for name, found in self.firmware.items()},
            "bench": asdict(self.bench),
            "keras": {name: asdict(found) for name, found in self.keras.items()},
            "keras_beyond_rounding": {
                name: asdict(found) for name, found in self.keras_beyond_rounding.items()
            },
            "inexact_in_keras": list(self.inexact_layers),
            "altered_constants": list(self.altered),
            "divergences": {
                level: {"sample": sample, **asdict(divergence)}
                for level, (sample, divergence) in self.divergences.items()
            },
        }


def validate_project(
    graph: TriggerGraph,
    folder: Path,
    samples: Mapping[str, HardwareValues] | Iterable[tuple[str, HardwareValues]],
) -> Validation:
    """Compare the project in `folder` and Keras with the exact reference.

    Args:
        graph: the trigger graph that the project was made of.
        folder: the HLS project.
        samples: hardware values by name; or pairs of both, of which those of one name are parts of
            one sample, so that not all events need be in memory at once.

    Raises:
        FileNotFoundError: the folder holds no project.
        InputError: no g++, or no events.
        ProofError: the project does not compile, has other ports than the graph, would show
            synthesis other constants than simulation, or its test bench other expected results than
            the reference.
    """
    folder = Path(folder)
    check_copies(folder)
    interface = graph.interface
    if read_interface(folder) != interface:
        raise ProofError(f"{folder} must have the ports of its trigger graph, but differs")
    check_port_types(folder, interface)
    altered = altered_constants(folder, graph)
    formats = {name: graph.grids[name].format for name in graph.score_names}
    tally = _Tally(graph, formats)
    # What is quick comes first.
    expected = bench_reference(folder, graph)
    with Simulation(folder) as simulation:
        bench = compare_outputs(expected, simulation.run_bench(), formats)
        for name, values in samples.items() if isinstance(samples, Mapping) else samples:
            values = (values,) if isinstance(values, np.ndarray) else values
            reference = graph.evaluate(*values)
            firmware, in_keras = simulation.run(*values), graph.evaluate_in_keras(*values)
            tally.add(name, values, reference, firmware, in_keras)
        speed = simulation.events_per_second
    if not any(comparison.events for comparison in tally.firmware.values()):
        raise InputError("samples must hold at least one event, got none: nothing would be proved")
    return Validation(
        tally.firmware,
        bench,
        tally.keras,
        tally.keras_beyond_rounding,
        graph.inexact_in_float32,
        altered,
        {name: TriggerOutput.join(parts) for name, parts in tally.outputs.items()},
        {name: TriggerOutput.join(parts) for name, parts in tally.reference.items()},
        _divergences(graph, folder, tally.first),
        speed,
    )


@dataclass
class _Tally:
    """What has been compared so far, by sample."""

    graph: TriggerGraph
    formats: Mapping[str, FixedPointFormat]
    firmware: dict[str, Comparison] = field(default_factory=dict)
    keras: dict[str, Comparison] = field(default_factory=dict)
    keras_beyond_rounding: dict[str, Comparison] = field(default_factory=dict)
    outputs: dict[str, list[TriggerOutput]] = field(default_factory=dict)
    reference: dict[str, list[TriggerOutput]] = field(default_factory=dict)
    #: Of firmware and Keras, the first event that differs: sample, number, values.
    first: dict[str, tuple[str, int, HardwareValues]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        values: HardwareValues,
        reference: TriggerOutput,
        firmware: TriggerOutput,
        in_keras: TriggerOutput,
    ) -> None:
        """Compare a part of a sample."""
        self.outputs.setdefault(name, []).append(firmware)
        self.reference.setdefault(name, []).append(reference)
        for level, comparisons, found in (
            ("firmware", self.firmware, firmware),
            ("keras", self.keras, in_keras),
            (
                "keras_beyond_rounding",
                self.keras_beyond_rounding,
                self._without_rounding(values, reference, in_keras),
            ),
        ):
            before = comparisons.get(name, Comparison(0, 0, 0))
            comparison = compare_outputs(reference, found, self.formats)
            comparisons[name] = before + comparison
            first = comparison.first_mismatching_event
            if first is not None and level not in self.first:
                one = tuple(part[first : first + 1] for part in values)
                self.first[level] = name, before.events + first, one

    def _without_rounding(
        self, values: HardwareValues, reference: TriggerOutput, in_keras: TriggerOutput
    ) -> TriggerOutput:
        """Keras' results, with those of the reference for events that float32 explains."""
        suspects = np.flatnonzero(events_that_differ(reference, in_keras))
        if not len(suspects):
            return in_keras
        suspected = tuple(part[suspects] for part in values)
        rounded = suspects[~beyond_rounding(self.graph.keras_model, self.graph, suspected)]
        found = TriggerOutput(
            {name: scores.copy() for name, scores in in_keras.scores.items()},
            {name: fired.copy() for name, fired in in_keras.bits.items()},
        )
        for name, scores in found.scores.items():
            scores[rounded] = reference.scores[name][rounded]
        for name, fired in found.bits.items():
            fired[rounded] = reference.bits[name][rounded]
        return found


def _divergences(
    graph: TriggerGraph, folder: Path, first: Mapping[str, tuple[str, int, HardwareValues]]
) -> dict[str, tuple[str, Divergence]]:
    """Where they part. What cannot be located is left out: that it differs is known."""
    found = {}
    # Of what float32 does not explain, if there is any.
    if "keras_beyond_rounding" in first:
        first = {**first, "keras": first["keras_beyond_rounding"]}
    for level in ("firmware", "keras"):
        if level not in first:
            continue
        sample, event, values = first[level]
        try:
            divergence = (
                firmware_divergence(graph, folder, event, values)
                if level == "firmware"
                else keras_divergence(graph, event, values)
            )
        except (ProofError, OSError, LookupError, ValueError) as error:
            warnings.warn(f"the first layer that differs was not found: {error}", stacklevel=2)
            continue
        if divergence is not None:
            found[level] = sample, divergence
    return found


def bench_reference(folder: Path, graph: TriggerGraph) -> TriggerOutput:
    """What the reference gives for the events of the project's own test bench.

    Raises:
        ProofError: no events, or other expected results than these.
    """
    interface = graph.interface
    paths = [folder / "tb_data" / name for name in (BENCH_INPUTS, BENCH_OUTPUTS)]
    inputs, expected = map(read_rows, paths)
    for path, rows, n_columns in zip(
        paths, (inputs, expected), (interface.n_inputs, interface.n_outputs), strict=True
    ):
        if not len(inputs) or rows.shape != (len(inputs), n_columns):
            raise ProofError(
                f"{path} must hold {len(inputs) or 'some'} events of {n_columns} numbers, got "
                f"{len(rows)} of {rows.shape[1]}: {REMEDY}"
            )
    parts = np.split(inputs, np.cumsum([port.n_values for port in interface.inputs])[:-1], axis=1)
    shapes = [graph.grids[name].shape for name in graph.input_names]
    values = [part.reshape(len(part), *shape) for part, shape in zip(parts, shapes, strict=True)]
    outputs = graph.outputs(*values)
    different = (np.hstack(list(outputs.values())) != expected).any(axis=1)
    if different.any():
        first = int(np.flatnonzero(different)[0])
        raise ProofError(
            f"{paths[1]} must hold the results of the reference, got others for "
            f"{int(different.sum())} events, first in line {first + 1}: {REMEDY}"
        )
    return TriggerOutput.of(outputs, interface)
