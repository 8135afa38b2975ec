"""Public names of a package that are imported when they are asked for, so that it imports fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names, by the modules that have them, are `places`."""

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}; public names: {', '.join(places)}"
            )
        return getattr(import_module(places[name]), name)

    return load
