"""Augmentations: what each does, that events stay such of the front end; outlier exposure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from trigger_objects import FRONT_END

from keras_ae.augmentations import Augmentation
from keras_ae.errors import InputError
from keras_ae.exposure import Exposure
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end
from keras_ae.yaml_files import validate_settings

STEPS: list[dict[str, Any]] = [
    {"kind": "exchanged"},
    {"kind": "merged"},
    {"kind": "added"},
    {"kind": "removed"},
    {"kind": "scaled"},
    {"kind": "smeared", "relative": 0.2},
    {"kind": "masked", "rate": 0.2},
    {"kind": "rotated"},
    {"kind": "uniform"},
]


def step(**content: Any) -> Any:
    return TypeAdapter(Augmentation).validate_python(content)


def exposure(*steps: dict[str, Any], **content: Any) -> Exposure:
    return validate_settings(Exposure, {"steps": list(steps), **content}, "exposure")


def assert_are_events(front_end: FrontEnd, events: np.ndarray) -> None:
    """Ordered, padded with zeros, within the ranges of their fields."""
    for column in front_end.columns:
        form = column.field.format
        values = events[:, column.index]
        assert form is None or (form.low <= values.min() and values.max() <= form.high)
    np.testing.assert_array_equal(events[~front_end.is_filled(events)], 0)
    for name, kind in front_end.collections.items():
        if kind.empty and kind.slots > 1:
            columns = [c.index for c in front_end.columns if c.group == f"{name}.{kind.order}"]
            assert (np.diff(events[:, columns], axis=1) <= 0).all()


@pytest.mark.parametrize("n_events", [0, 1])
@pytest.mark.parametrize("content", STEPS, ids=lambda content: content["kind"])
def test_of_hardly_any_events(events: np.ndarray, content: dict[str, Any], n_events: int) -> None:
    found = step(**content).changed(events[:n_events], events, FRONT_END, np.random.default_rng(3))
    assert found.shape == (n_events, 57)
    assert_are_events(FRONT_END, np.concatenate([found, events]))


@pytest.mark.parametrize(
    ("field", "changed"),
    # With what says whether there is an object, another object.
    [("jet.phi", {"jet.phi"}), ("met.pt", {"met.pt", "met.phi"})],
)
def test_uniform_changes_nothing_but_its_fields(
    events: np.ndarray, field: str, changed: set[str]
) -> None:
    rng = np.random.default_rng(3)
    found = step(kind="uniform", fields=[field]).changed(events[:500], events, FRONT_END, rng)
    columns = np.flatnonzero((found != events[:500]).any(axis=0))
    assert {FRONT_END.columns[index].group for index in columns} == changed


@pytest.mark.parametrize("content", STEPS, ids=lambda content: content["kind"])
def test_events_stay_events_and_change(events: np.ndarray, content: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    before = events.copy()
    found = step(**content).changed(events[:500], events, FRONT_END, rng)
    assert found.shape == (500, 57) and found.dtype == events.dtype
    assert_are_events(FRONT_END, found)
    assert (found != events[:500]).any(axis=1).mean() > 0.4
    np.testing.assert_array_equal(events, before)


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_any_steps_one_after_the_other(steps: list[dict[str, Any]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    physical = np.abs(rng.normal(0, 300, (60, 57))) * (rng.random((60, 57)) < 0.7)
    background = step(kind="scaled").changed(
        FRONT_END.to_hardware(physical), physical, FRONT_END, rng
    )
    chosen = exposure(*({**content, "probability": 0.7} for content in steps), share=0.6)
    made, _ = chosen.make(FRONT_END, background, (seed,))
    assert made.shape == (90, 57)
    assert_are_events(FRONT_END, made)
    np.testing.assert_array_equal(made, chosen.make(FRONT_END, background, (seed,))[0])
    assert (made != chosen.make(FRONT_END, background, (seed + 1,))[0]).any()


def test_origin() -> None:
    background = np.zeros((100, 57), int)
    background[:, 0] = np.arange(100)
    chosen = exposure({"kind": "exchanged", "collections": ["jet"]}, share=0.5)
    made, origin = chosen.make(FRONT_END, background, (1,))
    np.testing.assert_array_equal(made[:, 0], origin)


def test_share() -> None:
    assert exposure({"kind": "merged"}, share=0.8).n_made_up(1000) == 4000
    assert exposure({"kind": "merged"}).n_made_up(1000) == 1000


def small(n_slots: int = 3) -> FrontEnd:
    pt = {"format": "ufixed<8,8>"}
    fields = {"pt": pt, "eta": {"format": "fixed<8,8>"}}
    return load_front_end(
        {
            "objects": {
                "met": {"fields": {"pt": pt}},
                "jet": {"slots": n_slots, "empty": "pt == 0", "order": "pt", "fields": fields},
            }
        }
    )


class TestSteps:
    """On events that can be followed by eye: met, then (pt, eta) of three jets."""

    mine = np.array([[9, 50, 1, 20, 2, 0, 0]])
    other = np.array([[7, 40, 3, 30, 4, 10, 5]])

    def of(self, **content: Any) -> list[int]:
        rng = np.random.default_rng(1)
        found = step(**content).changed(self.mine, self.other, small(), rng)
        return list(found[0])

    def test_exchanged(self) -> None:
        assert self.of(kind="exchanged", collections=["met"], rate=1.0) == [7, 50, 1, 20, 2, 0, 0]
        assert self.of(kind="exchanged", rate=1.0) == [7, 40, 3, 30, 4, 10, 5]

    def test_merged(self) -> None:
        assert self.of(kind="merged", rate=1.0) == [9, 50, 1, 40, 3, 30, 4]

    def test_added(self) -> None:
        choices = [[9, 50, 1, 40, 3, 20, 2], [9, 50, 1, 30, 4, 20, 2], [9, 50, 1, 20, 2, 10, 5]]
        found = set()
        for seed in range(40):
            rng = np.random.default_rng(seed)
            new = step(kind="added", rate=1.0).changed(self.mine, self.other, small(), rng)
            found.add(tuple(new[0].tolist()))
        assert found == set(map(tuple, choices))

    def test_removed(self) -> None:
        assert self.of(kind="removed", rate=1.0) == [9, 0, 0, 0, 0, 0, 0]

    def test_scaled(self) -> None:
        rng = np.random.default_rng(1)
        factor = np.exp(0.5 * np.random.default_rng(1).standard_normal(1))[0]
        found = step(kind="scaled").changed(self.mine, self.other, small(), rng)[0]
        expected = [round(9 * factor), round(50 * factor), 1, round(20 * factor), 2, 0, 0]
        np.testing.assert_array_equal(found, expected)

    def test_scaled_out_of_range_saturates(self) -> None:
        rng = np.random.default_rng(1)
        many = np.repeat(self.mine, 200, axis=0)
        found = step(kind="scaled", deviation=5.0).changed(many, self.other, small(), rng)
        assert_are_events(small(), found)
        assert (found[:, 1] == 255).any() and (found[:, 1] == 0).any()

    def test_uniform(self) -> None:
        background = np.concatenate([self.mine, self.other])
        rng = np.random.default_rng(1)
        many = np.repeat(self.mine, 300, axis=0)
        found = step(kind="uniform", fields=["jet.pt"]).changed(many, background, small(), rng)
        filled = found[:, 1] > 0
        # The ranges of the hardest jet's pT are those of all slots together, in order again.
        assert found[filled, 1].min() >= 10 and found[filled, 1].max() <= 50
        assert set(found[:, 0]) == {self.mine[0, 0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "exchanged", "collections": ["tau"]}, "must be some of met, jet, got 'tau'"),
        ({"kind": "merged", "collections": ["met"]}, "must be some of jet, got 'met'"),
        ({"kind": "uniform", "fields": ["tau.pt"]}, "must name some of .*, got 'tau.pt'"),
        ({"kind": "scaled", "fields": ["tau.pt"]}, "must name some of .*, got 'tau.pt'"),
    ],
)
def test_what_the_front_end_has_not(content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        exposure(content).check(small())


@pytest.mark.parametrize("kind", ["scaled", "rotated"])
def test_fields_that_are_always_zero(kind: str) -> None:
    with pytest.raises(InputError, match=f"'{kind}' must be some that are not always zero, got me"):
        exposure({"kind": kind, "fields": ["met.eta"]}).check(FRONT_END)


def test_features_have_no_objects() -> None:
    front_end = load_front_end({"features": 5, "format": "fixed<12,12>"})
    background = np.arange(50).reshape(10, 5)
    for kind in ("merged", "added", "removed"):
        with pytest.raises(
            InputError, match=f"augmentation '{kind}' must be of a front end with a collection"
        ):
            exposure({"kind": kind}).check(front_end)
    with pytest.raises(InputError, match="augmentation 'scaled' must name its fields"):
        exposure({"kind": "scaled"}).check(front_end)
    made, _ = exposure({"kind": "exchanged"}).make(front_end, background, (1,))
    # Each feature is one that the background has there.
    for feature in range(5):
        assert set(made[:, feature]) <= set(background[:, feature])
    made, _ = exposure({"kind": "scaled", "fields": ["*"]}).make(front_end, background, (1,))
    assert_are_events(front_end, made)


def test_no_background() -> None:
    with pytest.raises(InputError, match="background must hold at least one event, got 0"):
        exposure({"kind": "exchanged"}).make(FRONT_END, np.zeros((0, 57), int), (1,))


ANGLES = [column.index for column in FRONT_END.columns if column.field.turn is not None]


def test_rotated_keeps_differences_of_angles(events: np.ndarray) -> None:
    """Of all objects by one angle: what does not change is what is between two of them."""
    few = events[:400]
    found = step(kind="rotated").changed(few, events, FRONT_END, np.random.default_rng(5))
    others = np.setdiff1d(np.arange(57), ANGLES)
    np.testing.assert_array_equal(found[:, others], few[:, others])
    filled = FRONT_END.is_filled(few)[:, ANGLES]
    by = np.where(filled, np.mod(found[:, ANGLES] - few[:, ANGLES], 144), -1)
    lowest = np.where(filled, by, 999).min(axis=1)
    # Rounded each by itself: within one last bit.
    assert (np.where(filled, by, lowest[:, None]) - lowest[:, None]).max() <= 1
    assert len(set(lowest.tolist())) > 100
    assert found[:, ANGLES].min() >= -72 and found[:, ANGLES].max() <= 72


def test_rotated_begins_at_zero_where_the_data_do() -> None:
    front_end = load_front_end(
        {
            "features": {"phi": {"format": "fixed<10,10>", "turn": 144}, "x": {}},
            "format": "fixed<8,8>",
        }
    )
    background = np.column_stack([np.arange(144), np.zeros(144, int)])
    found = step(kind="rotated").changed(
        background, background, front_end, np.random.default_rng(1)
    )
    assert found[:, 0].min() >= 0 and found[:, 0].max() <= 143


def test_smeared_in_the_unit_of_the_field(events: np.ndarray) -> None:
    """0.5 GeV a last bit: a width of 4 GeV is 8 of them; empty slots stay empty."""
    many = np.repeat(events[:1], 4000, axis=0)
    many[:, 0] = 400
    smeared = step(kind="smeared", fields=["met.pt"], absolute=4.0)
    found = smeared.changed(many, events, FRONT_END, np.random.default_rng(2))
    assert np.std(found[:, 0]) == pytest.approx(8, rel=0.05)
    np.testing.assert_array_equal(found[:, 1:], many[:, 1:])
    smeared = step(kind="smeared", relative=0.1)
    found = smeared.changed(events, events, FRONT_END, np.random.default_rng(2))
    assert not FRONT_END.is_filled(found)[~FRONT_END.is_filled(events)].any()
    hard = (events[:, 0] > 50) & (found[:, 0] > 0)
    assert np.std(found[hard, 0] / events[hard, 0]) == pytest.approx(0.1, rel=0.05)


def test_smeared_angle_comes_back_at_the_other_end() -> None:
    front_end = load_front_end(
        {"features": {"phi": {"format": "fixed<10,10>", "last_bit": "2*pi/144", "turn": 144}}}
    )
    background = np.full((5000, 1), 71)
    background[0] = -72
    smeared = step(kind="smeared", fields=["phi"], absolute=0.2)
    found = smeared.changed(background, background, front_end, np.random.default_rng(2))[1:, 0]
    assert (
        found.min() >= -72
        and found.max() <= 71
        and (found < 0).mean() == pytest.approx(0.45, abs=0.05)
    )


def test_masked(events: np.ndarray) -> None:
    masked = step(kind="masked", rate=0.25)
    found = masked.changed(events, events, FRONT_END, np.random.default_rng(2))
    gone = (found[:, 0] == 0)[events[:, 0] > 0]
    assert gone.mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(found[found[:, 0] == 0, 1:3], 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "smeared"}, "relative or absolute of 'smeared' must be > 0, got 0 for both"),
        ({"kind": "masked", "rate": 1.0}, "less than 1"),
        ({"kind": "smeared", "absolute": -1.0}, "greater than or equal to 0"),
    ],
)
def test_settings_of_augmentations(content: dict[str, Any], message: str) -> None:
    with pytest.raises((InputError, ValueError), match=message):
        step(**content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"kind": "rotated", "fields": ["jet.pt"]},
            "fields of the augmentation 'rotated' must be angles, with a turn, got 'jet.pt'",
        ),
        (
            {"kind": "smeared", "relative": 0.1, "fields": ["tau.pt"]},
            "fields of the augmentation 'smeared' must name some of met.pt",
        ),
        ({"kind": "masked", "fields": ["tau.pt"]}, "fields of the augmentation 'masked' must name"),
    ],
)
def test_augmentations_of_what_is_not_there(content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        step(**content).check(FRONT_END)


def test_no_angle_to_rotate() -> None:
    with pytest.raises(
        InputError, match="'rotated' must be of a front end with a field that has a"
    ):
        step(kind="rotated").check(small())
