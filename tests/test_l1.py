"""The ADC2021 layout: written, read back, and files that are not in it."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import CONFIGS
from trigger_objects import FRONT_END

from keras_ae.data.adc2021 import Adc2021
from keras_ae.data.dataset import load_dataset
from keras_ae.data.l1 import (
    JET,
    LAST_BITS,
    LEPTONS,
    MET,
    L1Events,
    read_l1_events,
    write_l1_events,
)
from keras_ae.data.source import resolve_path
from keras_ae.errors import InputError
from keras_ae.front_end.presets import load_front_end
from keras_ae.settings.experiment import load_experiment


@pytest.fixture
def public_file(tmp_path: Path) -> Path:
    """A file as the public ones are: float64 particles, byte strings, nothing of ours."""
    rng = np.random.default_rng(1)
    path = tmp_path / "background_for_training.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "Particles", data=rng.exponential(30, size=(50, 19, 4)), compression="gzip"
        )
        file["Particles_Names"] = np.array([b"Pt", b"Eta", b"Phi", b"Class"])
        file["Particles_Classes"] = np.array(
            [b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4"]
        )
    return path


def test_public_layout_is_read(public_file: Path) -> None:
    events = read_l1_events(public_file)
    with h5py.File(public_file) as file:
        np.testing.assert_array_equal(events.objects, file["Particles"][:].astype("float32"))
    assert len(np.unique(events.parents)) == 50
    assert len(read_l1_events(public_file, max_events=7)) == 7


def test_written_file_reads_back_and_has_the_public_keys(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    objects = (rng.integers(1, 9, (20, 19, 4)) * LAST_BITS).astype("float32")
    events = L1Events(
        objects=objects,
        parents=rng.integers(0, 2**60, 20),
        process=rng.integers(0, 2, 20),
        process_names=("w_lnu", "qcd"),
        provenance={"w_lnu": {"acceptance": 0.3}, "qcd": {"acceptance": 1e-4}},
        pile_up=rng.poisson(50, 20),
    )
    write_l1_events(tmp_path / "a.h5", events)
    time.sleep(1.1)  # HDF5 would store the time of writing, in seconds
    write_l1_events(tmp_path / "b.h5", events)
    found = read_l1_events(tmp_path / "a.h5")
    for name in ("objects", "parents", "process", "pile_up"):
        np.testing.assert_array_equal(getattr(found, name), getattr(events, name))
    assert found.process_names == events.process_names
    assert found.provenance == events.provenance
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file["Particles_Names"]) == [b"Pt", b"Eta", b"Phi", b"Class"]
        assert list(file["Particles_Classes"])[3] == b"Ten_Jet_class_4"


def test_numbers_are_rounded_to_last_bits(tmp_path: Path) -> None:
    """The finest of the front ends that come with the package: rounding to those loses nothing."""
    for name in ("adc2021", "axol1tl", "cms_ugt_run3"):
        for kind in load_front_end(name).objects.values():
            for field_name, bit in zip(("pt", "eta", "phi"), LAST_BITS, strict=False):
                if field_name in kind.fields:
                    ratio = kind.fields[field_name].last_bit.value / bit
                    assert ratio == pytest.approx(round(ratio)) and ratio >= 1
    objects = np.zeros((2, 19, 4), "float32")
    objects[0, 0] = [0.26, 0.0, 3.1415, 1]
    objects[1, 0] = [0.24, 0.0, 1.0, 1]  # no pT is left of it
    write_l1_events(tmp_path / "x.h5", L1Events(objects, np.arange(2), np.zeros(2), ("qcd",)))
    found = read_l1_events(tmp_path / "x.h5").objects[:, 0]
    np.testing.assert_allclose(found, [[0.5, 0, np.pi, 1], [0, 0, 0, 0]], rtol=1e-6)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["Particles"].dtype == np.int16
        np.testing.assert_array_equal(file["Particles"][0, 0], [1, 0, 288, 1])


@pytest.mark.parametrize("value", [1e5, np.nan])
def test_numbers_that_no_16_bits_hold(tmp_path: Path, value: float) -> None:
    objects = np.full((2, 19, 4), value, "float32")
    with pytest.raises(InputError, match="objects"):
        write_l1_events(tmp_path / "x.h5", L1Events(objects, np.arange(2), np.zeros(2), ("qcd",)))
    assert not (tmp_path / "x.h5").exists()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="L1 event file not found: .*none.h5"):
        read_l1_events(tmp_path / "none.h5")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be an HDF5 file, got a directory"):
        read_l1_events(tmp_path)


def test_not_hdf5(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(InputError, match="text.h5 must be a whole HDF5 file"):
        read_l1_events(tmp_path / "text.h5")


@pytest.mark.parametrize(
    ("key", "data", "message"),
    [
        ("Other", np.zeros((2, 19, 4)), "must hold the dataset 'Particles', found: Other"),
        ("Particles", np.zeros((2, 18, 4)), r"must have shape \(events, 19, 4\), got \(2, 18, 4\)"),
        ("Particles", np.zeros((0, 19, 4)), "must hold at least one event, got 0"),
        ("Particles", np.full((2, 19, 4), np.nan), "every value must be finite, .* in 2 events"),
    ],
)
def test_files_not_in_the_layout(tmp_path: Path, key: str, data: np.ndarray, message: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file[key] = data
    with pytest.raises(InputError, match=message):
        read_l1_events(tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("short", r"'Parent' must hold 20 integers, one an event, got int64 \(7,\)"),
        ("no names", "'Process' must have the attribute 'names' .* got none"),
        ("last bits", "attribute 'last_bits' of 'Particles' must be 4 numbers > 0, one a column"),
        ("number", "'Process' must have the attribute 'names' with a name for each number"),
    ],
)
def test_our_own_files_with_faults(tmp_path: Path, fault: str, message: str) -> None:
    events = L1Events(np.ones((20, 19, 4), "float32"), np.arange(20), np.zeros(20), ("qcd",))
    write_l1_events(tmp_path / "x.h5", events)
    with h5py.File(tmp_path / "x.h5", "a") as file:
        if fault == "short":
            del file["Parent"]
            file["Parent"] = np.arange(7)
        elif fault == "last bits":
            file["Particles"].attrs["last_bits"] = [0.5, 0.1]
        elif fault == "no names":
            del file["Process"].attrs["names"]
        else:
            file["Process"][3] = 1
    with pytest.raises(InputError, match=message):
        read_l1_events(tmp_path / "x.h5")


def test_a_part_without_events(tmp_path: Path) -> None:
    objects = np.ones((50, 19, 4), "float32") * [1, 1, 1, 0]
    events = L1Events(objects, np.arange(50), np.zeros(50), ("qcd",))
    write_l1_events(tmp_path / "x.h5", events)
    settings = Adc2021(background=str(tmp_path / "x.h5"), signals={}, train_fraction=1e-5)
    with pytest.raises(InputError, match="each be at least one of 10 independent background ev"):
        load_dataset(settings, FRONT_END, seed=1)


def test_split_keeps_parents_together_and_loses_nothing(tmp_path: Path) -> None:
    n_events = 500
    objects = np.zeros((n_events, 19, 4), "float32")
    objects[:, 0, 0] = np.arange(n_events) * 0.5 + 0.5  # the event's number, in MET
    parents = np.arange(n_events) // 5
    write_l1_events(tmp_path / "b.h5", L1Events(objects, parents, np.zeros(n_events), ("qcd",)))
    settings = Adc2021(background=str(tmp_path / "b.h5"), signals={})
    data = load_dataset(settings, FRONT_END, seed=1)
    numbers = [part.x[:, 0] - 1 for part in (data.train, data.validation, data.test)]
    np.testing.assert_array_equal(np.sort(np.concatenate(numbers)), np.arange(n_events))
    groups = [set(part // 5) for part in numbers]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert [len(part) for part in numbers] == pytest.approx([250, 100, 150], abs=5)


@pytest.fixture(scope="module")
def background() -> L1Events:
    """Of the sample that comes with the package."""
    return read_l1_events(resolve_path("package:l1/background.h5"))


class TestShippedSample:
    """Physics of the sample that comes with the package."""

    def of_process(self, background: L1Events, name: str) -> np.ndarray:
        return background.objects[background.process == background.process_names.index(name)]

    def test_size_and_proportions(self, background: L1Events) -> None:
        assert len(background) >= 260_000
        share = np.bincount(background.process) / len(background)
        assert dict(zip(background.process_names, share, strict=True)) == pytest.approx(
            {"w_lnu": 0.592, "qcd": 0.338, "z_ll": 0.067, "tt": 0.003}, abs=1e-3
        )

    @pytest.mark.parametrize("signal", ["a_4l", "lq_btau", "h0_tautau", "hch_taunu"])
    def test_signals(self, signal: str) -> None:
        events = read_l1_events(resolve_path(f"package:l1/{signal}.h5"))
        assert len(events) >= 20_000
        assert set(events.provenance) == {signal}

    def test_twelve_megabytes(self) -> None:
        folder = resolve_path("package:l1/background.h5").parents[1]
        assert sum(path.stat().st_size for path in folder.rglob("*.h5")) <= 12e6

    def test_provenance(self, background: L1Events) -> None:
        for record in background.provenance.values():
            assert {"settings", "versions", "pythia_seeds", "cross_section_pb"} <= set(record)
            assert 0 < record["acceptance"] < 1

    def test_objects_are_ordered_padded_and_within_acceptance(self, background: L1Events) -> None:
        for kind in (MET, *LEPTONS, JET):
            slots = background.objects[:, kind.slots]
            pt, present = slots[:, :, 0], slots[:, :, 0] > 0
            assert np.all(np.diff(pt, axis=1) <= 0)
            assert np.all(slots[~present] == 0)
            assert np.all(slots[present][:, 3] == kind.class_id)
            # Before it was rounded.
            assert np.all(np.abs(slots[present][:, 1]) <= kind.max_eta + LAST_BITS[1] / 2)
            assert np.all(np.abs(slots[present][:, 2]) <= np.pi + 1e-6)
        leptons = np.concatenate([background.objects[:, k.slots, 0] for k in LEPTONS], axis=1)
        # Above 23 and 15 GeV before they were rounded.
        assert np.all(leptons.max(axis=1) >= 23)
        jets = background.objects[:, JET.slots, 0]
        assert jets[jets > 0].min() >= 15

    def test_transverse_mass_of_the_w_ends_at_80_gev(self, background: L1Events) -> None:
        w = self.of_process(background, "w_lnu")
        row = np.where(w[:, 1, 0] > w[:, 5, 0], 1, 5)
        lepton, met = w[np.arange(len(w)), row], w[:, 0]
        mass = np.sqrt(2 * lepton[:, 0] * met[:, 0] * (1 - np.cos(lepton[:, 2] - met[:, 2])))
        counts, edges = np.histogram(mass, bins=np.arange(40, 121, 5))
        assert 65 <= edges[counts.argmax()] < 85
        assert np.mean(mass > 100) < 0.05

    def test_dilepton_mass_of_the_z_peaks_at_91_gev(self, background: L1Events) -> None:
        z = self.of_process(background, "z_ll")
        for row in (1, 5):
            pair = z[z[:, row + 1, 0] > 0][:, row : row + 2]
            a, b = pair[:, 0], pair[:, 1]
            mass = np.sqrt(
                2 * a[:, 0] * b[:, 0] * (np.cosh(a[:, 1] - b[:, 1]) - np.cos(a[:, 2] - b[:, 2]))
            )
            peak = mass[(mass > 80) & (mass < 100)]
            assert len(peak) > 0.5 * len(mass)
            assert np.median(peak) == pytest.approx(91, abs=1)

    def test_composition_by_cross_section(self, background: L1Events) -> None:
        """Of leading-order cross-sections, as in the sample before, made by the other recipe."""
        visible = {
            name: record["cross_section_pb"] * record["acceptance"]
            for name, record in background.provenance.items()
        }
        shares = {name: value / sum(visible.values()) for name, value in visible.items()}
        for name, share, accuracy in (
            ("w_lnu", 0.478, 0.02),
            ("qcd", 0.443, 0.03),
            ("z_ll", 0.0736, 0.03),
            ("tt", 0.0052, 0.1),
        ):
            assert shares[name] == pytest.approx(share, rel=accuracy)

    def test_leptons_are_isolated(self, background: L1Events) -> None:
        """Jets are clustered without them, and few are near them, more in multijets than with W."""

        def share_near(events: np.ndarray) -> float:
            row = np.where(events[:, 1, 0] > events[:, 5, 0], 1, 5)
            lepton = events[np.arange(len(events)), row]
            jets = events[:, JET.slots]
            d_phi = (jets[:, :, 2] - lepton[:, None, 2] + np.pi) % (2 * np.pi) - np.pi
            distance = np.hypot(jets[:, :, 1] - lepton[:, None, 1], d_phi)
            return float(
                ((distance < 0.3) & (jets[:, :, 0] > 0.45 * lepton[:, None, 0])).any(1).mean()
            )

        w, qcd = (share_near(self.of_process(background, name)) for name in ("w_lnu", "qcd"))
        assert w < 0.005 and w < qcd < 0.15

    def test_parts_share_no_parent(self) -> None:
        experiment = load_experiment(CONFIGS / "l1_vae.yaml")
        data = load_dataset(experiment.data, experiment.wires, experiment.seed)
        parents = [set(part.parents.tolist()) for part in (data.train, data.validation, data.test)]
        assert not parents[0] & parents[2] and not parents[1] & parents[2]
        assert not parents[0] & parents[1]
        # A threshold at 1e-4 has 20 events above it.
        assert len(data.test) >= 200_000
