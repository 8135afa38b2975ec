"""Events in the ADC2021 layout: what was read of them before, in chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from source_files import assert_equal, read_all, read_in_chunks
from trigger_objects import hardware_of

from keras_ae.audit.audit import Audit
from keras_ae.data.adc2021 import Adc2021
from keras_ae.data.dataset import read_samples
from keras_ae.data.l1 import L1Events, iterate_l1_events, read_l1_events, write_l1_events
from keras_ae.data.observables import observables
from keras_ae.data.source import parse_source, resolve_path
from keras_ae.errors import InputError
from keras_ae.front_end.presets import load_front_end

FRONT_END = load_front_end("adc2021")
PACKAGE = {"kind": "adc2021", "background": "package:l1/background.h5", "max_events": 3000}

# Of the condition, where a network has one.
COUNTS: Any = Adc2021.counts


def adc(path: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "adc2021", "background": str(path), **more}


def write(path: Path, objects: np.ndarray, **more: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["Particles"] = objects
        for name, values in more.items():
            file[name] = values
    return path


def test_what_was_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    events = read_l1_events(resolve_path("package:l1/background.h5"), 3000)
    integers = hardware_of(events.objects)
    found, _ = read_all(PACKAGE, FRONT_END)
    np.testing.assert_array_equal(FRONT_END.to_hardware(found.values), integers)
    assert found.parents is not None and found.labels is not None
    np.testing.assert_array_equal(found.parents, events.parents)
    np.testing.assert_array_equal(found.labels, events.process)
    # Slots: missing ET, 4 electrons, 4 muons, 10 jets.
    filled = integers[:, ::3] > 0
    electrons, muons, jets = (filled[:, a:b].sum(axis=1) for a, b in ((1, 5), (5, 9), (9, 19)))
    np.testing.assert_array_equal(
        COUNTS.of(FRONT_END, integers), np.stack([electrons / 4, muons / 4, jets / 8], axis=1)
    )
    named = observables(FRONT_END, integers)
    assert list(named) == ["n_objects", "n_leptons", "leading_pt", "ht", "met"]
    np.testing.assert_array_equal(named["n_leptons"], electrons + muons)
    np.testing.assert_array_equal(named["n_objects"], electrons + muons + jets)
    # In GeV, of the file's numbers rounded to half of one.
    pt = events.objects[:, :, 0].astype(np.float64)
    np.testing.assert_allclose(named["ht"], pt[:, 9:].sum(axis=1), atol=10 * 0.25)
    np.testing.assert_allclose(named["met"], pt[:, 0], atol=0.25)
    np.testing.assert_allclose(named["leading_pt"], pt[:, 1:].max(axis=1), atol=0.25)
    parts, n_chunks = read_in_chunks(monkeypatch, PACKAGE, FRONT_END, 700)
    assert_equal(found, parts)
    assert n_chunks == 5


def test_pile_up_is_an_observable(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", np.ones((5, 19, 4)) * [1, 1, 1, 0], PileUp=np.arange(5))
    found, _ = read_all(adc(path), FRONT_END)
    assert found.observables["pile_up"].tolist() == list(range(5))


def test_each_event_has_a_parent_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", np.ones((7, 19, 4)) * [1, 1, 1, 0])
    parents = np.concatenate([part.parents for part in iterate_l1_events(path, 3)])
    assert parents.tolist() == list(range(7))


def test_some_of_the_slots(tmp_path: Path) -> None:
    field: dict[str, Any] = {"format": "fixed<13,13>", "last_bit": 0.5}
    front_end = load_front_end(
        {
            "objects": {
                "jet": {"slots": 2, "fields": {"pt": field, "phi": field}},
                "met": {"fields": {"phi": field}},
            }
        }
    )
    objects = np.zeros((1, 19, 4))
    objects[0, 0, :3], objects[0, 9, :3], objects[0, 10, :3] = (1, 2, 3), (4, 5, 6), (0.2, 8, 9)
    found, _ = read_all(adc(write(tmp_path / "x.h5", objects)), front_end)
    np.testing.assert_allclose(found.values, [[4, 6, 0.2, 9, 3]], rtol=1e-7)
    # Without a rule for empty slots, none is counted.
    hardware = front_end.to_hardware(found.values)
    named = observables(front_end, hardware)
    assert {name: values.tolist() for name, values in named.items()} == {
        "leading_pt": [4.0],
        "ht": [4.0],
    }


@pytest.mark.parametrize(
    ("collection", "message"),
    [
        (
            {"egamma": {"fields": {"pt": {}}}},
            "must name some of met, electron, .*'egamma'",
        ),
        (
            {"jet": {"slots": 11, "fields": {"pt": {}}}},
            "jet.slots must be <= 10, .* got 11",
        ),
        ({"jet": {"fields": {"m": {}}}}, "jet.fields must be some of pt, eta, phi, .* got 'm'"),
    ],
)
def test_what_the_layout_does_not_have(collection: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^front_end.*{message}"):
        read_all(PACKAGE, load_front_end({"objects": collection}))


def test_objects_of_another_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = read_l1_events(resolve_path("package:l1/background.h5"), 50).objects
    event = int(np.flatnonzero(objects[:, 9, 0] > 0)[20])
    # A jet where the first muon should be.
    objects[event, 5] = objects[event, 9]
    path = write(tmp_path / "x.h5", objects)
    for size in (7, 1000):
        monkeypatch.setattr("keras_ae.data.source.CHUNK_EVENTS", size)
        audit = Audit(FRONT_END)
        read_samples(parse_source(adc(path)), FRONT_END, audit=audit)
        found = [finding for finding in audit.report().errors if finding.rule == "other_class"]
        assert [(finding.field, finding.event) for finding in found] == [("muon", event)]
    # Of collections that the front end has not, too.
    muons = load_front_end({"objects": {"muon": FRONT_END.objects["muon"].model_dump()}})
    audit = Audit(muons)
    read_samples(parse_source(adc(path)), muons, audit=audit)
    assert "other_class" in {finding.rule for finding in audit.report().errors}


@pytest.mark.parametrize("name", ["Parent", "Process"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(7), r"must hold 20 integers, one an event, got int64 \(7,\)"),
        (np.arange(20) / 2, r"must hold 20 integers, one an event, got float64 \(20,\)"),
        (-(np.arange(20) == 3).astype(int), "must be >= 0, got -1 in event 3"),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_other_numbers(
    own: bool, name: str, values: np.ndarray, message: str, tmp_path: Path
) -> None:
    """In files of the generator, and where they stand alone."""
    path = tmp_path / "x.h5"
    objects = np.ones((20, 19, 4), "float32")
    if own:
        write_l1_events(path, L1Events(objects, np.arange(20), np.zeros(20), ("qcd",)))
        with h5py.File(path, "a") as file:
            attributes = dict(file[name].attrs)
            del file[name]
            file[name] = values
            file[name].attrs.update(attributes)
    else:
        write(path, objects, **{name: values})
    with pytest.raises(InputError, match=f"x.h5: '{name}' {message}"):
        read_l1_events(path)
    with pytest.raises(InputError, match=f"^data.background: .*'{name}' {message}"):
        read_all(adc(path), FRONT_END)
