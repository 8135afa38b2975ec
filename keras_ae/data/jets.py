"""Jet images for anomaly searches in boosted jets: QCD against hadronic top quarks.

An image is the transverse momentum of a jet's constituents on a grid of 40 x 40 pixels over +-0.58
in pseudorapidity and azimuth, preprocessed in the manner of arXiv:1803.00107 and arXiv:1808.08979:
centred, rotated, flipped, then made into pixels and divided by its sum.

On disk: HDF5 with `images` (jets, 40, 40) float16, `pt_gev` and `mass_gev` (jets,) float32 and
`parents` (jets,) int64; the provenance is in the attributes of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_ae.arrays import check_finite
from keras_ae.data.damage import whole
from keras_ae.errors import InputError
from keras_ae.files import whole_file

N_PIXELS = 40
IMAGE_HALF_WIDTH = 0.58

_JETS_PER_HDF5_CHUNK = 500

#: Dataset -> shape of one jet, type on disk, type in memory.
_DATASETS: dict[str, tuple[tuple[int, ...], type, type]] = {
    "images": ((N_PIXELS, N_PIXELS), np.float16, np.float32),
    "pt_gev": ((), np.float32, np.float32),
    "mass_gev": ((), np.float32, np.float32),
    "parents": ((), np.int64, np.int64),
}


@dataclass(frozen=True)
class JetImages:
    """Images of jets, and what an image does not show.

    `images` (jets, 40, 40) float32: fractions of the transverse momentum, each image sums to 1.
    Rows follow the principal axis; the brighter halves are at the higher rows and columns.
    `pt_gev`, `mass_gev` (jets,) float32: of the sum of the constituents. `parents` (jets,): jets
    of equal parent are of one collision and must stay on one side of a split. `provenance`:
    attributes of the sample.
    """

    images: np.ndarray
    pt_gev: np.ndarray
    mass_gev: np.ndarray
    parents: np.ndarray
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: np.ndarray | slice) -> JetImages:
        """The jets at `index`."""
        arrays = {name: getattr(self, name)[index] for name in _DATASETS}
        return JetImages(**arrays, provenance=self.provenance)

    @classmethod
    def join(cls, parts: Sequence[JetImages], provenance: Mapping[str, Any]) -> JetImages:
        """The jets of all parts, one part after the other."""
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _DATASETS
        }
        return cls(**arrays, provenance=provenance)


def make_jet_images(
    constituents: np.ndarray,
    parents: np.ndarray | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> JetImages:
    """Images of jets, centred, rotated and flipped.

    The pT-weighted centroid goes to the middle, the principal axis of the pT-weighted covariance
    in (eta, phi) upright; each half with less pT goes to the lower rows or columns.

    Args:
        constituents: four-vectors (jets, constituents, 4) as E, px, py, pz [GeV]; zeros are empty.
        parents: number of each jet's collision, (jets,); by default each jet has its own.
        provenance: kept with the jets.

    Raises:
        InputError: another shape of constituents or parents, values that are not finite, or a jet
            with an empty image.
    """
    if constituents.ndim != 3 or constituents.shape[2] != 4:
        raise InputError(
            f"constituents must have shape (jets, constituents, 4), got {constituents.shape}"
        )
    check_finite(constituents, "constituents")
    if parents is not None and np.shape(parents) != constituents.shape[:1]:
        raise InputError(
            f"parents must have shape ({len(constituents)},), one for each jet, got "
            f"{np.shape(parents)}"
        )
    momenta = constituents.astype(np.float64)
    energy, px, py, pz = momenta.sum(axis=1).T  # each (jets,)
    pixels = _fill_pixels(*_standard_frame(momenta))
    return JetImages(
        images=_normalize(pixels, "constituents"),
        pt_gev=np.hypot(px, py).astype(np.float32),
        # Massless constituents of a narrow jet can round to less than nothing.
        mass_gev=np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0)).astype(np.float32),
        parents=np.arange(len(momenta)) if parents is None else np.asarray(parents, np.int64),
        provenance=dict(provenance or {}),
    )


def _standard_frame(momenta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pT, horizontal and vertical coordinate of each constituent: three of (jets, constituents)."""
    _, px, py, pz = np.moveaxis(momenta, 2, 0)  # each (jets, constituents)
    pt = np.hypot(px, py)
    filled = pt > 0
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=filled))
    axis_phi = np.arctan2(py.sum(axis=1), px.sum(axis=1))
    phi = np.where(filled, _wrap(np.arctan2(py, px) - axis_phi[:, None]), 0.0)

    total = np.maximum(pt.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    weight = pt / total
    eta = eta - (weight * eta).sum(axis=1, keepdims=True)
    phi = phi - (weight * phi).sum(axis=1, keepdims=True)

    difference = (weight * (eta**2 - phi**2)).sum(axis=1, keepdims=True)
    mixed = (weight * eta * phi).sum(axis=1, keepdims=True)
    # Of the principal axis against the eta axis: diagonalizes the 2 x 2 covariance.
    angle = 0.5 * np.arctan2(2 * mixed, difference)
    upright = np.cos(angle) * eta + np.sin(angle) * phi
    across = np.cos(angle) * phi - np.sin(angle) * eta
    return pt, _brighter_half_positive(across, pt), _brighter_half_positive(upright, pt)


def _wrap(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _brighter_half_positive(coordinate: np.ndarray, pt: np.ndarray) -> np.ndarray:
    surplus = (np.sign(coordinate) * pt).sum(axis=1, keepdims=True)
    return np.where(surplus < 0, -coordinate, coordinate)


def _fill_pixels(pt: np.ndarray, across: np.ndarray, upright: np.ndarray) -> np.ndarray:
    """Sum of pT in each pixel: (jets, 40, 40)."""
    pixel_width = 2 * IMAGE_HALF_WIDTH / N_PIXELS
    column, row = (
        np.floor((coordinate + IMAGE_HALF_WIDTH) / pixel_width).astype(int)
        for coordinate in (across, upright)
    )
    inside = (pt > 0) & (np.minimum(row, column) >= 0) & (np.maximum(row, column) < N_PIXELS)
    jet = np.arange(len(pt))[:, None]
    place = ((jet * N_PIXELS + row) * N_PIXELS + column)[inside]
    flat = np.bincount(place, weights=pt[inside], minlength=len(pt) * N_PIXELS**2)
    return flat.reshape(len(pt), N_PIXELS, N_PIXELS)


def _normalize(images: np.ndarray, subject: str) -> np.ndarray:
    """Images (jets, 40, 40) float32 divided by their sums."""
    total = images.sum(axis=(1, 2), dtype=np.float64)
    if (total <= 0).any():
        raise InputError(
            f"{subject}: every jet must have transverse momentum within {IMAGE_HALF_WIDTH} of its "
            f"centroid, got none in {(total <= 0).sum()} jets, the first is jet "
            f"{np.flatnonzero(total <= 0)[0]}"
        )
    return (images / total[:, None, None]).astype(np.float32)


def write_jet_images(path: Path, jets: JetImages) -> None:
    """Write `jets` in our own layout; equal content gives equal bytes."""
    # In memory first: HDF5 does not survive a full disk in an orderly way.
    with h5py.File("jets.h5", "w", driver="core", backing_store=False) as file:
        for name, (_, disk_type, _) in _DATASETS.items():
            values = getattr(jets, name).astype(disk_type)
            file.create_dataset(
                name,
                data=values,
                chunks=(max(min(len(values), _JETS_PER_HDF5_CHUNK), 1), *values.shape[1:]),
                # Mostly zeros: shuffled bytes would take a third more.
                compression="gzip",
                compression_opts=9,
                track_times=False,
            )
        file.attrs.update(jets.provenance)
        file.flush()
        content = file.id.get_file_image()
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def read_jet_images(path: Path, max_jets: int | None = None) -> JetImages:
    """Read what `write_jet_images` wrote; images are divided by their sums again.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not HDF5, a dataset missing or of another shape, no jets, values that are not
            finite, or an empty image.
    """
    check_file(path, max_jets)
    with whole(path, "HDF5 file"), h5py.File(path) as file:
        arrays = {name: _read_dataset(path, file, name, max_jets) for name in _DATASETS}
        provenance = dict(file.attrs)
    n_jets = {name: len(array) for name, array in arrays.items()}
    if len(set(n_jets.values())) > 1:
        raise InputError(f"{path} must hold the same number of jets in each dataset, got {n_jets}")
    if n_jets["images"] == 0:
        raise InputError(f"{path} must hold at least one jet, got 0")
    arrays["images"] = _normalize(arrays["images"], str(path))
    return JetImages(**arrays, provenance=provenance)


def _read_dataset(path: Path, file: h5py.File, name: str, max_jets: int | None) -> np.ndarray:
    shape, _, memory_type = _DATASETS[name]
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(
            f"{path} must hold the dataset {name!r}, found: {', '.join(file) or 'nothing'}"
        )
    if dataset.dtype.kind not in "fiu":
        raise InputError(f"{path}: {name!r} must hold numbers, got {dataset.dtype}")
    if dataset.ndim == 0 or dataset.shape[1:] != shape:
        wanted = ", ".join(map(str, ("jets", *shape)))
        raise InputError(f"{path}: {name!r} must have shape ({wanted}), got {dataset.shape}")
    values = dataset[:max_jets].astype(memory_type)
    check_finite(values, f"{path}: {name!r}")
    return values


def check_file(path: Path, max_jets: int | None) -> None:
    """Refuse what cannot be read before anything is opened.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: a directory, or max_jets below 1.
    """
    if path.is_dir():
        raise InputError(f"{path} must be an HDF5 file, got a directory")
    if not path.is_file():
        raise FileNotFoundError(f"jet file not found: {path}")
    if max_jets is not None and max_jets < 1:
        raise InputError(f"max_jets must be >= 1, got {max_jets}")
