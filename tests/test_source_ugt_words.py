"""Words of the CMS global trigger: against words by hand and the published trigger's inputs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from source_files import assert_equal, read_all, read_in_chunks, ugt_line

from keras_ae.errors import InputError
from keras_ae.front_end.presets import load_front_end

PRESET = load_front_end("cms_ugt_run3")


def words(path: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "ugt_words", "background": str(path), **more}


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_inputs_of_a_published_trigger(foreign: Path) -> None:
    with np.load(foreign / "axol1tl_v4.npz") as file:
        inputs = file["inputs"][:3564]
    content = words(foreign / "ugt_vectors.txt.gz")
    found, _ = read_all(content, load_front_end("axol1tl"))
    assert found.is_hardware and found.values.shape == (3564, 57)
    np.testing.assert_array_equal(found.values, inputs)


def test_all_of_the_published_crossings(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = words(foreign / "ugt_vectors.txt.gz")
    whole, _ = read_all(content, PRESET)
    assert whole.values.shape == (3564, 240) and whole.values.dtype == np.int32
    for column in PRESET.columns:
        form = column.field.format
        assert form is not None
        given = whole.values[:, column.index]
        np.testing.assert_array_equal(form.quantize(given), given)
        if column.field.turn:
            assert given.max() < column.field.turn
    parts, n_chunks = read_in_chunks(monkeypatch, content, PRESET, 1000)
    assert_equal(whole, parts)
    assert n_chunks == 4


def test_words_by_hand(tmp_path: Path) -> None:
    line = ugt_line(
        {
            # Low bits first, see the trigger's table.
            "jet": [0, 1001 | (-1 & 0xFF) << 11 | 143 << 19 | 1 << 27 | 2 << 28 | 3 << 30],
            "egamma": [511 | 0x80 << 9 | 7 << 17 | 3 << 25 | 0xF << 27],
            "tau": [*[0] * 11, 1 | 127 << 9 | 255 << 17 | 1 << 25],
            "muon": [
                575
                | 300 << 10
                | 12 << 19
                | (-200 & 0x1FF) << 23
                | 2 << 32
                | 1 << 34
                | 100 << 36
                | 420 << 43
                | 255 << 53
                | 7 << 61
            ],
            "sums": [4095, 0xF000 << 12 | 17, 33 | 120 << 12 | 0xFFF << 20, 1, 2, 3],
        }
    )
    found, _ = read_all(words(write(tmp_path / "x.txt", line)), PRESET)
    values = dict(zip(PRESET.names, found.values[0].tolist(), strict=True))
    filled = {
        **{"jet.pt[1]": 1001, "jet.eta[1]": -1, "jet.phi[1]": 143},
        **{"jet.displaced[1]": 1, "jet.quality[1]": 2},
        **{"egamma.pt[0]": 511, "egamma.eta[0]": -128, "egamma.phi[0]": 7},
        "egamma.isolation[0]": 3,
        **{"tau.pt[11]": 1, "tau.eta[11]": 127, "tau.phi[11]": 255, "tau.isolation[11]": 1},
        **{"muon.phi_station[0]": 575, "muon.pt[0]": 300, "muon.quality[0]": 12},
        **{"muon.eta[0]": -200, "muon.isolation[0]": 2, "muon.charge[0]": 1},
        **{"muon.index[0]": 100, "muon.phi[0]": 420, "muon.pt_unconstrained[0]": 255},
        **{"ett.pt": 4095, "htt.pt": 17, "met.pt": 33, "met.phi": 120},
    }
    assert {name: value for name, value in values.items() if value} == filled


def test_all_sums(tmp_path: Path) -> None:
    """Also those that the published file has not."""
    names = ("ett", "htt", "met", "htm", "etmhf", "htmhf")
    energy = {"format": "ufixed<12,12>", "last_bit": 0.5}
    angle = {"format": "ufixed<8,8>", "last_bit": "2*pi/144"}
    kinds: dict[str, Any] = {name: {"fields": {"pt": energy}} for name in names[:2]}
    kinds |= {name: {"fields": {"pt": energy, "phi": angle, "eta": angle}} for name in names[2:]}
    front_end = load_front_end({"objects": dict(reversed(kinds.items()))})
    sums = [100 + i | (10 + i) << 12 for i in range(6)]
    found, _ = read_all(words(write(tmp_path / "x.txt", ugt_line({"sums": sums}))), front_end)
    expected = [[100 + i, 10 + i, 0] for i in (5, 4, 3, 2)] + [[101], [100]]
    assert found.values[0].tolist() == [value for part in expected for value in part]


def test_every_field_alone(tmp_path: Path) -> None:
    """All bits of a field set, and no others."""
    for name, kind in PRESET.collections.items():
        for label, field in kind.fields.items():
            form, low_bit = field.format, field.low_bit
            assert form is not None and low_bit is not None
            word = ((1 << form.width) - 1) << low_bit
            place = {"ett": 0, "htt": 1, "met": 2}.get(name)
            given = {name: [word]} if place is None else {"sums": [0] * place + [word]}
            found, _ = read_all(words(write(tmp_path / "x.txt", ugt_line(given))), PRESET)
            value = -1 if form.signed else (1 << form.width) - 1
            column = f"{name}.{label}[0]" if kind.slots > 1 else f"{name}.{label}"
            expected = [value if column == other else 0 for other in PRESET.names]
            assert found.values[0].tolist() == expected


def test_text_and_gz(tmp_path: Path) -> None:
    lines = [ugt_line({"jet": [number, 7]}) for number in range(5)]
    # Capitals, columns behind, an empty line, and none behind the last.
    text = "\n".join([*lines[:3], "", lines[3].upper() + " ffff 0 1", lines[4]])
    (tmp_path / "x.txt").write_text(text)
    (tmp_path / "x.dat").write_bytes(gzip.compress(text.encode()))
    plain, _ = read_all(words(tmp_path / "x.txt"), PRESET)
    packed, _ = read_all(words(tmp_path / "x.dat"), PRESET)
    assert plain.values[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert_equal(plain, packed)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0000 12", "line 3 must hold 51 words at least, got 2"),
        (ugt_line({}).replace(" 00000000 ", " 000x0000 ", 1), "8 hexadecimal .* got '000x0000'"),
        (ugt_line({}).replace(" 00000000 ", " +0000001 ", 1), "8 hexadecimal .* got '.0000001'"),
        (
            ugt_line({}).replace(" 00000000 ", " 0000000000 ", 1),
            "line 3 .* egamma, got '0000000000",
        ),
        ("übel", "must be a whole text of hexadecimal words, or gz of it: 'ascii' codec"),
    ],
)
def test_other_lines(line: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", ugt_line({}), ugt_line({}), line)
    with pytest.raises(InputError, match=f"^data.background: .*{message}") as caught:
        read_all(words(path), PRESET)
    assert "\n" not in str(caught.value)


def test_a_damaged_gz(tmp_path: Path) -> None:
    content = gzip.compress((ugt_line({"jet": [123]}) + "\n").encode() * 100)
    (tmp_path / "x.gz").write_bytes(content[:-20])
    with pytest.raises(
        InputError, match="must be a whole text of hexadecimal words, or gz of it: "
    ):
        read_all(words(tmp_path / "x.gz"), PRESET)


@pytest.mark.parametrize(
    ("collection", "kind", "message"),
    [
        ("jets", {}, "front_end.objects must name some of jet, egamma, .*, htmhf, .* got 'jets'"),
        ("jet", {"slots": 13}, "front_end.objects.jet.slots must be <= 12, .* got 13"),
        (
            "jet",
            {"fields": {"mass": {}}},
            "front_end.objects.jet.fields must be some of pt, eta, phi, .* got 'mass'",
        ),
        (
            "ett",
            {"fields": {"eta": {}}},
            "front_end.objects.ett.fields must be .* pt, .*'eta'",
        ),
        (
            "jet",
            {"fields": {"pt": {"format": "ufixed<11,11>"}}},
            "last_bit of jet.pt must be 0.5, as in the words, got 1$",
        ),
        (
            "muon",
            {"fields": {"eta": {"format": "fixed<9,9>", "last_bit": 0.0435}}},
            "last_bit of muon.eta must be 0.087/8, as in the words, got 0.0435$",
        ),
        (
            "jet",
            {"fields": {"pt": {"format": "ufixed<10,10>", "last_bit": 0.5}}},
            "format of jet.pt must hold 0 to 2047, as the words carry, got ufixed<10,10>",
        ),
        (
            "jet",
            {"fields": {"eta": {"format": "ufixed<8,8>", "last_bit": 0.0435}}},
            "format of jet.eta must hold -128 to 127, as the words carry, got ufixed<8,8>",
        ),
        (
            "jet",
            {"fields": {"pt": {"format": "ufixed<11,12>", "last_bit": 0.5}}},
            "format of jet.pt must hold 0 to 2047, as the words carry, got ufixed<11,12>",
        ),
        (
            "jet",
            {"fields": {"pt": {"last_bit": 0.5}}},
            "format of jet.pt must hold 0 to 2047, as the words carry, got None",
        ),
    ],
)
def test_what_the_words_do_not_carry(
    collection: str, kind: dict[str, Any], message: str, tmp_path: Path
) -> None:
    front_end = load_front_end({"objects": {collection: {"fields": {"pt": {}}, **kind}}})
    path = write(tmp_path / "x.txt", ugt_line({}))
    with pytest.raises(InputError, match=f"^{message}"):
        read_all(words(path), front_end)


def test_some_of_the_fields_in_another_order(tmp_path: Path) -> None:
    form = {"format": "fixed<16,12>", "last_bit": "87/2/1000"}
    front_end = load_front_end(
        {
            "objects": {
                "htt": {"fields": {"pt": {"format": "ufixed<13,13>", "last_bit": 0.5}}},
                "jet": {"slots": 2, "fields": {"quality": {"format": "fixed<4,4>"}, "eta": form}},
            }
        }
    )
    line = ugt_line({"jet": [1 << 28, 5 << 11 | 3 << 28, 1 << 29], "sums": [9, 4000]})
    found, _ = read_all(words(write(tmp_path / "x.txt", line)), front_end)
    assert found.values.tolist() == [[4000, 1, 0, 3, 5]]
