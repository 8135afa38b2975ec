"""Tables of every format, by the names of columns and as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from source_files import assert_equal, read_all, read_in_chunks, write_columns

from keras_ae.data.source import parse_source
from keras_ae.errors import InputError
from keras_ae.front_end.presets import load_front_end

FRONT_END = load_front_end(
    {"features": ["mass", "tau21", "n"], "format": "fixed<12,8>", "last_bit": 0.1}
)
#: In another order than the front end's, and one more.
COLUMNS = {
    "n": np.arange(17.0),
    "other": np.full(17, np.nan),
    "mass": np.arange(17) / 7,
    "tau21": np.float64(np.float32(np.arange(17) / 3)),
    "w": np.arange(17) / 2,
    "event": np.arange(17.0) // 2,
    "process": np.arange(17.0) % 3,
}
VALUES = np.stack([COLUMNS["mass"], COLUMNS["tau21"], COLUMNS["n"]], axis=1)
NAMED = (".npz", ".h5", ".hdf5", ".parquet", ".csv")
MARKS = {"weight": "w", "parent": "event", "label": "process"}


def table(path: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "table", "background": str(path), **more}


@pytest.mark.parametrize("suffix", NAMED)
def test_columns_by_name(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(write_columns(tmp_path / f"x{suffix}", COLUMNS), **MARKS)
    whole, _ = read_all(content, FRONT_END)
    np.testing.assert_array_equal(whole.values, VALUES)
    assert whole.weights is not None and whole.parents is not None and whole.labels is not None
    np.testing.assert_array_equal(whole.weights, COLUMNS["w"])
    np.testing.assert_array_equal(whole.parents, COLUMNS["event"])
    np.testing.assert_array_equal(whole.labels, COLUMNS["process"])
    assert whole.parents.dtype == whole.labels.dtype == np.int64
    parts, n_chunks = read_in_chunks(monkeypatch, content, FRONT_END, 4)
    assert_equal(whole, parts)
    assert n_chunks > 3


@pytest.mark.parametrize("suffix", NAMED)
def test_a_missing_column(suffix: str, tmp_path: Path) -> None:
    columns = {"n": COLUMNS["n"], "mass": COLUMNS["mass"], "tau32": COLUMNS["tau21"]}
    path = write_columns(tmp_path / f"x{suffix}", columns)
    with pytest.raises(InputError) as caught:
        read_all(table(path), FRONT_END)
    names = "mass, n, tau32" if suffix in (".h5", ".hdf5") else "n, mass, tau32"
    assert str(caught.value) == (
        f"data.background: {path} must hold columns 'tau21'; there are {names}"
    )


def test_a_missing_column_of_many(tmp_path: Path) -> None:
    columns = {f"x{number}": np.zeros(3) for number in range(100)}
    path = write_columns(tmp_path / "x.parquet", {**columns, "taux21": np.zeros(3)})
    with pytest.raises(InputError, match="columns 'mass' and 2 more; there are 101, none like it$"):
        read_all(table(path), FRONT_END)
    with pytest.raises(InputError, match="columns 'tau21'; there are 101, like it taux21"):
        read_all(table(path), load_front_end({"features": ["x7", "tau21"]}))


@pytest.mark.parametrize("name", ["w", "event", "process"])
@pytest.mark.parametrize("suffix", NAMED)
def test_a_missing_mark(suffix: str, name: str, tmp_path: Path) -> None:
    columns = {label: values for label, values in COLUMNS.items() if label != name}
    path = write_columns(tmp_path / f"x{suffix}", columns)
    with pytest.raises(InputError, match=f"x{suffix} must hold .*'{name}'[;,] .*mass"):
        read_all(table(path, **MARKS), FRONT_END)


def test_slots_of_objects_by_name(tmp_path: Path) -> None:
    front_end = load_front_end({"objects": {"jet": {"slots": 2, "fields": {"pt": {}, "eta": {}}}}})
    columns = {name: np.arange(3.0) + i for i, name in enumerate(reversed(front_end.names))}
    for suffix in NAMED:
        path = write_columns(tmp_path / f"x{suffix}", columns)
        found, _ = read_all(table(path), front_end)
        np.testing.assert_array_equal(found.values[0], [3, 2, 1, 0])


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".h5", ".csv"])
def test_arrays(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".npz":
        np.savez(path, events=VALUES)
    elif suffix == ".npy":
        np.save(path, VALUES)
    elif suffix == ".csv":
        np.savetxt(path, VALUES, "%.17g", ",")
    else:
        with h5py.File(path, "w") as file:
            file["deep/events"] = VALUES
    whole, _ = read_all(table(path), FRONT_END)
    np.testing.assert_array_equal(whole.values, VALUES)
    parts, n_chunks = read_in_chunks(monkeypatch, table(path), FRONT_END, 5)
    assert_equal(whole, parts)
    assert n_chunks == 4
    message = r"must (hold 2 columns, as many as the front end, got 3|have the names of its col)"
    with pytest.raises(InputError, match=message):
        read_all(table(path), load_front_end({"features": 2}))


def test_one_of_two_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, train=VALUES, test=-VALUES, w=COLUMNS["w"])
    found, _ = read_all(table(path, key="test", weight="w"), FRONT_END)
    np.testing.assert_array_equal(found.values, -VALUES)
    np.testing.assert_array_equal(found.weights, COLUMNS["w"])
    message = r"one array of \(events, columns\), or key must name one of train, test, w, got 2 of"
    with pytest.raises(InputError, match=message):
        read_all(table(path), FRONT_END)
    with pytest.raises(InputError, match="key must name one of train, test, w, got 'tset'"):
        read_all(table(path, key="tset"), FRONT_END)
    message = r"'w' must be numbers of shape \(events, columns\), got float64 of \(17,\)"
    with pytest.raises(InputError, match=message):
        read_all(table(path, key="w"), FRONT_END)


def test_hardware_values(tmp_path: Path) -> None:
    values = np.array([[127.9375, -128, 0.0625], [1, 2, 3]])
    np.save(tmp_path / "x.npy", values)
    content = table(tmp_path / "x.npy", hardware=True)
    found, _ = read_all(content, FRONT_END)
    assert found.is_hardware
    np.testing.assert_array_equal(found.values, values)
    np.save(tmp_path / "x.npy", values + np.array([0, 0, 0.01]))
    message = r"n must be hardware values of fixed<12,8>, got 0.0725$"
    with pytest.raises(InputError, match=message):
        read_all(content, FRONT_END)
    with pytest.raises(InputError, match="^hardware must be false unless the front end states"):
        read_all(content, load_front_end({"features": 3}))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("event", np.arange(17) / 2, "'event' must hold integers, got 0.5"),
        ("process", np.full(17, np.nan), "'process' must hold integers, got nan"),
        ("w", np.full(17, np.inf), "'w' must be finite, got NaN or infinity"),
    ],
)
@pytest.mark.parametrize("suffix", NAMED)
def test_marks_of_another_kind(
    suffix: str, name: str, values: np.ndarray, message: str, tmp_path: Path
) -> None:
    path = write_columns(tmp_path / f"x{suffix}", {**COLUMNS, name: values})
    with pytest.raises(InputError, match=message):
        read_all(table(path, **MARKS), FRONT_END)


def test_columns_of_other_lengths(tmp_path: Path) -> None:
    columns = {**COLUMNS, "n": np.arange(16.0)}
    for suffix in (".npz", ".h5"):
        path = write_columns(tmp_path / f"x{suffix}", columns)
        with pytest.raises(InputError, match=r"'n' must hold 17 numbers, .* of \(16,\)"):
            read_all(table(path), FRONT_END)


def test_what_is_no_number(tmp_path: Path) -> None:
    columns: dict[str, Any] = {**COLUMNS, "n": np.array(["x"] * 17)}
    path = write_columns(tmp_path / "x.npz", columns)
    with pytest.raises(InputError, match="'n' must hold 17 numbers, one an event, got <U1"):
        read_all(table(path), FRONT_END)
    path = write_columns(tmp_path / "x.parquet", columns)
    with pytest.raises(InputError, match="'n' must hold numbers or lists of numbers, got string"):
        read_all(table(path), FRONT_END)
    lists = pa.table({"mass": [[1.0]], "tau21": [1.0], "n": [1.0]})
    parquet.write_table(lists, path)
    with pytest.raises(InputError, match="'mass' must be a number an event, got a list"):
        read_all(table(path), FRONT_END)


def test_what_is_null_is_nan(tmp_path: Path) -> None:
    rows = pa.table(
        {"mass": [1.0, None], "tau21": pa.array([None, 2], pa.int32()), "n": [True, None]}
    )
    parquet.write_table(rows, tmp_path / "x.parquet")
    found, _ = read_all(table(tmp_path / "x.parquet"), FRONT_END)
    np.testing.assert_array_equal(found.values, [[1, np.nan, 1], [np.nan, 2, np.nan]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mass,tau21,n\n1,2,3\n1,2\n", "line 3 must hold 3 values, got 2"),
        ("mass,tau21,n\n1,2,3\n1,x,3\n", "line 3 must hold numbers: could not convert"),
        ("mass,tau21,n\n1,,3\n", "line 2 must hold numbers: could not convert"),
        ("1,2\n", "must have the names of its columns in the first line, or hold 3 columns, .* 2 "),
        ("mass,tau21,n\n", "must hold at least one event, got 0"),
        ("", "must hold at least one event, got 0"),
        ("mass;tau21;n\n1;2;3\n", "must hold columns 'mass' and 2 more; there are mass;tau21;n"),
    ],
)
def test_csv_with_mistakes(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_all(table(tmp_path / "x.csv"), FRONT_END)
    assert "\n" not in str(caught.value)


def test_csv_as_others_write_it(tmp_path: Path) -> None:
    text = '\ufeff"mass", tau21 ,n\r\n\r\n1e3,-2.5,nan\r\n'
    (tmp_path / "x.csv").write_bytes(text.encode())
    found, _ = read_all(table(tmp_path / "x.csv"), FRONT_END)
    np.testing.assert_array_equal(found.values, [[1000, -2.5, np.nan]])


def test_other_files(tmp_path: Path) -> None:
    for name, got in (("x.txt", "'.txt'"), ("x", "'none'")):
        (tmp_path / name).write_text("1,2,3\n")
        with pytest.raises(InputError, match=f"must end in .npz, .*, .csv, got {got}"):
            read_all(table(tmp_path / name), FRONT_END)
    for suffix in (".npz", ".npy", ".h5", ".parquet"):
        path = tmp_path / f"y{suffix}"
        path.write_bytes(b"no such file")
        with pytest.raises(InputError, match=f"y{suffix} must be an? .* file"):
            read_all(table(path), FRONT_END)
    np.save(tmp_path / "z.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(
        InputError, match="z.npy must be a whole npy file of arrays of numbers: .* objects"
    ):
        read_all(table(tmp_path / "z.npy"), FRONT_END)
    path = write_columns(tmp_path / "x.parquet", COLUMNS)
    with pytest.raises(InputError, match="key must be unset for .*, which has no arrays, got 'a'"):
        read_all(table(path, key="a"), FRONT_END)


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_columns(tmp_path / "x.parquet", COLUMNS)
    monkeypatch.setattr("keras_ae.data.parquet_file.find_spec", lambda name: None)
    message = r"^pyarrow is needed to read Parquet: pip install 'keras-ae\[parquet\]'$"
    with pytest.raises(ImportError, match=message):
        read_all(table(path), FRONT_END)


def test_files_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "x.csv", COLUMNS)
    chunks = parse_source(table(path)).read(FRONT_END)["background"]
    path.write_text("mass,tau21,n\n1,2,3\n")
    np.testing.assert_array_equal(next(chunks).values, [[1, 2, 3]])


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,c,a\n1,2,3,4\n")
    front_end = load_front_end({"features": ["a", "b", "c"]})
    with pytest.raises(InputError, match="x.csv must hold each column once, got 'a' twice$"):
        read_all({"kind": "table", "background": str(tmp_path / "x.csv")}, front_end)
