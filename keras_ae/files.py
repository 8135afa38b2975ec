"""Files and folders that are either whole or absent."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras_ae.errors import InputError

_PREFIX = ".writing-"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, else it goes.

    An interruption at any moment leaves the old file, or none, but never half of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: Keras and matplotlib choose the format by it.
    handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; on success it takes its place, else it goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = (Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder.parent)) for _ in range(2))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if folder.exists():
            # Moved before it is removed, so that what stands there is whole at every moment.
            folder.replace(old / folder.name)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a folder in `parent`, and remove it; after a kill, `remove_unfinished` does."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name:
        yield Path(name)


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock file, which a process that is killed lets go.

    Raises:
        BlockingIOError: another process holds it, and this one is not to `wait`.
        InputError: it is a link, which may lead anywhere.
    """
    if path.is_symlink():
        raise InputError(f"lock must be a file, got a link: {path}")
    # Whatever it holds is left as it is.
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process was writing into a folder, where no other writes now."""
    for path in folder.glob(f"{_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a small text file as a whole."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, content: Any) -> None:
    """Write a whole JSON file, floats as short as they can be read back exactly."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, *keys: str) -> Any:
    """Read a JSON file that a stage wrote, a mapping with at least `keys`.

    Raises:
        InputError: it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} must be JSON: {error}") from error
    missing = set(keys) - set(content if isinstance(content, dict) else ())
    if missing:
        raise InputError(f"{path} must hold {', '.join(sorted(missing))}: run the stage again")
    return content
