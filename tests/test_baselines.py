"""Observables as triggers: equal to NumPy's on integers, in C++ and RTL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trigger_objects import FRONT_END

from hls.cpp.convert import convert_trigger_graph
from hls.graph.baselines import baseline_graph
from hls.graph.build import set_threshold
from hls.graph.packed_ports import port_values
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.data.observables import observables
from keras_ae.errors import InputError
from keras_ae.front_end.presets import load_front_end
from keras_ae.settings.firmware import FirmwareSettings

NAMES = ("n_objects", "n_leptons", "leading_pt", "ht", "met")


def by_hand(name: str, events: np.ndarray) -> np.ndarray:
    """Of hardware integers (events, 57): met, 4 electrons, 4 muons, 10 jets; pt, eta, phi."""
    pt = events[:, ::3].astype(int)
    return {
        "n_objects": (pt[:, 1:] > 0).sum(axis=1),
        "n_leptons": (pt[:, 1:9] > 0).sum(axis=1),
        "leading_pt": pt[:, 1:].max(axis=1),
        "ht": pt[:, 9:].sum(axis=1),
        "met": pt[:, 0],
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_exact(events: np.ndarray, name: str) -> None:
    graph = baseline_graph(FRONT_END, name)
    found = graph.outputs(events)[name].ravel()
    np.testing.assert_array_equal(found, by_hand(name, events))
    unit = 1 if name.startswith("n_") else 0.5
    np.testing.assert_allclose(observables(FRONT_END, events)[name], unit * found)
    # Keras gives the same.
    np.testing.assert_array_equal(graph.in_keras(events)[name].ravel(), found)


@pytest.mark.parametrize(
    "name",
    ["n_objects", *(pytest.param(name, marks=pytest.mark.slow) for name in ("leading_pt", "ht"))],
)
def test_every_bit(events: np.ndarray, name: str, tmp_path: Path) -> None:
    graph = set_threshold(baseline_graph(FRONT_END, name), events, 0.05)
    fired = graph.evaluate(events).trigger
    np.testing.assert_array_equal(fired, by_hand(name, events) > graph.threshold)
    assert 0 < fired.mean() <= 0.05
    # In order, as events are: the largest is looked for among the first of each kind.
    stress = stress_events(FRONT_END.port_format, (57,), 2000, 1)
    for first, n_slots in ((1, 4), (5, 4), (9, 10)):
        places = 3 * (first + np.arange(n_slots))
        stress[:, places] = -np.sort(-stress[:, places], axis=1)
    settings = FirmwareSettings()
    convert_trigger_graph(graph, tmp_path / "hls", settings, [events[:50]])
    samples = {"background": (events,), "stress": (stress,)}
    assert validate_project(graph, tmp_path / "hls", samples).is_proved
    write_rtl_project(graph, tmp_path / "rtl", settings, [events[:50]])
    with VerilogSimulation(tmp_path / "rtl") as simulation:
        for values in (events, stress):
            found, expected = simulation.run(values).output, graph.evaluate(values)
            np.testing.assert_array_equal(found.score, expected.score)
            np.testing.assert_array_equal(found.trigger, expected.trigger)


def test_of_packed_words(events: np.ndarray) -> None:
    words = load_front_end({"preset": "cms_ugt_run3", "packed": True})
    physical = np.zeros((200, words.n_values))
    rng = np.random.default_rng(1)
    columns = [c.index for c in words.columns if c.group == "jet.pt"]
    physical[:, columns] = -np.sort(-rng.exponential(40, (200, 12)), axis=1)
    hardware = words.to_hardware(physical)
    graph = baseline_graph(words, "ht")
    found = graph.outputs(*port_values(words, hardware))["ht"].ravel()
    np.testing.assert_array_equal(found, hardware[:, columns].sum(axis=1))


def test_fields_with_fractional_bits() -> None:
    pt: dict[str, Any] = {"format": "ufixed<8,6>", "last_bit": 1}
    jets = {"slots": 2, "empty": "pt == 0", "fields": {"pt": pt}}
    front_end = load_front_end({"objects": {"jet": jets}})
    events = np.array([[0.25, 0.0], [0.5, 0.25], [0.0, 0.0], [3.0, 63.75]])
    for name, expected in (
        ("n_objects", [1, 2, 0, 2]),
        ("leading_pt", [0.25, 0.5, 0, 63.75]),
        ("ht", [0.25, 0.75, 0, 66.75]),
    ):
        found = baseline_graph(front_end, name).outputs(events)[name].ravel()
        np.testing.assert_array_equal(found, expected)


def test_refused() -> None:
    with pytest.raises(InputError, match="baseline must be one of n_objects, .*, got 'mass'"):
        baseline_graph(FRONT_END, "mass")
    features = load_front_end({"features": 5, "format": "fixed<12,12>"})
    with pytest.raises(InputError, match="must be one of none, of this front end, got 'ht'"):
        baseline_graph(features, "ht")
    field: dict[str, Any] = {"format": "ufixed<8,8>"}
    mixed = {
        name: {"slots": 2, "empty": "pt == 0", "fields": {"pt": {**field, "last_bit": bit}}}
        for name, bit in (("jet", 0.5), ("muon", 0.25))
    }
    with pytest.raises(InputError, match="must be of momenta with one last bit, got 0.25, 0.5"):
        baseline_graph(load_front_end({"objects": mixed}), "leading_pt")
