"""The importance-weighted autoencoder."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_ae.errors import InputError
from keras_ae.models.autoencoder import Pass, Tensor
from keras_ae.models.registry import register
from keras_ae.models.variational import VariationalAutoencoder
from keras_ae.settings.objectives import ImportanceWeightedObjective

#: Of the noise in validation, always the same.
_VALIDATION_SEED = (0, 0)


@register(ImportanceWeightedObjective)
@keras.saving.register_keras_serializable("keras_ae")
class ImportanceWeightedAutoencoder(VariationalAutoencoder):
    """Minimizes -log mean_i p(x|z_i) p(z_i) / q(z_i|x) over `n_samples` of q, in nats.

    Burda, Grosse & Salakhutdinov, arXiv:1509.00519, eq. 8: a tighter bound than the ELBO, which it
    is for one sample. Networks, arguments and scores are those of the VAE.

    Raises:
        InputError: beta or a schedule of it: the bound has none.
    """

    term_names = ("negative_bound",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._initial_beta != 1 or self.schedule is not None:
            raise InputError(
                f"beta of an {type(self).__name__} must be 1 without a schedule, got "
                f"beta {self._initial_beta:g} and schedule {self.schedule}"
            )

    def _forward(self, x: Tensor, condition: Tensor | None, training: bool) -> Pass:
        if not training:
            return super()._forward(x, condition, training)
        x = self._embedded(x)
        encoded = self._encode(x, condition, training)
        latent, noise = self.sample_latent(encoded, self.n_samples, self.next_seed())
        return self._pass(x, condition, encoded, latent, training, noise)

    def terms(self, forward: Pass, training: bool) -> dict[str, Tensor]:
        if not training:
            latent, noise = self.sample_latent(forward.encoded, self.n_samples, _VALIDATION_SEED)
            parts = forward.x, forward.condition, forward.encoded
            forward = self._pass(*parts, latent, noise=noise)
        log_weights = self.log_weights(forward, self.n_samples)
        return {"negative_bound": math.log(self.n_samples) - ops.logsumexp(log_weights, axis=0)}
