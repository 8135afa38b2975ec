"""Settings of an objective -> its model class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from keras_ae.settings.objectives import Objective

Model = TypeVar("Model", bound=type)

#: Settings -> model class; grows by `register`.
MODELS: dict[type[Objective], Any] = {}


def register(objective: type[Objective]) -> Callable[[Model], Model]:
    """Class decorator: the model class that the settings `objective` describe.

    The settings' fields, without those of `Objective` itself, must be its keyword arguments.
    """

    def decorate(model: Model) -> Model:
        MODELS[objective] = model
        return model

    return decorate
