"""RTL of a project simulated cycle by cycle, in whatever language and simulator.

What is exchanged with the simulator are the ports in words of 32 bits, of each cycle the valid bit
first.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from hls.compiled import CompiledProject
from hls.graph.exact import TriggerOutput
from hls.graph.interface import Port
from hls.rtl.design import RTL_REMEDY
from keras_ae.errors import ProofError
from keras_ae.fixed_point import FixedPointFormat

_CHUNK = 10_000


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
            parts.append(_to_words(values, port))
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
            outputs[port.name] = _from_words(part, port.form)
            first += port.n_words
        return TriggerOutput.of(outputs)


def _to_words(values: np.ndarray, port: Port) -> np.ndarray:
    """Values (events, n) as two's complement one behind the other, (events, words)."""
    n_events, form = len(values), port.form
    words = np.zeros((n_events, port.n_words), np.uint32)
    places = np.arange(form.width)
    for first in range(0, n_events, _CHUNK):
        units = np.rint(values[first : first + _CHUNK] / form.step).astype(np.int64)
        bits = ((units[..., None] >> places) & 1).astype(np.uint8).reshape(len(units), -1)
        bits = np.pad(bits, [(0, 0), (0, 32 * port.n_words - bits.shape[1])])
        packed = np.packbits(bits, axis=1, bitorder="little")
        words[first : first + _CHUNK] = packed.view("<u4")
    return words


def _from_words(words: np.ndarray, form: FixedPointFormat) -> np.ndarray:
    """One value an event, (events,), of its two's complement."""
    units = words[:, 0].astype(np.int64)
    if words.shape[1] > 1:
        units |= words[:, 1].astype(np.int64) << 32
    if form.signed:
        units = np.where(units >> (form.width - 1) & 1, units - (1 << form.width), units)
    return units * form.step
