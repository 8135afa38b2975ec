"""The sparse autoencoder."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_ae.errors import InputError
from keras_ae.likelihoods import Likelihood
from keras_ae.models.autoencoder import Autoencoder, Pass, Tensor
from keras_ae.models.registry import register
from keras_ae.precision import keeps_unit_interval
from keras_ae.scores import sum_features
from keras_ae.settings.objectives import SparseObjective

_MARGIN = 1e-6


@register(SparseObjective)
@keras.saving.register_keras_serializable("keras_ae")
class SparseAutoencoder(Autoencoder):
    """Minimizes -log p(x|h) + weight * sparsity(h), in nats.

    `l1`: sum_j |h_j|, which is -log p(h) of a Laplace prior of scale 1/weight, but for a constant
    (Goodfellow, Bengio & Courville, Deep Learning, eq. 14.7).
    `kl`: sum_j KL(Bernoulli(rho) || Bernoulli(mean activation of h_j in the batch)) (Ng, CS294A
    lecture notes, sec. 3); every event of a batch shows the same value.

    Args:
        encoder: (batch, *input_shape) -> code (batch, latent_dim); for `kl` in (0, 1).
        decoder: (batch, latent_dim) -> (batch, *input_shape).
        likelihood: family of p(x|h); a Gaussian of variance 1 by default.
        penalty: l1 or kl.
        weight: of the sparsity.
        target_activation: rho of the penalty `kl`.
        seed: as in `Autoencoder`.

    Raises:
        InputError: an unknown penalty, weight < 0, target_activation outside (0, 1), or for `kl`
            an encoder that does not end in a sigmoid.
    """

    term_names = ("reconstruction", "sparsity")
    regularized = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Likelihood | None = None,
        penalty: str = "l1",
        weight: float = 1e-2,
        target_activation: float = 0.05,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        if penalty not in ("l1", "kl"):
            raise InputError(f"penalty must be one of l1, kl, got {penalty!r}")
        if not 0 <= weight < math.inf:
            raise InputError(f"weight of the sparsity must be >= 0, got {weight}")
        if not 0 < target_activation < 1:
            raise InputError(f"target_activation must be in (0, 1), got {target_activation}")
        if penalty == "kl" and not keeps_unit_interval(encoder.layers[-1]):
            raise InputError(
                "encoder for the penalty 'kl' must end in a sigmoid "
                "(architecture.latent_activation 'sigmoid'), got another activation"
            )
        self.penalty = penalty
        self.weight = weight
        self.target_activation = target_activation

    def terms(self, forward: Pass, training: bool) -> dict[str, Tensor]:
        code = self.latent_mean(forward.encoded)
        sparsity = sum_features(ops.abs(code)) if self.penalty == "l1" else self._kl(code)
        return {**super().terms(forward, training), "sparsity": sparsity}

    def term_weights(self, training: bool) -> dict[str, Tensor]:
        return {"sparsity": self.weight}

    def _kl(self, code: Tensor) -> Tensor:
        target = self.target_activation
        active = ops.clip(ops.mean(code, axis=0), _MARGIN, 1 - _MARGIN)  # (latent_dim,)
        divergence = target * ops.log(target / active) + (1 - target) * ops.log(
            (1 - target) / (1 - active)
        )
        return ops.sum(divergence) * ops.ones_like(code[:, 0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "penalty": self.penalty,
            "weight": self.weight,
            "target_activation": self.target_activation,
        }
