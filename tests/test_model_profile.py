"""Ranges of a model's tensors, by NumPy; the formats that are proposed, and the figure."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_ae
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.twins.formats import TwinFormats
from keras_ae.twins.profile import Profile, profile_model
from keras_ae.twins.tensor_profile import TensorProfile
from keras_ae.twins.twin import fixed_point_twin

KERNEL_1 = np.array([[0.5, -1.25, 0.0], [2.0, 0.125, -0.75]], np.float32)
BIAS_1 = np.array([0.25, 0.0, -0.5], np.float32)
KERNEL_2 = np.array([[0.01], [-0.6], [3.0]], np.float32)
X = np.random.default_rng(2).normal(0, 2, (200, 2)).astype("float32")


def by_hand() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((2,), name="x"),
            layers.Dense(3, name="d"),
            layers.BatchNormalization(name="n"),
            layers.ReLU(name="r"),
            layers.Dense(1, use_bias=False, name="out"),
        ]
    )
    model.set_weights(
        [
            *(KERNEL_1, BIAS_1),
            *(np.full(3, part, "float32") for part in (2.0, 0.5, 0.25, 1 - 1e-3)),
            KERNEL_2,
        ]
    )
    return model


def tensors() -> dict[str, np.ndarray]:
    """The same in NumPy, in float64."""
    scale = 2 / np.sqrt(np.float64(np.float32(1 - 1e-3)) + 1e-3)
    kernel, bias = KERNEL_1 * scale, (BIAS_1 - 0.25) * scale + 0.5
    normalized = X @ kernel + bias
    rectified = np.maximum(normalized, 0)
    return {
        **{"x": X, "d.weight": kernel, "d.bias": bias, "n": normalized, "r": rectified},
        **{"out.weight": KERNEL_2, "out": rectified @ KERNEL_2},
    }


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_model(by_hand(), X)


def test_every_tensor_is_there(profile: Profile) -> None:
    expected = tensors()
    assert [tensor.name for tensor in profile.tensors] == list(expected)
    for name, values in expected.items():
        found = profile[name]
        np.testing.assert_allclose(found.values, np.sort(values, axis=None), rtol=1e-5, atol=1e-6)
        magnitudes = np.abs(values)
        assert found.low == pytest.approx(values.min(), abs=1e-6)
        assert found.high == pytest.approx(values.max(), rel=1e-6)
        assert found.zeros == np.mean(values == 0)
        assert found.smallest == pytest.approx(magnitudes[magnitudes > 0].min(), rel=1e-3)
        for share in (0.5, 0.9, 1.0):
            rank = int(np.ceil(share * values.size)) - 1
            ordered = np.sort(magnitudes, axis=None)
            assert found.quantile(share) == pytest.approx(ordered[rank], rel=1e-5)
    assert profile["r"].zeros > 0.1
    with pytest.raises(InputError, match="^tensor must be one of x, d.weight, d.bias, n, .*'y'$"):
        profile["y"]


@pytest.mark.parametrize("text", ["fixed<6,3>", "fixed<4,1>", "fixed<3,-1>", "ufixed<5,2>"])
@pytest.mark.parametrize("name", ["x", "n", "r", "out", "out.weight"])
def test_shares(profile: Profile, name: str, text: str) -> None:
    form, tensor = FixedPointFormat.parse(text), profile[name]
    steps = np.rint(tensor.values.astype("float64") / form.step)
    n_steps = 2**form.width
    first = -n_steps // 2 if form.signed else 0
    outside = (steps < first) | (steps >= first + n_steps)
    assert tensor.saturated(form) == outside.mean()
    assert tensor.to_zero(form) == np.mean((steps == 0) & (tensor.values != 0))


def of(*values: float, **options: Any) -> TensorProfile:
    return TensorProfile("t", "weight", np.sort(np.array(values, np.float32)), **options)


@pytest.mark.parametrize(
    ("values", "last_bit", "smallest"),
    [
        ((0.0, 0.75, -3.0), 0.25, 0.75),
        ((-6.0, 0.0, 4.0), 2.0, 4.0),
        ((0.0, 0.0), 0.0, 0.0),
        ((1.0, 1 + 2.0**-23), 2.0**-23, 1.0),
        ((2.0**-140,), 2.0**-140, 2.0**-140),
    ],
)
def test_last_bit(values: tuple[float, ...], last_bit: float, smallest: float) -> None:
    assert of(*values).last_bit == last_bit
    assert of(*values).smallest == smallest


@pytest.mark.parametrize(
    ("values", "width", "unsigned", "text"),
    [
        ((-1.0, 0.5), 8, False, "fixed<8,1>"),
        ((-0.5, 0.25), 8, False, "fixed<8,0>"),
        ((-2.0,), 4, False, "fixed<4,2>"),
        # 2 - 2^-7 is the largest of fixed<8,2>, and 2 - 2^-8 rounds to 2 by half to even.
        ((1.984375,), 8, False, "fixed<8,2>"),
        ((1.9921875,), 8, False, "fixed<8,3>"),
        ((2.0,), 8, False, "fixed<8,3>"),
        ((0.0, 3.0), 4, True, "ufixed<4,2>"),
        ((-0.1, 3.0), 4, True, "fixed<4,3>"),
        ((0.0, 3.9375), 4, True, "ufixed<4,3>"),
        ((0.01,), 6, False, "fixed<6,-5>"),
        ((0.0,), 6, False, "fixed<6,1>"),
        ((0.0,), 6, True, "ufixed<6,0>"),
        ((1000.0,), 4, True, "ufixed<4,11>"),
    ],
)
def test_fitting_format(values: tuple[float, ...], width: int, unsigned: bool, text: str) -> None:
    tensor = of(*values, may_be_unsigned=unsigned)
    found = tensor.fitting(width)
    assert str(found) == text
    assert tensor.saturated(found) == 0


def test_a_fitting_format_is_the_finest() -> None:
    rng = np.random.default_rng(4)
    for scale in np.exp(rng.uniform(-8, 8, 60)):
        tensor = of(*rng.normal(0, scale, 5))
        form = tensor.fitting(5)
        assert tensor.saturated(form) == 0
        assert tensor.saturated(FixedPointFormat(5, form.integer - 1)) > 0


def test_what_is_above_a_quantile_may_saturate() -> None:
    values = np.concatenate([np.linspace(-1.9, 1.9, 99), [100.0]])
    tensor = of(*values)
    assert str(tensor.fitting(8, 0.99)) == "fixed<8,2>"
    assert tensor.saturated(tensor.fitting(8, 0.99)) == 0.01
    assert str(tensor.fitting(8, 1.0)) == "fixed<8,8>"


def test_proposed_formats_fit_the_model(profile: Profile) -> None:
    formats = profile.propose(10, weight=6, bias=7, quantile=0.95)
    assert formats.inputs["x"].width == 10
    own = formats.layers
    assert {name: layer.given for name, layer in own.items()} == {
        "d": ("weight", "bias"),
        "r": ("activation",),
        "out": ("weight", "activation"),
    }
    weight, bias = own["d"].weight, own["d"].bias
    assert weight and bias and own["r"].activation
    # The largest weight is 2 times 2; biases are 0.5, 0 and -1.
    assert (str(weight), str(bias)) == ("fixed<6,4>", "fixed<7,1>")
    assert str(own["r"].activation).startswith("ufixed<10,")
    for name in ("x", "r", "out"):
        form = profile.formats(formats)[name]
        assert form is not None
        assert profile[name].saturated(form) <= 0.05
    assert profile["d.weight"].saturated(weight) == 0


def test_the_twin_of_proposed_formats_is_near_the_model(profile: Profile) -> None:
    model = by_hand()
    expected = np.asarray(model(X))
    errors = [
        np.abs(np.asarray(fixed_point_twin(model, profile.propose(width))(X)) - expected).max()
        for width in (6, 10, 14)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]
    assert errors[2] < 0.05


def test_table(profile: Profile) -> None:
    formats = TwinFormats(
        input="fixed<4,2>", weight="fixed<4,2>", activation="ufixed<4,2>", output="fixed<5,3>"
    )
    header, line, *rows = profile.table(formats).split("\n")
    cells = {row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ") for row in rows}
    assert list(cells) == list(tensors())
    assert len({len(row.split("|")) for row in (header, line, *rows)}) == 1
    columns = header.strip("| ").split(" | ")
    found = dict(zip(columns, cells["x"], strict=True))
    form = FixedPointFormat(4, 2)
    assert found["format"] == "fixed<4,2>"
    assert found["smallest"] == f"{X.min():.3g}"
    assert found["saturates"] == f"{100 * profile['x'].saturated(form):.3g} %"
    assert found["to zero"] == f"{100 * profile['x'].to_zero(form):.3g} %"
    assert dict(zip(columns, cells["n"], strict=True))["format"] == "-"
    assert dict(zip(columns, cells["d.weight"], strict=True))["zeros"] == "16.7 %"
    # The proposed ones by default.
    assert profile.table() == profile.table(profile.propose())


def test_figure(profile: Profile) -> None:
    formats = profile.propose(6)
    (axes,) = profile.plot(formats).axes
    names = list(tensors())
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    bars = {round(bar.get_y() + bar.get_height() / 2): bar for bar in axes.patches}
    for place, name in enumerate(names):
        form = profile.formats(formats)[name]
        if form is None:
            assert place not in bars
            continue
        ends = bars[place].get_x(), bars[place].get_x() + bars[place].get_width()
        assert 2.0 ** ends[0] == form.step
        assert 2.0 ** ends[1] == form.high + form.step
    lines = axes.collections[0].get_segments()
    for name, segment in zip(names, lines, strict=True):
        largest = np.abs(profile[name].values).max()
        assert 2.0 ** segment[:, 0] == pytest.approx([profile[name].smallest, largest])
    medians = axes.lines[0].get_xdata()
    for name, median in zip(names, medians, strict=True):
        expected = profile[name].quantile(0.5)
        assert 2.0**median == pytest.approx(expected) if expected else np.isnan(median)


def test_several_inputs_and_batches() -> None:
    x, y = keras.Input((2,), name="x"), keras.Input((3, 2), name="y")
    pooled = layers.GlobalMaxPooling1D(name="pooled")(y)
    model = keras.Model([x, y], layers.Subtract(name="out")([x, pooled]))
    rng = np.random.default_rng(5)
    samples = rng.normal(size=(9000, 2)), rng.normal(size=(9000, 3, 2))
    found = profile_model(model, *samples)["out"].values
    expected = samples[0].astype("float32") - samples[1].astype("float32").max(axis=1)
    np.testing.assert_array_equal(found, np.sort(expected, axis=None))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((), "samples must be one array for each of the inputs x, got 0"),
        ((X[:, :1],), r"sample of input 'x' must have shape \(events, 2\), got \(200, 1\)"),
        ((X[:0],), "x must hold at least one event, got 0"),
        ((X * np.nan,), "sample of input 'x': every value must be finite"),
    ],
)
def test_samples_that_do_not_fit(samples: tuple[np.ndarray, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        profile_model(by_hand(), *samples)


def test_samples_of_other_events() -> None:
    x, y = keras.Input((2,), name="x"), keras.Input((2,), name="y")
    model = keras.Model([x, y], layers.Add()([x, y]))
    with pytest.raises(InputError, match=r"^samples must be of the same events, got \[199, 200\]"):
        profile_model(model, X, X[1:])


def test_options_that_there_are_not(profile: Profile) -> None:
    with pytest.raises(InputError, match="^widths must be of input, weight, bias, .*'latent'"):
        profile.propose(latent=3)
    with pytest.raises(InputError, match="^width must be 2 to 32 bits, got 1"):
        profile.propose(1)
    with pytest.raises(InputError, match="^bias must be 2 to 32 bits, got 2.5"):
        profile.propose(bias=2.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^quantile must be within \(0, 1\], got 0"):
        profile.propose(quantile=0)
    with pytest.raises(InputError, match="^formats.layers must name one of"):
        profile.table(TwinFormats(layers={"y": {"bias": "fixed<8,2>"}}))


def test_public_name() -> None:
    assert keras_ae.profile_model is profile_model
