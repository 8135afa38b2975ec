"""Settings of an objective -> its model class, and models built from settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import keras

from keras_ae.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.build import build_decoder, build_encoder
from keras_ae.corruptions import CORRUPTIONS
from keras_ae.errors import InputError
from keras_ae.likelihoods import LIKELIHOODS, Gaussian
from keras_ae.objectives import OBJECTIVES, VARIATIONAL_SCORES, Objective
from keras_ae.precision import Float, Precision
from keras_ae.schedules import SCHEDULES

if TYPE_CHECKING:
    from keras_ae.models.autoencoder import Autoencoder

Model = TypeVar("Model", bound=type)

_MODELS: dict[type[Objective], Any] = {}


def register(objective: type[Objective]) -> Callable[[Model], Model]:
    """Class decorator: the model class that the settings `objective` describe.

    The settings' fields, without those of `Objective` itself, must be its keyword arguments.
    """

    def decorate(model: Model) -> Model:
        _MODELS[objective] = model
        return model

    return decorate


def build_autoencoder(
    objective: Objective | str,
    spec: ArchitectureSpec | ConvolutionalSpec,
    precision: Precision | None = None,
    seed: int = 0,
    steps_per_epoch: int = 1,
    **options: Any,
) -> Autoencoder:
    """An untrained autoencoder; its weights depend on the seed alone.

    Args:
        objective: settings, or the name of an objective with its settings as `options`.
        spec: architecture.
        precision: float by default.
        seed: of the weights and of what is random in training.
        steps_per_epoch: turns the epochs of a schedule into steps.
        options: for the name of an objective, e.g. `beta=4.0`.

    Raises:
        InputError: an unknown objective, or one that cannot work on the architecture.
        pydantic.ValidationError: an option that the objective has not, or of a wrong value.
    """
    if isinstance(objective, str):
        if objective not in OBJECTIVES:
            raise InputError(f"objective must be one of {', '.join(OBJECTIVES)}, got {objective!r}")
        objective = OBJECTIVES[objective](**options)
    objective.check_architecture(spec)
    keras.utils.set_random_seed(seed)
    precision = precision or Float()
    variational = objective.scores == VARIATIONAL_SCORES
    family = LIKELIHOODS[objective.likelihood]
    arguments = {
        name: _argument(getattr(objective, name), steps_per_epoch)
        for name in type(objective).model_fields
        if name not in Objective.model_fields
    }
    return _MODELS[type(objective)](
        build_encoder(spec, precision, variational),
        build_decoder(spec, precision),
        family(objective.variance, objective.learn_variance)
        if issubclass(family, Gaussian)
        else family(),
        seed=seed,
        **arguments,
    )


def _argument(value: Any, steps_per_epoch: int) -> Any:
    """A setting as the model class takes it: corruptions and schedules become functions."""
    kind = getattr(value, "kind", None)
    if kind is None:
        return value
    settings = value.model_dump(exclude={"kind"})
    if kind in SCHEDULES:
        if "n_epochs" in settings:
            settings["n_steps"] = settings.pop("n_epochs") * steps_per_epoch
        return SCHEDULES[kind](**settings)
    return CORRUPTIONS[kind](**settings)
