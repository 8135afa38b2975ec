"""Files that are not whole, or another kind than they are called."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_ae.errors import InputError

#: What reading other bytes than were meant ends in, decompression included.
_SIGNS: tuple[type[Exception], ...] = (
    *(OSError, EOFError, RuntimeError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)

#: Characters of what a library says.
_MOST_SAID = 160


@contextmanager
def whole(path: Path, kind: str, *signs: type[Exception]) -> Iterator[None]:
    """For what a library reads of a file meanwhile.

    Args:
        path: of the file.
        kind: what it must be, such as `HDF5 file`.
        signs: what the library also raises where it is not.

    Raises:
        InputError: it is not, or not whole: the library's words, in one line.
    """
    try:
        yield
    except InputError:
        raise
    except _SIGNS + signs as error:
        said = " ".join(str(error).split())[:_MOST_SAID] or type(error).__name__
        raise InputError(f"{path} must be a whole {kind}: {said}") from error
