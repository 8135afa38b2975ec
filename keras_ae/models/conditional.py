"""The conditional variational autoencoder."""

from __future__ import annotations

from typing import Any

import keras

from keras_ae.errors import InputError
from keras_ae.models.registry import register
from keras_ae.models.variational import VariationalAutoencoder
from keras_ae.settings.objectives import ConditionalVariationalObjective


@register(ConditionalVariationalObjective)
@keras.saving.register_keras_serializable("keras_ae")
class ConditionalVariationalAutoencoder(VariationalAutoencoder):
    """Minimizes the negative ELBO of p(x|c): the condition c enters encoder and decoder.

    E_q[-log p(x|z, c)] + beta KL(q(z|x, c) || N(0, 1)) (Sohn, Lee & Yan, NeurIPS 2015, eq. 4, with
    a prior that does not depend on c). Arguments are those of `VariationalAutoencoder`.

    Raises:
        InputError: networks without a condition.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model, *args: Any, **kwargs: Any):
        super().__init__(encoder, decoder, *args, **kwargs)
        if not self.condition_dim:
            raise InputError(
                "encoder of a ConditionalVariationalAutoencoder must have a second input for the "
                "condition (architecture.condition_dim >= 1), got none"
            )
