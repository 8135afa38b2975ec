"""Objects of ROOT and Parquet files: by hand, by loops over real files, and by other routes."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
import uproot
from pyarrow import parquet
from source_files import assert_equal, read_all, read_in_chunks, write_columns, write_lists

from keras_ae.data.jagged import lead
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.source import parse_source, resolve_path
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end

_SCRIPT = Path(__file__).parents[1] / "benchmarks" / "nanoaod_file.py"
_spec = importlib.util.spec_from_file_location("nanoaod_file", _SCRIPT)
assert _spec is not None and _spec.loader is not None
nanoaod_file = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(nanoaod_file)

SUFFIXES = (".root", ".parquet")


def objects(path: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "objects", "background": str(path), **more}


def jets(n_slots: int = 2, empty: str | None = "pt == -999", **more: Any) -> FrontEnd:
    jet = {"slots": n_slots, "empty": empty, "order": "pt", "fields": {"pt": {}, "eta": {}}}
    return load_front_end({"objects": {"jet": {**jet, **more}}})


JETS = {"jet": {"pt": "Jet_pt", "eta": "Jet_eta"}}
LISTS: dict[str, list[Any]] = {
    "Jet_pt": [[20, 50, 30], [], [10], [40, 40, 40, 50]],
    "Jet_eta": [[0, 1, 2], [], [3], [4, 5, 6, 7]],
    "Jet_id": [[1, 2, 2], [], [2], [1, 2, 1, 2]],
    "nJet": [3, 0, 1, 4],
    "weight": [0.5, 1.5, 2.5, -3.5],
    "event": [7, 7, 8, 9],
    "MET_pt": [11, 12, 13, 14],
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sorted_truncated_padded(suffix: str, tmp_path: Path) -> None:
    content = objects(
        write_lists(tmp_path / f"x{suffix}", LISTS),
        branches=JETS,
        weight="weight",
        parent="event",
        label="nJet",
    )
    found, _ = read_all(content, jets())
    expected = [[50, 1, 30, 2], [-999, 0, -999, 0], [10, 3, -999, 0], [50, 7, 40, 4]]
    assert found.values.tolist() == expected
    assert not found.is_hardware
    assert found.weights is not None and found.weights.tolist() == LISTS["weight"]
    assert found.parents is not None and found.parents.tolist() == LISTS["event"]
    assert found.labels is not None and found.labels.tolist() == LISTS["nJet"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_an_order_as_they_stand(suffix: str, tmp_path: Path) -> None:
    content = objects(write_lists(tmp_path / f"x{suffix}", LISTS), branches=JETS)
    found, _ = read_all(content, jets(order=None))
    assert found.values[0].tolist() == [20, 0, 50, 1]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"cuts": {"jet": {"pt": [30, None]}}}, [[50, 1, 30, 2], [], [], [50, 7, 40, 4]]),
        ({"cuts": {"jet": {"pt": [None, 30]}}}, [[30, 2, 20, 0], [], [10, 3], []]),
        (
            {"cuts": {"jet": {"pt": [15, 45], "eta": [0, 4.5]}}},
            [[30, 2, 20, 0], [], [], [40, 4]],
        ),
        ({"where": {"jet": {"Jet_id": 2}}}, [[50, 1, 30, 2], [], [10, 3], [50, 7, 40, 5]]),
        (
            {"unit_scale": {"pt": 0.5}, "cuts": {"jet": {"pt": [15, 24]}}},
            [[15, 2], [], [], [20, 4, 20, 5]],
        ),
        (
            {"unit_scale": {"jet.pt": 2, "pt": 3, "eta": -1}, "cuts": {"jet": {"pt": [61, None]}}},
            [[100, -1], [], [], [100, -7, 80, -4]],
        ),
    ],
)
def test_chosen(suffix: str, more: dict[str, Any], expected: list[Any], tmp_path: Path) -> None:
    content = objects(write_lists(tmp_path / f"x{suffix}", LISTS), branches=JETS, **more)
    found, _ = read_all(content, jets())
    assert found.values.tolist() == [[*x, *[-999, 0] * 2][:4] for x in expected]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_instead_of_branches(suffix: str, tmp_path: Path) -> None:
    path = write_lists(tmp_path / f"x{suffix}", LISTS)
    front_end = load_front_end(
        {
            "objects": {
                "met": {"fields": {"pt": {}, "eta": {}}, "empty": "pt == 0"},
                "ht": {"fields": {"pt": {}}},
                "jet": {"fields": {"pt": {}, "phi": {}}, "order": "pt", "empty": "pt == 0"},
            }
        }
    )
    branches = {"met": {"pt": "MET_pt", "eta": 0}, "jet": {"pt": "Jet_pt", "phi": -1}}
    content = objects(path, branches=branches, others=5.0, unit_scale={"pt": 2})
    found, _ = read_all(content, front_end)
    # A number is in the front end's unit already.
    assert found.values.tolist() == [
        [22, 0, 5, 100, -1],
        [24, 0, 5, 0, 0],
        [26, 0, 5, 20, -1],
        [28, 0, 5, 100, -1],
    ]
    message = "branches.ht must have a branch or a number for 'pt', or others a number .* got none"
    with pytest.raises(InputError, match=message):
        parse_source(objects(path, branches=branches)).read(front_end)


def test_a_nan_is_not_cut_off(tmp_path: Path) -> None:
    columns = {"Jet_pt": [[50.0, 40, 30, math.nan]], "Jet_eta": [[0.0, 1, 2, 3]]}
    content = objects(write_lists(tmp_path / "x.root", columns), branches=JETS)
    found, _ = read_all({**content, "cuts": {"jet": {"pt": [45, None]}}}, jets())
    np.testing.assert_array_equal(found.values, [[np.nan, 3, 50, 0]])
    with pytest.raises(InputError, match="every value must be finite"):
        jets().to_hardware(found.values)


def test_an_empty_slot_that_is_nan(tmp_path: Path) -> None:
    content = objects(write_lists(tmp_path / "x.root", LISTS), branches=JETS)
    found, _ = read_all(content, jets(empty="pt == nan"))
    np.testing.assert_array_equal(found.values[2], [10, 3, np.nan, 0])


def test_slots_that_are_never_empty(tmp_path: Path) -> None:
    content = objects(write_lists(tmp_path / "x.parquet", LISTS), branches=JETS)
    message = "jet must have 2 objects in every event unless .* empty, got 0 in event 1$"
    with pytest.raises(InputError, match=message):
        read_all(content, jets(empty=None))


def test_the_first_of_each_event() -> None:
    """Against Python's own sort, which is stable."""
    random = np.random.default_rng(4)
    for _ in range(50):
        counts = random.integers(0, 6, 20)
        event = np.repeat(np.arange(20), counts)
        key = random.integers(0, 3, len(event)).astype(float)
        index, found, slot = lead(event, key, 3)
        expected = [
            (i, number, place)
            for number in range(20)
            for place, i in enumerate(
                sorted(np.flatnonzero(event == number), key=lambda i: -key[i])[:3]
            )
        ]
        assert list(zip(index, found, slot, strict=True)) == expected


TURN = 2 * math.pi / 144


@pytest.mark.parametrize(
    ("phi", "expected"),
    [
        (0.0, 0),
        (-0.49 * TURN, 0),
        (-0.51 * TURN, 143),
        (-math.pi, 72),
        (math.pi, 72),
        (3.0, 69),
        (-3.0, 75),
        (143.49 * TURN, 143),
        (143.51 * TURN, 0),
        (-143.51 * TURN, 0),
        (5 * math.pi, 72),
    ],
)
def test_angles_of_a_format_without_a_sign(phi: float, expected: int, tmp_path: Path) -> None:
    front_end = load_front_end("cms_ugt_run3")
    table = pa.table({"MET_pt": [9.0], "MET_phi": [phi], "Jet_pt": [[50.0]], "Jet_phi": [[phi]]})
    parquet.write_table(table, tmp_path / "x.parquet")
    branches = {
        "met": {"pt": "MET_pt", "phi": "MET_phi"},
        "jet": {"pt": "Jet_pt", "phi": "Jet_phi"},
    }
    content = objects(tmp_path / "x.parquet", branches=branches, others=0.0)
    found, _ = read_all(content, front_end)
    hardware = dict(zip(front_end.names, front_end.to_hardware(found.values)[0], strict=True))
    assert hardware["met.phi"] == hardware["jet.phi[0]"] == expected


def nanoaod_truth(path: Path, met: str) -> tuple[list[list[float]], list[float]]:
    """Values and weights of the layout's events, object by object, from uproot."""
    n_slots = {"Electron": 4, "Muon": 4, "Jet": 10}
    with uproot.open(path) as file:
        names = [f"{name}_{field}" for name in n_slots for field in ("pt", "eta", "phi")]
        names += [f"{met}_pt", f"{met}_phi", "genWeight"]
        events = file["Events"].arrays(names, library="ak").to_list()
    found = []
    for event in events:
        values = [event[f"{met}_pt"], 0.0, event[f"{met}_phi"]]
        for name, n in n_slots.items():
            fields = (event[f"{name}_{field}"] for field in ("pt", "eta", "phi"))
            some = sorted(zip(*fields, strict=True), key=lambda x: -x[0])[:n]
            values += [number for one in some for number in one] + [0.0] * 3 * (n - len(some))
        found.append(values)
    return found, [event["genWeight"] for event in events]


@pytest.mark.parametrize(
    ("name", "met"), [("nano_dy.root", "MET"), ("nano_tt_v15.root", "PuppiMET")]
)
def test_real_nanoaod(name: str, met: str, foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front_end = load_front_end("adc2021")
    content = objects(foreign / name, layout="nanoaod", weight="genWeight")
    found, _ = read_all(content, front_end)
    truth, weights = nanoaod_truth(foreign / name, met)
    np.testing.assert_array_equal(found.values, truth)
    np.testing.assert_array_equal(found.weights, weights)
    parts, n_chunks = read_in_chunks(monkeypatch, content, front_end, 7)
    assert_equal(found, parts)
    assert n_chunks == math.ceil(len(truth) / 7)


def test_real_root_and_parquet(foreign: Path) -> None:
    front_end = load_front_end("cms_ugt_run3")
    more = {"layout": "nanoaod", "others": 0.0}
    root, _ = read_all(objects(foreign / "nano_dy.root", **more), front_end)
    other, _ = read_all(objects(foreign / "nano_dy.parquet", **more), front_end)
    assert_equal(root, other)
    hardware = front_end.to_hardware(root.values)
    assert len(hardware) == 40 and (hardware[:, 0] > 0).sum() > 30


def test_a_branch_of_another_name(foreign: Path) -> None:
    content = objects(foreign / "nano_tt_v15.root", layout="nanoaod")
    with pytest.raises(InputError) as caught:
        read_all({**content, "branches": {"jet": {"pt": "Jet_pT"}}}, load_front_end("adc2021"))
    expected = r"must hold branches 'Jet_pT'; there are 2656, like it "
    assert expected in str(caught.value)
    assert "Jet_pt" in str(caught.value).split("like it ")[1].split(", ")


def test_real_events_of_another_kind(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Momenta instead of angles, in fields of those names."""
    field: dict[str, Any] = {"format": "fixed<13,13>", "last_bit": 0.25, "unit": "GeV"}
    fields = {"e": field, "px": field, "py": field}
    front_end = load_front_end(
        {
            "objects": {
                "jet": {"slots": 3, "order": "e", "empty": "e == 0", "fields": fields},
                "met": {"fields": {"px": field, "py": field}},
            }
        }
    )
    content = objects(
        foreign / "uproot-HZZ.root",
        tree="events",
        branches={
            "jet": {"e": "Jet_E", "px": "Jet_Px", "py": "Jet_Py"},
            "met": {"px": "MET_px", "py": "MET_py"},
        },
        weight="EventWeight",
    )
    found, _ = read_all(content, front_end)
    with uproot.open(foreign / "uproot-HZZ.root") as file:
        events = file["events"].arrays(["Jet_E", "Jet_Px", "Jet_Py", "MET_px", "MET_py"]).to_list()
    truth = []
    for event in events:
        fields_of = (event["Jet_E"], event["Jet_Px"], event["Jet_Py"])
        some = sorted(zip(*fields_of, strict=True), key=lambda x: -x[0])[:3]
        flat = [number for one in some for number in one]
        truth.append([*flat, *[0.0] * (9 - len(flat)), event["MET_px"], event["MET_py"]])
    np.testing.assert_array_equal(found.values, truth)
    assert len(truth) == 2421
    parts, n_chunks = read_in_chunks(monkeypatch, content, front_end, 500)
    assert_equal(found, parts)
    assert n_chunks == 5


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The same events of the package in HDF5, ROOT, Parquet and as a table, by source."""
    folder = tmp_path_factory.mktemp("routes")
    hdf5 = {"kind": "adc2021", "background": "package:l1/a_4l.h5"}
    path = resolve_path("package:l1/a_4l.h5")
    n_events = nanoaod_file.write_nanoaod(folder / "x.root", path, per_basket=900)
    assert n_events == len(read_l1_events(path).objects)
    with uproot.open(folder / "x.root") as file:
        lists = file["Events"].arrays()
    columns = {name: ak.to_arrow(lists[name], list_to32=True) for name in lists.fields}
    parquet.write_table(pa.table(columns), folder / "x.parquet", row_group_size=700)
    front_end = load_front_end("adc2021")
    values, _ = read_all(hdf5, front_end)
    path = write_columns(folder / "x.h5", dict(zip(front_end.names, values.values.T, strict=True)))
    return {
        "hdf5": hdf5,
        "root": objects(folder / "x.root", layout="nanoaod"),
        "parquet": objects(folder / "x.parquet", layout="nanoaod"),
        "table": {"kind": "table", "background": str(path)},
    }


def test_every_route_gives_the_same_integers(
    routes: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    front_end = load_front_end("adc2021")
    expected = front_end.to_hardware(read_all(routes["hdf5"], front_end)[0].values)
    assert expected.dtype == np.int32 and (expected != 0).mean() > 0.2
    for name, content in routes.items():
        for size in (10_000, 999):
            found, _ = read_in_chunks(monkeypatch, content, front_end, size)
            np.testing.assert_array_equal(front_end.to_hardware(found.values), expected, name)


def test_words_of_the_trigger_from_nanoaod_names(routes: dict[str, dict[str, Any]]) -> None:
    """Angles of [-pi, pi] in formats without a sign."""
    front_end = load_front_end("cms_ugt_run3")
    signed = load_front_end("adc2021")
    content = {**routes["root"], "others": 0.0}
    hardware = front_end.to_hardware(read_all(content, front_end)[0].values)
    other = signed.to_hardware(read_all(routes["root"], signed)[0].values)
    for label in ("pt", "eta", "phi"):
        columns = [column.index for column in front_end.choose([f"jet.{label}"], "x")][:10]
        found = hardware[:, columns]
        before = other[:, [column.index for column in signed.choose([f"jet.{label}"], "x")]]
        if label == "phi":
            before = before % 144
        if label != "pt":
            np.testing.assert_array_equal(found, before)
        else:
            np.testing.assert_array_equal(found, np.minimum(before, 2047))


def test_trees_of_l1_upgrade(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "jetEt": [[50, 99, 60], [10, 20, 30]],
        "jetEta": [[1, 0, -1], [0, 1, 2]],
        "jetPhi": [[-0.5, 0, 3], [1, 2, -3]],
        # Those of another crossing are not taken.
        "jetBx": [[0, 1, 0], [0, 0, -1]],
        "muonEt": [[5, 6], [7, 8]],
        "muonEtaAtVtx": [[1, 2], [0.5, 0.25]],
        "muonPhiAtVtx": [[-1, 1], [0, 2]],
        "muonBx": [[0, 0], [1, 1]],
        "sumType": [[0, 1, 2, 2, 3], [2, 1, 0, 8, 16]],
        "sumEt": [[300, 200, 77, 99, 40], [11, 22, 33, 44, 55]],
        "sumPhi": [[0, 0, 3, 1, 2], [-1, 0, 0, 0, 0]],
        "sumBx": [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]],
    }
    path = write_lists(tmp_path / "x.root", columns, "l1UpgradeTree/L1UpgradeTree")
    field: dict[str, Any] = {}
    kinds = {
        "ett": {"fields": {"pt": field}},
        "htt": {"fields": {"pt": field}},
        "met": {"fields": {"pt": field, "eta": field, "phi": field}},
        "jet": {"slots": 2, "fields": {"pt": field, "eta": field, "phi": field}, "order": "pt"},
        "muon": {"slots": 1, "fields": {"pt": field, "eta": field, "phi": field}, "order": "pt"},
    }
    kinds["jet"]["empty"] = kinds["muon"]["empty"] = "pt == 0"
    front_end = load_front_end({"objects": kinds})
    found, _ = read_all(objects(path, layout="l1_upgrade"), front_end)
    assert found.values.tolist() == [
        [300, 200, 77, 0, 3, 60, -1, 3, 50, 1, -0.5, 6, 2, 1],
        [33, 22, 11, 0, -1, 20, 1, 2, 10, 0, 1, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {},
            "branches must name the branches of fields, or layout one of nanoaod, l1_upgrade",
        ),
        ({"branches": {"jets": {}}}, "branches must name some of jet, .* got 'jets'"),
        ({"branches": {"jet": {"pT": "x"}}}, "branches.jet must name some of eta, pt, .* got 'pT'"),
        ({"branches": JETS, "cuts": {"met": {}}}, "cuts must name some of jet, .* got 'met'"),
        (
            {"branches": JETS, "cuts": {"jet": {"phi": [0, 1]}}},
            "cuts.jet must name some of eta, pt, .* got 'phi'",
        ),
        ({"branches": JETS, "where": {"met": {}}}, "where must name some of jet, .* got 'met'"),
        (
            {"branches": JETS, "unit_scale": {"Pt": 2}},
            "unit_scale must name some of eta, jet.eta, jet.pt, pt, .* got 'Pt'",
        ),
        (
            {"branches": {"jet": {"pt": "Jet_pt"}}},
            "branches.jet must have a branch or a number for 'eta', or others .*, got pt$",
        ),
        ({"branches": {"jet": {"pt": 1, "eta": 2}}}, "must give the values of a branch, got numb"),
        (
            {"branches": {"jet": {"pt": "Jet_pt", "eta": "Jet"}}},
            "must hold branches 'Jet'; there a",
        ),
        ({"branches": JETS, "weight": "w"}, "must hold branches 'w'; there are .*Jet_pt, .*"),
        ({"branches": JETS, "weight": "Jet_pt"}, "'Jet_pt' must be a number an event, got a list"),
        ({"branches": JETS, "where": {"jet": {"Jet_no": 1}}}, "must hold branches 'Jet_no'; ther"),
        (
            {"branches": JETS, "where": {"jet": {"nJet": 1}}},
            "'nJet' must hold lists for the 2 slot",
        ),
        (
            {"branches": {"jet": {"pt": "Jet_pt", "eta": "MET_pt"}}},
            "'MET_pt' must hold lists for the 2 slots of jet, got one number an event",
        ),
        (
            {"branches": {"jet": {"pt": "Jet_pt", "eta": "Ele_eta"}}},
            "'Ele_eta' must hold as many objects as 'Jet_pt', got 1 and 0 in event 1$",
        ),
        ({"branches": JETS, "parent": "weight"}, "'weight' must hold integers, got 0.5"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_mistakes(suffix: str, more: dict[str, Any], message: str, tmp_path: Path) -> None:
    columns = {**LISTS, "Ele_eta": [[0, 1, 2], [1], [3], [4, 5, 6, 7]]}
    path = write_lists(tmp_path / f"x{suffix}", columns)
    with pytest.raises(ValueError, match=message) as caught:
        read_all(objects(path, **more), jets())
    if isinstance(caught.value, InputError):
        assert "\n" not in str(caught.value)


def test_other_trees(tmp_path: Path) -> None:
    path = write_lists(tmp_path / "x.root", LISTS, "deep/Tree")
    with pytest.raises(InputError, match="tree must be one of deep/Tree, got 'Events'$"):
        read_all(objects(path, branches=JETS), jets())
    found, _ = read_all(objects(path, branches=JETS, tree="deep/Tree"), jets())
    assert len(found) == 4


def test_other_files(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        path = tmp_path / f"x{suffix}"
        for content in (b"", b"nothing", b"root\0\0\0\1" * 100, b"PAR1" * 100):
            path.write_bytes(content)
            with pytest.raises(InputError, match=f"x{suffix} must be a .* file") as caught:
                read_all(objects(path, branches=JETS), jets())
            assert "\n" not in str(caught.value)
    (tmp_path / "x.h5").write_bytes(b"")
    with pytest.raises(InputError, match="must end in .root, .parquet, got '.h5'"):
        read_all(objects(tmp_path / "x.h5", branches=JETS), jets())


def test_other_branches(tmp_path: Path) -> None:
    rows = pa.table({"Jet_pt": [[[1.0]]], "Jet_eta": [["x"]]})
    parquet.write_table(rows, tmp_path / "x.parquet")
    for field, other in (("pt", "eta"), ("eta", "pt")):
        branches = {"jet": {field: f"Jet_{field}", other: 0}}
        message = f"'Jet_{field}' must hold numbers or lists of numbers, got "
        with pytest.raises(InputError, match=message):
            read_all(objects(tmp_path / "x.parquet", branches=branches), jets())
    with uproot.recreate(tmp_path / "x.root") as file:
        tree = file.mktree("Events", {"a": "string", "b": "3 * int32"})
        tree.extend({"a": ["x"], "b": np.ones((1, 3), "int32")})
    branches = {"jet": {"pt": "a", "eta": 0}}
    with pytest.raises(InputError, match="'a' must hold numbers or lists of numbers, got"):
        read_all(objects(tmp_path / "x.root", branches=branches), jets())
    found, _ = read_all(
        objects(tmp_path / "x.root", branches={"jet": {"pt": "b", "eta": 0}}), jets()
    )
    assert found.values.tolist() == [[1, 0, 1, 0]]


def test_features_have_no_objects(tmp_path: Path) -> None:
    content = objects(write_lists(tmp_path / "x.root", LISTS), branches=JETS)
    with pytest.raises(InputError, match="^front_end must have objects for data.kind 'objects'"):
        parse_source(content).read(load_front_end({"features": 2}))


@pytest.mark.parametrize(
    ("suffix", "library", "extra"),
    [(".root", "uproot", "root"), (".parquet", "pyarrow", "parquet")],
)
def test_without_the_library(
    suffix: str, library: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = objects(write_lists(tmp_path / f"x{suffix}", LISTS), branches=JETS)
    module = "root_file" if library == "uproot" else "parquet_file"
    monkeypatch.setattr(f"keras_ae.data.{module}.find_spec", lambda name: None)
    message = rf"^{library} is needed to read .*: pip install 'keras-ae\[{extra}\]'$"
    with pytest.raises(ImportError, match=message):
        read_all(content, jets())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"branches": {"jet": {"pt": "Jet_pt", "eta": "Jet_pt"}}},
            "^data.branches.jet must have a branch of its own for each field, got Jet_pt twice$",
        ),
        (
            {"cuts": {"jet": {"pt": [100, 30]}}},
            "^data.cuts.jet.pt must be the lowest and the highest value, got 100 and 30$",
        ),
        ({"cuts": {"jets": {"pt": [1, 2]}}}, "^data.cuts must name some of jet"),
    ],
)
def test_maps_that_make_no_sense(change: dict[str, Any], message: str) -> None:
    front_end = load_front_end({"objects": {"jet": {"slots": 2, "fields": {"pt": {}, "eta": {}}}}})
    content = {
        "kind": "objects",
        "background": "x.root",
        "branches": {"jet": {"pt": "Jet_pt", "eta": "Jet_eta"}},
    }
    with pytest.raises(InputError, match=message):
        parse_source({**content, **change}).read(front_end)
