"""(architecture, precision) -> encoder, decoder and embedding, as Functional Keras models."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import keras

from keras_ae.bounded import LOG_VARIANCE_LIMIT
from keras_ae.precision import Float, Precision, Role, types_of
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec

Spec = ArchitectureSpec | ConvolutionalSpec

Build = TypeVar("Build", bound=Callable[..., keras.Model])


def _in_types_of_its_precision(build: Build) -> Build:
    @functools.wraps(build)
    def built(spec: Spec, precision: Precision, *args: Any, **kwargs: Any) -> keras.Model:
        with types_of(precision):
            return build(spec, precision, *args, **kwargs)

    return cast(Build, built)


@_in_types_of_its_precision
def build_encoder(
    spec: Spec,
    precision: Precision,
    variational: bool = False,
    log_variance_limit: float = LOG_VARIANCE_LIMIT,
    further_heads: Sequence[str] = (),
    of_embedding: bool = False,
) -> keras.Model:
    """Inputs (batch, *input_shape) -> latent (batch, latent_dim).

    With `variational` there are two outputs of that shape: the mean and the logarithm of the
    variance of the latent Gaussian, in float within +-`log_variance_limit`. Each of `further_heads`
    is one more output, (batch, 1), linear and of that name, in the format of the latent. With a
    condition the inputs are a pair; the condition has shape (batch, condition_dim). Inputs that are
    `of_embedding` are in the format of that.
    """
    role: Role = "embedding" if of_embedding else "input"
    inputs, condition, hidden = _towards_code(spec, precision, "encoder", role)
    mean = precision.dense(spec.latent_dim, "latent_mean")(hidden)
    outputs = [precision.latent_activation(spec.latent_activation, "latent_mean_format")(mean)]
    if variational:
        log_var = precision.dense(spec.latent_dim, "latent_log_var")(hidden)
        outputs.append(precision.log_variance(log_variance_limit, "latent_log_var_format")(log_var))
    for name in further_heads:
        head = precision.dense(1, name)(hidden)
        outputs.append(precision.latent_activation("linear", f"{name}_format")(head))
    return keras.Model(
        [inputs, *condition] if condition else inputs,
        outputs if len(outputs) > 1 else outputs[0],
        name="encoder",
    )


@_in_types_of_its_precision
def build_embedding(spec: Spec, precision: Precision) -> keras.Model:
    """Inputs (batch, *input_shape) -> embedding (batch, latent_dim), in a format of its own.

    It has the layers of an encoder, which are called after the embedding.
    """
    inputs, _, hidden = _towards_code(spec, precision, "embedding", "input")
    outputs = precision.dense(spec.latent_dim, "embedding")(hidden)
    outputs = precision.identity("embedding", "embedding_format")(outputs)
    return keras.Model(inputs, outputs, name="embedding")


def build_projector(spec: Spec, widths: Sequence[int]) -> keras.Model:
    """Embedding (batch, latent_dim) -> (batch, widths[-1]), in float: ReLU but behind the last."""
    inputs = keras.Input((spec.latent_dim,), name="projector_input")
    outputs, precision = inputs, Float()
    for number, width in enumerate(widths, start=1):
        outputs = precision.dense(width, f"projector_dense_{number}")(outputs)
        if number < len(widths):
            outputs = precision.relu(f"projector_relu_{number}")(outputs)
    return keras.Model(inputs, outputs, name="projector")


@_in_types_of_its_precision
def build_decoder(spec: Spec, precision: Precision) -> keras.Model:
    """Latent (batch, latent_dim) -> reconstruction (batch, *input_shape).

    With a condition the inputs are a pair, as for the encoder.
    """
    inputs = keras.Input((spec.latent_dim,), name="decoder_input")
    hidden = precision.identity("latent", "decoder_input_format")(inputs)
    hidden, condition = _with_condition(hidden, spec, precision, "decoder")
    hidden = _hidden_layers(hidden, spec, precision, "decoder")
    if isinstance(spec, ConvolutionalSpec):
        outputs = _upsampling_convolutions(hidden, spec, precision)
    else:
        outputs = precision.dense(spec.input_dim, "reconstruction")(hidden)
    outputs = precision.identity("reconstruction", "reconstruction_format")(outputs)
    return keras.Model([inputs, *condition] if condition else inputs, outputs, name="decoder")


def _towards_code(
    spec: Spec, precision: Precision, prefix: str, role: Role
) -> tuple[keras.KerasTensor, list[keras.KerasTensor], keras.KerasTensor]:
    """Inputs in the format of `role`, the condition's input if any, and the last hidden layer."""
    inputs = keras.Input(spec.input_shape, name=f"{prefix}_input")
    hidden = precision.identity(role, f"{prefix}_input_format")(inputs)
    if isinstance(spec, ConvolutionalSpec):
        hidden = _convolutions(hidden, spec, precision, prefix)
    hidden, condition = _with_condition(hidden, spec, precision, prefix)
    return inputs, condition, _hidden_layers(hidden, spec, precision, prefix)


def _with_condition(
    hidden: keras.KerasTensor, spec: Spec, precision: Precision, prefix: str
) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """`hidden` beside the condition, and the condition's input; as it was without a condition."""
    if not spec.condition_dim:
        return hidden, []
    condition = keras.Input((spec.condition_dim,), name=f"{prefix}_condition")
    quantized = precision.identity("input", f"{prefix}_condition_format")(condition)
    joined = keras.layers.Concatenate(name=f"{prefix}_with_condition")([hidden, quantized])
    return joined, [condition]


def _hidden_layers(
    hidden: keras.KerasTensor, spec: Spec, precision: Precision, prefix: str
) -> keras.KerasTensor:
    widths = spec.hidden_dims[::-1] if prefix == "decoder" else spec.hidden_dims
    for number, width in enumerate(widths, start=1):
        hidden = precision.dense(width, f"{prefix}_dense_{number}")(hidden)
        hidden = _normalized(hidden, spec, precision, f"{prefix}_norm_{number}")
        hidden = precision.relu(f"{prefix}_relu_{number}")(hidden)
    return hidden


def _normalized(
    hidden: keras.KerasTensor, spec: Spec, precision: Precision, name: str
) -> keras.KerasTensor:
    layer = precision.batch_norm(name) if spec.batch_norm else None
    return hidden if layer is None else layer(hidden)


def _convolutions(
    hidden: keras.KerasTensor, spec: ConvolutionalSpec, precision: Precision, prefix: str
) -> keras.KerasTensor:
    for number, channels in enumerate(spec.filters, start=1):
        hidden = precision.conv2d(channels, spec.kernel_size, f"{prefix}_conv_{number}")(hidden)
        hidden = _normalized(hidden, spec, precision, f"{prefix}_conv_norm_{number}")
        hidden = precision.relu(f"{prefix}_conv_relu_{number}")(hidden)
        name = f"{prefix}_pool_{number}"
        if spec.pooling == "max":
            # Stays in its format.
            hidden = keras.layers.MaxPooling2D(2, name=name)(hidden)
        else:
            hidden = keras.layers.AveragePooling2D(2, name=name)(hidden)
            # A mean has more bits than its terms. It is not negative, as they are not: in float
            # this does nothing, in fixed point it rounds to the format of activations.
            hidden = precision.relu(f"{name}_format")(hidden)
    return keras.layers.Flatten(name=f"{prefix}_flatten")(hidden)


def _upsampling_convolutions(
    hidden: keras.KerasTensor, spec: ConvolutionalSpec, precision: Precision
) -> keras.KerasTensor:
    hidden = precision.dense(math.prod(spec.innermost_shape), "decoder_unflatten")(hidden)
    hidden = _normalized(hidden, spec, precision, "decoder_unflatten_norm")
    hidden = precision.relu("decoder_unflatten_relu")(hidden)
    hidden = keras.layers.Reshape(spec.innermost_shape, name="decoder_reshape")(hidden)
    # From the last stage's channels back to the first's, then to the image's.
    for number, channels in enumerate((*spec.filters[-2::-1], spec.filters[0]), start=1):
        name = f"decoder_conv_{number}"
        if spec.upsampling == "transpose":
            hidden = precision.conv2d_transpose(channels, spec.kernel_size, name)(hidden)
        else:
            hidden = keras.layers.UpSampling2D(2, name=f"decoder_upsample_{number}")(hidden)
            hidden = precision.conv2d(channels, spec.kernel_size, name)(hidden)
        hidden = _normalized(hidden, spec, precision, f"decoder_conv_norm_{number}")
        hidden = precision.relu(f"decoder_conv_relu_{number}")(hidden)
    return precision.conv2d(spec.image_shape[2], spec.kernel_size, "reconstruction")(hidden)
