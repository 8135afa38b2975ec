"""What every source keeps to, on small files of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import ValidationError
from source_files import (
    assert_equal,
    read_all,
    read_in_chunks,
    ugt_line,
    write_columns,
    write_lists,
)

from keras_ae.data.source import SOURCES, parse_source
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end

N_EVENTS = 13


@dataclass(frozen=True)
class Example:
    """A file of a source, `first` its values (events, n_values), and how to write others."""

    content: dict[str, Any]
    front_end: FrontEnd
    values: np.ndarray
    write: Callable[[Path, np.ndarray], Path]
    suffix: str


def _table() -> Example:
    front_end = load_front_end({"features": ["a", "b", "c"]})
    values = np.random.default_rng(1).normal(size=(N_EVENTS, 3))

    def write(path: Path, values: np.ndarray) -> Path:
        return write_columns(path, dict(zip("cab", values[:, [2, 0, 1]].T, strict=True)))

    return Example({"kind": "table"}, front_end, values, write, ".h5")


def _images() -> Example:
    front_end = load_front_end({"image": {"shape": [3, 2, 1]}})
    values = np.random.default_rng(2).normal(size=(N_EVENTS, 6))

    def write(path: Path, values: np.ndarray) -> Path:
        return write_columns(path, {"images": values.reshape(-1, 3, 2)})

    return Example({"kind": "images"}, front_end, values, write, ".h5")


def _objects() -> Example:
    front_end = load_front_end(
        {
            "objects": {
                "jet": {
                    "slots": 2,
                    "empty": "pt == -999",
                    "order": "pt",
                    "fields": {"pt": {}, "eta": {}},
                }
            }
        }
    )
    values = np.arange(N_EVENTS * 4, dtype=float).reshape(-1, 4)[:, [2, 1, 0, 3]]

    def write(path: Path, values: np.ndarray) -> Path:
        # The smaller one first.
        columns = {"Jet_pt": values[:, [2, 0]], "Jet_eta": values[:, [3, 1]]}
        if not len(values):
            columns = {name: np.empty((0, 1)) for name in columns}
        return write_lists(path, {name: list(map(list, x)) for name, x in columns.items()})

    content = {"kind": "objects", "branches": {"jet": {"pt": "Jet_pt", "eta": "Jet_eta"}}}
    return Example(content, front_end, values, write, ".parquet")


def _ugt_words() -> Example:
    front_end = load_front_end(
        {"objects": {"ett": {"fields": {"pt": {"format": "ufixed<12,12>", "last_bit": 0.5}}}}}
    )
    values = np.arange(N_EVENTS)[:, None] * 300 + 5

    def write(path: Path, values: np.ndarray) -> Path:
        path.write_text("".join(ugt_line({"sums": [int(x)]}) + "\n" for x in values[:, 0]))
        return path

    return Example({"kind": "ugt_words"}, front_end, values, write, ".txt")


def _adc2021() -> Example:
    front_end = load_front_end("adc2021")
    # float32 holds them.
    values = np.random.default_rng(3).integers(1, 999, (N_EVENTS, 57)) / 4

    def write(path: Path, values: np.ndarray) -> Path:
        particles = np.zeros((len(values), 19, 4), "float32")
        particles[:, :, :3] = values.reshape(-1, 19, 3)
        with h5py.File(path, "w") as file:
            file["Particles"] = particles
        return path

    return Example({"kind": "adc2021"}, front_end, values, write, ".h5")


EXAMPLES = {
    "table": _table,
    "images": _images,
    "objects": _objects,
    "ugt_words": _ugt_words,
    "adc2021": _adc2021,
}
#: Sources of one layout of their own, which no front end asks for columns.
OF_ONE_LAYOUT = {"arrays", "digits", "jets", "mnist"}
KINDS = sorted({cls.model_fields["kind"].default for cls in SOURCES.values()} - OF_ONE_LAYOUT)
PHYSICAL = [kind for kind in KINDS if kind != "ugt_words"]


def written(kind: str, folder: Path, values: np.ndarray | None = None) -> Example:
    """The example, with its file."""
    example = EXAMPLES[kind]()
    path = example.write(
        folder / f"events{example.suffix}", example.values if values is None else values
    )
    content = {**example.content, "background": str(path)}
    return Example(content, example.front_end, example.values, example.write, example.suffix)


def test_every_source_has_an_example() -> None:
    assert sorted(EXAMPLES) == KINDS


@pytest.mark.parametrize("kind", KINDS)
class TestEverySource:
    def test_values(self, kind: str, tmp_path: Path) -> None:
        example = written(kind, tmp_path)
        found, n_chunks = read_all(example.content, example.front_end)
        np.testing.assert_array_equal(found.values, example.values)
        assert n_chunks == 1

    def test_chunks_are_the_whole(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        example = written(kind, tmp_path)
        whole, _ = read_all(example.content, example.front_end)
        for size in (1, 4):
            parts, n_chunks = read_in_chunks(monkeypatch, example.content, example.front_end, size)
            assert_equal(whole, parts)
            assert n_chunks >= N_EVENTS / size

    def test_signals(self, kind: str, tmp_path: Path) -> None:
        example = written(kind, tmp_path)
        path = example.write(tmp_path / f"signal{example.suffix}", example.values[::-1])
        content = {**example.content, "signals": {"other way": str(path)}}
        source = parse_source(content)
        assert source.paths == (content["background"], str(path))
        samples = source.read(example.front_end)
        assert list(samples) == ["background", "other way"]
        found = np.concatenate([chunk.values for chunk in samples["other way"]])
        np.testing.assert_array_equal(found, example.values[::-1])

    def test_no_more_than_asked_for(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        example = written(kind, tmp_path)
        content = {**example.content, "max_events": 10}
        for size in (4, 100):
            found, _ = read_in_chunks(monkeypatch, content, example.front_end, size)
            np.testing.assert_array_equal(found.values, example.values[:10])

    def test_no_events(self, kind: str, tmp_path: Path) -> None:
        example = written(kind, tmp_path, EXAMPLES[kind]().values[:0])
        message = "^data.background: .* must hold at least one event, got 0$"
        with pytest.raises(InputError, match=message):
            read_all(example.content, example.front_end)

    def test_missing_file(self, kind: str, tmp_path: Path) -> None:
        example = written(kind, tmp_path)
        content = {**example.content, "signals": {"x": str(tmp_path / "none.h5")}}
        message = "^data.signals.x: event file not found: .*none.h5$"
        with pytest.raises(FileNotFoundError, match=message):
            parse_source(content).read(example.front_end)

    def test_directory(self, kind: str, tmp_path: Path) -> None:
        example = EXAMPLES[kind]()
        content = {**example.content, "background": str(tmp_path)}
        with pytest.raises(InputError, match="^data.background: .* a file, got a directory"):
            parse_source(content).read(example.front_end)

    def test_another_content(self, kind: str, tmp_path: Path) -> None:
        example = EXAMPLES[kind]()
        path = tmp_path / f"events{example.suffix}"
        path.write_bytes(b"\x80no such file\n" * 50)
        content = {**example.content, "background": str(path)}
        with pytest.raises(InputError, match="^data.background: .* must be ") as caught:
            read_all(content, example.front_end)
        assert "\n" not in str(caught.value)

    def test_as_it_is_written(self, kind: str, tmp_path: Path) -> None:
        source = parse_source(written(kind, tmp_path).content)
        assert parse_source(source.model_dump(mode="json")) == source

    def test_unknown_keys(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="backgrund"):
            parse_source({**written(kind, tmp_path).content, "backgrund": "x"})


@pytest.mark.parametrize("kind", PHYSICAL)
def test_nan_is_left_to_the_front_end(kind: str, tmp_path: Path) -> None:
    values = EXAMPLES[kind]().values.astype(float)
    values[7, 0] = np.nan
    example = written(kind, tmp_path, values)
    found, _ = read_all(example.content, example.front_end)
    np.testing.assert_array_equal(found.values, values)
    with pytest.raises(InputError, match="finite, .* in 1 events, the first is event 7"):
        example.front_end.to_hardware(found.values)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_source_does_not_have(kind: str, tmp_path: Path) -> None:
    example = written(kind, tmp_path)
    other = load_front_end({"objects": {"kaon": {"fields": {"pt": {"format": "fixed<4,4>"}}}}})
    message = {
        "table": "must hold columns 'kaon.pt'; there are a, b, c",
        "images": "front_end must have an image for data.kind 'images', got none",
        "objects": "branches must name some of kaon, which the front end has, got 'jet'",
        "ugt_words": "front_end.objects must name some of jet, egamma, .*, got 'kaon'",
        "adc2021": "front_end.objects must name some of met, electron, muon, jet, .* got 'kaon'",
    }[kind]
    with pytest.raises(InputError, match=message):
        read_all(example.content, other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "tabel"}, r"data.kind must be one of .*table.*, got 'tabel'"),
        ({"kind": ["table"]}, r"data.kind must be one of .*, got \['table'\]"),
        ("table", "data must be a mapping of keys, got 'table'"),
        (
            {"kind": "table", "background": "x", "signals": {"test": "y"}},
            "signals must have names of 1 to 16 printable characters, other than background, .*",
        ),
        (
            {"kind": "table", "background": "x", "train_fraction": 0.9},
            r"train_fraction \+ validation_fraction must be < 1, got 1.1",
        ),
    ],
)
def test_mistakes(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_source(content)


def test_a_name_of_old() -> None:
    source = parse_source({"kind": "l1", "background": "package:l1/background.h5"})
    assert source.kind == "adc2021" and source is parse_source(source)


@pytest.mark.parametrize(
    "content", [{"kind": "digits"}, {"kind": "mnist", "path": "x"}, {"kind": "arrays", "path": "x"}]
)
def test_files_beside_data_without_a_file_for_the_background(content: dict[str, Any]) -> None:
    message = f"^events of files must be like those of .* of kind '{content['kind']}'$"
    with pytest.raises(InputError, match=message):
        parse_source(content).of_file(Path("more.npz"))


def test_another_file_of_the_same_kind() -> None:
    source = parse_source({"kind": "table", "background": "a.npz", "signals": {"s": "b.npz"}})
    assert source.of_file(Path("c.npz"), 10).paths == ("c.npz",)
