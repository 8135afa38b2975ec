"""Digits from scikit-learn, MNIST from files made here."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from keras_ae.data.dataset import load_dataset
from keras_ae.data.digit_source import DigitsData, MnistData
from keras_ae.data.digits import load_digits, load_mnist
from keras_ae.data.fingerprint import data_fingerprint
from keras_ae.errors import InputError

RNG = np.random.default_rng(1)
PARTS = {"train": RNG.integers(0, 256, (30, 28, 28)), "t10k": RNG.integers(0, 256, (10, 28, 28))}
LABELS = {name: RNG.integers(0, 10, len(images)) for name, images in PARTS.items()}


def write_idx(folder: Path, compressed: bool) -> None:
    for name in PARTS:
        for kind, values in (("images-idx3", PARTS[name]), ("labels-idx1", LABELS[name])):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            content = header + values.astype(np.uint8).tobytes()
            path = folder / f"{name}-{kind}-ubyte"
            if compressed:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
            else:
                path.write_bytes(content)


@pytest.mark.parametrize("layout", ["npz", "idx", "idx.gz"])
def test_mnist_layouts(tmp_path: Path, layout: str) -> None:
    path = tmp_path
    if layout == "npz":
        path = tmp_path / "mnist.npz"
        np.savez(
            path,
            x_train=PARTS["train"].astype(np.uint8),
            y_train=LABELS["train"],
            x_test=PARTS["t10k"].astype(np.uint8),
            y_test=LABELS["t10k"],
        )
    else:
        write_idx(tmp_path, layout.endswith("gz"))
    images, labels = load_mnist(path)
    expected = np.concatenate([PARTS["train"], PARTS["t10k"]]) / 255
    np.testing.assert_allclose(images[..., 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(labels, np.concatenate([LABELS["train"], LABELS["t10k"]]))
    source = MnistData(kind="mnist", path=str(path))
    data = load_dataset(source, None, 1)
    assert len(data.train) + len(data.validation) + len(data.test) == 40
    before = data_fingerprint(source)
    assert len(before) == (1 if layout == "npz" else 4)
    if layout != "npz":
        changed = sorted(path.iterdir())[0]
        changed.write_bytes(changed.read_bytes() + b"more")
        assert data_fingerprint(source) != before


def test_nothing_left_for_the_test() -> None:
    with pytest.raises(ValueError, match="validation_fraction must be < 1, got 1"):
        DigitsData(kind="digits", train_fraction=0.7, validation_fraction=0.3)


def test_absent_mnist_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected .*/mnist.npz to be mnist.npz or a fol"):
        load_mnist(tmp_path / "mnist.npz")
    with pytest.raises(FileNotFoundError, match=r"expected .*/train-images-idx3-ubyte or .*\.gz"):
        load_mnist(tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="must hold x_train, y_train, x_test and y_test"):
        load_mnist(tmp_path / "mnist.npz")
    write_idx(tmp_path, compressed=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03short")
    with pytest.raises(InputError, match="must be an idx file of unsigned bytes, got 00000803"):
        load_mnist(tmp_path)


def test_one_digit_is_the_anomaly() -> None:
    data = load_dataset(DigitsData(kind="digits", anomaly=3), None, seed=1)
    _, labels = load_digits()
    parts = (data.train, data.validation, data.test)
    assert sum(map(len, parts)) == (labels != 3).sum()
    assert all(3 not in part.labels for part in parts)
    assert set(data.signals) == {"digit 3"}
    assert len(data.signals["digit 3"]) == (labels == 3).sum()
    np.testing.assert_array_equal(data.test.condition.argmax(axis=1), data.test.labels)
    assert data.train.x.min() == 0 and data.train.x.max() == 1
