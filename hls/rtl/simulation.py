"""RTL of a project simulated cycle by cycle, in whatever language and simulator.

What is exchanged with the simulator are the ports in words of 32 bits, of each cycle the valid bit
first.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from hls.compiled import CompiledProject
from hls.graph.trigger_output import TriggerOutput
from hls.rtl.design import RTL_REMEDY
from hls.rtl.words import from_words, to_words
from keras_ae.errors import ProofError


@dataclass(frozen=True)
class RtlOutput:
    """Results of the events in their order, and the cycles from each event to its result."""

    output: TriggerOutput
    latency_cycles: np.ndarray


class RtlSimulation(CompiledProject):
    """The RTL of a project, compiled."""

    _remedy = RTL_REMEDY

    def run(self, *inputs: np.ndarray, n_gaps: int = 0, seed: int = 0) -> RtlOutput:
        """Results of events that come back to back, or with gaps between.

        Args:
            inputs: hardware values (events, ...) of each input, in the order of the interface.
            n_gaps: cycles without an event, at random places, with random bits on the inputs.
            seed: of the gaps.

        Raises:
            InputError: values that the ports cannot take, see `Interface.check`.
            ProofError: another number of results than of events.
        """
        words = self._words(self._interface.rows(*inputs))
        n_events = len(words)
        rng = np.random.default_rng(seed)
        # Behind the last event, cycles until its result.
        n_cycles = n_events + n_gaps
        valid = np.zeros(n_cycles + 1000, bool)
        valid[np.sort(rng.permutation(n_cycles)[:n_events])] = True
        cycles = rng.integers(0, 2**32, (len(valid), 1 + words.shape[1]), dtype=np.uint32)
        cycles[:, 0] = valid
        cycles[:, 1:] &= self._used_bits
        cycles[valid, 1:] = words
        with self._timed(n_events):
            results = self._run(cycles)
        done = results[:, 0] == 1
        if done.sum() != n_events:
            raise ProofError(
                f"RTL of {self._folder} must give {n_events} results, got {int(done.sum())}"
            )
        latency = np.flatnonzero(done) - np.flatnonzero(valid)
        return RtlOutput(self._output(results[done, 1:]), latency)

    @abstractmethod
    def _run(self, cycles: np.ndarray) -> np.ndarray:
        """Of words (cycles, 1 + words of the inputs), those of the outputs behind out_valid."""

    def _words(self, rows: np.ndarray) -> np.ndarray:
        """Ports of each event in words of 32 bits, (events, words)."""
        first, parts = 0, []
        for port in self._interface.inputs:
            values = rows[:, first : first + port.n_values]
            parts.append(to_words(values, port))
            first += port.n_values
        return np.hstack(parts)

    @property
    def _used_bits(self) -> np.ndarray:
        """Of each word of the inputs, those that belong to a port."""
        used = []
        for port in self._interface.inputs:
            rest = port.width - 32 * (port.n_words - 1)
            used += [2**32 - 1] * (port.n_words - 1) + [2**rest - 1]
        return np.array(used, np.uint32)

    def _output(self, words: np.ndarray) -> TriggerOutput:
        first, outputs = 0, {}
        for port in self._interface.outputs:
            part = words[:, first : first + port.n_words]
            outputs[port.name] = from_words(part, port.form)
            first += port.n_words
        return TriggerOutput.of(outputs, self._interface)
