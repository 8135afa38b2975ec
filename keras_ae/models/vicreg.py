"""An embedding that is learned without labels and without a decoder: VICReg."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ae.bounded import bounded_input
from keras_ae.errors import InputError
from keras_ae.mapping import BATCH_SIZE
from keras_ae.models.building import seeded_initializers
from keras_ae.models.scoring import ScoringModel, Tensor
from keras_ae.networks import build_embedding, build_projector
from keras_ae.precision import Float, Precision, types_of
from keras_ae.scores import latent_norm, squared_latent_norm
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.embedding import VICRegObjective
from keras_ae.weights import copy_weights

#: Added to variances, so that the root of a constant output has a gradient; as in the paper.
_EPSILON = 1e-4
#: Deviation below which an output says nothing of an event; the variance term asks for 1.
_COLLAPSED = 1e-2


@keras.saving.register_keras_serializable("keras_ae")
class VICReg(ScoringModel):
    """Learns an encoder f that gives two augmentations of an event the same numbers, and no others.

    Bardes, Ponce & LeCun, arXiv:2105.04906, eq. 6: of projections z of one view and z' of the
    other, `invariance_weight` s(z, z') + `variance_weight` (v(z) + v(z')) + `covariance_weight`
    (c(z) + c(z')), see `invariance`, `variance_hinge` and `off_diagonal_covariance`. Variance and
    covariance are those of the batch, of a replica where there are several.

    Args:
        encoder: (batch, *input_shape) -> (batch, outputs).
        projector: (batch, outputs) -> (batch, ...), there in training alone; None for z = f(x).
        invariance_weight: >= 0.
        variance_weight: > 0; without it, all outputs become constant.
        covariance_weight: >= 0.

    Raises:
        InputError: weights of another sign, or encoder and projector that do not fit together.
    """

    term_names = ("invariance", "variance", "covariance")

    def __init__(
        self,
        encoder: keras.Model,
        projector: keras.Model | None = None,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not variance_weight > 0:
            raise InputError(
                f"variance_weight must be > 0, or all outputs become constant, got "
                f"{variance_weight}"
            )
        for name, weight in (("invariance", invariance_weight), ("covariance", covariance_weight)):
            if not weight >= 0:
                raise InputError(f"{name}_weight must be >= 0, got {weight}")
        if projector is not None and projector.inputs[0].shape != encoder.outputs[0].shape:
            raise InputError(
                f"projector must take what the encoder gives, {encoder.outputs[0].shape}, got "
                f"{projector.inputs[0].shape}"
            )
        self.encoder, self.projector = encoder, projector
        self.weights_of_terms = (invariance_weight, variance_weight, covariance_weight)
        self._term_means = {name: keras.metrics.Mean(name=name) for name in self.term_names}
        self.built = True

    @property
    def networks(self) -> tuple[keras.Model, ...]:
        return (self.encoder,)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [*super().metrics, *self._term_means.values()]

    def embed(self, x: np.ndarray) -> np.ndarray:
        """What the encoder makes of events x (events, *input_shape): (events, outputs).

        Raises:
            InputError: an array of another shape, or not finite.
        """
        return np.asarray(self._map(lambda x, c: self(x), x, None, BATCH_SIZE))

    def check_not_collapsed(self, x: np.ndarray) -> None:
        """Raise InputError where an output hardly depends on the event.

        Args:
            x: (events, *input_shape), such as the background of the training.
        """
        deviations = self.embed(x).std(axis=0)
        dead = [f"{n} ({value:.2g})" for n, value in enumerate(deviations) if value < _COLLAPSED]
        if dead:
            raise InputError(
                f"outputs of an embedding must have a standard deviation >= {_COLLAPSED:g} on "
                f"background, got less of {len(dead)} of {len(deviations)}, {', '.join(dead)}: it "
                "has collapsed; choose a larger variance_weight or weaker augmentations"
            )

    def centre(self, x: np.ndarray) -> None:
        """Set the last biases so that the mean of each output is zero; no term depends on it.

        Args:
            x: (events, *input_shape), such as the background of the training.
        """
        last = [layer for layer in self.encoder.layers if getattr(layer, "bias", None) is not None]
        mean = self.embed(x).mean(axis=0)
        last[-1].bias.assign_sub(mean)
        if self.projector is not None:
            first = next(layer for layer in self.projector.layers if hasattr(layer, "kernel"))
            first.bias.assign_add(mean @ np.asarray(first.kernel))

    # Keras -------------------------------------------------------------------------------------

    def _forward(self, x: Tensor, condition: Tensor | None, training: bool) -> Tensor:
        return self(x, training=training)

    def contributions(self, forward: Any) -> dict[str, Tensor]:
        return {
            "latent_norm": latent_norm(forward),
            "squared_latent_norm": squared_latent_norm(forward),
        }

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """The embedding (batch, outputs), in float32."""
        return ops.cast(self.encoder(bounded_input(inputs), training=training), "float32")

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        self._refuse_weights(sample_weight, "a batch")
        views = [self._projected(code) for code in (y_pred, self(y, training=training))]
        terms = (
            invariance(*views),
            sum(variance_hinge(view) for view in views),
            sum(off_diagonal_covariance(view) for view in views),
        )
        n_events = ops.shape(views[0])[0]
        for mean, term in zip(self._term_means.values(), terms, strict=True):
            mean.update_state(term, sample_weight=n_events)
        weighted = zip(self.weights_of_terms, terms, strict=True)
        return sum(weight * term for weight, term in weighted) + sum(self.losses)

    def _projected(self, code: Tensor) -> Tensor:
        return code if self.projector is None else ops.cast(self.projector(code), "float32")

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        validation_data: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """`keras.Model.fit`; arrays are checked first, and a loss that is not finite ends it.

        Args:
            x: one augmentation of each event, (events, *input_shape), or anything that Keras takes.
            y: another one of the same events, in their order.
            batch_size: of two events at least.
            validation_data: `(x, y)`.

        Raises:
            InputError: arrays of another shape, empty or not finite; a batch of one.
        """
        if batch_size is not None and batch_size < 2:
            raise InputError(
                f"batch_size must be >= 2, of one event there is no variance, got {batch_size}"
            )
        x, y, _ = self.check_arrays(x, y, kwargs.pop("sample_weight", None), "x")
        validation_data = self.check_validation_data(validation_data)
        return super().fit(x, y, batch_size, *args, validation_data=validation_data, **kwargs)

    def check_arrays(self, x: Any, y: Any, weights: Any, subject: str) -> tuple[Any, Any, Any]:
        self._refuse_weights(weights, subject)
        return super().check_arrays(x, y, weights, subject)

    @staticmethod
    def _refuse_weights(weights: Any, subject: str) -> None:
        if weights is not None:
            raise InputError(
                f"sample_weight of {subject} must be None: the terms of VICReg are of batches and "
                "not of events, got weights"
            )

    def _check_target(self, y: Any, x: np.ndarray, subject: str) -> np.ndarray:
        y = self.check_inputs(y, f"y of {subject}")
        if len(y) != len(x) or len(x) < 2:
            raise InputError(
                f"{subject} must be two views of the same events, of two at least, got {len(x)} "
                f"and {len(y)}"
            )
        return np.asarray(y)

    def copy_from(self, source: VICReg) -> None:
        """Take over weights of a model of the same architecture, by layer name."""
        copy_weights(source.encoder, self.encoder)
        if self.projector is not None:
            copy_weights(source.projector, self.projector)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        own = dict(
            zip((f"{n}_weight" for n in self.term_names), self.weights_of_terms, strict=True)
        )
        if self.projector is not None:
            own["projector"] = serialize(self.projector)
        return {**super().get_config(), "encoder": serialize(self.encoder), **own}


def invariance(z: Tensor, other: Tensor) -> Tensor:
    """Mean over events of the squared distance |z - z'|^2: eq. 5 of the paper, a scalar."""
    return ops.mean(ops.sum(ops.square(z - other), axis=1))


def variance_hinge(z: Tensor) -> Tensor:
    """Mean over outputs of max(0, 1 - deviation): eq. 1, with gamma = 1, a scalar."""
    return ops.mean(ops.relu(1.0 - ops.sqrt(_covariance(z, diagonal=True) + _EPSILON)))


def off_diagonal_covariance(z: Tensor) -> Tensor:
    """Sum over pairs of different outputs of the squared covariance, by output: eq. 4, a scalar."""
    off = _covariance(z) * (1.0 - ops.eye(z.shape[1]))
    return ops.sum(ops.square(off)) / z.shape[1]


def _covariance(z: Tensor, diagonal: bool = False) -> Tensor:
    """Unbiased, (outputs, outputs), or its diagonal; zero of a single event."""
    centred = z - ops.mean(z, axis=0)
    n_events = ops.maximum(ops.cast(ops.shape(z)[0], "float32") - 1.0, 1.0)
    if diagonal:
        return ops.sum(ops.square(centred), axis=0) / n_events
    return ops.matmul(ops.transpose(centred), centred) / n_events


def build_vicreg(
    spec: ArchitectureSpec | ConvolutionalSpec,
    objective: VICRegObjective,
    precision: Precision | None = None,
    seed: int = 0,
) -> VICReg:
    """An untrained embedding and its projector; their weights depend on the seed alone.

    Args:
        spec: architecture, of which the encoder is built.
        objective: what is minimized.
        precision: of the encoder, float by default; the projector is always in float.
        seed: of the weights.
    """
    precision = precision or Float()
    with types_of(precision), seeded_initializers(seed):
        encoder = build_embedding(spec, precision)
        widths = objective.projector_dims
        projector = build_projector(spec, widths) if widths else None
        weights = (f"{name}_weight" for name in VICReg.term_names)
        return VICReg(encoder, projector, **{name: getattr(objective, name) for name in weights})
