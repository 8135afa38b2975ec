"""Pile-up: tables, numbers, and what mitigation leaves of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra 'physics'")
import awkward as ak

from hls import cli
from keras_ae.data.l1 import JET, LEPTONS, read_l1_events
from keras_ae.errors import InputError
from keras_ae.generator import detector, minimum_bias
from keras_ae.generator.density import density_at, median_density
from keras_ae.generator.detector import simulate_detector
from keras_ae.generator.pile_up import draw_counts, read_pile_up
from keras_ae.generator.processes import PROCESSES
from keras_ae.generator.production import SimulationSettings, generate_sample
from keras_ae.generator.streams import open_collisions


def test_a_number_and_a_table(tmp_path: Path) -> None:
    assert read_pile_up("0") == ()
    assert read_pile_up("50") == ((50.0, 1.0),)
    (tmp_path / "profile.csv").write_text("mean, weight\n# of one year\n20, 1\n60, 3\n")
    table = read_pile_up(str(tmp_path / "profile.csv"))
    assert table == ((20.0, 1.0), (60.0, 3.0))
    counts = draw_counts(table, 40_000, np.random.default_rng(1))
    # Of a mixture of Poisson numbers: mean 50, variance 50 + 300.
    assert counts.mean() == pytest.approx(50, abs=0.4)
    assert counts.var() == pytest.approx(350, rel=0.03)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("20, -1\n30, 2\n", "weights must be finite and >= 0, got -1"),
        ("20, 0\n30, 0\n", "weights must sum to more than 0, got 0"),
        ("-3, 1\n", "means must be 0 to 500, got -3"),
        ("nan, 1\n", "means must be 0 to 500, got nan"),
        ("20, inf\n", "weights must be finite and >= 0, got inf"),
        ("20, 1, 5\n", "must hold lines of two numbers, mean and weight, got '20, 1, 5' in line 1"),
        ("", "must hold lines of two numbers, mean and weight, got none"),
        ("mean, weight\n\n20, x\n", "must hold lines of two numbers, .* got '20, x' in line 3"),
        ("\x00", "must hold lines of two numbers"),
    ],
)
def test_tables_that_cannot_be(
    tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_pile_up(str(path))
    with pytest.raises(SystemExit) as caught:
        cli.main(["generate", str(tmp_path / "out"), "--pile-up", str(path)])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "profile.csv").write_bytes(b"\xff\xfe20")
    with pytest.raises(InputError, match="must hold lines of two numbers.*, got what is no text"):
        read_pile_up(str(tmp_path / "profile.csv"))
    with pytest.raises(InputError, match="which is a folder"):
        read_pile_up(str(tmp_path))


@pytest.mark.parametrize("text", ["-1", "1e9", "nan", "none.csv"])
def test_numbers_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match="pile_up"):
        read_pile_up(text)


def test_density_is_the_median_of_cells() -> None:
    """Of particles of 0.1 GeV, 40 in each cell, and a jet, which the median does not see."""
    rng = np.random.default_rng(1)
    edges = (0.0, 1.0, 2.0)
    cells = [(eta, turn) for eta in np.arange(-2, 2, 0.5) for turn in range(12)]
    eta = np.concatenate([rng.uniform(low, low + 0.5, 40) for low, _ in cells])
    phi = np.concatenate([rng.uniform(turn, turn + 1, 40) for _, turn in cells]) * np.pi / 6
    pt = np.where(np.abs(eta) < 1, 0.1, 0.2)
    event = {
        "eta": np.append(eta, 0.3),
        "phi": np.append(phi - np.pi, 1.0),
        "pt": np.append(pt, 100.0),
    }
    particles = ak.zip({name: [values, values] for name, values in event.items()})
    found = median_density(particles, edges)
    per_cell = 40 / (0.5 * np.pi / 6)
    np.testing.assert_allclose(found, [[0.1 * per_cell, 0.2 * per_cell]] * 2)
    at = density_at(found, edges, ak.Array([[-0.5, 1.5], [-1.2]]))
    np.testing.assert_allclose(ak.flatten(at), np.array([0.1, 0.2, 0.2]) * per_cell)


@pytest.fixture(scope="module")
def top_pairs() -> ak.Array:
    return next(iter(open_collisions(PROCESSES["tt"], 3, full=False))).particles


@pytest.fixture(scope="module")
def library() -> ak.Array:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minimum_bias, "LIBRARY_SIZE", 250)
        return minimum_bias.make_library(5)


@pytest.fixture(scope="module")
def seen(top_pairs: ak.Array, library: ak.Array) -> dict[str, np.ndarray]:
    """Objects without pile-up, with it, and with it where nothing is subtracted."""
    counts = np.full(len(top_pairs), 40)
    others = minimum_bias.draw(library, counts, np.random.default_rng(1), mirrored=True)

    def observed(pile_up: ak.Array | None) -> np.ndarray:
        return simulate_detector(top_pairs, np.random.default_rng(2), pile_up)

    found = {"none": observed(None), "subtracted": observed(others)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector, "median_density", lambda seen, _: np.zeros((len(seen), 2)))
        found["as it is"] = observed(others)
    return found


class TestMitigation:
    """Of 40 other collisions in each crossing of a top pair."""

    @pytest.mark.parametrize(("low", "high"), [(0, 2.4), (2.6, 4)])
    def test_jets(self, seen: dict[str, np.ndarray], low: float, high: float) -> None:
        """In the central and in the forward ring: most of what pile-up adds goes."""
        n_jets = {}
        for name, objects in seen.items():
            jets = objects[:, JET.slots]
            inside = (np.abs(jets[:, :, 1]) >= low) & (np.abs(jets[:, :, 1]) < high)
            n_jets[name] = (inside & (jets[:, :, 0] > 0)).sum(axis=1).mean()
        added = n_jets["as it is"] - n_jets["none"]
        assert added > 0.3
        assert abs(n_jets["subtracted"] - n_jets["none"]) < 0.7 * added

    def test_the_hardest_jet_keeps_its_momentum(self, seen: dict[str, np.ndarray]) -> None:
        hardest = {name: objects[:, JET.first_slot, 0].mean() for name, objects in seen.items()}
        assert hardest["subtracted"] == pytest.approx(hardest["none"], rel=0.05)
        assert hardest["as it is"] > hardest["subtracted"] > 0

    def test_leptons_stay_isolated(self, seen: dict[str, np.ndarray]) -> None:
        n_leptons = {
            name: sum((objects[:, kind.slots, 0] > 10).sum() for kind in LEPTONS)
            for name, objects in seen.items()
        }
        assert n_leptons["as it is"] < n_leptons["subtracted"]
        assert n_leptons["subtracted"] == pytest.approx(n_leptons["none"], rel=0.1)


def test_mirrored_collisions_have_no_side(library: ak.Array) -> None:
    """Of one collision, taken many times: as often to either side."""
    one = library[:1]
    rng = np.random.default_rng(1)
    drawn = minimum_bias.draw(one, np.ones(400, int), rng, mirrored=True)
    first = ak.to_numpy(drawn.pz[:, 0])
    np.testing.assert_array_equal(np.abs(first), abs(one.pz[0, 0]))
    assert 150 < np.sum(first > 0) < 250


@pytest.mark.slow
def test_it_is_recorded_event_by_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimum_bias, "LIBRARY_SIZE", 250)
    monkeypatch.setattr("keras_ae.generator.production.SIGNALS", ("a_4l",))
    settings = SimulationSettings(pile_up=((10.0, 1.0), (40.0, 1.0)))
    path = generate_sample(tmp_path, 0, 30, settings, n_workers=1)["a_4l"]
    events = read_l1_events(path)
    assert events.pile_up is not None and len(events.pile_up) == 30
    assert events.pile_up.min() < 20 and events.pile_up.max() > 30
    assert "tracks of other vertices dropped" in events.provenance["a_4l"]["pile_up_mitigation"]
    # The same folder, without pile-up: other events.
    with pytest.raises(InputError, match="must hold chunks of the same settings"):
        generate_sample(tmp_path, 0, 30, SimulationSettings(), n_workers=1)
