"""An embedding in front of the autoencoder: the section `embedding`. Knows no TensorFlow."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from keras_ae.augmentations import Augmentation, check_steps
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.section import Section, as_tuple
from keras_ae.settings.architecture import Architecture, Dimensions
from keras_ae.settings.learning import QuantizationSettings, TrainingSettings


class VICRegObjective(Section):
    """See `models.VICReg`.

    `projector_dims` are widths of the layers behind the embedding that are there in training alone;
    without any, the terms are those of the embedding. Of each event `n_pairs` pairs are made, each
    of two views of it, to which all `augmentations` are done one after the other.
    """

    kind: Literal["vicreg"] = "vicreg"
    invariance_weight: float = Field(25.0, ge=0)
    variance_weight: float = Field(25.0, gt=0)
    covariance_weight: float = Field(1.0, ge=0)
    projector_dims: Dimensions = (64, 64)
    augmentations: Annotated[tuple[Augmentation, ...], BeforeValidator(as_tuple)] = Field(
        min_length=1
    )
    n_pairs: int = Field(4, ge=1)


class EmbeddingSettings(Section):
    """A network that is trained first, by an objective without a decoder, and then frozen.

    What it gives takes the place of an event for everything behind it: `architecture`, `objective`
    and `training` of the experiment are of the autoencoder that encodes and reconstructs that. Of
    its `architecture` only the encoder is built, whose `latent_dim` outputs are the embedding; they
    have mean 0 on background. `quantization` says how it is fine-tuned in fixed point, before what
    is behind it.
    """

    architecture: Architecture
    objective: VICRegObjective
    training: TrainingSettings = TrainingSettings()
    quantization: QuantizationSettings = QuantizationSettings()

    @model_validator(mode="after")
    def _check_fits(self) -> Self:
        for name, value in (("latent_activation", "linear"), ("condition_dim", 0)):
            found = getattr(self.architecture, name)
            if found != value:
                raise InputError(
                    f"architecture.{name} of an embedding must be {value!r}, got {found!r}"
                )
        for name in ("training", "quantization"):
            settings = getattr(self, name)
            if settings.batch_size < 2:
                raise InputError(
                    f"{name}.batch_size of an embedding must be >= 2, of one event there is no "
                    f"variance, got {settings.batch_size}"
                )
        return self

    def check(self, front_end: FrontEnd) -> None:
        """Raise InputError for augmentations of what the front end has not."""
        check_steps(self.objective.augmentations, front_end, "embedding.objective.augmentations")
