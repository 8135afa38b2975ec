"""Whether a network was read rightly: itself against its exact form.

Every other comparison is of what was made of the exact form; this one asks the model that came in.
"""

from __future__ import annotations

import keras
import numpy as np

from hls.graph.assembly import InputFormats
from hls.graph.build import build_network_graph
from hls.graph.keras_form import outputs_of
from keras_ae.errors import ProofError
from keras_ae.front_end.scaled_inputs import ScaledInputs

#: Of the events, how many may differ where Keras' float32 rounds sums: a rounding behind it may
#: then fall to the other side.
_ROUNDED_OTHERWISE = 0.01


def check_reading(
    model: keras.Model,
    values: tuple[np.ndarray, ...],
    seen: tuple[np.ndarray, ...] | None = None,
    scaler: ScaledInputs | None = None,
    input_formats: InputFormats = None,
) -> int:
    """Compare the outputs of a network with those of its exact form.

    Args:
        model: as it came.
        values: what the ports take, (events, ...) each.
        seen: what the model takes of the same events, where that is something else.
        scaler, input_formats: as in `build_trigger_graph`.

    Returns:
        Events that differ; none where float32 holds every sum.

    Raises:
        ProofError: more than a rounding of float32 explains.
    """
    graph = build_network_graph(model, scaler, input_formats)
    expected = graph.outputs(*values)
    found = outputs_of(model, values if seen is None else seen)
    differs = np.zeros(len(values[0]), bool)
    for name, output in zip(graph.output_names, found, strict=True):
        differs |= (expected[name] != output).reshape(len(output), -1).any(axis=1)
    n_differing = int(differs.sum())
    allowed = _ROUNDED_OTHERWISE * len(differs) if graph.inexact_in_float32 else 0
    if n_differing > allowed:
        raise ProofError(
            f"model '{model.name}' and its exact form must give the same outputs, but differ in "
            f"{n_differing} of {len(differs)} events, first in event {int(np.argmax(differs))}"
        )
    return n_differing
