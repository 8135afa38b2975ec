"""A Keras callback that shows what a model's RTL takes while it is trained."""

from __future__ import annotations

from typing import Any

import keras

from hls.cost.model import CostEstimate, estimate_cost
from hls.graph.assembly import InputFormats
from hls.graph.build import build_score_graph
from keras_ae.errors import InputError
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.models import ScoringModel


class CostMonitor(keras.callbacks.Callback):
    """Adds the cost of the model's RTL to the logs of each epoch: `lut`, `ebops`, `latency_cycles`.

    Args:
        model: quantized autoencoder or student.
        scores: in the firmware, see `build_trigger_graph`; their logic alone is counted, without
            the comparison with a threshold.
        levels: of logic between two registers, at most.
        scaler: hardware values -> network inputs; None where these are those.
        input_formats: as in `build_trigger_graph`.

    Raises:
        InputError: what `build_trigger_graph` does not take, or fewer than one level.
    """

    def __init__(
        self,
        model: ScoringModel,
        scores: tuple[str, ...],
        levels: int,
        scaler: ScaledInputs | None = None,
        input_formats: InputFormats = None,
    ) -> None:
        super().__init__()
        if isinstance(scores, str) or not scores:
            raise InputError(f"scores must be a tuple of at least one name, got {scores!r}")
        self._levels = levels
        self._request = model, scores, scaler, input_formats
        self.estimate()

    def estimate(self) -> CostEstimate:
        """Of the model's present weights; without the trigger's comparison."""
        return estimate_cost(build_score_graph(*self._request), self._levels)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        found = self.estimate()
        if logs is not None:
            logs["lut"] = found.lut
            logs["ebops"] = found.effective_bit_operations
            logs["latency_cycles"] = found.latency_cycles
