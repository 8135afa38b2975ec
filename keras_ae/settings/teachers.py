"""Whose scores a student learns, as settings. Knows no TensorFlow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, model_validator

from keras_ae.errors import InputError
from keras_ae.section import Section

#: Of a model whose encoder gives a distribution, estimated by importance sampling; see
#: `log_likelihood` of the models. A score of teachers alone.
NEGATIVE_LOG_LIKELIHOOD = "negative_log_likelihood"


class AutoencoderTeacher(Section):
    """The run's autoencoder, trained `n_seeds` times: each is a teacher.

    `score` is the one that is learned, `trigger.score` where none is named;
    `negative_log_likelihood` is estimated from `n_samples` of the latent of each event, by noise
    that depends on its place among the others: of few samples it is another one in another batch.
    """

    kind: Literal["autoencoder"] = "autoencoder"
    n_seeds: int = Field(1, ge=1, le=100)
    score: str | None = None
    n_samples: int = Field(64, ge=1)

    @model_validator(mode="after")
    def _check_samples(self) -> AutoencoderTeacher:
        if self.differs("n_samples") and self.score != NEGATIVE_LOG_LIKELIHOOD:
            raise InputError(
                f"n_samples must not be set for the score {self.score!r}, which is not sampled, "
                f"got {self.n_samples}"
            )
        return self


class DensityTeacher(Section):
    """What densities have in common.

    `sees` is what one is a density of: the network inputs, or the frozen embedding of them.
    """

    sees: Literal["inputs", "embedding"] = "inputs"

    def check_events(self, n_events: int) -> None:
        """Raise InputError where it needs more events than it is to learn from."""
        setting, n_needed = self._needed
        if n_needed > n_events:
            raise InputError(
                f"a teacher of {setting} must learn from at least {n_needed} background events, "
                f"got {n_events}"
            )

    @property
    def _needed(self) -> tuple[str, int]:
        """The setting that asks for events, and of how many it must learn at least."""
        raise NotImplementedError


class GaussianMixtureTeacher(DensityTeacher):
    """Negative log-density of a mixture of Gaussians, by scikit-learn, in nats.

    `least_variance` is added to every variance: that of a slot which is nearly always empty is 0.
    Far smaller ones give scores that no float32 holds.
    """

    kind: Literal["gaussian_mixture"] = "gaussian_mixture"
    n_components: int = Field(30, ge=1)
    least_variance: float = Field(1e-3, ge=1e-9)

    @property
    def _needed(self) -> tuple[str, int]:
        return f"n_components {self.n_components}", self.n_components


class NearestNeighboursTeacher(DensityTeacher):
    """Mean distance of the nearest background events of the training, by scikit-learn."""

    kind: Literal["nearest_neighbours"] = "nearest_neighbours"
    n_neighbours: int = Field(5, ge=1)

    @property
    def _needed(self) -> tuple[str, int]:
        # None is its own neighbour.
        return f"n_neighbours {self.n_neighbours}", self.n_neighbours + 1


Teacher = Annotated[
    AutoencoderTeacher | GaussianMixtureTeacher | NearestNeighboursTeacher, Discriminator("kind")
]
