"""What the networks of a model must keep to, so that a trigger graph can be made of them."""

from __future__ import annotations

from collections.abc import Iterator

import keras

from hls.graph.keras_form import called_twice, exact_layer, producers
from hls.graph.refusal import Refusal
from keras_ae.models import Autoencoder, ScoringModel
from keras_ae.precision import is_quantizer, layer_quantizer, quantizer_format
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES
from keras_ae.settings.objectives import STUDENT_SCORE

_BUILD = "name it as build_autoencoder does"


def check_networks(model: ScoringModel) -> list[Refusal]:
    """What keeps the networks of a model, trained or not, from being put into a trigger graph."""
    # Each builds on those before.
    for rules in (
        (_shared_layers,),
        (_layers_without_exact_form, _missing_input_quantizers),
        (_missing_names, _taken_names),
        (_coarser_code,),
    ):
        found = [refusal for rule in rules for refusal in rule(model)]
        if found:
            return found
    return []


def _shared_layers(model: ScoringModel) -> Iterator[Refusal]:
    for network in model.networks:
        yield from called_twice(network)


def _taken_names(model: ScoringModel) -> Iterator[Refusal]:
    """Of what the trigger graph adds to the networks."""
    scores = {*ERROR_SCORES, *LATENT_SCORES, STUDENT_SCORE}
    taken = {"objects", "condition", "scale", "probability", "threshold", "trigger", *scores}
    taken |= {f"{score}_table" for score in scores}
    for network in model.networks:
        for layer in network.layers:
            if layer.name in taken:
                yield Refusal(
                    layer.name,
                    "a layer must not be called like one of the trigger's",
                    "one",
                    "choose another name",
                )


def _layers_without_exact_form(model: ScoringModel) -> Iterator[Refusal]:
    for layer in (layer for network in model.networks for layer in network.layers):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        try:
            exact_layer(layer)
        except Refusal as refusal:
            yield refusal


def _missing_input_quantizers(model: ScoringModel) -> Iterator[Refusal]:
    """Otherwise Keras would see bits that the firmware does not have."""
    for network in model.networks:
        inputs = producers(network.inputs)
        for layer in network.layers:
            behind = [name for name in _sources(layer) if name in inputs]
            if behind and not is_quantizer(layer):
                yield Refusal(
                    layer.name,
                    f"a quantizer must stand between the input '{behind[0]}' and the layer",
                    "none",
                    "put a QActivation there",
                )


def _missing_names(model: ScoringModel) -> Iterator[Refusal]:
    """The trigger graph finds what scores are made of by name."""
    expected = ["encoder_input_format", "latent_mean_format"]
    expected += ["encoder_condition_format"] if model.condition_dim else []
    if isinstance(model, Autoencoder):
        expected += ["decoder_input_format", "reconstruction_format"]
        expected += ["decoder_condition_format"] if model.condition_dim else []
    names = [layer.name for network in model.networks for layer in network.layers]
    quantizers = {
        layer.name for network in model.networks for layer in network.layers if is_quantizer(layer)
    }
    for name in expected:
        if name not in quantizers:
            found = "another layer" if name in names else "none"
            yield Refusal(name, "a quantizer must have this name", found, _BUILD)
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Refusal(
            name, "encoder and decoder must have layers of different names", "both", _BUILD
        )


def _coarser_code(model: ScoringModel) -> Iterator[Refusal]:
    """The decoder takes the code as the encoder gives it."""
    if not isinstance(model, Autoencoder):
        return
    given, taken = (
        quantizer_format(layer_quantizer(network.get_layer(name)))
        for network, name in (
            (model.encoder, "latent_mean_format"),
            (model.decoder, "decoder_input_format"),
        )
    )
    if taken.step > given.step or taken.low > given.low or taken.high < given.high:
        yield Refusal(
            "decoder_input_format",
            f"format must hold every value of 'latent_mean_format', {given}",
            taken,
            "give both the same",
        )


def _sources(layer: keras.Layer) -> tuple[str, ...]:
    return () if isinstance(layer, keras.layers.InputLayer) else producers(layer.input)
