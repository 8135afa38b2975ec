"""Images of digits: scikit-learn's, and MNIST from a file that the user has."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np

from keras_ae.errors import InputError

_IDX_NAMES = (
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-labels-idx1-ubyte",
)
_IDX_UNSIGNED_BYTE = 8


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1797 digits: images (events, 8, 8, 1) float32 in [0, 1], labels (events,)."""
    from sklearn.datasets import load_digits as load

    digits = load()
    return (digits.images[..., None] / 16).astype(np.float32), digits.target


def load_mnist(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """MNIST: images (70000, 28, 28, 1) float32 in [0, 1], labels (70000,).

    Args:
        path: `mnist.npz` as Keras keeps it (x_train, y_train, x_test, y_test), or a folder with
            the four idx files, gzipped or not. Nothing is downloaded.

    Raises:
        FileNotFoundError: there is nothing at `path`; with what is expected there.
        InputError: something else is.
    """
    if path.is_dir():
        images = [_read_idx(path, name) for name in _IDX_NAMES[:2]]
        labels = [_read_idx(path, name) for name in _IDX_NAMES[2:]]
    elif path.is_file():
        try:
            with np.load(path) as stored:
                images = [stored["x_train"], stored["x_test"]]
                labels = [stored["y_train"], stored["y_test"]]
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} must hold x_train, y_train, x_test and y_test (.npz), got something else "
                f"({type(error).__name__})"
            ) from error
    else:
        raise FileNotFoundError(
            f"MNIST not found: expected {path.absolute()} to be mnist.npz or a folder with "
            f"{', '.join(_IDX_NAMES)}; nothing is downloaded"
        )
    pixels, digits = np.concatenate(images), np.concatenate(labels)
    if pixels.shape[1:] != (28, 28) or len(pixels) != len(digits):
        raise InputError(
            f"{path} must hold images of shape (events, 28, 28) and a label for each, got "
            f"{pixels.shape} and {digits.shape}"
        )
    return (pixels[..., None] / 255).astype(np.float32), digits.astype(int)


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """Read an idx file: two zeros, type, number of dimensions, sizes, bytes."""
    path = folder / name
    if path.is_file():
        content = path.read_bytes()
    elif path.with_name(f"{name}.gz").is_file():
        content = gzip.decompress(path.with_name(f"{name}.gz").read_bytes())
    else:
        raise FileNotFoundError(f"MNIST not found: expected {path} or {path}.gz")
    n_dims = content[3] if len(content) > 3 else 0
    start = 4 + 4 * n_dims
    shape = tuple(np.frombuffer(content[4:start], ">u4")) if len(content) >= start else ()
    if content[:3] != bytes([0, 0, _IDX_UNSIGNED_BYTE]) or len(content) - start != np.prod(shape):
        raise InputError(f"{path} must be an idx file of unsigned bytes, got {content[:4].hex()}…")
    return np.frombuffer(content[start:], np.uint8).reshape(shape)
