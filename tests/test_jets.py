"""Jet images: preprocessing against hand calculation, files, generation, the shipped sample."""

from __future__ import annotations

import dataclasses
import itertools
import time
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hls import cli
from keras_ae.data import top_tagging
from keras_ae.data.dataset import load_dataset
from keras_ae.data.jet_source import JetData
from keras_ae.data.jets import JetImages, make_jet_images, read_jet_images, write_jet_images
from keras_ae.data.top_tagging import read_top_tagging
from keras_ae.errors import InputError

PIXEL = 2 * 0.58 / 40


def massless(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Four-vectors E, px, py, pz of massless particles."""
    pt, eta, phi = map(np.asarray, (pt, eta, phi))
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], -1)


@pytest.fixture
def cloud() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pt, eta, phi of the 30 constituents of 20 lopsided jets."""
    rng = np.random.default_rng(3)
    shape = (20, 30)
    pt = rng.exponential(20, shape)
    return pt, 0.15 * rng.standard_exponential(shape), 0.05 * rng.standard_exponential(shape)


def smooth(images: np.ndarray) -> np.ndarray:
    """Averages over 8 x 8 pixels: a constituent that crosses a pixel's edge hardly counts."""
    return images.reshape(-1, 5, 8, 5, 8).sum(axis=(2, 4))


def test_two_particles_land_in_computed_pixels() -> None:
    # The centroid is a quarter of the way from the hard to the soft one: at +0.1 and -0.3 along
    # the axis, with the brighter half up. 0.1 is 3.4 pixels above the middle, -0.3 is 10.3 below.
    direction = np.array([np.cos(0.7), np.sin(0.7)])
    eta, phi = 0.9 + 0.4 * np.outer([0, 1], direction).T
    image = make_jet_images(massless([300.0, 100.0], eta, phi)[None]).images[0]
    rows, _ = np.nonzero(image)
    assert rows.tolist() == [9, 23]
    assert image[9].sum() == pytest.approx(0.25)
    assert image[23].sum() == pytest.approx(0.75)
    assert image[:, 19:21].sum() == pytest.approx(1)


def test_brighter_half_is_at_higher_rows_and_columns() -> None:
    # Long axis phi with its surplus at low phi, short axis eta with its surplus at low eta.
    pt = np.array([100.0, 100, 50, 40])
    eta = np.array([-0.05, -0.05, 0.05, 0.15])
    phi = np.array([-0.3, -0.2, 0.4, 0.2])
    image = make_jet_images(massless(pt, eta, phi)[None]).images[0]
    assert image[20:].sum() > image[:20].sum()
    assert image[:, 20:].sum() > image[:, :20].sum()


def test_each_image_sums_to_one(cloud: tuple[np.ndarray, ...]) -> None:
    images = make_jet_images(massless(*cloud)).images
    assert images.shape == (20, 40, 40)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_padding_changes_nothing(cloud: tuple[np.ndarray, ...]) -> None:
    full = massless(*cloud)
    padded = np.concatenate([full, np.zeros((20, 7, 4))], axis=1)
    for name in ("images", "pt_gev", "mass_gev"):
        np.testing.assert_allclose(
            getattr(make_jet_images(padded), name), getattr(make_jet_images(full), name), rtol=1e-6
        )


@pytest.mark.parametrize("shift", [0.3, np.pi - 0.05, 4.0])
def test_turned_in_azimuth_the_image_stays(cloud: tuple[np.ndarray, ...], shift: float) -> None:
    pt, eta, phi = cloud
    before = smooth(make_jet_images(massless(pt, eta, phi)).images)
    after = smooth(make_jet_images(massless(pt, eta, phi + shift)).images)
    # At most a rounding moves a constituent over an edge.
    np.testing.assert_allclose(after, before, atol=1e-6)


@pytest.mark.parametrize("mirror", [(-1, 1), (1, -1), (-1, -1)])
def test_reflected_the_image_stays(cloud: tuple[np.ndarray, ...], mirror: tuple[int, int]) -> None:
    pt, eta, phi = cloud
    before = make_jet_images(massless(pt, eta, phi)).images
    after = make_jet_images(massless(pt, mirror[0] * eta, mirror[1] * phi)).images
    np.testing.assert_allclose(smooth(after), smooth(before), atol=1e-6)


@pytest.mark.parametrize("angle", [0.2, 1.0, np.pi / 2, 2.5])
def test_rotated_the_image_stays(cloud: tuple[np.ndarray, ...], angle: float) -> None:
    pt, eta, phi = cloud
    turned = massless(
        pt, np.cos(angle) * eta - np.sin(angle) * phi, np.sin(angle) * eta + np.cos(angle) * phi
    )
    before = make_jet_images(massless(pt, eta, phi)).images
    np.testing.assert_allclose(smooth(make_jet_images(turned).images), smooth(before), atol=1e-6)


def test_principal_axis_is_upright(cloud: tuple[np.ndarray, ...]) -> None:
    images = make_jet_images(massless(*cloud)).images
    middle = (np.arange(40) - 19.5) * PIXEL
    vertical = np.einsum("jrc,r->j", images, middle**2)
    horizontal = np.einsum("jrc,c->j", images, middle**2)
    assert (vertical > horizontal).all()


def test_mass_and_pt_of_known_four_vectors() -> None:
    # A Z boson at rest into two photons, boosted along x; and one particle of 5 GeV mass.
    gamma = 10.0
    e, p = 45.594, 45.594
    boosted = [
        [gamma * e, np.sqrt(gamma**2 - 1) * e, p, 0],
        [gamma * e, np.sqrt(gamma**2 - 1) * e, -p, 0],
    ]
    single = [[np.hypot(5, 400), 400, 0, 0], [0, 0, 0, 0]]
    jets = make_jet_images(np.array([boosted, single]))
    np.testing.assert_allclose(jets.mass_gev, [91.188, 5.0], rtol=1e-5)
    np.testing.assert_allclose(jets.pt_gev, [np.sqrt(99) * 91.188, 400.0], rtol=1e-6)
    # One particle: all in one of the middle pixels.
    assert jets.images[1].max() == 1


@pytest.mark.parametrize(
    ("constituents", "message"),
    [
        (np.zeros((3, 4)), r"constituents must have shape \(jets, constituents, 4\), got \(3, 4\)"),
        (np.full((3, 2, 4), np.nan), "constituents: every value must be finite, .* in 3 events"),
        (np.zeros((3, 2, 4)), "must have transverse momentum within 0.58 .* none in 3 jets"),
        # Two equal particles further apart than the window is high.
        (massless([9.0, 9.0], [0, 0], [-0.6, 0.6])[None], "none in 1 jets, the first is jet 0"),
    ],
)
def test_impossible_constituents(constituents: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_jet_images(constituents)


def test_one_parent_for_each_jet() -> None:
    with pytest.raises(InputError, match=r"parents must have shape \(2,\), .* got \(3,\)"):
        make_jet_images(massless(np.ones((2, 4)), 0, 0), parents=np.arange(3))


def test_written_file_reads_back_and_is_reproducible(
    tmp_path: Path, cloud: tuple[np.ndarray, ...]
) -> None:
    jets = make_jet_images(
        massless(*cloud), np.arange(20) // 2, {"description": "cloud", "seeds": [1, 2]}
    )
    write_jet_images(tmp_path / "a.h5", jets)
    time.sleep(1.1)  # HDF5 would store the time of writing, in seconds
    write_jet_images(tmp_path / "b.h5", jets)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    found = read_jet_images(tmp_path / "a.h5")
    assert len(found) == 20
    assert found.images.dtype == np.float32
    np.testing.assert_allclose(found.images.sum(axis=(1, 2)), 1, rtol=1e-6)
    np.testing.assert_allclose(found.images, jets.images, rtol=2e-3, atol=1e-6)
    np.testing.assert_array_equal(found.pt_gev, jets.pt_gev)
    np.testing.assert_array_equal(found.mass_gev, jets.mass_gev)
    np.testing.assert_array_equal(found.parents, np.arange(20) // 2)
    assert found.provenance["description"] == "cloud"
    assert found.provenance["seeds"].tolist() == [1, 2]
    assert len(read_jet_images(tmp_path / "a.h5", max_jets=3)) == 3
    last = found.take(np.array([19]))
    np.testing.assert_array_equal(last.images[0], found.images[19])
    assert last.provenance == found.provenance


def test_missing_file_and_directory(tmp_path: Path) -> None:
    for read in (read_jet_images, read_top_tagging):
        with pytest.raises(FileNotFoundError, match="jet file not found: .*none.h5"):
            read(tmp_path / "none.h5")
        with pytest.raises(InputError, match="must be an HDF5 file, got a directory"):
            read(tmp_path)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="text.h5 must be a whole HDF5 file: "):
        read_jet_images(tmp_path / "text.h5")
    with pytest.raises(InputError, match="max_jets must be >= 1, got 0"):
        read_jet_images(tmp_path / "text.h5", max_jets=0)


GOOD = {
    "images": np.ones((2, 40, 40)),
    "pt_gev": np.ones(2),
    "mass_gev": np.ones(2),
    "parents": np.arange(2),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, "must hold the dataset 'images', found: mass_gev, parents, pt_gev"),
        (
            {"images": np.ones((2, 28, 28))},
            r"'images' must have shape \(jets, 40, 40\), got \(2, 2",
        ),
        ({"pt_gev": np.ones((2, 1))}, r"'pt_gev' must have shape \(jets\), got \(2, 1\)"),
        ({"mass_gev": np.array([b"a", b"b"])}, r"'mass_gev' must hold numbers, got \|S1"),
        ({"mass_gev": np.array([1, np.inf])}, "'mass_gev': every value must be finite"),
        ({"pt_gev": np.ones(3)}, "same number of jets in each dataset, got .*'pt_gev': 3"),
        ({"images": np.zeros((2, 40, 40))}, "got none in 2 jets, the first is jet 0"),
        (
            {name: values[:0] for name, values in GOOD.items()},
            "must hold at least one jet, got 0",
        ),
    ],
)
def test_files_of_another_layout(
    tmp_path: Path, change: dict[str, np.ndarray | None], message: str
) -> None:
    path = tmp_path / "jets.h5"
    with h5py.File(path, "w") as file:
        for name, values in (GOOD | change).items():
            if values is not None:
                file[name] = values
    with pytest.raises(InputError, match=message):
        read_jet_images(path)


def write_public(
    path: Path, constituents: np.ndarray, label: np.ndarray, key: str = "table"
) -> None:
    """A file in the layout of the public reference set, written with pandas."""
    pd = pytest.importorskip("pandas", reason="needs the extra 'top-tagging'")
    pytest.importorskip("tables", reason="needs the extra 'top-tagging'")
    columns = [f"{name}_{i}" for i in range(200) for name in ("E", "PX", "PY", "PZ")]
    padded = np.zeros((len(constituents), 200, 4), np.float32)
    padded[:, : constituents.shape[1]] = constituents
    frame = pd.DataFrame(padded.reshape(len(padded), -1), columns=columns)
    frame = frame.assign(ttv=0, is_signal_new=label)
    frame.to_hdf(path, key=key, format="table")


def test_public_layout_is_read(
    tmp_path: Path, cloud: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_tagging, "_JETS_PER_READ", 6)
    path = tmp_path / "test.h5"
    label = np.arange(20) % 3 == 0
    constituents = massless(*cloud).astype(np.float32)
    write_public(path, constituents, label.astype(int))
    for signal, wanted in ((None, slice(None)), (True, label), (False, ~label)):
        found, expected = read_top_tagging(path, signal), make_jet_images(constituents[wanted])
        np.testing.assert_allclose(found.mass_gev, expected.mass_gev, rtol=1e-5)
        np.testing.assert_allclose(found.pt_gev, expected.pt_gev, rtol=1e-5)
        np.testing.assert_allclose(smooth(found.images), smooth(expected.images), atol=1e-5)
        assert len(np.unique(found.parents)) == len(found)
    assert found.provenance == {"source": "test.h5"}
    few = read_top_tagging(path, signal=False, max_jets=9)
    np.testing.assert_array_equal(few.images, found.images[:9])


def test_public_layout_with_faults(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas", reason="needs the extra 'top-tagging'")
    particle = massless([[600.0]], [[0.1]], [[0.2]])
    write_public(tmp_path / "key.h5", particle, np.array([0]), key="jets")
    with pytest.raises(InputError, match="key.h5 must hold the key 'table' in the table format"):
        read_top_tagging(tmp_path / "key.h5")
    pd.DataFrame({"a": [1.0]}).to_hdf(tmp_path / "fixed.h5", key="table", format="fixed")
    with pytest.raises(InputError, match="fixed.h5 must hold the key 'table' in the table format"):
        read_top_tagging(tmp_path / "fixed.h5")
    pd.DataFrame({"E_0": [1.0], "PX_0": 1.0}).to_hdf(
        tmp_path / "few.h5", key="table", format="table"
    )
    with pytest.raises(InputError, match="799 are missing: PY_0, PZ_0, E_1,"):
        read_top_tagging(tmp_path / "few.h5")
    write_public(tmp_path / "qcd.h5", particle, np.array([0]))
    with pytest.raises(InputError, match="must hold at least one top jet, got 0"):
        read_top_tagging(tmp_path / "qcd.h5", signal=True)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="text.h5 must be a whole HDF5 file: "):
        read_top_tagging(tmp_path / "text.h5")


def test_missing_pandas_names_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_tagging, "find_spec", lambda name: None)
    (tmp_path / "test.h5").touch()
    with pytest.raises(ImportError, match=r"pandas, tables .* 'keras-ae\[top-tagging\]'"):
        read_top_tagging(tmp_path / "test.h5")


def shipped(name: str) -> JetImages:
    return read_jet_images(Path(str(files("keras_ae") / "data/samples/jets" / f"{name}.h5")))


def test_shipped_sample_has_the_expected_physics() -> None:
    qcd, top = shipped("qcd"), shipped("top")
    assert len(qcd) == len(top) == 8000
    for jets in (qcd, top):
        assert 550 < jets.pt_gev.min() < jets.pt_gev.max() < 650
        assert 20 < (jets.images > 0).sum(axis=(1, 2)).mean() < 60
        assert jets.provenance["n_accepted"] >= 8000
    # A top jet holds the whole decay of a top quark of 173 GeV; a QCD jet peaks far below.
    assert 168 < np.median(top.mass_gev) < 180
    assert np.median(qcd.mass_gev) < 95
    label = np.repeat([0, 1], 8000)
    assert 0.88 < roc_auc_score(label, np.concatenate([qcd.mass_gev, top.mass_gev])) < 0.95
    # Brighter halves on their fixed sides, by preprocessing.
    for jets in (qcd, top):
        mean = jets.images.mean(axis=0)
        assert mean[20:].sum() > 0.5
        assert mean[:, 20:].sum() > 0.5


def test_jets_of_one_collision_stay_together() -> None:
    source = JetData(
        kind="jets", background="package:jets/qcd.h5", signals={}, max_events=2000, power=1.0
    )
    data = load_dataset(source, None, seed=1)
    parts = [set(part.parents.tolist()) for part in (data.train, data.validation, data.test)]
    # Some collisions gave two jets, or this would hold of any split.
    assert sum(map(len, parts)) < 0.9 * 2000
    assert not any(a & b for a, b in itertools.combinations(parts, 2))


# What follows needs Pythia and FastJet.


def needs_physics() -> None:
    for name in ("pythia8mc", "fastjet", "awkward", "vector"):
        pytest.importorskip(name, reason="needs the extra 'physics'")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_physics()
    from keras_ae.generator.processes import JET_PROCESSES

    for name, process in JET_PROCESSES.items():
        monkeypatch.setitem(JET_PROCESSES, name, dataclasses.replace(process, chunk_size=20))


@pytest.mark.slow
def test_resumed_generation_gives_the_same_bytes(
    tmp_path: Path, small_chunks: None, capsys: pytest.CaptureFixture[str]
) -> None:
    from keras_ae.generator.jets import JetSettings, generate_jet_sample

    first = generate_jet_sample(tmp_path, 30, JetSettings(seed=4), n_workers=1)
    content = {name: path.read_bytes() for name, path in first.items()}
    # Interrupted: one chunk and a sample missing, a half-written chunk left behind.
    (tmp_path / "chunks" / "qcd" / "00001.h5").unlink()
    (tmp_path / "chunks" / "qcd" / ".writing-xyz.h5").write_bytes(b"half")
    first["top"].unlink()
    untouched = (tmp_path / "chunks" / "top" / "00000.h5").stat().st_mtime_ns
    arguments = ["generate-jets", str(tmp_path), "--n-jets", "30", "--seed", "4"]
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--n-workers", "2"])
    assert not caught.value.code
    assert [Path(line).name for line in capsys.readouterr().out.split()] == ["qcd.h5", "top.h5"]
    assert {name: path.read_bytes() for name, path in first.items()} == content
    assert (tmp_path / "chunks" / "top" / "00000.h5").stat().st_mtime_ns == untouched

    top = read_jet_images(first["top"])
    assert len(top) == 30
    assert len(top.provenance["pythia_seeds"]) == 2
    assert 550 < top.pt_gev.min() < top.pt_gev.max() < 650
    assert 150 < np.median(top.mass_gev) < 200
    qcd = read_jet_images(first["qcd"])
    # Two jets of one collision follow one another; their momenta balance.
    (pairs,) = np.nonzero(np.diff(qcd.parents) == 0)
    assert 0 < len(pairs) < 30
    assert len(np.unique(qcd.parents)) == 30 - len(pairs)
    with pytest.raises(InputError, match="must hold chunks of the same settings"):
        generate_jet_sample(tmp_path, 30, JetSettings(seed=5))


@pytest.mark.parametrize(
    ("n_jets", "seed", "n_workers", "message"),
    [
        (0, 1, None, "n_jets must be >= 1, got 0"),
        (1, -1, None, "seed must be >= 0, got -1"),
        (1, 1, 0, "n_workers must be >= 1, got 0"),
    ],
)
def test_impossible_arguments(
    tmp_path: Path, n_jets: int, seed: int, n_workers: int | None, message: str
) -> None:
    needs_physics()
    from keras_ae.generator.jets import JetSettings, generate_jet_sample

    with pytest.raises(InputError, match=message):
        generate_jet_sample(tmp_path, n_jets, JetSettings(seed=seed), n_workers)
    assert not list(tmp_path.iterdir())


def test_fat_jets_hold_what_is_visible() -> None:
    needs_physics()
    import awkward as ak

    from keras_ae.generator.detector import cluster_fat_jets

    # Two at 0.5 from each other, a neutrino among them, one at the other side, one in the beam.
    pt = np.array([400.0, 100.0, 90.0, 300.0, 5.0])
    eta = np.array([0.2, 0.2, 0.3, -0.5, 6.0])
    momenta = massless(pt, eta, np.array([3.0, 3.5, 3.1, 0.0, 3.0]))
    event = dict(zip(("e", "px", "py", "pz"), momenta.T, strict=True))
    event["pdg_id"] = np.array([211, 22, -14, 130, 211])
    particles = ak.unflatten(ak.zip(event), [5, 0])
    jets = cluster_fat_jets(particles, radius=0.8, min_pt_gev=350.0)
    assert ak.num(jets).to_list() == [1, 0]
    np.testing.assert_allclose(np.sort(ak.to_numpy(jets.e[0, 0])), np.sort(momenta[:2, 0]))


def test_decay_quarks_are_those_of_each_top() -> None:
    needs_physics()
    from keras_ae.generator import boosted_jets
    from keras_ae.generator.processes import JET_PROCESSES

    n_particles = []
    for full in (False, True):
        stream = boosted_jets.BoostedJets(JET_PROCESSES["top"], 9, full, top_quarks=True)
        record = stream._pythia.nextBatch(20).prt
        n_particles.append(np.mean([np.sum(event.status > 0) for event in record]))
    # Multiparton interactions are what `full` adds.
    assert n_particles[1] > 1.3 * n_particles[0]

    # The decay followed from mother to daughter instead of by status codes.
    found = boosted_jets._top_decay_quarks(record)
    for event, directions in zip(record, found, strict=True):
        for top, quarks in ((6, directions[0]), (-6, directions[1])):
            expected = [_direction(event[i]) for i in _followed_decay(event, top)]
            np.testing.assert_allclose(sorted(quarks.tolist()), sorted(expected), rtol=1e-9)
    assert len(found) == 20


def _direction(particle: object) -> list[float]:
    p = particle.p
    return [float(np.arcsinh(p.pz / np.hypot(p.px, p.py))), float(np.arctan2(p.py, p.px))]


def _followed_decay(event: object, top: int) -> list[int]:
    """Places of b, q and q' in the event, from the last copies of top and W."""
    ids = np.asarray(event.id)
    first, last = np.asarray(event.daughter1), np.asarray(event.daughter2)

    def decay(code: int) -> list[int]:
        place = max(np.flatnonzero(ids == code))
        return [i for i in range(first[place], last[place] + 1) if abs(ids[i]) <= 5]

    w_boson = 24 if top > 0 else -24
    return [*decay(top), *decay(w_boson)]


def test_quarks_are_matched_across_the_turn_of_azimuth() -> None:
    needs_physics()
    import awkward as ak

    from keras_ae.generator.boosted_jets import _hold_top

    near, far = [[0.3, -3.1], [0.0, 3.0], [-0.3, 3.1]], [[0.3, -3.1], [0.0, 3.0], [0.0, -2.2]]
    quarks = np.array([[near, far], [far, far]])
    eta, phi = ak.Array([[0.0, 0.0], [0.0]]), ak.Array([[3.1, 0.0], [3.1]])
    assert _hold_top(eta, phi, quarks).to_list() == [[True, False], [False]]
