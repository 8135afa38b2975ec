"""What interface files and READMEs say of a front end is what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hls.graph.front_end_facts import describe_front_end, order_of_front_end
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.last_bit import LastBit
from keras_ae.front_end.presets import load_front_end, preset_names

FEATURES = {"features": {"a": {"format": "fixed<8,4,TRN,WRAP>", "unit": "GeV"}, "b": {}}}


@pytest.mark.parametrize("given", [*preset_names(), FEATURES], ids=str)
def test_values_are_found_again_by_the_file(given: Any) -> None:
    """By name, last bit and format, from what stands in the file alone."""
    front_end = load_front_end(given)
    described = json.loads(json.dumps(describe_front_end(front_end)))
    assert described["n_values"] == front_end.n_values
    assert tuple(described["shape"]) == front_end.event_shape
    names: dict[int, str] = {}
    for field in described["fields"]:
        for slot in range(field["count"]):
            place = field["first"] + slot * field["stride"]
            assert place not in names
            names[place] = f"{field['name']}[{slot}]" if field["count"] > 1 else field["name"]
            stated = front_end.columns[place].field
            assert LastBit.of(field["last_bit"]).value == stated.last_bit.value
            assert float(field["last_bit_value"]) == stated.last_bit.value
            if stated.format is None:
                assert field["format"] is field["rounding"] is field["overflow"] is None
                continue
            form = FixedPointFormat.parse(field["format"])
            around = field["overflow"] == "TURN"
            assert around == (stated.turn is not None and not form.signed)
            modes = field["rounding"], "SAT" if around else field["overflow"]
            assert FixedPointFormat(form.width, form.integer, form.signed, *modes) == stated.format
            assert (field["unit"] or "") == stated.unit
            assert (field["turn"], field["low_bit"]) == (stated.turn, stated.low_bit)
    assert [names[place] for place in range(front_end.n_values)] == list(front_end.names)
    assert len(names) == front_end.n_values
    assert {rule["name"]: (rule["empty"], rule["order"]) for rule in described["collections"]} == {
        name: (kind.empty, kind.order) for name, kind in front_end.objects.items()
    }


def test_the_fields_of_the_global_trigger() -> None:
    described = describe_front_end(load_front_end("cms_ugt_run3"))
    assert (described["kind"], described["packed"]) == ("objects", False)
    by_name = {field["name"]: field for field in described["fields"]}
    assert by_name["jet.phi"] == {
        "name": "jet.phi",
        "first": 2,
        "stride": 5,
        "count": 12,
        "unit": "rad",
        "last_bit": "2*pi/144",
        "last_bit_value": "0.043633231299858237",
        "format": "ufixed<8,8>",
        "rounding": "RND_CONV",
        "overflow": "TURN",
        "turn": 144,
        "low_bit": 19,
    }
    # After 12 jets of five numbers, 12 e/gamma and 12 tau of four.
    assert described["collections"][3] == {
        "name": "muon",
        "first": 12 * 5 + 24 * 4,
        "slots": 8,
        "stride": 10,
        "empty": "pt == 0",
        "order": "pt",
        "word_bits": 64,
    }
    assert load_front_end("cms_ugt_run3").names[:6][-1] == "jet.pt[1]"


def test_rules_are_said_as_they_are_written() -> None:
    """In all their digits."""
    objects = {"jet": {"slots": 2, "empty": "pt == -999.123456789", "fields": {"pt": {}}}}
    front_end = load_front_end({"objects": objects})
    assert describe_front_end(front_end)["collections"][0]["empty"] == "pt == -999.123456789"
    assert any("`pt == -999.123456789`" in line for line in order_of_front_end(front_end))


def test_order_in_words() -> None:
    lines = order_of_front_end(load_front_end("axol1tl"))
    for line in (
        "| 27 to 56 | `jet` 0 to 9 | `pt`, `eta`, `phi` | `pt == 0` | `pt`, the largest first |",
        "| 0 to 2 | `met` | `pt`, `eta`, `phi` | `pt == 0` |  |",
        "| `muon.phi` | 17, 20, … 26 | rad | 2*pi/576 = 0.010908307824964559 "
        "| fixed<18,13> | TRN | WRAP |",
        "| `met.pt` | 0 | GeV | 0.5 | fixed<18,13> | TRN | WRAP |",
    ):
        assert line in lines
    lines = order_of_front_end(load_front_end("calorimeter_regions"))
    first = "An image of 18 x 14 x 1 (height, width, channels): row by row, pixel by pixel."
    assert lines[0] == first
    assert lines[-1] == "| `pixel` | 0 to 251 |  | 1 | ufixed<10,10> | RND_CONV | SAT |"
    lines = order_of_front_end(load_front_end(FEATURES))
    port = "that of the port"
    assert lines[-2:] == [
        "| `a` | 0 | GeV | 1 | fixed<8,4> | TRN | WRAP |",
        f"| `b` | 1 |  | 1 | {port} | {port} | {port} |",
    ]
