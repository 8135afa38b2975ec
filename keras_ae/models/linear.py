"""Linear autoencoders: by gradient, in closed form, and by Oja's rule.

All three are an encoder z = W^T x + b and a decoder y = D z + c of one dense layer each, built from
an `ArchitectureSpec` without hidden layers, so that they quantize and convert like any other.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from sklearn.decomposition import PCA as SklearnPCA

from keras_ae.errors import InputError
from keras_ae.likelihoods import Likelihood
from keras_ae.models.autoencoder import Autoencoder, Tensor
from keras_ae.models.registry import register
from keras_ae.models.scoring import History, InEpochs
from keras_ae.settings.objectives import LinearObjective, OjaObjective, PCAObjective


@register(LinearObjective)
@keras.saving.register_keras_serializable("keras_ae")
class LinearAutoencoder(Autoencoder):
    """Minimizes -log p(x | D(W^T x + b) + c) by gradient, in nats.

    With a Gaussian likelihood its minimum is PCA's, and the codes span PCA's subspace (Baldi &
    Hornik, Neural Networks 2 (1989) 53).

    Raises:
        InputError: networks that are not one dense layer each.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: Likelihood | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        self._encoding, self._decoding = _dense_layer(encoder), _dense_layer(decoder)


@register(PCAObjective)
@keras.saving.register_keras_serializable("keras_ae")
class PCA(LinearAutoencoder):
    """The best linear autoencoder in squared error, in closed form.

    z = D^T (x - mean), y = mean + D z, with orthonormal D: the leading eigenvectors of the
    covariance (Goodfellow, Bengio & Courville, Deep Learning, sec. 2.12); computed by scikit-learn.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._explained_variance = self.add_weight(
            shape=(self.latent_dim, 2),
            initializer="zeros",
            trainable=False,
            name="explained_variance",
        )

    @property
    def mean_(self) -> np.ndarray:
        """Mean of the data, (features,)."""
        return np.asarray(self._decoding.bias)

    @property
    def components_(self) -> np.ndarray:
        """Rows of D^T, (latent_dim, features), by decreasing variance."""
        return np.asarray(self._decoding.kernel)

    @property
    def explained_variance_(self) -> np.ndarray:
        """Variance of each code, (latent_dim,)."""
        return np.asarray(self._explained_variance)[:, 0]

    @property
    def explained_variance_ratio_(self) -> np.ndarray:
        """Share of the whole variance, (latent_dim,)."""
        return np.asarray(self._explained_variance)[:, 1]

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        validation_data: Any = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Solve for x (events, features); epochs, callbacks and the rest have no meaning here.

        With weights of events mean and covariance are weighted, variances unbiased for the
        effective number of events, (sum w)^2 / sum w^2.

        Returns:
            A history of one epoch.

        Raises:
            InputError: latent_dim above the number of features or events; see `Autoencoder.fit`.
        """
        x, y, sample_weight = self.check_arrays(x, y, sample_weight, "x")
        if not isinstance(x, np.ndarray):
            raise InputError(f"x of PCA must be one array, got {type(x).__name__}")
        if self.latent_dim > min(x.shape):
            raise InputError(
                f"latent_dim must be <= {min(x.shape)} for {x.shape[0]} events of {x.shape[1]} "
                f"features, got {self.latent_dim}"
            )
        components, mean, variances = _leading(x.astype(np.float64), self.latent_dim, sample_weight)
        self._encoding.set_weights([components.T, -components @ mean])
        self._decoding.set_weights([components, mean])
        self._explained_variance.assign(variances)
        if not self.compiled:
            self.compile()
        # A saved optimizer must have its variables to be loaded without a warning.
        self.optimizer.build(self.trainable_variables)
        history = keras.callbacks.History()
        history.history = {}
        samples = {"": (x, y, sample_weight)}
        if validation_data is not None:
            samples["val_"] = (*validation_data, None, None)[:3]
        for prefix, (events, target, weights) in samples.items():
            found = self.evaluate(
                events, target, sample_weight=weights, return_dict=True, verbose=0
            )
            history.history |= {f"{prefix}{name}": [value] for name, value in found.items()}
        return history

    def learn(self, train: Any, validation: Any, in_epochs: InEpochs) -> History:
        """Solve for `train`; there are no epochs."""
        return self.fit(train, validation_data=(validation,)).history


@register(OjaObjective)
@keras.saving.register_keras_serializable("keras_ae")
class OjaPCA(LinearAutoencoder):
    """Principal components by Oja's rule, event by event in batches, without a gradient of a loss.

    w <- w + e y (x - y w), y = w^T x (Oja, J. Math. Biology 15 (1982) 267, eq. 3): w becomes the
    leading eigenvector of the covariance, of length 1. For several components w_j <- w_j + e y_j (x
    - sum_{i<=j} y_i w_i) (Sanger, Neural Networks 2 (1989) 459, eq. 8), averaged over the batch.
    x is taken from its mean over all events seen. Compile it with
    `keras.optimizers.SGD(e)`; e times the largest variance must stay below 1.

    Raises:
        InputError: when it is fitted on more than one replica.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._n_seen = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="n_seen"
        )

    def update(
        self, x: Tensor, condition: Tensor | None, weights: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        n_replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if n_replicas > 1:
            raise InputError(f"replicas of OjaPCA must be 1, got {n_replicas}")
        loss, terms = self._objective(x, condition, True, weights)
        kernel, mean = self._encoding.kernel, self._decoding.bias
        if weights is None:
            n_events, batch_mean = ops.cast(ops.shape(x)[0], "float32"), ops.mean(x, axis=0)
        else:
            weights = ops.cast(weights, "float32")[:, None]
            n_events = ops.sum(weights)
            batch_mean = ops.divide_no_nan(ops.sum(weights * x, axis=0), n_events)
        self._n_seen.assign_add(n_events)
        mean.assign_add(ops.divide_no_nan((batch_mean - mean) * n_events, self._n_seen))
        centred = x - mean
        code = ops.matmul(centred, kernel)  # (batch, latent_dim)
        weighted = code if weights is None else weights * code
        products = ops.triu(ops.matmul(ops.transpose(code), weighted))
        growth = ops.matmul(ops.transpose(centred), weighted) - ops.matmul(kernel, products)
        growth = ops.divide_no_nan(growth, n_events)
        # Under mixed precision the optimizer divides by its scale.
        self.optimizer.apply([self.optimizer.scale_loss(-growth)], [kernel])
        self._encoding.bias.assign(-ops.matmul(mean, kernel))
        self._decoding.kernel.assign(ops.transpose(kernel))
        return loss, terms


def _leading(
    x: np.ndarray, n_components: int, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components (rows), mean, and variance and its share (components, 2) of x."""
    if weights is None:
        found = SklearnPCA(n_components, svd_solver="full").fit(x)
        variances = np.stack([found.explained_variance_, found.explained_variance_ratio_], axis=1)
        return found.components_, found.mean_, variances
    mean = np.average(x, axis=0, weights=weights)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(x, rowvar=False, aweights=weights)))
    largest = np.argsort(values)[::-1][:n_components]
    components = vectors.T[largest]
    # The largest number of each is positive, as scikit-learn has it.
    largest_of_each = np.abs(components).argmax(axis=1)[:, np.newaxis]
    signs = np.sign(np.take_along_axis(components, largest_of_each, axis=1))
    variances = np.stack([values[largest], values[largest] / values.sum()], axis=1)
    return signs * components, mean, variances


def _dense_layer(network: keras.Model) -> keras.layers.Dense:
    weighted = [layer for layer in network.layers if layer.weights]
    if len(weighted) != 1 or not isinstance(weighted[0], keras.layers.Dense):
        raise InputError(
            f"{network.name} of a linear autoencoder must be one dense layer (hidden_dims=()), got "
            f"{', '.join(layer.name for layer in weighted)}"
        )
    return weighted[0]
