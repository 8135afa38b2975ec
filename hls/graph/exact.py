"""The exact reference: a trigger graph in NumPy, without a rounding that it does not state.

Every number in a trigger graph is a fixed-point number. float64 holds it, and every partial sum on
the way to it, as long as these stay within 2^53 units of their last bit: `ExactGraph` proves that
before it evaluates, and takes float32, which is faster, where 2^24 units are enough. Weights are
quantized here, from the formats alone; neither Keras nor hls4ml has a part in it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import keras
import numpy as np
from threadpoolctl import threadpool_limits

from hls.graph.grid import EXACT_FLOAT32, EXACT_FLOAT64, Grid
from hls.graph.network_layers import exact_operation
from hls.graph.operation import Operation, producers
from hls.graph.refusal import Refusal

#: Numbers of the widest tensor that are evaluated at once: they stay in the cache.
_CHUNK_NUMBERS = 2**17


@dataclass(frozen=True)
class TriggerOutput:
    """Scores by name, (events,) float64, the deciding one first; and `trigger` (events,) bool."""

    scores: dict[str, np.ndarray]
    trigger: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The one that decides."""
        return next(iter(self.scores.values()))

    @classmethod
    def of(cls, outputs: dict[str, np.ndarray]) -> TriggerOutput:
        """Of the outputs of a trigger graph by name, (events, 1) each, the last the decision."""
        *scores, trigger = (values.ravel() for values in outputs.values())
        names = list(outputs)[:-1]
        return cls(
            {name: np.asarray(s, np.float64) for name, s in zip(names, scores, strict=True)},
            trigger > 0.5,
        )

    @classmethod
    def join(cls, parts: Sequence[TriggerOutput]) -> TriggerOutput:
        """Of events one after the other."""
        names = parts[0].scores
        scores = {name: np.concatenate([part.scores[name] for part in parts]) for name in names}
        return cls(scores, np.concatenate([part.trigger for part in parts]))


class ExactGraph:
    """A trigger graph, evaluated exactly.

    Raises:
        Refusal: a layer without an exact form, or sums too wide for float64.
    """

    def __init__(self, graph: keras.Model) -> None:
        layers = [layer for layer in graph.layers if not isinstance(layer, keras.layers.InputLayer)]
        self.operations: list[Operation] = []
        #: Names of the layers that give the graph's inputs and outputs.
        self.input_names = producers(graph.inputs)
        self.output_names = producers(graph.outputs)
        #: Which values each layer can give, by name.
        self.grids: dict[str, Grid] = {}
        for name in self.input_names:
            layer = graph.get_layer(name)
            self.grids[name] = Grid.of(layer.input_format, tuple(layer.output.shape[1:]))
        for operation in map(exact_operation, layers):
            inputs = [self.grids[name] for name in operation.inputs]
            grid = operation.grid(*inputs)
            if grid.units > EXACT_FLOAT64:
                raise Refusal(
                    operation.name,
                    "sums must stay within 2^53 units of their last bit",
                    f"{grid.units:.3g}",
                    "use narrower formats",
                )
            self.grids[operation.name] = grid
            narrow = max(grid.units, *(x.units for x in inputs)) <= EXACT_FLOAT32
            self.operations.append(replace(operation, dtype=np.float32) if narrow else operation)

    @property
    def float32_bounds(self) -> dict[str, float]:
        """By layer, how far Keras' float32 can be from the output that the exact input gives.

        Zero where float32 is exact. Elsewhere n terms are added, each rounded as a factor, as a
        product and in the sum: at most n + 4 times half the last of float32's 24 bits of the
        largest sum (N. Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). A
        layer has as many terms as inputs, at most.
        """
        bounds = {}
        for operation in self.operations:
            grid = self.grids[operation.name]
            n_terms = sum(int(np.prod(self.grids[name].shape)) for name in operation.inputs)
            largest = grid.units * float(np.min(grid.step))
            rounds = operation.in_float32 and grid.units > EXACT_FLOAT32
            bounds[operation.name] = (n_terms + 4) * largest / EXACT_FLOAT32 if rounds else 0.0
        return bounds

    @property
    def inexact_in_float32(self) -> tuple[str, ...]:
        """Layers whose numbers, or sums on the way to them, Keras' float32 may round."""
        return tuple(name for name, bound in self.float32_bounds.items() if bound)

    def evaluate(self, *inputs: np.ndarray, n_threads: int | None = None) -> TriggerOutput:
        """Scores and trigger bits of values of the graph's inputs, (events, ...) each.

        Args:
            inputs: in the order of the graph's.
            n_threads: by default one for each core.
        """
        return TriggerOutput.of(self.outputs(*inputs, n_threads=n_threads))

    def outputs(self, *inputs: np.ndarray, n_threads: int | None = None) -> dict[str, np.ndarray]:
        """The graph's outputs by name, (events, ...) each."""
        values = self._map(self.output_names, inputs, n_threads)
        return dict(zip(self.output_names, values, strict=True))

    def trace(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The output of every layer by name, (events, ...) each."""
        names = [operation.name for operation in self.operations]
        return dict(zip(names, self._map(names, inputs, None), strict=True))

    def _map(
        self, names: Sequence[str], inputs: Sequence[np.ndarray], n_threads: int | None
    ) -> list[np.ndarray]:
        n_events = len(inputs[0])
        size = max(1, _CHUNK_NUMBERS // max(int(np.prod(g.shape)) for g in self.grids.values()))
        # One at least, so that the results of no events have their shape.
        starts = range(0, max(n_events, 1), size)
        with (
            # One thread for each chunk instead of several for each product.
            threadpool_limits(1, "blas"),
            ThreadPoolExecutor(n_threads or os.cpu_count()) as pool,
        ):
            chunks = list(
                pool.map(
                    lambda first: self._evaluate(
                        names, [part[first : first + size] for part in inputs]
                    ),
                    starts,
                )
            )
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]

    def _evaluate(self, names: Sequence[str], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        values = dict(zip(self.input_names, inputs, strict=True))
        for operation in self.operations:
            arrays: list[np.ndarray] = [
                np.asarray(values[name], operation.dtype) for name in operation.inputs
            ]
            values[operation.name] = operation.exact(*arrays)
        return [values[name] for name in names]
