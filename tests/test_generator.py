"""The generator: cocktail, acceptance, reproducibility, continuation."""

from __future__ import annotations

import dataclasses
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra 'physics'")
import awkward as ak

from hls import cli
from keras_ae.data.l1 import read_l1_events
from keras_ae.errors import InputError
from keras_ae.generator import chunks, processes
from keras_ae.generator.chunks import claim_folder, package_versions
from keras_ae.generator.collisions import start_pythia
from keras_ae.generator.decays import DecayLibrary, in_flight
from keras_ae.generator.heavy_flavour import HeavyFlavourCollisions, Repetitions
from keras_ae.generator.processes import PROCESSES, background_counts
from keras_ae.generator.production import SimulationSettings, generate_sample
from keras_ae.generator.streams import open_collisions


@pytest.mark.parametrize("n_events", [1, 999, 10_000, 40_001])
def test_counts_add_up_in_the_right_proportions(n_events: int) -> None:
    counts = background_counts(n_events)
    assert sum(counts.values()) == n_events
    for name, percent in processes.BACKGROUND_PERCENT.items():
        assert abs(counts[name] - n_events * percent / 100) < 1


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, process in PROCESSES.items():
        monkeypatch.setitem(PROCESSES, name, dataclasses.replace(process, chunk_size=4))
    monkeypatch.setattr("keras_ae.generator.minimum_bias.LIBRARY_SIZE", 50)


@pytest.mark.slow
def test_same_bytes_for_any_number_of_workers_and_after_an_interruption(
    tmp_path: Path, small_chunks: None
) -> None:
    settings = SimulationSettings(seed=5)
    first = generate_sample(tmp_path / "a", 12, 5, settings, n_workers=1)
    assert {name: len(read_l1_events(path)) for name, path in first.items()} == {
        "background": 12,
        "a_4l": 5,
        "lq_btau": 5,
        "h0_tautau": 5,
        "hch_taunu": 5,
    }
    # Interrupted: one chunk and all samples missing, a half-written chunk left behind.
    chunks = tmp_path / "a" / "chunks"
    content = {name: path.read_bytes() for name, path in first.items()}
    (chunks / "w_lnu" / "00000.h5").unlink()
    (chunks / "w_lnu" / ".writing-xyz.h5").write_bytes(b"half")
    for path in first.values():
        path.unlink()
    untouched = (chunks / "qcd" / "00000.h5").stat().st_mtime_ns
    second = generate_sample(tmp_path / "a", 12, 5, settings, n_workers=2)
    assert {name: path.read_bytes() for name, path in second.items()} == content
    assert (chunks / "qcd" / "00000.h5").stat().st_mtime_ns == untouched
    third = generate_sample(tmp_path / "c", 12, 5, settings, n_workers=4)
    assert {name: path.read_bytes() for name, path in third.items()} == content
    # Other settings must not be mixed in.
    with pytest.raises(InputError, match="must hold chunks of the same settings"):
        generate_sample(tmp_path / "a", 12, 5, SimulationSettings(seed=6))
    background = read_l1_events(second["background"])
    assert sum(int(r["n_accepted"]) for r in background.provenance.values()) >= 12
    assert len(np.unique(background.parents[background.process != 1])) == np.sum(
        background.process != 1
    )


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """By SIGTERM, which nothing handles, as soon as the first chunk is there."""

    def start(folder: Path, n_workers: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "hls.cli", "generate", str(folder), "--n-background", "0"]
        options = ["--n-signal", "600", "--n-workers", str(n_workers)]
        return subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)

    assert start(tmp_path / "whole", 2).wait(600) == 0
    killed = start(tmp_path / "killed", 2)
    while not list((tmp_path / "killed").rglob("*/00000.h5")):
        assert killed.poll() is None
        time.sleep(0.1)
    killed.terminate()
    assert killed.wait(60) != 0
    assert not (tmp_path / "killed" / "a_4l.h5").exists()
    assert start(tmp_path / "killed", 4).wait(600) == 0
    for path in (tmp_path / "whole").glob("*.h5"):
        assert (tmp_path / "killed" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_no_disk(tmp_path: Path) -> None:
    """Files of 100 kB at most: neither the library nor a chunk of another run is half-written."""
    limit = (100_000, 100_000)
    found = subprocess.run(
        [sys.executable, "-m", "hls.cli", "generate", str(tmp_path), "--n-background", "0"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1] == "error: [Errno 27] File too large"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["production.json"]


@pytest.fixture
def few_decays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras_ae.generator.decays.N_DECAYS", 300)


def test_heavy_flavour_events_hold_a_lepton_and_nothing_undecayed(
    few_decays: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    collisions = open_collisions(PROCESSES["qcd"], 7, full=False)
    monkeypatch.setattr("keras_ae.generator.heavy_flavour._BATCH_SIZE", 5)
    batch = next(iter(collisions))
    ids = np.abs(ak.to_numpy(ak.flatten(batch.particles.pdg_id)))
    # pi0, rho, omega, B and D mesons decay inside the beam pipe.
    assert not np.isin(ids, (111, 113, 213, 223, 411, 421, 431, 511, 521, 531, 15)).any()
    # Nor is there a quark or gluon that no hadron was made of.
    assert not np.isin(ids, (1, 2, 3, 4, 5, 21)).any()
    for particles in batch.particles:
        lepton = np.isin(np.abs(np.asarray(particles.pdg_id)), (11, 13))
        assert np.hypot(particles.px, particles.py)[lepton].to_numpy().max() > 20
        # The protons', but for what the beams' remnants round.
        assert float(ak.sum(particles.e)) == pytest.approx(13_000, rel=1e-4)
    assert batch.n_simulated >= Repetitions().trials * len(np.unique(batch.parents))


@pytest.fixture(scope="module")
def library() -> DecayLibrary:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_ae.generator.decays.N_DECAYS", 2000)
        library = DecayLibrary(start_pythia(("ProcessLevel:all = off", "Check:event = off"), 3))
        for pdg_id in (511, -521, 421):
            library.of(pdg_id)
        return library


class TestDecays:
    @pytest.mark.parametrize(("pdg_id", "mass"), [(511, 5.27958), (421, 1.86484)])
    def test_momentum_is_that_of_a_hadron_at_rest(
        self, library: DecayLibrary, pdg_id: int, mass: float
    ) -> None:
        decays = library.of(pdg_id)
        sums = np.add.reduceat(decays.momenta, decays.first[:-1])
        np.testing.assert_allclose(sums[:, 3], mass, rtol=1e-4)
        np.testing.assert_allclose(sums[:, :3], 0, atol=1e-8)

    def test_semileptonic_branching(self, library: DecayLibrary) -> None:
        """B- -> e or mu X, (10.99 +- 0.28) % each, PDG 2022: one direct lepton of its charge."""
        decays = library.of(-521)
        first = [decays.products(number)[0] for number in range(len(decays.first) - 1)]
        for lepton in (11, 13):
            share = np.mean([(ids == lepton).any() and (ids == -lepton - 1).any() for ids in first])
            # With those of D mesons of the other charge left out, what comes through taus added.
            assert 0.09 < share < 0.17

    def test_flying_is_a_boost(self) -> None:
        rng = np.random.default_rng(1)
        mass = 5.28
        momentum = rng.normal(0, 20, 3)
        hadron = np.array([*momentum, np.sqrt(mass**2 + momentum @ momentum)])
        at_rest = np.array([[[0, 0, 0, mass], [0.3, -0.4, 1.2, np.sqrt(1.69 + 0.01)]]])
        turn = np.eye(3)[np.newaxis]
        flying = in_flight(at_rest, turn, hadron[np.newaxis], np.array([mass]))[0]
        np.testing.assert_allclose(flying[0], hadron, rtol=1e-12)
        # Invariants: the mass, and the product with what it comes from.
        product, mass_squared = flying[1], 0.01
        metric = np.array([-1, -1, -1, 1])
        assert (product * metric) @ product == pytest.approx(mass_squared, abs=1e-9)
        assert (product * metric) @ hadron == pytest.approx(mass * at_rest[0, 1, 3])


@pytest.mark.slow
def test_leptons_are_as_many_as_without_a_library() -> None:
    """Of the same parton-level events, by Pythia alone: hadronized and decayed each time."""
    qcd = (*PROCESSES["qcd"].settings, "PartonLevel:MPI = off")
    collisions = HeavyFlavourCollisions(qcd, 7, Repetitions(40, 25, 1))
    pythia = collisions._pythia
    found, expected = [], []
    while len(found) < 60:
        if not pythia.next() or not collisions._has_heavy_quark():
            continue
        partons = type(pythia.event)(pythia.event)
        found.append(len(collisions._repeat()) / 1000)
        for pdg_id in collisions._heavy:
            pythia.particleData.mayDecay(pdg_id, True)
        leptons = 0
        for _ in range(250):
            pythia.event = partons
            if pythia.forceHadronLevel():
                event = pythia.event
                leptons += any(
                    p.isFinal() and p.idAbs() in (11, 13) and p.pT() > 20
                    for p in (event[index] for index in range(partons.size(), event.size()))
                )
        expected.append(leptons / 250)
        for pdg_id in collisions._heavy:
            pythia.particleData.mayDecay(pdg_id, False)
    # Both of the same parents: what is left is the binomial error, of 40 hadronizations and of 250.
    difference = np.array(found) - expected
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(len(found))
    assert np.mean(expected) > 0.01


@pytest.mark.slow
def test_b_and_c_quarks_are_as_many_as_without_thinning() -> None:
    """Which heavy quark an accepted multijet event has: b in most, whatever the recipe thins."""
    shares, errors = [], []
    for repetitions in (Repetitions(), Repetitions(4, 32, 1)):
        collisions = HeavyFlavourCollisions(
            (*PROCESSES["qcd"].settings, "PartonLevel:MPI = off"), 11, repetitions
        )
        pythia, counts = collisions._pythia, []
        while len(counts) < 400:
            if not pythia.next() or not collisions._has_heavy_quark():
                continue
            quarks = {pythia.event[index].idAbs() for index in range(pythia.event.size())}
            has_b, n_kept = 5 in quarks, len(collisions._repeat())
            if n_kept:
                counts.append((has_b, n_kept))
        has_b, n_kept = np.array(counts).T
        share = np.average(has_b, weights=n_kept)
        shares.append(share)
        errors.append(np.sqrt(np.sum((n_kept * (has_b - share)) ** 2)) / n_kept.sum())
    assert abs(shares[0] - shares[1]) < 3 * np.hypot(*errors)
    assert 0.5 < shares[1] < 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 5), "n_background must be >= 0, got -1"),
        ((0, 0), r"n_background \+ n_signal must be >= 1, got 0"),
    ],
)
def test_impossible_counts(tmp_path: Path, arguments: tuple[int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate_sample(tmp_path, *arguments, SimulationSettings())


def test_other_impossible_arguments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="n_workers must be >= 1, got 0"):
        generate_sample(tmp_path, 1, 1, SimulationSettings(), n_workers=0)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="folder of a sample must be a directory, got the file"):
        generate_sample(tmp_path / "file", 1, 1, SimulationSettings())


def test_chunks_of_another_pythia_are_not_mixed_in(
    tmp_path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chunks" / "production.json"
    claim_folder(tmp_path, {"seed": 1}, {"tt": ["Top:gg2ttbar = on"]})
    written = path.read_bytes()
    monkeypatch.setattr(
        chunks, "package_versions", lambda: {**package_versions(), "pythia8mc": "8.999"}
    )
    message = r"the same versions, got pythia8mc \S+ there and 8\.999 now: give another folder, or"
    with pytest.raises(InputError, match=message):
        claim_folder(tmp_path, {"seed": 1}, {"tt": ["Top:gg2ttbar = on"]})
    assert path.read_bytes() == written


def test_missing_extra_names_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pythia8mc, .* pip install 'keras-ae\[physics\]'"):
        generate_sample(tmp_path, 1, 1, SimulationSettings())


@pytest.mark.parametrize("name", ["w_lnu", pytest.param("qcd", marks=pytest.mark.slow)])
def test_full_simulation_has_more_particles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("collisions", "heavy_flavour"):
        monkeypatch.setattr(f"keras_ae.generator.{module}._BATCH_SIZE", 20)
    sizes = [
        len(ak.flatten(batch.particles.pdg_id)) / max(len(batch.particles), 1)
        for full in (False, True)
        for batch in [next(iter(open_collisions(PROCESSES[name], 3, full)))]
    ]
    assert sizes[1] > 1.3 * sizes[0]


def test_generate_command(
    tmp_path: Path, small_chunks: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["generate", str(tmp_path), "--n-background", "0", "--n-signal", "3"]
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--n-workers", "2"])
    assert not caught.value.code
    names = [Path(line).name for line in capsys.readouterr().out.split()]
    assert names == ["a_4l.h5", "lq_btau.h5", "h0_tautau.h5", "hch_taunu.h5"]
    assert len(read_l1_events(tmp_path / "hch_taunu.h5")) == 3
