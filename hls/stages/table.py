"""Stage -> the function that does it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

#: By the names of `keras_ae.stages.STAGES`. As text: importing them takes seconds.
_FUNCTIONS = {
    "train": "keras_ae.training:train",
    "distill": "keras_ae.training:distill",
    "quantize": "keras_ae.training:quantize",
    "evaluate": "keras_ae.evaluation:evaluate",
    "convert": "hls.stages.firmware:convert",
    "rtl": "hls.stages.rtl:write_rtl",
}


def function_of(stage: str) -> Callable[..., bool]:
    """Takes a run, does the stage unless it is finished, and returns whether it was done."""
    module, name = _FUNCTIONS[stage].split(":")
    return getattr(import_module(module), name)
