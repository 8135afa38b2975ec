"""The scaler: numpy == Keras == traced logic, on every representable input of a slot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keras_ae.data.scaling import N_FEATURES, HardwareUnits, L1Scaler, ScalingQuantiles
from keras_ae.errors import InputError


def test_integers_round_to_their_lsb_and_saturate() -> None:
    objects = np.zeros((1, 19, 4))
    objects[0, 1] = [10.3, -0.09, np.pi, 2]
    objects[0, 5] = [1e6, 1.0, 0.0, 3]
    objects[0, 6] = [0.0, 1.0, 1.0, 0]  # empty, whatever it says
    objects[0, 0] = [0.2, 0.0, 1.0, 1]  # rounds to zero
    found = HardwareUnits().to_integers(objects).reshape(19, 3)
    np.testing.assert_array_equal(found[1], [21, -2, 72])
    np.testing.assert_array_equal(found[5], [4095, 23, 0])
    assert not found[[0, 6]].any()


def test_integers_of_another_shape_or_not_finite() -> None:
    with pytest.raises(InputError, match=r"objects must have shape \(events, 19, 4\)"):
        HardwareUnits().to_integers(np.zeros((3, 18, 4)))
    with pytest.raises(InputError, match="objects: every value must be finite"):
        HardwareUnits().to_integers(np.full((3, 19, 4), np.inf))


def test_fit_is_the_stated_quantile_by_class(events: np.ndarray) -> None:
    quantiles = ScalingQuantiles(pt_offset=0.1, pt_spread=0.5, angle_spread=0.9)
    scaler = L1Scaler.fit(events, quantiles)
    jets = events.reshape(-1, 19, 3)[:, 9:]
    jets = jets[jets[:, :, 0] > 0]
    offset = round(np.quantile(jets[:, 0], 0.1))
    assert set(scaler.offset[27::3]) == {offset}
    assert set(scaler.offset[28::3]) == {0}
    scaled = np.abs(jets - [offset, 0, 0]) / 2.0 ** np.array(scaler.shift[27:30])
    for column, quantile in enumerate((0.5, 0.9, 0.9)):
        assert 0.5 < np.quantile(scaled[:, column], quantile) <= 1.0


def test_empty_slots_stay_zero(events: np.ndarray) -> None:
    x = L1Scaler.fit(events, ScalingQuantiles(pt_offset=0.5)).transform(events).reshape(-1, 19, 3)
    assert np.all(x[events.reshape(-1, 19, 3)[:, :, 0] == 0] == 0)


def test_save_and_load(events: np.ndarray, tmp_path: Path) -> None:
    scaler = L1Scaler.fit(events, ScalingQuantiles(pt_offset=0.1))
    scaler.save(tmp_path / "scaler.json")
    assert L1Scaler.load(tmp_path / "scaler.json") == scaler


@pytest.mark.parametrize("pt_offset", [0.0, 0.5])
def test_keras_exact_and_logic_equal_the_scaler_on_all_inputs_of_a_slot(
    events: np.ndarray, pt_offset: float
) -> None:
    from hls.graph.layers.scale_objects import ScaleObjects
    from hls.rtl.logic import trace_logic

    units = HardwareUnits()
    scaler = L1Scaler.fit(events, ScalingQuantiles(pt_offset=pt_offset))
    layer = ScaleObjects(
        list(scaler.offset), list(scaler.shift), input_formats=[str(units.format)], name="scale"
    )
    values = np.arange(units.format.low, units.format.high + 1).astype(int)
    # Every value of every feature, beside an empty slot, the smallest pT and a large one.
    inputs = np.concatenate(
        [np.where(np.arange(N_FEATURES) % 3 == 0, pt, values[:, None]) for pt in (0, 1, 4095)]
        + [np.repeat(values[:, None], N_FEATURES, axis=1)]
    )
    expected = scaler.transform(inputs)
    np.testing.assert_array_equal(np.asarray(layer(inputs.astype("float32"))), expected)
    np.testing.assert_array_equal(layer.exact(inputs.astype(float)), expected)
    np.testing.assert_array_equal(
        trace_logic(layer, (N_FEATURES,)).predict(inputs.astype(float)), expected
    )


@pytest.mark.parametrize("quantile", [-0.1, 1.1])
def test_impossible_quantile(quantile: float) -> None:
    with pytest.raises(ValueError, match="pt_offset"):
        ScalingQuantiles(pt_offset=quantile)


def test_no_background(events: np.ndarray) -> None:
    with pytest.raises(InputError, match="background must hold at least one event, got 0"):
        L1Scaler.fit(events[:0], ScalingQuantiles())


def test_wrong_feature_count(events: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"integers must have shape \(events, 57\)"):
        L1Scaler.fit(events, ScalingQuantiles(pt_offset=0.1)).transform(events[:, :56])
