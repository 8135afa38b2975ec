"""What a network sees of the wires: scaled exactly, or transformed in float; counts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trigger_objects import FRONT_END, N_FEATURES, PORT_FORMAT, fitted_scaler

from keras_ae.errors import InputError
from keras_ae.front_end.float_inputs import FloatInputs
from keras_ae.front_end.input_view import (
    Counts,
    FloatView,
    Scale,
    ScaledView,
    ScalingQuantiles,
    load_inputs,
    save_inputs,
)
from keras_ae.front_end.presets import load_front_end
from keras_ae.front_end.scaled_inputs import Angle, ScaledInput, ScaledInputs


def test_fit_is_the_stated_quantile_by_field(events: np.ndarray) -> None:
    quantiles = ScalingQuantiles(pt_offset=0.1, pt_spread=0.5, angle_spread=0.9)
    scaler = fitted_scaler(events, quantiles)
    jets = events.reshape(-1, 19, 3)[:, 9:]
    jets = jets[jets[:, :, 0] > 0]
    offset = round(np.quantile(jets[:, 0], 0.1))
    assert set(scaler.offsets[27::3]) == {offset}
    assert set(scaler.offsets[28::3]) == {0}
    scaled = np.abs(jets - [offset, 0, 0]) * scaler.steps[27:30]
    for column, quantile in enumerate((0.5, 0.9, 0.9)):
        assert 0.5 < np.quantile(scaled[:, column], quantile) <= 1.0


def test_empty_slots_stay_zero(events: np.ndarray) -> None:
    x = fitted_scaler(events, ScalingQuantiles(pt_offset=0.5)).transform(events)
    assert np.all(x.reshape(-1, 19, 3)[events.reshape(-1, 19, 3)[:, :, 0] == 0] == 0)
    unmasked = ScaledView(quantiles=ScalingQuantiles(pt_offset=0.5), masked=False)
    x = unmasked.fit(FRONT_END, events).transform(events).reshape(-1, 19, 3)[:, :, 0]
    assert np.all(x[events.reshape(-1, 19, 3)[:, :, 0] == 0] < 0)


def test_chosen_columns_and_given_scales(events: np.ndarray) -> None:
    view = ScaledView(
        use=("jet.pt", "met.phi"),
        scale={"jet.pt": Scale(offset=30, shift=4), "jet.pt[9]": Scale(shift=-1)},
    )
    found = view.fit(FRONT_END, events[:0]).transform(events)
    pt, phi = events[:, 27::3], events[:, 2]
    np.testing.assert_array_equal(found[:, :9], np.where(pt > 0, (pt - 30) / 16, 0)[:, :9])
    np.testing.assert_array_equal(found[:, 9], pt[:, 9] * 2)
    np.testing.assert_array_equal(found[:, 10], phi)


def test_words_are_masked_whatever_they_carry() -> None:
    # A trigger's missing momentum of zero may have a direction.
    view, x = ScaledView(use=("met.phi",), scale="none"), np.zeros((1, 240))
    for packed, expected in ((False, 7), (True, 0)):
        wires = load_front_end({"preset": "cms_ugt_run3", "packed": packed})
        x[0, wires.names.index("met.phi")] = 7
        assert view.fit(wires, x).transform(x) == expected
    unmasked = view.model_copy(update={"masked": False})
    assert unmasked.fit(wires, x).transform(x) == 7


def test_scaled_values_are_rounded_to_a_format() -> None:
    front_end = load_front_end({"features": 1, "format": "fixed<8,8>"})
    given = {"scale": {"x0": {"shift": 3}}, "format": "fixed<6,4,TRN>"}
    inputs = ScaledView.model_validate(given).fit(front_end, np.zeros((0, 1)))
    found = inputs.transform(np.array([[7], [-1], [127]]))
    # To quarters, downwards; beyond the end to the end.
    np.testing.assert_array_equal(found[:, 0], [0.75, -0.25, 7.75])


def test_features_are_centred_on_their_median() -> None:
    rng = np.random.default_rng(1)
    x = np.stack([rng.normal(100, 3, 4001), rng.normal(-5, 0.25, 4001)], axis=1)
    front_end = load_front_end({"features": 2, "format": "fixed<16,10>"})
    hardware = front_end.to_hardware(x)
    inputs = ScaledView().fit(front_end, hardware)
    np.testing.assert_array_equal(inputs.offsets, np.median(hardware, axis=0))
    # 1.64 deviations are where 90 % of a normal distribution lie.
    np.testing.assert_array_equal(inputs.steps, [1 / 8, 2.0])


def test_features_that_are_mostly_padding() -> None:
    """Their scale is of what is not: zeros say nothing of the unit."""
    rng = np.random.default_rng(2)
    x = np.where(rng.random((4000, 2)) < [0.05, 0.0], rng.normal(0, 30, (4000, 2)), 0.0)
    front_end = load_front_end({"features": 2, "format": "fixed<16,10>"})
    inputs = ScaledView().fit(front_end, front_end.to_hardware(x))
    np.testing.assert_array_equal(inputs.offsets, [0, 0])
    # 1.64 deviations, 49, as the power of two above; of nothing but zeros, none.
    np.testing.assert_array_equal(inputs.steps, [1 / 64, 1.0])


PHI = {"format": "fixed<9,9>", "turn": 144, "last_bit": "2*pi/144"}
ANGLES = {
    "objects": {
        "met": {"fields": {"phi": PHI}},
        "muon": {
            "slots": 2,
            "empty": "pt == 0",
            "fields": {
                "pt": {"format": "ufixed<4,4>"},
                "eta": {"format": "fixed<5,5>"},
                "phi": {"format": "fixed<11,11>", "turn": 576, "last_bit": "2*pi/576"},
            },
        },
    }
}


def test_relative_angles_and_absolute_values() -> None:
    front_end = load_front_end(ANGLES)
    view = ScaledView(scale="none", relative_to="met.phi", absolute=("muon.eta",))
    inputs = view.fit(front_end, np.zeros((0, 7)))
    rng = np.random.default_rng(2)
    x = rng.integers(-3, 4, (500, 7))
    x[:, 0] = rng.integers(-72, 73, 500)
    x[:, [3, 6]] = rng.integers(-288, 289, (500, 2))
    found = inputs.transform(x)
    np.testing.assert_array_equal(found[:, 0], x[:, 0])
    for pt, eta, phi in ((1, 2, 3), (4, 5, 6)):
        np.testing.assert_array_equal(found[:, eta], np.abs(x[:, eta]))
        # As directions: the same as the difference, within half a turn, and zero where empty.
        filled = x[:, pt] > 0
        turn = 2 * np.pi / 576
        difference = np.exp(1j * turn * (x[:, phi] - 4 * x[:, 0]))
        np.testing.assert_allclose(
            np.exp(1j * turn * found[filled, phi]), difference[filled], atol=1e-12
        )
        assert np.all((found[:, phi] >= -288) & (found[:, phi] < 288))
        assert not found[~filled, phi].any()


def test_a_view_of_wires_without_formats_is_what_they_carry() -> None:
    front_end = load_front_end({"image": {"shape": [2, 2, 1]}})
    inputs = ScaledView().fit(front_end, np.ones((3, 4)))
    assert inputs.is_identity
    images = np.random.default_rng(1).random((3, 2, 2, 1))
    np.testing.assert_array_equal(inputs.transform(images), images.reshape(3, 4))


def test_float_inputs_are_logs_standardized_and_clipped(events: np.ndarray) -> None:
    view = FloatView(kind="float", use=("*.pt", "met.phi"), log=("*.pt",), clip=2.0)
    inputs = view.fit(FRONT_END, events)
    pt = np.log1p(events[:, 27] * 0.5)
    expected = np.clip((pt - pt.mean()) / pt.std(), -2, 2)
    np.testing.assert_allclose(inputs.transform(events)[:, 9], expected, atol=1e-12)
    phi = events[:, 2] * (2 * np.pi / 144)
    expected = np.clip((phi - phi.mean()) / phi.std(), -2, 2)
    np.testing.assert_allclose(inputs.transform(events)[:, -1], expected, atol=1e-12)
    plain = FloatView(kind="float", use=("met.pt",), standardize=False).fit(FRONT_END, events)
    np.testing.assert_array_equal(plain.transform(events)[:, 0], events[:, 0] * 0.5)


def test_constants_become_zero(events: np.ndarray) -> None:
    # MET has no eta.
    inputs = FloatView(kind="float", use=("met.eta",)).fit(FRONT_END, events)
    assert not inputs.transform(events).any()
    # Of equal floats the deviation is not exactly zero.
    front_end = load_front_end({"features": 1, "format": "fixed<12,4>"})
    x = front_end.to_hardware(np.full((1000, 1), 0.1))
    inputs = FloatView(kind="float").fit(front_end, x)
    assert not inputs.transform(x).any()
    np.testing.assert_array_equal(inputs.transform(x + 1), 1.0)


@pytest.mark.parametrize(
    "view",
    [
        ScaledView(),
        ScaledView.model_validate({"format": "fixed<12,6,TRN,WRAP>", "relative_to": "met.phi"}),
        FloatView(kind="float", log=("*.pt",), clip=8.0),
    ],
)
def test_save_and_load(events: np.ndarray, tmp_path: Path, view: Any) -> None:
    inputs = view.fit(FRONT_END, events)
    save_inputs(inputs, tmp_path / "inputs.json")
    loaded = load_inputs(tmp_path / "inputs.json")
    assert loaded == inputs and type(loaded) is type(inputs)
    np.testing.assert_array_equal(loaded.transform(events), inputs.transform(events))


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "scaled"}', '{"kind": "float", "x": 1}', "3"])
def test_damaged_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "inputs.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="inputs.json must hold network inputs as a run saves"):
        load_inputs(path)
    with pytest.raises(FileNotFoundError, match="network inputs not found: .*other.json"):
        load_inputs(tmp_path / "other.json")


def layers_of(inputs: ScaledInputs) -> Any:
    """Of the trigger graph, in front of a network that takes what it is given."""
    import keras

    from hls.graph.build import build_network_graph
    from keras_ae.precision import QActivation, fixed_point

    x = keras.Input((inputs.n_inputs,), name="x")
    network = keras.Model(x, QActivation(fixed_point("fixed<24,16>"), name="wide")(x))
    return build_network_graph(network, inputs, PORT_FORMAT)


@pytest.mark.parametrize(
    "view",
    [
        ScaledView(),
        ScaledView(quantiles=ScalingQuantiles(pt_offset=0.5)),
        ScaledView(use=("jet.*", "met.pt"), relative_to="met.phi", absolute=("jet.eta",)),
        ScaledView.model_validate({"masked": False, "format": "fixed<18,13,TRN,WRAP>"}),
    ],
)
def test_numpy_keras_graph_and_logic_agree_on_every_value(
    events: np.ndarray, view: ScaledView
) -> None:
    from hls.rtl.logic import trace_logic

    inputs = view.fit(FRONT_END, events)
    graph = layers_of(inputs)
    values = np.arange(PORT_FORMAT.low, PORT_FORMAT.high + 1).astype(int)
    # Every value of every number, beside an empty slot, the smallest pT and a large one.
    x = np.concatenate(
        [np.where(np.arange(N_FEATURES) % 3 == 0, pt, values[:, None]) for pt in (0, 1, 4095)]
        + [np.repeat(values[:, None], N_FEATURES, axis=1), events[:500]]
    )
    expected = inputs.transform(x)
    trace = graph.trace(x)
    np.testing.assert_array_equal(trace["scale"], expected)
    np.testing.assert_array_equal(graph.in_keras(x, layers=["scale"])["scale"], expected)
    for node in graph.nodes:
        if type(node.layer).__module__.endswith(("scale_inputs", "measured_inputs")):
            given = x.astype(float) if node.inputs[0] == "x" else trace[node.inputs[0]]
            logic = trace_logic(node.layer, (N_FEATURES,))
            np.testing.assert_array_equal(logic.predict(given), trace[node.name])


def test_counts(events: np.ndarray) -> None:
    found = Counts(shifts={"electron": 2, "jet": 3}).of(FRONT_END, events)
    pt = events.reshape(-1, 19, 3)[:, :, 0] > 0
    np.testing.assert_array_equal(found[:, 0], pt[:, 1:5].sum(axis=1) / 4)
    np.testing.assert_array_equal(found[:, 1], pt[:, 9:].sum(axis=1) / 8)
    message = "^condition.shifts must be of collections that may have empty slots, met, .*'tau'$"
    with pytest.raises(InputError, match=message):
        Counts(shifts={"tau": 0}).of(FRONT_END, events)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (ScaledView(use=("jets.pt",)), "use must name some of met.pt, .*, got 'jets.pt'"),
        (ScaledView(absolute=("tau.eta",)), "absolute must name some of .*, got 'tau.eta'"),
        (ScaledView(scale={"tau": Scale()}), "scale must name some of .*, got 'tau'"),
        (ScaledView(relative_to="met.pt"), "relative_to must name one number of a field with turn"),
        (ScaledView(relative_to="jet.phi"), "relative_to must name one .*, 10 of them"),
        (
            ScaledView(use=("met.pt",), absolute=("jet.eta",)),
            "absolute must name columns that are in use, got 'jet.eta'",
        ),
        (
            ScaledView(use=("met.pt",), scale={"jet.pt": Scale()}),
            "scale must name columns that are in use, got 'jet.pt'",
        ),
        (ScaledView(absolute=("jet.pt",)), "absolute must not name jet.pt, which says whether a"),
    ],
)
def test_mistakes(events: np.ndarray, view: ScaledView, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        view.fit(FRONT_END, events)


def test_an_angle_of_a_coarser_one_alone(events: np.ndarray) -> None:
    message = "^relative_to must be an angle whose turn divides that of met.phi, 144, got muon.phi"
    with pytest.raises(InputError, match=message):
        ScaledView(relative_to="muon.phi[0]").fit(load_front_end(ANGLES), np.zeros((1, 7)))


@pytest.mark.parametrize("quantile", [-0.1, 1.1])
def test_impossible_quantile(quantile: float) -> None:
    with pytest.raises(ValueError, match="pt_offset"):
        ScalingQuantiles(pt_offset=quantile)


def test_no_background(events: np.ndarray) -> None:
    for view in (ScaledView(), FloatView(kind="float")):
        with pytest.raises(InputError, match="background must hold at least one event, got 0"):
            view.fit(FRONT_END, events[:0])


def test_another_number_of_values(events: np.ndarray) -> None:
    for inputs in (fitted_scaler(events), FloatView(kind="float").fit(FRONT_END, events)):
        assert isinstance(inputs, ScaledInputs | FloatInputs)
        with pytest.raises(InputError, match=r"hardware values must have shape \(events, 57\)"):
            inputs.transform(events[:, :56])


@pytest.mark.parametrize(
    "part", [ScaledInput(3), ScaledInput(0, guard=5), ScaledInput(0, angle=Angle(-1, 1, 8))]
)
def test_columns_that_are_not_there(part: ScaledInput) -> None:
    with pytest.raises(InputError, match="column of a network input must be 0 to 2, got"):
        ScaledInputs(3, (part,))
    assert dataclasses.replace(part, column=0, guard=None, angle=None).column == 0
