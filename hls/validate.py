"""The proof: quantized Keras against C-simulation, every event, every output bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from hls.csim import check_weight_files, simulate_project
from hls.trigger import TriggerOutput, run_trigger_graph
from keras_ae.fixed_point import FixedPointFormat


@dataclass(frozen=True)
class Comparison:
    """Of two evaluations of the same events."""

    events: int
    mismatching_events: int
    mismatching_bits: int
    first_mismatching_event: int | None = None


def compare_outputs(
    expected: TriggerOutput, found: TriggerOutput, score_format: FixedPointFormat
) -> Comparison:
    """Count the events and the output bits (of score and trigger) that differ."""
    expected_bits, found_bits = (
        np.rint(output.score / score_format.step).astype(np.int64) for output in (expected, found)
    )
    different = (expected.score != found.score) | (expected.trigger != found.trigger)
    score_bits = np.bitwise_count((expected_bits ^ found_bits).view(np.uint64))
    bits = score_bits.astype(np.int64) + (expected.trigger != found.trigger)
    # A value between two grid points differs although its rounded bits may not.
    bits = np.where(different, np.maximum(bits, 1), bits)
    return Comparison(
        events=len(different),
        mismatching_events=int(different.sum()),
        mismatching_bits=int(bits.sum()),
        first_mismatching_event=int(np.flatnonzero(different)[0]) if different.any() else None,
    )


@dataclass(frozen=True)
class Validation:
    """C-simulation against quantized Keras by sample, and what each said of every event."""

    comparisons: Mapping[str, Comparison]
    quantized: Mapping[str, TriggerOutput]
    firmware: Mapping[str, TriggerOutput]

    @property
    def events(self) -> int:
        """Events that were compared."""
        return sum(comparison.events for comparison in self.comparisons.values())

    @property
    def mismatching_bits(self) -> int:
        """0 is the proof."""
        return sum(comparison.mismatching_bits for comparison in self.comparisons.values())

    def as_dict(self) -> dict[str, dict[str, int | None]]:
        """The comparisons as plain data."""
        return {name: asdict(comparison) for name, comparison in self.comparisons.items()}


def validate_project(
    graph: keras.Model, folder: Path, samples: Mapping[str, np.ndarray]
) -> Validation:
    """Compare the project in `folder` with its trigger graph on hardware integers by sample.

    Raises:
        FileNotFoundError: the folder holds no project.
        InputError: no g++, or a project that does not compile.
        ProofError: simulation and synthesis would not see the same weights.
    """
    check_weight_files(folder)
    boundaries = np.cumsum([len(sample) for sample in samples.values()])[:-1]
    integers = np.concatenate(list(samples.values()))
    expected, found = run_trigger_graph(graph, integers), simulate_project(folder, integers)
    score_format = graph.get_layer("trigger").input_format
    indices = dict(zip(samples, np.split(np.arange(len(integers)), boundaries), strict=True))
    quantized = {name: expected.take(index) for name, index in indices.items()}
    firmware = {name: found.take(index) for name, index in indices.items()}
    comparisons = {
        name: compare_outputs(quantized[name], firmware[name], score_format) for name in samples
    }
    return Validation(comparisons, quantized, firmware)


def stress_events(units: FixedPointFormat, n_features: int, n_events: int, seed: int) -> np.ndarray:
    """Integers over the whole input range, in every width, so that every format saturates."""
    rng = np.random.default_rng(seed)
    n_bits = rng.integers(1, units.width, size=(n_events, 1))
    magnitude = rng.integers(0, 2**n_bits, size=(n_events, n_features))
    sign = rng.choice([-1, 1], size=(n_events, n_features))
    return (sign * magnitude).astype(np.int32)
