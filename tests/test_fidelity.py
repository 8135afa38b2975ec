"""The fidelity report, and the search for the first difference."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.comparison import Comparison
from hls.proof.divergence import keras_divergence, to_bits, trace_project
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.report.fidelity import layer_errors
from keras_ae import plots
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.mapping import map_batches
from keras_ae.metrics import rate_interval
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import FirmwareSettings

SPEC = ConvolutionalSpec(
    kind="convolutional", image_shape=(4, 4, 1), filters=(2,), hidden_dims=(5,), latent_dim=2
)


@pytest.fixture(scope="module")
def graph_and_images() -> tuple[TriggerGraph, np.ndarray]:
    precision = FixedPoint()
    model = build_autoencoder("variational", SPEC, precision)
    images = stress_events(precision.input, SPEC.image_shape, 500, seed=1)
    scores = ["squared_error", "kl_divergence"]
    return build_trigger_graph(model, scores, (images,), 0.1), images


@pytest.mark.parametrize(
    ("backend", "io_type"),
    [
        pytest.param("Vitis", "io_parallel", marks=pytest.mark.slow),
        ("Vitis", "io_stream"),
        pytest.param("Quartus", "io_parallel", marks=pytest.mark.slow),
        pytest.param("Quartus", "io_stream", marks=pytest.mark.slow),
        pytest.param("Catapult", "io_parallel", marks=pytest.mark.slow),
        pytest.param("Catapult", "io_stream", marks=pytest.mark.slow),
    ],
)
def test_first_divergent_layer_of_the_firmware(
    backend: str, io_type: str, graph_and_images: tuple[TriggerGraph, np.ndarray], tmp_path: Path
) -> None:
    graph, images = graph_and_images
    folder = tmp_path / "firmware"
    settings = FirmwareSettings(backend=backend, io_type=io_type)
    convert_trigger_graph(graph, folder, settings, [images[:20]])
    before = sorted(path.name for path in folder.rglob("*"))

    # What is recorded is what the quantizer behind a layer gives, for every event.
    shapes = {name: grid.shape for name, grid in graph.grids.items()}
    found, expected = trace_project(folder, shapes, (images[:50],)), graph.trace(images[:50])
    assert "latent_mean" in found and "encoder_pool_1" in found
    np.testing.assert_array_equal(found["encoder_conv_1"], expected["encoder_conv_relu_1"])
    np.testing.assert_array_equal(found["latent_log_var"], expected["latent_log_var_format"])
    np.testing.assert_array_equal(found["trigger"], expected["trigger"])

    # A weight of the third hidden unit with the other sign: before that, nothing differs.
    weights = folder / "firmware" / "weights"
    top = (folder / "firmware" / "anomaly_trigger.cpp").read_text()
    number = re.search(r"decoder_dense_1_t, .*, w(\d+), b", top)
    assert number is not None
    # A header is compiled by synthesis; for Quartus, by C-simulation too.
    for path in weights.glob(f"w{number[1]}.*"):
        text = path.read_text()
        opening, end = text.rfind("{") + 1, text.rfind("}") if "}" in text else len(text)
        values = [float(value) for value in text[opening:end].split(",")]
        # The first of its two, which stand together for Quartus.
        values[4 if backend == "Quartus" else 2] *= -1
        path.write_text(text[:opening] + ", ".join(map(str, values)) + text[end:])
    validation = validate_project(graph, folder, {"images": (images[:200],)})
    assert validation.mismatching_bits > 0
    sample, divergence = validation.divergences["firmware"]
    assert (sample, divergence.layer) == ("images", "decoder_dense_1")
    assert divergence.element == (2,)
    assert divergence.event == validation.firmware["images"].first_mismatching_event
    # The format is that of the quantizer behind the layer.
    assert divergence.format == "ufixed<8,4>"
    assert divergence.expected_bits == to_bits(
        divergence.expected, FixedPointFormat.parse("ufixed<8,4>")
    )
    assert "keras" not in validation.divergences
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_where_keras_rounds() -> None:
    wide = FixedPoint(input="fixed<24,5>", weight="fixed<20,3>", latent="fixed<20,5>")
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=20, hidden_dims=()), wide)
    events = stress_events(wide.input, (20,), 300, seed=1)
    graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
    found = [keras_divergence(graph, i, (events[i : i + 1],)) for i in range(50)]
    layers = {divergence.layer for divergence in found if divergence is not None}
    assert layers and layers <= set(graph.inexact_in_float32)


@pytest.mark.parametrize(
    ("value", "form", "bits"),
    [
        (1.5, "fixed<4,2>", "0110"),
        (-0.25, "fixed<4,2>", "1111"),
        (-2.0, "fixed<4,2>", "1000"),
        (3.0, "ufixed<3,3>", "011"),
    ],
)
def test_bits(value: float, form: str, bits: str) -> None:
    assert to_bits(value, FixedPointFormat.parse(form)) == bits


def test_comparisons_add_up() -> None:
    equal, different = Comparison(10, 0, 0), Comparison(5, 2, 3, first_mismatching_event=1)
    assert equal + different + different == Comparison(20, 4, 6, first_mismatching_event=11)
    assert equal + equal == Comparison(20, 0, 0)


@pytest.mark.slow
def test_parts_of_a_sample_are_one_sample(
    graph_and_images: tuple[TriggerGraph, np.ndarray], tmp_path: Path
) -> None:
    graph, images = graph_and_images
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [images[:20]])
    parts = [("a", (images[:100],)), ("b", (images[100:150],)), ("a", (images[150:],))]
    validation = validate_project(graph, tmp_path / "firmware", iter(parts))
    assert {name: found.events for name, found in validation.firmware.items()} == {
        "a": 450,
        "b": 50,
    }
    expected = graph.evaluate(np.concatenate([images[:100], images[150:]]))
    np.testing.assert_array_equal(validation.outputs["a"].score, expected.score)
    assert validation.events == 500 and validation.mismatching_bits == 0


def test_errors_of_layers() -> None:
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(8,), latent_dim=2)
    in_float = build_autoencoder("plain", spec)
    in_fixed = build_autoencoder("plain", spec, FixedPoint())
    in_fixed.copy_from(in_float)
    x = np.random.default_rng(1).normal(size=(200, 6)).astype(np.float32)
    rounded = FixedPoint().input.quantize(x).astype(np.float32)
    errors = {error.layer: error for error in layer_errors(in_float, in_fixed, (x,), (rounded,))}
    assert list(errors) == [
        "encoder_input_format",
        "encoder_relu_1",
        "latent_mean_format",
        "decoder_input_format",
        "decoder_relu_1",
        "reconstruction_format",
    ]
    first = errors["encoder_input_format"]
    assert first.format == "fixed<8,4>"
    assert first.largest == np.abs(x.astype(np.float64) - rounded).max()
    assert first.largest <= FixedPoint().input.step / 2
    difference = map_batches(in_float.encoder, x) - map_batches(in_fixed.encoder, rounded)
    latent = errors["latent_mean_format"]
    assert latent.largest == pytest.approx(np.abs(difference).max(), rel=1e-6)
    assert latent.rms == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-6)


def test_rate_against_wilsons_formula() -> None:
    passed = np.arange(200) < 3
    rate = rate_interval(passed)
    p, n, z = 3 / 200, 200, 1.959963984540054
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert rate.value == p
    assert (rate.low, rate.high) == pytest.approx((centre - half, centre + half))
    with pytest.raises(InputError, match="passed must"):
        rate_interval(passed[:0])


class TestFigures:
    def test_error_bars(self) -> None:
        figure = plots.layer_error_bars(["a", "b"], [0.5, 0.25], [0.1, 0.05])
        (axes,) = figure.axes
        assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == [0.5, 0.25, 0.1, 0.05]

    def test_scatter(self) -> None:
        scores = {"background": np.linspace(1, 5, 50), "signal": np.linspace(2, 9, 50)}
        figure = plots.score_scatter(scores, scores, threshold=4.0)
        (axes,) = figure.axes
        shown = axes.collections[1].get_offsets()
        np.testing.assert_array_equal(shown[:, 0], scores["signal"])
        assert axes.lines[1].get_ydata()[0] == 4.0

    def test_overlay(self) -> None:
        rng = np.random.default_rng(1)
        level = {name: rng.normal(size=100) for name in ("background", "A", "B", "C")}
        figure = plots.roc_overlay({"float": level, "firmware": level})
        shown = [axes for axes in figure.axes if axes.get_visible()]
        assert [axes.get_title() for axes in shown] == ["A", "B", "C"]
        assert [line.get_label() for line in shown[0].lines] == ["float", "firmware"]

    def test_svg_is_the_same_each_time(self) -> None:
        texts = {plots.svg(plots.layer_error_bars(["a"], [0.5], [0.1])) for _ in range(2)}
        assert len(texts) == 1
        assert texts.pop().startswith("<svg")


class References(HTMLParser):
    """Everything that a page would load, and the text that it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in ("script", "link", "iframe") or "src" in given:
            self.loaded.append(tag)
        link = given.get("xlink:href") or given.get("href") or ""
        if not link.startswith(("#", "data:")) and link:
            self.loaded.append(link)

    def handle_data(self, data: str) -> None:
        self.text += data


def read_page(path: Path) -> References:
    """For the test of the command line, which makes a page."""
    page = References()
    page.feed(path.read_text(encoding="utf-8"))
    return page
