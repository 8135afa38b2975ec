"""The denoising autoencoder."""

from __future__ import annotations

from typing import Any

import keras

from keras_ae.corruptions import Corruption, GaussianNoise
from keras_ae.likelihoods import Likelihood
from keras_ae.models.autoencoder import Autoencoder, Tensor
from keras_ae.models.registry import register
from keras_ae.settings.objectives import DenoisingObjective


@register(DenoisingObjective)
@keras.saving.register_keras_serializable("keras_ae")
class DenoisingAutoencoder(Autoencoder):
    """Minimizes -log p(x | decode(encode(corrupt(x)))), in nats: the target is the clean input.

    Vincent et al., JMLR 11 (2010) 3371, eq. 8. Only training corrupts: validation and scores see
    the input as it is.

    Args:
        encoder: (batch, *input_shape) -> (batch, latent_dim).
        decoder: (batch, latent_dim) -> (batch, *input_shape).
        likelihood: family of p(x|z); a Gaussian of variance 1 by default.
        corruption: see `corruptions`; Gaussian noise by default.
        seed: of the corruption; an integer.
    """

    regularized = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Likelihood | None = None,
        corruption: Corruption | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        self.corruption = corruption or GaussianNoise()

    def corrupt(self, x: Tensor, training: bool) -> Tensor:
        return self.corruption(x, self.next_seed()) if training else x

    def get_config(self) -> dict[str, Any]:
        corruption = keras.saving.serialize_keras_object(self.corruption)
        return {**super().get_config(), "corruption": corruption}
