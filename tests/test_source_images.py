"""Images of any size, as they stand and in another size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from source_files import read_all

from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end

IMAGES = np.arange(4 * 5 * 3 * 2, dtype=np.float32).reshape(4, 5, 3, 2)


def image(*shape: int) -> FrontEnd:
    return load_front_end({"image": {"shape": list(shape)}})


def images(path: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "images", "background": str(path), **more}


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".npy"])
@pytest.mark.parametrize("n_channels", [1, 2, None])
def test_as_they_stand(suffix: str, n_channels: int | None, tmp_path: Path) -> None:
    array = IMAGES[..., 0] if n_channels is None else IMAGES[..., :n_channels]
    path = tmp_path / f"x{suffix}"
    if suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["group/images"] = array
            file["weights"] = np.arange(4)
    elif suffix == ".npz":
        np.savez(path, images=array, weights=np.arange(4))
    else:
        np.save(path, array)
    marks = {} if suffix == ".npy" else {"weight": "weights", "label": "weights"}
    found, _ = read_all(images(path, **marks), image(5, 3, n_channels or 1))
    # Row by row, channels of a pixel beside each other.
    np.testing.assert_array_equal(found.values, array.reshape(4, -1))
    if marks:
        np.testing.assert_array_equal(found.weights, np.arange(4))
        np.testing.assert_array_equal(found.labels, np.arange(4))


def test_calorimeter_regions(tmp_path: Path) -> None:
    front_end = load_front_end("calorimeter_regions")
    regions = np.random.default_rng(1).integers(0, 1200, (7, 18, 14))
    np.savez(tmp_path / "x.npz", regions)
    found, _ = read_all(images(tmp_path / "x.npz"), front_end)
    # 10 bits.
    hardware = front_end.to_hardware(found.values)
    np.testing.assert_array_equal(hardware.reshape(7, 18, 14), np.minimum(regions, 1023))


@pytest.mark.parametrize(
    ("stated", "shape", "rows", "columns"),
    [
        # Index of the row and column of the file in each place; None where zeros are added.
        ({"pad": "end"}, (6, 5), [0, 1, 2, 3, 4, None], [0, 1, 2, None, None]),
        ({"pad": "both"}, (8, 5), [None, 0, 1, 2, 3, 4, None, None], [None, 0, 1, 2, None]),
        ({"crop": "end"}, (4, 1), [0, 1, 2, 3], [0]),
        ({"crop": "both"}, (2, 1), [1, 2], [1]),
        ({"crop": "both", "pad": "end"}, (3, 4), [1, 2, 3], [0, 1, 2, None]),
        ({"crop": "end", "pad": "both"}, (5, 3), [0, 1, 2, 3, 4], [0, 1, 2]),
    ],
)
def test_another_size(
    stated: dict[str, str],
    shape: tuple[int, int],
    rows: list[int | None],
    columns: list[int | None],
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    found, _ = read_all(images(tmp_path / "x.npy", **stated), image(*shape, 2))
    expected = np.zeros((4, *shape, 2))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if row is not None and column is not None:
                expected[:, i, j] = IMAGES[:, row, column]
    np.testing.assert_array_equal(found.values.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("stated", "shape", "message"),
    [
        (
            {},
            (6, 3, 2),
            "images of 6 x 3 x 2, as the front end's, or pad must be .* got 5 x 3",
        ),
        (
            {"crop": "end"},
            (6, 3, 2),
            "images of 6 x 3 x 2, .* pad must be one of end, both, got",
        ),
        (
            {"pad": "end"},
            (5, 2, 2),
            "images of 5 x 2 x 2, .* crop must be one of end, both, got",
        ),
        ({"pad": "end", "crop": "end"}, (5, 3, 3), "hold images of 3 channels, .* got 5 x 3 x 2$"),
        ({"key": "x"}, (5, 3, 2), "key must name one of array, got 'x'"),
        ({"weight": "w"}, (5, 3, 2), "must hold 'w', got array"),
    ],
)
def test_mistakes(
    stated: dict[str, str], shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    with pytest.raises(InputError, match=message):
        read_all(images(tmp_path / "x.npy", **stated), image(*shape))


def test_other_arrays(tmp_path: Path) -> None:
    front_end = image(5, 3, 2)
    path = tmp_path / "x.npz"
    np.savez(path, a=IMAGES, b=IMAGES, c=IMAGES[:, 0, 0], d=np.full((4, 5, 3), "x"))
    found, _ = read_all(images(path, key="b"), front_end)
    assert len(found) == 4
    with pytest.raises(
        InputError, match="one array of .*, or key must name one of a, b, c, d, got 3"
    ):
        read_all(images(path), front_end)
    message = r"'c' must be numbers of shape \(events, height, width\[, channels\]\), got float32"
    with pytest.raises(InputError, match=message):
        read_all(images(path, key="c"), front_end)
    with pytest.raises(InputError, match="'d' must be numbers of shape .* got <U1"):
        read_all(images(path, key="d"), front_end)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match="must end in .npz, .npy, .h5, .hdf5, got '.png'"):
        read_all(images(tmp_path / "x.png"), front_end)
