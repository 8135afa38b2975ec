"""The contractive autoencoder."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_ae.errors import InputError
from keras_ae.likelihoods import Likelihood
from keras_ae.models.autoencoder import Autoencoder, Pass, Tensor
from keras_ae.models.registry import register
from keras_ae.scores import sum_features
from keras_ae.settings.objectives import ContractiveObjective

#: Activation -> the square of its derivative, from what it returns.
_SQUARED_DERIVATIVES = {
    "linear": ops.ones_like,
    "relu": lambda h: ops.cast(h > 0, h.dtype),
    "sigmoid": lambda h: ops.square(h * (1 - h)),
}


@register(ContractiveObjective)
@keras.saving.register_keras_serializable("keras_ae")
class ContractiveAutoencoder(Autoencoder):
    """Minimizes -log p(x|z) + weight * ||df/dx||_F^2, f the encoder, in nats.

    Rifai et al., ICML 2011, eq. 1 and 3. For a float encoder of one dense layer the squared norm is
    sum_j f'(a_j)^2 sum_i W_ij^2 (ibid., eq. 9); for others the whole Jacobian is computed, exactly.
    In fixed point it is that of the straight-through gradients; with batch normalization that of
    the encoder as it is after training, by the moving statistics: by those of the batch f would not
    be a function of one event.

    Args:
        encoder: (batch, *input_shape) -> (batch, latent_dim).
        decoder: (batch, latent_dim) -> (batch, *input_shape).
        likelihood: family of p(x|z); a Gaussian of variance 1 by default.
        weight: of the squared norm.
        seed: as in `Autoencoder`.

    Raises:
        InputError: weight < 0.
    """

    term_names = ("reconstruction", "contraction")
    regularized = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Likelihood | None = None,
        weight: float = 1e-2,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        if not 0 <= weight < math.inf:
            raise InputError(f"weight of the contraction must be >= 0, got {weight}")
        self.weight = weight
        self._single_layer = _single_dense_layer(encoder)

    def terms(self, forward: Pass, training: bool) -> dict[str, Tensor]:
        if self._single_layer is None:
            contraction = self.squared_jacobian_norm(forward.x, forward.condition)
        else:
            dense, squared_derivative = self._single_layer
            weight_norms = ops.sum(ops.square(dense.kernel), axis=0)  # (latent_dim,)
            contraction = sum_features(squared_derivative(forward.encoded) * weight_norms)
        return {**super().terms(forward, training), "contraction": contraction}

    def squared_jacobian_norm(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """sum_ij (df_j / dx_i)^2 of each event, from the Jacobian: (batch,)."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            code = ops.cast(self.latent_mean(self._encode(x, condition)), "float32")
        return sum_features(ops.square(tape.batch_jacobian(code, x)))

    def term_weights(self, training: bool) -> dict[str, Tensor]:
        return {"contraction": self.weight}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight}


def _single_dense_layer(encoder: keras.Model) -> tuple[keras.Layer, Any] | None:
    """The one layer with weights, and the squared derivative of the one activation after it.

    None for any other encoder.
    """
    layers = [
        layer
        for layer in encoder.layers
        # Float precision leaves identities where fixed point rounds.
        if not isinstance(layer, keras.layers.InputLayer) and not _is_identity(layer)
    ]
    if not layers or type(layers[0]) is not keras.layers.Dense or len(encoder.inputs) > 1:
        return None
    dense, after = layers[0], layers[1:]
    activations = [layer.activation.__name__ for layer in after if _is_activation(layer)]
    if len(activations) != len(after):
        return None
    if dense.activation is not keras.activations.linear:
        activations.insert(0, dense.activation.__name__)
    if len(activations) > 1 or not set(activations) <= _SQUARED_DERIVATIVES.keys():
        return None
    return dense, _SQUARED_DERIVATIVES[activations[0] if activations else "linear"]


def _is_activation(layer: keras.Layer) -> bool:
    return type(layer) is keras.layers.Activation


def _is_identity(layer: keras.Layer) -> bool:
    return _is_activation(layer) and layer.activation is keras.activations.linear
