"""The proof: exact reference, quantized Keras and C-simulation, every event, every output bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hls.cpp.constants import altered_constants, check_copies, read_rows
from hls.cpp.csim import Simulation
from hls.graph.build import run_trigger_graph
from hls.graph.exact import ExactGraph, TriggerOutput
from hls.graph.interface import (
    BENCH_INPUTS,
    BENCH_OUTPUTS,
    REMEDY,
    Interface,
    check_port_types,
    read_interface,
)
from hls.proof.divergence import Divergence, firmware_divergence, keras_divergence
from hls.proof.keras_rounding import beyond_rounding
from keras_ae.errors import ProofError
from keras_ae.fixed_point import FixedPointFormat

#: Values of each input of the trigger, (events, ...) each.
HardwareValues = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Comparison:
    """Of two evaluations of the same events."""

    events: int
    mismatching_events: int
    mismatching_bits: int
    first_mismatching_event: int | None = None

    def __add__(self, later: Comparison) -> Comparison:
        """With that of later events of the same sample."""
        first = self.first_mismatching_event
        if first is None and later.first_mismatching_event is not None:
            first = self.events + later.first_mismatching_event
        return Comparison(
            self.events + later.events,
            self.mismatching_events + later.mismatching_events,
            self.mismatching_bits + later.mismatching_bits,
            first,
        )


def compare_outputs(
    expected: TriggerOutput, found: TriggerOutput, formats: Mapping[str, FixedPointFormat]
) -> Comparison:
    """Count the events and the output bits, of scores in their formats and trigger, that differ.

    Raises:
        ProofError: results of different numbers of events.
    """
    if len(expected.trigger) != len(found.trigger):
        raise ProofError(
            f"results must be of {len(expected.trigger)} events, got {len(found.trigger)}"
        )
    different = _differ(expected, found)
    bits = (expected.trigger != found.trigger).astype(np.int64)
    for name, form in formats.items():
        pair = expected.scores[name], found.scores[name]
        unequal = pair[0] != pair[1]
        units = [np.rint(values / form.step).astype(np.int64) for values in pair]
        # A sign reaches beyond the width of the format.
        port = np.uint64(2**form.width - 1)
        flipped = np.bitwise_count((units[0] ^ units[1]).view(np.uint64) & port).astype(np.int64)
        # A value between two grid points differs although its rounded bits may not.
        bits += np.where(unequal, np.maximum(flipped, 1), 0)
    return Comparison(
        events=len(different),
        mismatching_events=int(different.sum()),
        mismatching_bits=int(bits.sum()),
        first_mismatching_event=int(np.flatnonzero(different)[0]) if different.any() else None,
    )


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
    graph: keras.Model,
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
        InputError: no g++.
        ProofError: the project does not compile, has other ports than the graph, would show
            synthesis other constants than simulation, or its test bench other expected results than
            the reference.
    """
    check_copies(folder)
    exact = ExactGraph(graph)
    interface = Interface.of(exact)
    if read_interface(folder) != interface:
        raise ProofError(f"{folder} must have the ports of its trigger graph, but differs")
    check_port_types(folder, interface)
    altered = altered_constants(folder, graph)
    formats = {port.name: FixedPointFormat.parse(port.format) for port in interface.outputs[:-1]}
    tally = _Tally(graph, exact, formats)
    # What is quick comes first.
    expected = bench_reference(folder, interface, exact, graph)
    with Simulation(folder) as simulation:
        bench = compare_outputs(expected, simulation.run_bench(), formats)
        for name, values in samples.items() if isinstance(samples, Mapping) else samples:
            reference = exact.evaluate(*values)
            firmware, in_keras = simulation.run(*values), run_trigger_graph(graph, *values)
            tally.add(name, values, reference, firmware, in_keras)
        speed = simulation.events_per_second
    return Validation(
        tally.firmware,
        bench,
        tally.keras,
        tally.keras_beyond_rounding,
        exact.inexact_in_float32,
        altered,
        {name: TriggerOutput.join(parts) for name, parts in tally.outputs.items()},
        {name: TriggerOutput.join(parts) for name, parts in tally.reference.items()},
        _divergences(graph, folder, tally.first),
        speed,
    )


@dataclass
class _Tally:
    """What has been compared so far, by sample."""

    graph: keras.Model
    exact: ExactGraph
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
        suspects = np.flatnonzero(_differ(reference, in_keras))
        if not len(suspects):
            return in_keras
        suspected = tuple(part[suspects] for part in values)
        rounded = suspects[~beyond_rounding(self.graph, self.exact, suspected)]
        found = TriggerOutput(
            {name: scores.copy() for name, scores in in_keras.scores.items()},
            in_keras.trigger.copy(),
        )
        for name, scores in found.scores.items():
            scores[rounded] = reference.scores[name][rounded]
        found.trigger[rounded] = reference.trigger[rounded]
        return found


def _differ(expected: TriggerOutput, found: TriggerOutput) -> np.ndarray:
    """Events (events,) bool with another score or another decision."""
    different: np.ndarray = expected.trigger != found.trigger
    for name, scores in expected.scores.items():
        different = different | (scores != found.scores[name])
    return different


def _divergences(
    graph: keras.Model, folder: Path, first: Mapping[str, tuple[str, int, HardwareValues]]
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


def bench_reference(
    folder: Path, interface: Interface, exact: ExactGraph, graph: keras.Model
) -> TriggerOutput:
    """What the reference gives for the events of the project's own test bench.

    Raises:
        ProofError: no events, or other expected results than these.
    """
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
    shapes = [tensor.shape[1:] for tensor in graph.inputs]
    values = [part.reshape(len(part), *shape) for part, shape in zip(parts, shapes, strict=True)]
    outputs = exact.outputs(*values)
    different = (np.hstack(list(outputs.values())) != expected).any(axis=1)
    if different.any():
        first = int(np.flatnonzero(different)[0])
        raise ProofError(
            f"{paths[1]} must hold the results of the reference, got others for "
            f"{int(different.sum())} events, first in line {first + 1}: {REMEDY}"
        )
    return TriggerOutput.of(outputs)


def stress_events(
    form: FixedPointFormat, shape: tuple[int, ...], n_events: int, seed: int
) -> np.ndarray:
    """Values (events, *shape) over the whole range of a format, in every width.

    So that every format behind it saturates. Every other event is of one width, so that all its
    values are large or small together; in the others each value has its own.
    """
    rng = np.random.default_rng(seed)
    n_bits = rng.integers(1, form.width + 1 - form.signed, size=(n_events, *shape), endpoint=True)
    first = (slice(None, None, 2), *(slice(1),) * len(shape))
    n_bits[::2] = n_bits[first]
    magnitude = rng.integers(0, 2**n_bits, size=(n_events, *shape))
    sign = rng.choice([-1, 1] if form.signed else [1], size=(n_events, *shape))
    return np.clip(sign * magnitude * form.step, form.low, form.high)
