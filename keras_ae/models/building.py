"""Settings of an objective, architecture and precision -> an untrained autoencoder."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keras_ae.corruptions import CORRUPTIONS
from keras_ae.errors import InputError
from keras_ae.likelihoods import LIKELIHOODS, Gaussian
from keras_ae.models.autoencoder import Autoencoder
from keras_ae.models.registry import MODELS
from keras_ae.networks import build_decoder, build_embedding, build_encoder
from keras_ae.precision import Float, Precision, types_of
from keras_ae.schedules import SCHEDULES
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.objectives import OBJECTIVES, Objective
from keras_ae.yaml_files import validate_settings


def build_autoencoder(
    objective: Objective | str,
    spec: ArchitectureSpec | ConvolutionalSpec,
    precision: Precision | None = None,
    seed: int = 0,
    steps_per_epoch: int | None = None,
    embedding: ArchitectureSpec | ConvolutionalSpec | None = None,
    **options: Any,
) -> Autoencoder:
    """An untrained autoencoder; its weights depend on the seed alone.

    Args:
        objective: settings, or the name of an objective with its settings as `options`.
        spec: architecture.
        precision: float by default.
        seed: of the weights and of what is random in training.
        steps_per_epoch: turns the epochs of a schedule into steps, needed for one.
        embedding: architecture of a network in front, whose outputs are encoded and reconstructed.
        options: for the name of an objective, e.g. `beta=4.0`.

    Raises:
        InputError: an unknown objective, one that cannot work on the architecture, an option that
            it has not or of a wrong value, a schedule without steps_per_epoch, or a format of a
            layer that is not there.
    """
    if isinstance(objective, str):
        if objective not in OBJECTIVES:
            raise InputError(f"objective must be one of {', '.join(OBJECTIVES)}, got {objective!r}")
        objective = validate_settings(
            OBJECTIVES[objective], options, f"options of the objective '{objective}'"
        )
    if type(objective) not in MODELS:
        raise InputError(
            f"objective must be one that a model is registered for, "
            f"{', '.join(kind.__name__ for kind in MODELS)}, got {type(objective).__name__}"
        )
    objective.check_architecture(spec)
    precision = precision or Float()
    with types_of(precision), seeded_initializers(seed):
        of_networks = {name: getattr(objective, name) for name in objective.of_networks}
        front = None if embedding is None else build_embedding(embedding, precision)
        encoder = build_encoder(
            spec,
            precision,
            objective.variational,
            of_embedding=front is not None,
            **of_networks,
        )
        decoder = build_decoder(spec, precision)
    precision.check_layers(*filter(None, (front, encoder, decoder)))
    family = LIKELIHOODS[objective.likelihood]
    arguments = {
        name: _argument(getattr(objective, name), steps_per_epoch)
        for name in type(objective).model_fields
        if name not in (*Objective.model_fields, *objective.of_networks)
    }
    with types_of(precision):
        return MODELS[type(objective)](
            encoder,
            decoder,
            family(objective.variance, objective.learn_variance)
            if issubclass(family, Gaussian)
            else family(),
            seed=seed,
            embedding=front,
            **arguments,
        )


@contextmanager
def seeded_initializers(seed: int) -> Iterator[None]:
    """Keras draws the seeds of initializers from Python's generator, which is put back after."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _argument(value: Any, steps_per_epoch: int | None) -> Any:
    """A setting as the model class takes it: corruptions and schedules become functions."""
    kind = getattr(value, "kind", None)
    if kind is None:
        return value
    settings = value.model_dump(exclude={"kind"})
    if kind in SCHEDULES:
        if "n_epochs" in settings:
            if steps_per_epoch is None:
                raise InputError(
                    f"steps_per_epoch must be given for the schedule '{kind}', which is in "
                    "epochs, got None"
                )
            settings["n_steps"] = settings.pop("n_epochs") * steps_per_epoch
        return SCHEDULES[kind](**settings)
    return CORRUPTIONS[kind](**settings)
