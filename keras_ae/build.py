"""(architecture, precision) -> encoder and decoder, as Functional Keras models."""

from __future__ import annotations

import keras

from keras_ae.architecture import ArchitectureSpec
from keras_ae.precision import Precision


def build_encoder(
    spec: ArchitectureSpec, precision: Precision, variational: bool = False
) -> keras.Model:
    """Inputs (batch, input_dim) -> latent (batch, latent_dim).

    With `variational` there are two outputs of that shape: the mean and the logarithm of the
    variance of the latent Gaussian.
    """
    inputs = keras.Input((spec.input_dim,), name="encoder_input")
    hidden = precision.identity("input", "encoder_input_format")(inputs)
    hidden = _hidden_layers(hidden, spec.hidden_dims, precision, "encoder")
    heads = ("latent_mean", "latent_log_var") if variational else ("latent_mean",)
    outputs = [
        precision.identity("latent", f"{head}_format")(
            precision.dense(spec.latent_dim, head)(hidden)
        )
        for head in heads
    ]
    return keras.Model(inputs, outputs if variational else outputs[0], name="encoder")


def build_decoder(spec: ArchitectureSpec, precision: Precision) -> keras.Model:
    """Latent (batch, latent_dim) -> reconstruction (batch, input_dim)."""
    inputs = keras.Input((spec.latent_dim,), name="decoder_input")
    hidden = precision.identity("latent", "decoder_input_format")(inputs)
    hidden = _hidden_layers(hidden, spec.hidden_dims[::-1], precision, "decoder")
    outputs = precision.dense(spec.input_dim, "reconstruction")(hidden)
    outputs = precision.identity("reconstruction", "reconstruction_format")(outputs)
    return keras.Model(inputs, outputs, name="decoder")


def _hidden_layers(
    hidden: keras.KerasTensor, widths: tuple[int, ...], precision: Precision, prefix: str
) -> keras.KerasTensor:
    for number, width in enumerate(widths, start=1):
        hidden = precision.dense(width, f"{prefix}_dense_{number}")(hidden)
        hidden = precision.relu(f"{prefix}_relu_{number}")(hidden)
    return hidden


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Set the weights of `target` to those of the layers of equal name in `source`."""
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())
