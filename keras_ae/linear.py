"""Linear autoencoders."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA as SklearnPCA

from keras_ae.errors import InputError


class PCA:
    """The best linear autoencoder in squared error, in closed form.

    z = D^T (x - mean), y = mean + D z, with orthonormal D (Goodfellow, Bengio & Courville, Deep
    Learning, sec. 2.12); computed by scikit-learn.

    Raises:
        InputError: latent_dim < 1 or above the number of features or events.
    """

    def __init__(self, latent_dim: int) -> None:
        if latent_dim < 1:
            raise InputError(f"latent_dim must be >= 1, got {latent_dim}")
        self._pca = SklearnPCA(latent_dim, svd_solver="full")

    def fit(self, x: np.ndarray) -> PCA:
        """Fit on (events, features)."""
        if self._pca.n_components > min(x.shape):
            raise InputError(
                f"latent_dim must be <= {min(x.shape)} for {x.shape[0]} events of {x.shape[1]} "
                f"features, got {self._pca.n_components}"
            )
        self._pca.fit(x)
        return self

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Codes (events, latent_dim)."""
        return self._pca.transform(x)

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Reconstructions (events, features)."""
        return self._pca.inverse_transform(latent)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """decode(encode(x))."""
        return self.decode(self.encode(x))
