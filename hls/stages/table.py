"""Stage -> the function that does it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_ae.settings.adoption import RunSettings

#: By the names of `keras_ae.stages.STAGES`. As text: importing them takes seconds.
_FUNCTIONS = {
    "adopt": "hls.stages.adopted:adopt",
    "embed": "keras_ae.embedding:embed",
    "train": "keras_ae.training:train",
    "distill": "keras_ae.training:distill",
    "quantize": "keras_ae.training:quantize",
    "evaluate": "keras_ae.evaluation:evaluate",
    "convert": "hls.stages.firmware:convert",
    "rtl": "hls.stages.rtl:write_rtl",
}


#: Where a network that came trained has another.
_OF_ADOPTED = {"evaluate": "hls.stages.adopted:evaluate"}


def function_of(stage: str, settings: RunSettings) -> Callable[..., bool]:
    """Takes a run, does the stage unless it is finished, and returns whether it was done."""
    is_adopted = getattr(settings, "network", None) is not None
    place = (_OF_ADOPTED if is_adopted else {}).get(stage, _FUNCTIONS[stage])
    module, name = place.split(":")
    return getattr(import_module(module), name)
