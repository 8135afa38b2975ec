"""What an audit finds in spoiled events, that it finds nothing in good ones, and what it counts."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ae.audit import rules, samples
from keras_ae.audit.audit import Audit
from keras_ae.audit.hashing import EMPTY_EVENT, hashes
from keras_ae.audit.report import AuditReport
from keras_ae.audit.shapes import turn_distance
from keras_ae.data.dataset import read_samples
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.source import parse_source, resolve_path
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.input_view import Counts, ScaledView
from keras_ae.front_end.presets import load_front_end

SIGNALS = ("a_4l", "h0_tautau", "hch_taunu", "lq_btau")
ADC = load_front_end("adc2021")
#: By the layout of the files: first object and how many.
SLOTS = {"met": (0, 1), "electron": (1, 4), "muon": (5, 4), "jet": (9, 10)}
PT, ETA, PHI, CLASS = range(4)
TABLE = load_front_end({"features": ["a", "b", "c"], "format": "fixed<8,4>"})


#: Objects of an offline file as a trigger of our own sees them.
ADC_OBJECTS = {
    "objects": {
        name: {
            "slots": slots,
            "order": "pt",
            "empty": "pt == 0",
            "fields": {
                "pt": {"format": "ufixed<12,12>", "last_bit": 0.5, "unit": "GeV"},
                "eta": {"format": "fixed<8,8>", "last_bit": "0.087/2"},
                "phi": {"format": "ufixed<8,8>", "last_bit": "2*pi/144", "turn": 144},
            },
        }
        for name, slots in (("electron", 4), ("muon", 4), ("jet", 10))
    }
}


@functools.cache
def stored(name: str) -> np.ndarray:
    objects = read_l1_events(resolve_path(f"package:l1/{name}.h5")).objects
    objects.setflags(write=False)
    return objects


def shipped(name: str = "background", n: int = 5000) -> np.ndarray:
    """Objects (events, 19, 4) that may be spoiled."""
    return np.array(stored(name)[:n])


def audit_of(**objects: np.ndarray) -> AuditReport:
    """Of objects (events, 19, 4), which have their classes with them."""
    audit = Audit(ADC)
    for name, each in objects.items():
        audit.add(name, each[..., :3].reshape(len(each), -1), classes=each[..., CLASS])
    return audit.report()


def found(report: AuditReport) -> set[tuple[str, str, str, str]]:
    return {(each.level, each.rule, each.sample, each.field) for each in report.findings}


def filled(objects: np.ndarray) -> np.ndarray:
    return objects[..., PT] > 0


def test_shipped_samples_are_found_nothing_in() -> None:
    report = audit_of(**{name: shipped(name, 40_000) for name in ("background", *SIGNALS)})
    assert report.findings == ()
    report.require()
    assert [row.n_events for row in report.samples] == [40_000, *[20_000] * 4]


@pytest.mark.parametrize("seed", range(10))
def test_few_events_are_found_nothing_in(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(name: str, n: int) -> np.ndarray:
        return stored(name)[rng.choice(len(stored(name)), n, replace=False)]

    few = {name: some(name, 300) for name in SIGNALS}
    assert audit_of(background=some("background", 2000), **few).findings == ()


# What is spoiled ---------------------------------------------------------------------------------


def in_mev(objects: np.ndarray) -> None:
    objects[..., PT] *= 1000


def in_tev(objects: np.ndarray) -> None:
    objects[..., PT] /= 1000


def exchanged(objects: np.ndarray) -> None:
    objects[..., [ETA, PHI]] = objects[..., [PHI, ETA]]


def in_degrees(objects: np.ndarray) -> None:
    objects[..., PHI] = np.degrees(objects[..., PHI])


def without_an_angle(objects: np.ndarray) -> None:
    objects[[20, 30, 40], 9, PHI] = -999


def out_of_order(objects: np.ndarray) -> None:
    objects[7:, 9:11] = objects[7:, 10:8:-1]


def behind_empty(objects: np.ndarray) -> None:
    objects[7:, 9] = 0


def in_other_slots(objects: np.ndarray) -> None:
    # Each still in order, and first in its collection.
    objects[3:, 1:9] = np.concatenate([objects[3:, 5:9], objects[3:, 1:5]], axis=1)


def padded(objects: np.ndarray) -> None:
    objects[..., :3][~filled(objects)] = -999


def negative(objects: np.ndarray) -> None:
    objects[11, 9, PT] = -30
    objects[12, 9, PT] = -20


def zeros(objects: np.ndarray) -> None:
    objects[:] = 0


def nearly_all_zeros(objects: np.ndarray) -> None:
    objects[: len(objects) * 6 // 10] = 0


def not_finite(objects: np.ndarray) -> None:
    objects[5, 0, PHI] = np.nan


def padded_with_nan(objects: np.ndarray) -> None:
    objects[..., :3][~filled(objects)] = np.nan


def one_value(objects: np.ndarray) -> None:
    objects[..., ETA][filled(objects) & (np.arange(19) > 8)] = 1.5


def twice(objects: np.ndarray) -> None:
    objects[2500:] = objects[:2500]


def turned_to_the_first_jet(objects: np.ndarray) -> None:
    relative = objects[..., PHI] - objects[:, 9:10, PHI]
    objects[..., PHI] = np.where(filled(objects), (relative + np.pi) % (2 * np.pi) - np.pi, 0)


@pytest.mark.parametrize(
    ("spoil", "level", "rule", "field", "message"),
    [
        (
            in_mev,
            "error",
            "background_saturates",
            "jet.pt",
            r"jet.pt must be within -2048 and 2047.5 GeV, but for 10 %, got 100 % saturated, such "
            r"as \d+(\.\d*)? GeV, in background, event \d+: is it in another unit\?",
        ),
        (
            in_tev,
            "error",
            "most_to_zero",
            "jet.pt",
            r"jet.pt must not round to zero by its last bit 0.5 GeV, but for 50 %, got \d+(\.\d)? "
            r"% that do, such as 0.0\d+ GeV, in background, event \d+: is it in another unit, or",
        ),
        (
            exchanged,
            "error",
            "beyond_a_turn",
            "jet.phi",
            r"jet.phi must be within one turn, ±3.14159 or 0 to 6.28319 rad, but for 0.1 %, got "
            r"\d\.\d+ % beyond, such as -?3\.\d+ rad, in .*: is it exchanged with another field\?",
        ),
        (
            exchanged,
            "error",
            "exchanged",
            "muon.phi",
            r"muon.phi must be uniform, and muon.eta not, got distances of 0.3\d and 0.0\d from "
            r"uniform, .* in background: is it exchanged with muon.eta\?",
        ),
        (
            exchanged,
            "error",
            "not_zero",
            "met.eta",
            r"met.eta must be zero, got .* in background, event 0: are columns exchanged\?",
        ),
        (
            in_degrees,
            "error",
            "beyond_a_turn",
            "met.phi",
            r"met.phi must be within one turn, .* got 9\d.\d % beyond, .*: is it in degrees\?",
        ),
        (
            without_an_angle,
            "error",
            "far_beyond_a_turn",
            "jet.phi",
            r"jet.phi must be within ±12.56\d+ rad, got -999 rad in 0.\d+ % of slots in "
            r"background, event \d+: is it a value that means nothing\? Leave such events out",
        ),
        (
            out_of_order,
            "error",
            "off_order",
            "jet.pt",
            r"jet.pt must fall from slot to slot, got more in slot 1 than in the one before, .* "
            r"GeV, .* in background, event \d+: sort the objects",
        ),
        (
            behind_empty,
            "error",
            "gaps",
            "jet.pt",
            r"jet.pt must fill the first slots first, got an object in slot 1 behind an empty one",
        ),
        (
            in_other_slots,
            "error",
            "other_class",
            "electron",
            r"electron must hold objects of its own class in all slots, got class 3 in slot 0 and "
            r"\d+(\.\d)? % of others in background, event \d+: put each object into slots of its",
        ),
        (
            padded,
            "error",
            "negative",
            "jet.pt",
            r"jet.pt must not be negative, got -999 GeV in 8\d.\d % of slots in background, event "
            r'0: where it means an empty slot, say empty: "pt == -999"',
        ),
        (
            negative,
            "error",
            "negative",
            "jet.pt",
            r"jet.pt must not be negative, got -30 GeV in .* in background, event 11: is the col",
        ),
        (
            zeros,
            "error",
            "empty_events",
            "events",
            r"events must hold something, but for 50 %, got 100 % in which all is zero in "
            r"background, event 0: are these the right columns, and in the right unit\?",
        ),
        (nearly_all_zeros, "error", "empty_events", "events", r".* got 60 % in which all is zero "),
        (
            not_finite,
            "error",
            "not_finite",
            "met.phi",
            r"met.phi must be finite, got nan rad in 0.02 % of slots in background, event 5: leave",
        ),
        (
            padded_with_nan,
            "error",
            "not_finite",
            "jet.pt",
            r'jet.pt must be finite, got nan GeV .*: where it means .*, say empty: "pt == nan"',
        ),
        (
            one_value,
            "warning",
            "constant",
            "jet.eta",
            r"jet.eta must have more than one value, got 1.479 in all \d+ filled slots in ",
        ),
        (
            twice,
            "warning",
            "duplicates",
            "events",
            r"events must be there once, but for 1 %, got 50 % that are there before in "
            r"background, event 2500: was a file read twice\?",
        ),
        (
            turned_to_the_first_jet,
            "warning",
            "not_uniform",
            "jet.phi",
            r"jet.phi must be uniform, got a distance of [01].\d+, at most 0.\d+, from uniform in",
        ),
    ],
)
def test_spoiled_background(
    spoil: Callable[[np.ndarray], None], level: str, rule: str, field: str, message: str
) -> None:
    # The background alone.
    objects = shipped()
    spoil(objects)
    report = audit_of(background=objects)
    (finding,) = [each for each in report.findings if (each.rule, each.field) == (rule, field)]
    assert finding.level == level
    assert re.match(message, str(finding)), str(finding)
    assert "\n" not in str(finding)
    if level == "error":
        with pytest.raises(InputError, match=f"^{re.escape(str(report.errors[0]))}"):
            report.require()
    else:
        assert not report.errors
        report.require()


def test_examples_are_the_first_events() -> None:
    objects = shipped()
    out_of_order(objects)
    pt = objects[:, 9:, PT]
    first = int(np.argmax((pt[:, 1] > pt[:, 0]) & (pt[:, 0] > 0)))
    audit = Audit(ADC)
    # In chunks, the number is that within the sample.
    for part in np.array_split(objects, [4, 40, 300]):
        audit.add("background", part[..., :3].reshape(len(part), -1))
    (finding,) = [each for each in audit.report().errors if each.rule == "off_order"]
    assert finding.event == first
    assert finding.value == pytest.approx(pt[first, 1], abs=0.25)


@pytest.mark.parametrize("spoil", [in_mev, exchanged, in_degrees, padded, out_of_order, zeros])
def test_spoiled_signals(spoil: Callable[[np.ndarray], None]) -> None:
    signal = shipped("lq_btau")
    spoil(signal)
    report = audit_of(background=shipped(), lq_btau=signal)
    assert {each.sample for each in report.findings} == {"lq_btau"}
    # A signal may be what saturates: heavy.
    assert bool(report.errors) == (spoil is not in_mev)
    assert report.findings


def test_signals_beside_the_background() -> None:
    background, signal = shipped(), shipped("lq_btau")
    # The unit: where nothing saturates, but for what is a factor of 30.
    heavy = np.array(signal)
    heavy[..., PT] *= 30
    assert ("warning", "other_unit", "heavy", "jet.pt") in found(
        audit_of(background=background, heavy=heavy)
    )
    # The same events: a hundredth of them.
    mixed = np.array(signal)
    mixed[100:150] = background[200:250]
    report = audit_of(background=background, mixed=mixed)
    (finding,) = report.findings
    assert (finding.rule, finding.event, finding.share) == ("in_background", 100, 0.01)
    message = "events must not be those of the background, but for 0.1 %, got 1 % that are in mixed"
    assert str(finding).startswith(message)
    # Other objects.
    without = np.array(signal)
    without[:, 9:] = 0
    assert ("warning", "other_occupancy", "without", "jet") in found(
        audit_of(background=background, without=without)
    )


def test_padding_that_is_declared() -> None:
    content = ADC.model_dump(mode="json")
    for kind in content["objects"].values():
        kind["empty"] = "pt == -999"
    objects = shipped()
    padded(objects)
    audit = Audit(load_front_end(content))
    audit.add("background", objects[..., :3].reshape(len(objects), -1))
    assert audit.report().findings == ()


# Other front ends --------------------------------------------------------------------------------


def table(n: int = 1000, **columns: Any) -> np.ndarray:
    rng = np.random.default_rng(1)
    values = {"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.normal(size=n), **columns}
    return np.stack([np.broadcast_to(column, n) for column in values.values()], axis=1)


def of_table(background: np.ndarray, **signals: np.ndarray) -> AuditReport:
    audit = Audit(TABLE)
    for name, values in {"background": background, **signals}.items():
        audit.add(name, values)
    return audit.report()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (np.random.default_rng(2).normal(size=1000) * 30, ("error", "background_saturates")),
        (np.random.default_rng(2).normal(size=1000) * 4, ("warning", "saturates")),
        (np.random.default_rng(2).normal(size=1000) * 0.01, ("error", "most_to_zero")),
        (np.random.default_rng(2).normal(size=1000) * 0.08, ("warning", "to_zero")),
        (2.0, ("warning", "constant")),
        (np.where(np.arange(1000) == 7, np.inf, np.arange(1000) % 7 + 1), ("error", "not_finite")),
    ],
)
def test_features(column: Any, expected: tuple[str, str]) -> None:
    assert of_table(table()).findings == ()
    report = of_table(table(b=column))
    assert {(each.level, each.rule, each.field) for each in report.findings} == {(*expected, "b")}


def test_spread_of_features() -> None:
    front_end = load_front_end({"features": ["a"], "format": "fixed<20,10>"})
    audit = Audit(front_end)
    audit.add("background", table()[:, :1])
    audit.add("signal", table()[:, 1:2] * 101)
    (finding,) = audit.report().findings
    assert (finding.rule, finding.sample, finding.field) == ("other_spread", "signal", "a")


def test_unused_features_may_be_constant() -> None:
    values = table(b=0.0)
    audit = Audit(TABLE, TABLE.choose(["a", "c"], "use"))
    audit.add("background", values)
    assert audit.report().findings == ()


def test_images() -> None:
    front_end = load_front_end("calorimeter_regions")
    rng = np.random.default_rng(1)
    images = rng.poisson(0.3, (500, front_end.n_values)) * rng.integers(1, 40, (500, 1))
    audit = Audit(front_end)
    audit.add("background", images, is_hardware=True)
    report = audit.report()
    assert report.findings == ()
    assert [row.field for row in report.fields] == ["pixel"]
    audit = Audit(front_end)
    audit.add("background", np.zeros((500, front_end.n_values)))
    assert {each.rule for each in audit.report().findings} == {"empty_events", "constant"}


def test_hardware_values() -> None:
    front_end = load_front_end("cms_ugt_run3")
    values = np.zeros((4, front_end.n_values))
    places = {name: index for index, name in enumerate(front_end.names)}
    values[:, places["jet.pt[0]"]] = [2047, 30, 0, 10.5]
    values[2, places["jet.eta[0]"]] = 5
    audit = Audit(front_end)
    given = audit.add("background", values, is_hardware=True)
    assert given.dtype == np.int32
    # As they are: 5 in an empty slot, too.
    np.testing.assert_array_equal(given, values.astype(np.int32))
    report = audit.report()
    lines = {each.rule: str(each) for each in report.findings}
    assert set(lines) == {"background_saturates", "off_format", "in_empty"}
    assert lines["off_format"].startswith(
        "jet.pt must be hardware values of ufixed<11,11>, got one that means 5.25 GeV, and such in "
    )
    assert "jet.eta must be zero where jet is empty, but for 0.1 %, got 0.2175" in lines["in_empty"]
    assert "got 33.3 % saturated, such as 1023.5 GeV" in lines["background_saturates"]


# What is counted ---------------------------------------------------------------------------------


def test_numbers_of_the_report() -> None:
    names = ("background", *SIGNALS)
    report = audit_of(**{name: shipped(name) for name in names})
    rows = {(row.field, row.sample): row for row in report.fields}
    # Beside each other, the background first.
    assert [row.sample for row in report.fields[:5]] == list(names)
    assert list(dict.fromkeys(row.field for row in report.fields))[:4] == [
        *("met.pt", "met.eta", "met.phi"),
        "electron.pt",
    ]
    for name in names:
        objects = shipped(name)
        for collection, (first, number) in SLOTS.items():
            slots = objects[:, first : first + number].astype(np.float64)
            held = np.rint(slots[..., PT] / 0.5) > 0
            for place, field, last_bit in (
                (PT, "pt", 0.5),
                (ETA, "eta", 0.0435),
                (PHI, "phi", math.pi / 72),
            ):
                row = rows[f"{collection}.{field}", name]
                assert row.mean_filled == pytest.approx(held.sum(axis=1).mean())
                assert row.share_without == pytest.approx(1 - held.any(axis=1).mean())
                values = np.rint(slots[..., place][held] / last_bit) * last_bit
                assert row.quantiles == pytest.approx(np.quantile(values, (0.01, 0.5, 0.99)))
                given = slots[..., place][slots[..., PT] > 0]
                assert (row.low, row.high) == (given.min(), given.max())
                zero = (given != 0) & (np.rint(given / last_bit) == 0)
                assert row.to_zero == pytest.approx(zero.sum() / max((given != 0).sum(), 1))


def test_reading_in_chunks_gives_the_same() -> None:
    objects = shipped("lq_btau")
    twice(objects)

    def report(*parts: np.ndarray) -> AuditReport:
        audit = Audit(ADC)
        for part in parts:
            values = part[..., :3].reshape(len(part), ADC.n_values)
            audit.add("background", values, classes=part[..., CLASS])
        return audit.report()

    assert report(objects) == report(*np.array_split(objects, [1, 2, 1000, 1000, 4000]))


def test_what_is_kept_of_many_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "KEPT_NUMBERS", 1000 * ADC.n_values)
    objects = shipped(n=20_000)

    def values(*parts: np.ndarray) -> dict[str, np.ndarray]:
        audit = Audit(ADC)
        for part in parts:
            audit.add("background", part[..., :3].reshape(len(part), -1))
        assert audit.report().findings == ()
        assert audit.report().samples[0].n_events == 20_000
        return audit.values("met.pt")

    whole = values(objects)["background"]
    assert 990 <= len(whole) <= 1000
    # From all of the sample.
    assert np.median(whole) == pytest.approx(np.median(objects[:, 0, PT]), rel=0.15)
    parts = values(*np.array_split(objects, 13))["background"]
    np.testing.assert_array_equal(np.sort(parts), np.sort(whole))


def test_values_of_a_field() -> None:
    audit = Audit(ADC)
    objects = shipped(n=100)
    hardware = audit.add("background", objects[..., :3].reshape(100, -1))
    np.testing.assert_array_equal(hardware, ADC.to_hardware(objects[..., :3].reshape(100, -1)))
    found = audit.values("jet.pt")["background"]
    jets = hardware.reshape(100, 19, 3)[:, 9:, PT]
    np.testing.assert_array_equal(np.sort(found), np.sort(jets[jets > 0] * 0.5))
    with pytest.raises(InputError, match="^field must be one of met.pt, .*, got 'jets.pt'$"):
        audit.values("jets.pt")


def test_table_and_json() -> None:
    objects = shipped()
    in_mev(objects)
    report = audit_of(background=objects, a_4l=shipped("a_4l"))
    lines = report.table()
    text = "\n".join(lines)
    assert lines[0].split() == ["sample", "events", "empty", "duplicates", "in", "background"]
    assert lines[1].split() == ["background", "5000", "0", "%", "0", "%", "0", "%"]
    assert "\njet.pt [GeV]" in text
    assert f"\nerror: {report.errors[0]}" in text
    stored = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert stored["findings"][0]["rule"] == "background_saturates"
    assert stored["findings"][0]["level"] == "error"
    assert stored["samples"][1] == {
        "sample": "a_4l",
        "n_events": 5000,
        "empty": 0.0,
        "duplicates": 0.0,
        "in_background": 0.0,
    }
    assert stored["fields"][0]["field"] == "met.pt"


def test_json_of_nothing_and_of_what_is_not_finite() -> None:
    objects = shipped(n=30)
    not_finite(objects)
    objects[:, 1:5] = 0
    report = audit_of(background=objects)
    json.dumps(report.as_dict(), allow_nan=False)
    row = next(row for row in report.fields if row.field == "electron.pt")
    assert row.quantiles == (None, None, None)
    assert row.low is None


def test_what_cannot_be_audited() -> None:
    with pytest.raises(InputError, match="^samples of an audit must hold at least one event, got"):
        Audit(ADC).report()
    with pytest.raises(InputError, match=r"^events must be numbers of shape \(events, 57\), got"):
        Audit(ADC).add("background", np.zeros((3, 56)))
    message = r"^classes must be numbers of shape \(3, 19\) of objects, got float64 of \(3, 57\)$"
    with pytest.raises(InputError, match=message):
        Audit(ADC).add("background", np.zeros((3, 57)), classes=np.zeros((3, 57)))
    with pytest.raises(InputError, match="^classes must be numbers"):
        Audit(TABLE).add("background", np.zeros((3, 3)), classes=np.zeros((3, 1)))


def test_names_of_rules() -> None:
    names = [rule.name for rule in rules.RULES]
    assert len(set(names)) == len(names)
    for rule in rules.RULES:
        assert rule.level in ("error", "warning")
        # What takes the place of a rule is asked before.
        assert rule.instead_of is None or rule.instead_of in names[: names.index(rule.name)]
        assert rule.look.__doc__


#: Of files of others: what the front end takes of them, and rules that may fire with a reason.
FOREIGN: dict[str, tuple[dict[str, Any], dict[str, Any] | str, set[str]]] = {
    "nano_dy.root": ({"layout": "nanoaod"}, ADC_OBJECTS, set()),
    "nano_dy.parquet": ({"layout": "nanoaod"}, ADC_OBJECTS, set()),
    "nano_tt_v15.root": ({"layout": "nanoaod"}, ADC_OBJECTS, set()),
    # Sums that the file leaves zero, and flags.
    "ugt_vectors.txt.gz": (
        {"kind": "ugt_words"},
        "cms_ugt_run3",
        {"constant", "in_empty", "never_filled"},
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_others(name: str, foreign: Path) -> None:
    content, wires, odd = FOREIGN[name]
    source = parse_source({"kind": "objects", "background": str(foreign / name), **content})
    front_end = load_front_end(wires)
    audit = Audit(front_end)
    read_samples(source, front_end, audit=audit)
    report = audit.report()
    assert not report.errors, report.errors
    assert {finding.rule for finding in report.findings} <= odd, report.findings


# What it is made of ------------------------------------------------------------------------------


def test_hashes() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-3, 4, (50_000, 6)).astype(np.float32)
    values[:4] = [[0] * 6, [-0.0] * 6, [1, 2, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]]
    found = hashes(values)
    assert found[0] == found[1] == EMPTY_EVENT
    assert found[2] != found[3]
    # As many as there are different events, and none that are not zero is an empty one.
    assert len(np.unique(found)) == len(np.unique(values + 0.0, axis=0))
    np.testing.assert_array_equal(found == EMPTY_EVENT, ~values.any(axis=1))


def test_distance_from_uniform() -> None:
    assert turn_distance(np.zeros(100), 144) == pytest.approx(1)
    assert turn_distance((np.arange(1000) + 0.5) / 1000 * 7, 7) == pytest.approx(1e-3)
    # Half a turn is left out, wherever it is, and however many turns there are.
    half = np.linspace(0, 0.5, 1001)
    for start in (-3.2, 0.0, 0.3, 17.8):
        assert turn_distance(half + start, 1) == pytest.approx(0.5, abs=0.01)
    assert turn_distance(np.zeros(0), 1) == 0


def used_by(content: dict[str, Any], front_end: FrontEnd) -> set[str]:
    """Fields that inputs depend on."""
    view = ScaledView.model_validate(content)
    return {column.group for column in view.needs(front_end)}


def test_what_inputs_depend_on_is_used() -> None:
    """The momentum that masks an angle, and the angle that others are measured from."""
    found = used_by({"use": ["jet.phi"], "relative_to": "met.phi"}, ADC)
    assert found == {"jet.phi", "jet.pt", "met.phi"}
    assert used_by({"use": ["met.pt"]}, ADC) == {"met.pt"}
    counted = {column.group for column in Counts(shifts={"muon": 2}).needs(ADC)}
    assert counted == {"muon.pt"}


def test_a_collection_of_which_there_is_nothing() -> None:
    objects = read_l1_events(resolve_path("package:l1/background.h5"), 500).objects
    events = ADC.to_hardware(objects[:, :, :3].reshape(len(objects), -1))
    events[:, [column.index for column in ADC.columns if column.group.startswith("muon")]] = 0
    for use, expected in ((["muon.pt"], ["never_filled"]), (["jet.pt"], [])):
        audit = Audit(ADC, ADC.choose(use, "use"))
        audit.add("background", events, is_hardware=True)
        assert [finding.rule for finding in audit.report().findings] == expected


@pytest.mark.parametrize(
    ("share", "value", "is_found"),
    [(0.02, -999.0, True), (0.5, -99.0, True), (0.5, 0.0, False), (0.0, 0.0, False)],
)
def test_padding_of_features(share: float, value: float, is_found: bool) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 15, (5000, 2))
    x[rng.random(5000) < share, 0] = value
    audit = Audit(load_front_end({"features": 2, "format": "fixed<16,8>"}))
    audit.add("background", x)
    found = [str(finding) for finding in audit.report().findings if finding.rule == "padded"]
    assert bool(found) == is_found
    if found:
        assert re.match(
            r"x0 must be spread over its values, got -\d+ in \d+(\.\d+)? % of", found[0]
        )
