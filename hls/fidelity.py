"""The same score at every level of precision: float, post-training, quantized, firmware.

The proof says that firmware and quantized model are one function; this says what the function has
lost on the way from float, in physics (AUC, TPR, trigger rate) and number by number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from keras_ae.batches import map_batches
from keras_ae.data.dataset import Dataset
from keras_ae.metrics import ScoresBySample, rate_interval, separation
from keras_ae.models import Autoencoder
from keras_ae.precision import quantizer_format
from keras_ae.runs import Run
from keras_ae.training import load_model, network_inputs, quantize_model, sample_scores

#: In the order of their precision; those of the firmware come from its simulation.
LEVELS = ("float", "post_training", "quantized", "firmware")

#: Events on which layers are compared.
_N_EVENTS = 2000


@dataclass(frozen=True)
class LayerError:
    """|float - fixed| of the numbers that a layer gives, and the format they are in."""

    layer: str
    format: str
    largest: float
    rms: float


@dataclass(frozen=True)
class Fidelity:
    """Scores by level and sample ("background" and signals), and errors by layer."""

    scores: Mapping[str, ScoresBySample]
    layers: tuple[LayerError, ...]

    def as_dict(self, threshold: float) -> dict[str, Any]:
        """AUC and TPR by level and signal; trigger rate above `threshold` by level and sample."""
        return {
            "levels": {
                level: {
                    "separation": separation(samples),
                    "trigger_rate": {
                        name: asdict(rate_interval(values > threshold))
                        for name, values in samples.items()
                    },
                }
                for level, samples in self.scores.items()
            },
            "layers": [asdict(error) for error in self.layers],
        }


def measure_fidelity(run: Run, data: Dataset, firmware: ScoresBySample) -> Fidelity:
    """Of a run whose firmware gave these scores for the test background and the signals."""
    score = run.experiment.trigger.score
    in_float = load_model(run, "float")
    models = {
        "float": in_float,
        "post_training": quantize_model(in_float, run.experiment),
        "quantized": load_model(run, "quantized"),
    }
    inputs = {
        precision: {
            name: network_inputs(run, precision, sample) for name, sample in data.tested.items()
        }
        for precision in ("float", "quantized")
    }
    scores: dict[str, ScoresBySample] = {
        level: {
            name: sample_scores(model, x)[score]
            for name, x in inputs["float" if level == "float" else "quantized"].items()
        }
        for level, model in models.items()
    }
    layers = layer_errors(
        in_float,
        models["quantized"],
        *(_first_events(inputs[precision]["background"]) for precision in ("float", "quantized")),
    )
    return Fidelity({**scores, "firmware": firmware}, layers)


def layer_errors(
    in_float: Autoencoder,
    in_fixed: Autoencoder,
    float_inputs: tuple[np.ndarray, ...],
    fixed_inputs: tuple[np.ndarray, ...],
) -> tuple[LayerError, ...]:
    """Of every quantized layer of encoder and decoder, which has the same name in float.

    Args:
        in_float, in_fixed: the same autoencoder.
        float_inputs, fixed_inputs: of each, (events, ...), and the condition if any.
    """
    errors = []
    for part in ("encoder", "decoder"):
        networks = getattr(in_float, part), getattr(in_fixed, part)
        names = [layer.name for layer in networks[1].layers if _is_quantizer(layer)]
        pairs = zip(
            _outputs(networks[0], names, _inputs_of(in_float, part, float_inputs)),
            _outputs(networks[1], names, _inputs_of(in_fixed, part, fixed_inputs)),
            strict=True,
        )
        for name, (exact, rounded) in zip(names, pairs, strict=True):
            difference = np.abs(exact.astype(np.float64) - rounded)
            form = quantizer_format(networks[1].get_layer(name).activation)
            rms = float(np.sqrt((difference**2).mean()))
            errors.append(LayerError(name, str(form), float(difference.max()), rms))
    return tuple(errors)


def _is_quantizer(layer: keras.Layer) -> bool:
    return type(layer).__name__ == "QActivation"


def _inputs_of(
    model: Autoencoder, part: str, inputs: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """Of the encoder the event, of the decoder its code; each with the condition."""
    if part == "encoder":
        return inputs
    x, condition = inputs if len(inputs) > 1 else (inputs[0], None)
    return (model.encode(x, condition), *inputs[1:])


def _outputs(
    network: keras.Model, names: list[str], inputs: tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    probe = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    outputs = map_batches(lambda *parts: probe(list(parts)), *inputs)
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _first_events(inputs: Any) -> tuple[np.ndarray, ...]:
    return tuple(x[:_N_EVENTS] for x in (inputs if isinstance(inputs, tuple) else (inputs,)))
