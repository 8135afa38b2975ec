"""What the wires carry: fields, collections, last bits, presets, and hardware values of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ae.data.l1 import read_l1_events
from keras_ae.data.source import resolve_path
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.last_bit import LastBit
from keras_ae.front_end.presets import load_front_end, preset_names

TWO = {
    "objects": {
        "met": {"fields": {"pt": {"format": "ufixed<4,4>", "last_bit": 0.5}}},
        "jet": {
            "slots": 2,
            "empty": "pt == -999",
            "fields": {
                "pt": {"format": "ufixed<6,6>", "last_bit": 0.5, "unit": "GeV"},
                "eta": {"format": "fixed<4,4>", "last_bit": "0.087/2"},
            },
        },
    }
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*pi/144", 2 * math.pi / 144),
        ("0.087/2", 0.087 / 2),
        (0.5, 0.5),
        ("2**-4", 0.0625),
        ("(1 + 2) * 3", 9.0),
    ],
)
def test_last_bits(text: Any, value: float) -> None:
    # Equal in every bit.
    assert LastBit.of(text).value == value


@pytest.mark.parametrize(
    "text", ["", "x", "__import__('os')", "2*pj", "1/0", "1,2", "True", "10**999", "(-1)**0.5", []]
)
def test_what_is_no_last_bit(text: Any) -> None:
    with pytest.raises(InputError, match="^last_bit must be a number, or an expression"):
        LastBit.of(text)


@pytest.mark.parametrize("text", ["0", "-0.5", "1e999"])
def test_last_bits_that_are_not_positive(text: str) -> None:
    with pytest.raises(InputError, match="^last_bit must be positive and finite, got"):
        LastBit.of(text)


def test_columns() -> None:
    front_end = load_front_end(TWO)
    assert front_end.names == ("met.pt", "jet.pt[0]", "jet.eta[0]", "jet.pt[1]", "jet.eta[1]")
    assert [column.guard for column in front_end.columns] == [None, 1, 1, 3, 3]
    assert front_end.port_format == FixedPointFormat(7, 7)
    assert front_end.event_shape == (5,)


def test_hardware_values() -> None:
    values = np.array(
        [
            # Half to even, to the nearest last bit, saturation at both ends.
            [0.25, 1.75, 0.0435, 100.0, -1.0],
            # Declared empty; a pT that rounds to zero.
            [9.0, -999.0, 7.0, 0.2, 0.087],
            [0.75, 5.0, 0.06525, -999.0, np.nan],
        ]
    )
    found = load_front_end(TWO).to_hardware(values)
    np.testing.assert_array_equal(found, [[0, 4, 1, 63, -8], [15, 0, 0, 0, 0], [2, 10, 2, 0, 0]])
    assert found.dtype == np.int32


def test_values_that_are_not_finite() -> None:
    values = np.array([[1.0, 1, 1, 1, 1], [1, 1, np.nan, 1, 1]])
    with pytest.raises(InputError, match="^events: every value must be finite.* first is event 1"):
        load_front_end(TWO).to_hardware(values)


def test_features_of_a_table() -> None:
    front_end = load_front_end({"features": 3, "format": "fixed<8,4,TRN,WRAP>", "last_bit": 2})
    assert front_end.names == ("x0", "x1", "x2")
    found = front_end.to_hardware(np.array([[1.2, -0.1, 18.0]]))
    # Down to sixteenths; 9 turns around to -7.
    np.testing.assert_array_equal(found, [[0.5625, -0.0625, -7.0]])
    assert found.dtype == np.float64


def test_angles_without_a_sign_come_back_to_zero() -> None:
    fields = {
        "phi": {"format": "ufixed<8,8>", "last_bit": "2*pi/144", "turn": 144},
        "fine": {"format": "ufixed<10,8,TRN>", "last_bit": "2*pi/144", "turn": 144},
        "signed": {"format": "fixed<9,9>", "last_bit": "2*pi/144", "turn": 144},
    }
    front_end = load_front_end({"features": fields})
    phi = np.array([0.0, -0.01, -0.03, -np.pi, np.pi, 2 * np.pi, -7.0, 6.27, 1e300])
    found = front_end.to_hardware(np.repeat(phi[:, None], 3, axis=1))
    steps = phi / (2 * np.pi / 144)
    for column, (values, size) in enumerate(((np.rint(steps), 1), (np.floor(steps * 4), 4))):
        # In whole numbers of any size.
        exact = [int(value) % (144 * size) / size for value in values]
        np.testing.assert_array_equal(found[:, column], exact)
    np.testing.assert_array_equal(found[:, 2], np.rint(steps).clip(-256, 255))
    message = r"turn must be <= 128 in ufixed<7,7>, got 144"
    with pytest.raises(InputError, match=message):
        load_front_end({"features": {"phi": {"format": "ufixed<7,7>", "turn": 144}}})


def test_numbers_beyond_float64() -> None:
    """What a division makes infinite saturates, and is a multiple of every range that wraps."""
    formats = ["fixed<8,4>", "fixed<8,4,RND>", "fixed<8,4,TRN,WRAP>", "ufixed<8,8,RND,WRAP>"]
    fields = {f"x{i}": {"format": form, "last_bit": 0.1} for i, form in enumerate(formats)}
    front_end = load_front_end({"features": fields})
    values = np.array([[1.7e308] * 4, [-1.7e308] * 4, [1e300] * 4])
    high = [7.9375, 7.9375, 0, 0]
    np.testing.assert_array_equal(front_end.to_hardware(values), [high, [-8, -8, 0, 0], high])


def test_formats_of_fields_that_state_none() -> None:
    form = FixedPointFormat(6, 4)
    for content, n_values in (
        ({"features": ["a", "b"], "last_bit": 0.5}, 2),
        ({"image": {"shape": [1, 2, 1]}}, 2),
        ({"objects": {"jet": {"slots": 2, "empty": "pt == 0", "fields": {"pt": {}}}}}, 2),
    ):
        front_end = load_front_end(content)
        assert not front_end.is_hardware
        stated = front_end.with_formats(form)
        assert [column.field.format for column in stated.columns] == [form] * n_values
        assert stated.names == front_end.names
        assert stated.columns[0].field.last_bit == front_end.columns[0].field.last_bit
        assert stated.columns[0].guard == front_end.columns[0].guard
    assert load_front_end(TWO).with_formats(form) == load_front_end(TWO)


def test_adc2021_has_the_bits_that_it_always_had() -> None:
    objects = read_l1_events(resolve_path("package:l1/background.h5"), 5000).objects[:, :, :3]
    expected = np.rint(objects / [0.5, 0.0435, 2 * np.pi / 144]).clip(-4096, 4095)
    expected[expected[:, :, 0] <= 0] = 0
    found = load_front_end("adc2021").to_hardware(objects.reshape(len(objects), -1))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected.reshape(len(objects), -1))


def test_choice_of_columns() -> None:
    front_end = load_front_end("adc2021")

    def chosen(*patterns: str) -> list[str]:
        return [column.name for column in front_end.choose(patterns, "use")]

    assert chosen("jet.pt[1]", "met.pt") == ["jet.pt[1]", "met.pt"]
    assert chosen("muon.pt") == [f"muon.pt[{slot}]" for slot in range(4)]
    assert len(chosen("*.pt")) == 19
    assert len(chosen("electron.*", "electron.pt")) == 12
    assert chosen("*") == list(front_end.names)
    message = "^use must name some of met.pt, met.eta, met.phi, electron.pt, .*, got 'jets.pt'$"
    with pytest.raises(InputError, match=message):
        chosen("met.pt", "jets.pt")


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_written_as_they_are_read(name: str) -> None:
    front_end = load_front_end(name)
    assert FrontEnd.model_validate(front_end.model_dump(mode="json")) == front_end


#: Name, width, sign and last bit of each field, low bits first: from the trigger's firmware.
UGT = {
    "jet": ("pt 11 u", "eta 8 s", "phi 8 u", "displaced 1 u", "quality 2 u"),
    "egamma": ("pt 9 u", "eta 8 s", "phi 8 u", "isolation 2 u"),
    "tau": ("pt 9 u", "eta 8 s", "phi 8 u", "isolation 2 u"),
    "muon": (
        "phi_station 10 u",
        "pt 9 u",
        "quality 4 u",
        "eta 9 s",
        "isolation 2 u",
        "charge 1 u",
        "charge_valid 1 u",
        "index 7 u",
        "phi 10 u",
        "pt_unconstrained 8 u",
    ),
    "ett": ("pt 12 u",),
    "htt": ("pt 12 u",),
    "met": ("pt 12 u", "phi 8 u"),
}


def test_widths_of_the_global_trigger() -> None:
    front_end = load_front_end("cms_ugt_run3")
    assert {name: kind.slots for name, kind in front_end.collections.items()} == {
        **dict.fromkeys(("jet", "egamma", "tau"), 12),
        **{"muon": 8, "ett": 1, "htt": 1, "met": 1},
    }
    for name, fields in UGT.items():
        low_bit = 0
        for (label, field), line in zip(
            front_end.collections[name].fields.items(), fields, strict=True
        ):
            form = field.format
            assert form is not None
            assert f"{label} {form.width} {'s' if form.signed else 'u'}" == line
            assert form.integer == form.width
            assert field.low_bit == low_bit
            low_bit += form.width
    last_bits = {
        column.group: column.field.last_bit.value
        for column in front_end.columns
        if column.field_name in ("pt", "eta", "phi")
    }
    for name in ("jet", "egamma", "tau"):
        assert last_bits[f"{name}.eta"] == pytest.approx(0.0435)
        assert last_bits[f"{name}.phi"] == 2 * math.pi / 144
    assert last_bits["muon.eta"] == pytest.approx(0.010875)
    assert last_bits["muon.phi"] == 2 * math.pi / 576
    assert {value for name, value in last_bits.items() if name.endswith(".pt")} == {0.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("adc", "front_end must be one of adc2021, axol1tl, .*, a YAML file or a mapping, got"),
        ({}, "front_end: front_end must have one of objects, features and image, got none"),
        ({"features": 2, "image": {"shape": [1, 2, 3]}}, "front_end: .* got features and image"),
        ({"features": ["a", "a"]}, "front_end: features must have different names, got 'a' twice"),
        (
            {"features": ["a", ["b"]]},
            "front_end: features must be a number .* names to fields, got",
        ),
        (
            {"features": 0},
            "front_end: features must be a number of them from 1 on, a list .*, got 0",
        ),
        (
            {"features": {"a": 5}, "format": "fixed<9,3>"},
            "front_end: features.a: must be a mapping",
        ),
        ({"image": {"shape": [-2, -3, 1]}}, "front_end: image.shape.0: .* greater than or equal"),
        ({"features": ["a b"]}, "front_end: .*name of a field must be letters, .* got 'a b'"),
        (
            {"features": {"a": {"format": "fixed<54,54>"}}},
            "front_end: features.a: format of a field must have at most 53 bits, got fixed<54,54>",
        ),
        ({"features": {"a": {"last_bit": "x"}}}, "front_end: features.a.last_bit must be a number"),
        (
            {"objects": {"jet": {"fields": {"pt": {}}, "empty": "eta == 0"}}},
            "front_end: objects.jet: empty must name one of pt, got 'eta'",
        ),
        (
            {"objects": {"jet": {"fields": {"pt": {}}, "empty": "pt < 0"}}},
            "front_end: objects.jet: empty must be a field and its value, such as 'pt == 0', got",
        ),
        (
            {"objects": {"jet": {"fields": {"pt": {}}, "order": "energy"}}},
            "front_end: objects.jet: order must name one of pt, got 'energy'",
        ),
        (
            {
                "objects": {
                    "jet": {
                        "word_bits": 8,
                        "fields": {
                            "pt": {"format": "ufixed<4,4>", "low_bit": 0},
                            "eta": {"format": "fixed<4,4>", "low_bit": 3},
                        },
                    }
                }
            },
            "front_end: objects.jet: fields must not share bits, got bit 3 in 'pt' and 'eta'",
        ),
        (
            {"objects": {"jet": {"fields": {"pt": {"format": "ufixed<4,4>"}}}}, "packed": True},
            "front_end: packed must be false unless every collection has word_bits .* in jet",
        ),
    ],
)
def test_mistakes(content: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        load_front_end(content)
    assert "\n" not in str(caught.value)


def test_presets_with_changes(tmp_path: Path) -> None:
    packed = load_front_end({"preset": "cms_ugt_run3", "packed": True})
    assert packed.packed
    assert packed.names == load_front_end("cms_ugt_run3").names
    changed = load_front_end({"preset": "adc2021", "objects": {"jet": {"slots": 2}}})
    assert changed.n_values == 57 - 8 * 3 and changed.objects["jet"].order == "pt"
    with pytest.raises(InputError, match="front_end must be one of adc2021, .*, got 'cms'"):
        load_front_end({"preset": "cms", "packed": True})


def test_front_ends_of_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text('features: [a, b]\nformat: "fixed<8,4>"\n', encoding="utf-8")
    assert load_front_end(path).names == ("a", "b")
    with pytest.raises(FileNotFoundError, match="front end file not found: .*other.yaml"):
        load_front_end(tmp_path / "other.yaml")


def test_features_that_share_a_format() -> None:
    """What stands beside them is that of each that does not say its own."""
    front_end = load_front_end(
        {"features": {"a": {}, "b": {"format": "fixed<8,8>"}}, "format": "fixed<9,3>", "unit": "m"}
    )
    found = [(str(field.format), field.unit) for field in front_end.features.values()]
    assert found == [("fixed<9,3>", "m"), ("fixed<8,8>", "m")]
