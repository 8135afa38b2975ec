"""Files of the data: whether they have changed, and whether others find them."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from keras_ae.data.source import PACKAGE_PREFIX, EventSource, resolve_path
from keras_ae.errors import InputError


def require_absolute_paths(source: EventSource) -> None:
    """For processes that have another working directory.

    Raises:
        InputError: a file of the data has a relative path.
    """
    for name in source.paths:
        if not name.startswith(PACKAGE_PREFIX) and not Path(name).is_absolute():
            raise InputError(
                "data must have absolute paths for workers on other machines, or be of the "
                f"package, got {name}"
            )


def data_fingerprint(source: EventSource) -> dict[str, str]:
    """SHA-256 of every file, to see whether the inputs of a stage have changed.

    Raises:
        FileNotFoundError: a file is missing.
    """
    fingerprint = {name: version(name) for name in source.libraries}
    for name in source.paths:
        path = resolve_path(name)
        parts = {f"{name}/{part.name}": part for part in path.iterdir()} if path.is_dir() else {}
        for key, file_path in (parts or {name: path}).items():
            with file_path.open("rb") as file:
                fingerprint[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return fingerprint
