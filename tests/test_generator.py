"""The generator: cocktail, acceptance, reproducibility, continuation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra 'physics'")
import awkward as ak

from hls import cli
from keras_ae.data.l1 import read_l1_events
from keras_ae.errors import InputError
from keras_ae.generator import chunks, processes
from keras_ae.generator.collisions import open_collisions
from keras_ae.generator.processes import PROCESSES, background_counts
from keras_ae.generator.production import SimulationSettings, generate_sample


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
    monkeypatch.setattr("keras_ae.generator.collisions.OVERLAY_LIBRARY_SIZE", 50)


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
    # Other settings must not be mixed in.
    with pytest.raises(InputError, match="must hold chunks of the same settings"):
        generate_sample(tmp_path / "a", 12, 5, SimulationSettings(seed=6))
    background = read_l1_events(second["background"])
    assert sum(int(r["n_accepted"]) for r in background.provenance.values()) >= 12
    assert len(np.unique(background.parents[background.process != 1])) == np.sum(
        background.process != 1
    )


def test_heavy_flavour_events_hold_a_lepton_and_nothing_undecayed() -> None:
    collisions = open_collisions(PROCESSES["qcd"], seed=7, full=False, n_hadronizations=50)
    collisions_batch_size = 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_ae.generator.collisions._BATCH_SIZE", collisions_batch_size)
        batch = next(iter(collisions))
    ids = np.abs(ak.to_numpy(ak.flatten(batch.particles.pdg_id)))
    # pi0, rho, omega, B and D mesons decay inside the beam pipe.
    assert not np.isin(ids, (111, 113, 213, 223, 411, 421, 431, 511, 521, 531, 15)).any()
    for particles in batch.particles:
        lepton = np.isin(np.abs(np.asarray(particles.pdg_id)), (11, 13))
        assert np.hypot(particles.px, particles.py)[lepton].to_numpy().max() > 20
    assert batch.n_simulated >= 50 * len(np.unique(batch.parents))


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


def test_missing_extra_names_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pythia8mc, .* pip install 'keras-ae\[physics\]'"):
        generate_sample(tmp_path, 1, 1, SimulationSettings())


@pytest.mark.parametrize("name", ["w_lnu", pytest.param("qcd", marks=pytest.mark.slow)])
def test_full_simulation_has_more_particles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras_ae.generator.collisions._BATCH_SIZE", 20)
    sizes = [
        len(ak.flatten(batch.particles.pdg_id)) / max(len(batch.particles), 1)
        for full in (False, True)
        for batch in [next(iter(open_collisions(PROCESSES[name], 3, full, 10)))]
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
