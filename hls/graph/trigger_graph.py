"""The trigger graph: scores and decisions on them.

It is what firmware is made of, and its exact function the reference that everything is compared
with. It is stored in a neutral form, arrays and JSON, from which it runs without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from hls.graph.interface import Interface
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.storage import read_graph, write_nodes
from hls.graph.trigger_output import TriggerOutput
from keras_ae.errors import InputError


@dataclass(frozen=True, eq=False)
class TriggerGraph(LayerGraph):
    """Hardware values -> one score or several, and one bit or several, (events, 1) each.

    The last bit is the trigger's, on the first score; others, where there are some, stand for other
    thresholds.

    Raises:
        Refusal: see `LayerGraph`; outputs that are no scores and decisions, the last one on the
            first score, or a threshold of it that is an input but not the last.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.output_names) < 2:
            raise InputError(
                "outputs of a trigger graph must be a score at least and its decision, got "
                f"{', '.join(self.output_names) or 'none'}"
            )
        last = self.node(self.output_names[-1])
        last.layer.require(
            isinstance(last.layer, AboveThreshold),
            "the last output of a trigger graph must be its decision",
            type(last.layer).__name__,
            "let AboveThreshold follow the score",
        )
        last.layer.require(
            last.inputs[0] == self.output_names[0],
            f"decision must be on the first output, '{self.output_names[0]}'",
            f"'{last.inputs[0]}'",
            "name the score that decides first",
        )
        for name in self.output_names:
            shape = self.grids[name].shape
            rule = "outputs of a trigger graph must be one number an event, of shape (1,)"
            self.layer(name).require(shape == (1,), rule, shape, "let a score follow")
        if self.decision.from_input:
            last.layer.require(
                last.inputs[1] == self.input_names[-1],
                f"threshold must be the last input, '{self.input_names[-1]}'",
                f"'{last.inputs[1]}'",
                "name it last",
            )

    @cached_property
    def interface(self) -> Interface:
        """Ports of the graph, and of its firmware; the decisions among them say so."""
        found = super().interface
        outputs = (
            replace(port, is_decision=port.name in self.decision_names) for port in found.outputs
        )
        return Interface(found.inputs, tuple(outputs))

    @property
    def decision_names(self) -> tuple[str, ...]:
        """Of its bits; the last is the trigger's."""
        return tuple(n for n in self.output_names if isinstance(self.layer(n), AboveThreshold))

    @property
    def score_names(self) -> tuple[str, ...]:
        """Of its scores; the first decides."""
        return tuple(n for n in self.output_names if n not in self.decision_names)

    @property
    def decision(self) -> AboveThreshold:
        """The comparison of the first score with the trigger's threshold."""
        return cast(AboveThreshold, self.layer(self.output_names[-1]))

    @property
    def threshold(self) -> float:
        """Above which an event fires."""
        return self.decision.threshold

    @property
    def thresholds(self) -> dict[str, float]:
        """By the name of the bit, the trigger's first."""
        names = (self.decision_names[-1], *self.decision_names[:-1])
        return {name: cast(AboveThreshold, self.layer(name)).threshold for name in names}

    @property
    def threshold_inputs(self) -> dict[str, float]:
        """Inputs that are thresholds, by name, and what belongs there."""
        decisions = (self.node(name) for name in self.decision_names)
        return {
            node.inputs[1]: cast(AboveThreshold, node.layer).threshold
            for node in decisions
            if len(node.inputs) > 1
        }

    def evaluate(self, *inputs: np.ndarray, n_threads: int | None = None) -> TriggerOutput:
        """Scores and trigger bits, exactly, of values of the graph's inputs, (events, ...) each.

        Args:
            inputs: in the order of the graph's, the threshold too where that is one.
            n_threads: by default one for each core.

        Raises:
            InputError: values that the firmware could not be given, see `Interface.check`.
        """
        return TriggerOutput.of(self.outputs(*inputs, n_threads=n_threads), self.interface)

    def evaluate_in_keras(self, *inputs: np.ndarray) -> TriggerOutput:
        """The same by Keras and QKeras."""
        return TriggerOutput.of(self.in_keras(*inputs), self.interface)

    def with_threshold(self, values: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """Values of all inputs: of events, and of thresholds where those are some."""
        rest, n_events = iter(values), len(values[0])
        limits = self.threshold_inputs
        return tuple(
            np.full((n_events, 1), limits[name]) if name in limits else next(rest)
            for name in self.input_names
        )

    def save(self, path: Path) -> None:
        """Write into one file of NumPy's (npz), without a pickle."""
        write_nodes(Path(path), self.nodes, self.input_names, self.output_names)

    @classmethod
    def load(cls, path: Path) -> TriggerGraph:
        """What `save` wrote; needs no TensorFlow.

        Raises:
            FileNotFoundError: there is no such file.
            InputError: it is damaged, or of another version.
        """
        return read_graph(Path(path), cls)
