"""The linter: each rule refuses, and without it something would go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import qkeras

import hls.cpp.convert
from hls.cpp.convert import convert_trigger_graph
from hls.cpp.linter import check_model
from hls.cpp.rules import check_graph
from hls.graph.build import build_score_graph, build_trigger_graph
from hls.graph.keras_form import exact_layer, exact_layers
from hls.graph.keras_layers import HardwareInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.lookup_table import LookupTable
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.refusal import Refusal, require_none
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.errors import InputError, ProofError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import FirmwareSettings

FORMAT = FixedPointFormat(8, 4)
Layers = Callable[[Any], Any]


def quantizer(bits: int, integer: int, name: str, **options: Any) -> keras.Layer:
    options = {"keep_negative": True, "alpha": 1, **options}
    return qkeras.QActivation(qkeras.quantized_bits(bits, integer, **options), name=name)


def dense(units: int, name: str, **options: Any) -> keras.Layer:
    weights = qkeras.quantized_bits(6, 1, keep_negative=True, alpha=1)
    options = {"kernel_quantizer": weights, "bias_quantizer": weights, **options}
    return qkeras.QDense(units, name=name, **options)


def trigger(layers: Layers, shape: tuple[int, ...] = (4,)) -> TriggerGraph:
    """The graph of `trigger_model`."""
    return TriggerGraph.from_keras(trigger_model(layers, shape))


def trigger_model(layers: Layers, shape: tuple[int, ...] = (4,)) -> keras.Model:
    """hardware input -> quantizer -> `layers` -> quantizer -> squared norm -> decision."""
    keras.utils.set_random_seed(1)
    inputs = HardwareInput(shape, str(FORMAT), name="objects").output
    x = layers(quantizer(8, 3, "input_format")(inputs))
    x = keras.layers.Flatten(name="flat")(x) if len(x.shape) > 2 else x
    score = SquaredNorm(input_formats=["fixed<8,4>"], name="score")(quantizer(8, 3, "last")(x))
    form = "ufixed<30,20>"
    decision = AboveThreshold(1.0, input_formats=[form], name="trigger")(score)
    return keras.Model([inputs], [score, decision])


def found(graph: LayerGraph, **settings: Any) -> list[tuple[str, str]]:
    return [(r.layer, str(r)) for r in check_graph(graph, FirmwareSettings(**settings))]


@pytest.mark.parametrize(
    ("layer", "rule"),
    [
        (
            lambda: keras.layers.UpSampling2D(2, interpolation="bilinear", name="x"),
            "interpolation must be 'nearest', got 'bilinear'",
        ),
        (
            lambda: keras.layers.Flatten(data_format="channels_first", name="x"),
            "data_format must be 'channels_last', got 'channels_first'",
        ),
    ],
)
def test_options_that_the_reference_would_ignore(layer: Callable[[], Any], rule: str) -> None:
    made = layer()
    x = np.arange(16, dtype=np.float32).reshape(1, 2, 4, 2)
    in_keras = np.asarray(made(x))
    with pytest.raises(Refusal, match=f"layer 'x': {rule}"):
        exact_layer(made)
    # What the reference would give.
    plain = type(made)(**({"size": 2} if "Up" in type(made).__name__ else {}))
    assert (np.asarray(plain(x)) != in_keras).any()


def test_what_a_refusal_says() -> None:
    refusal = Refusal("dense_1", "weights must be <= 4096", 5000, "choose 'resource'")
    assert str(refusal) == "layer 'dense_1': weights must be <= 4096, got 5000; choose 'resource'"
    with pytest.raises(Refusal, match="dense_1"):
        require_none([refusal])
    with pytest.raises(InputError, match=r"'dense_1': .* \(and 1 more, see keras-ae check\)"):
        require_none([refusal, refusal])
    require_none([])


@pytest.mark.parametrize("kind", ["plain", "variational"])
def test_nothing_to_refuse(kind: str) -> None:
    model = build_autoencoder(kind, ArchitectureSpec(input_dim=6), FixedPoint())
    assert check_model(model, ["squared_error"], FirmwareSettings()) == []


class TestArithmetic:
    """Layers without an exact form."""

    @pytest.mark.parametrize(
        "options", [{"symmetric": 1}, {"qnoise_factor": 0.5}, {"alpha": "auto_po2"}]
    )
    def test_quantizer_options(self, options: dict[str, Any]) -> None:
        layer = quantizer(4, 1, "q", **options)
        layer(keras.Input((1,)))
        with pytest.raises(Refusal, match="layer 'q': quantizer of its output must be quantized_b"):
            exact_layer(layer)
        # Another function than the format of as many bits.
        x = np.linspace(-5, 5, 201, dtype=np.float32)[:, None]
        assert (np.asarray(layer(x)) != FixedPointFormat(4, 2).quantize(x)).any()

    def test_one_bit_with_a_sign(self) -> None:
        layer = quantizer(1, 0, "q")
        layer(keras.Input((1,)))
        with pytest.raises(Refusal, match="must be quantized_bits of at least 2 bits"):
            exact_layer(layer)
        # -1 and 0 are what one bit with a sign can hold.
        assert set(np.asarray(layer(np.float32([[-0.3], [0.3]]))).ravel()) == {-1.0, 1.0}

    def test_activation_without_exact_form(self) -> None:
        layer = qkeras.QActivation(qkeras.quantized_tanh(4, use_real_tanh=True), name="q")
        layer(keras.Input((1,)))
        with pytest.raises(Refusal, match="layer 'q': quantizer of its output"):
            exact_layer(layer)

    def test_weights_with_a_scale(self) -> None:
        layer = dense(2, "d", kernel_quantizer=qkeras.quantized_bits(4, 0, alpha="auto"))
        layer(keras.Input((3,)))
        with pytest.raises(Refusal, match="layer 'd': quantizer of its kernel must be"):
            exact_layer(layer)
        kernel = np.asarray(layer.kernel_quantizer_internal(layer.kernel))
        assert (FixedPointFormat(4, 1).quantize(kernel) != kernel).any()

    def test_activation_inside_a_layer(self) -> None:
        layer = dense(2, "d", activation=qkeras.quantized_relu(6, 2))
        layer(keras.Input((3,)))
        with pytest.raises(Refusal, match="'d': a layer must become one layer .*, got 2 of QDense"):
            exact_layer(layer)
        weights, rectifier = exact_layers(layer)
        assert (weights.name, rectifier.name) == ("d_linear", "d")
        # The product alone is negative where the layer is not.
        x = stress_events(FORMAT, (3,), 100, seed=1)
        assert weights.exact(x).min() < 0 <= np.asarray(layer(x)).min()
        np.testing.assert_array_equal(rectifier.exact(weights.exact(x)), np.asarray(layer(x)))

    @pytest.mark.parametrize(
        ("options", "rule"),
        [
            ({"padding": "same", "dilation_rate": 2}, r"dilation_rate must be \(1, 1\)"),
        ],
    )
    def test_convolution_options(self, options: dict[str, Any], rule: str) -> None:
        weights = qkeras.quantized_bits(6, 1, keep_negative=True, alpha=1)
        layer = qkeras.QConv2D(
            2, 3, kernel_quantizer=weights, bias_quantizer=weights, name="c", **options
        )
        layer(keras.Input((6, 6, 1)))
        with pytest.raises(Refusal, match=f"layer 'c': {rule}"):
            exact_layer(layer)

    def test_layers_of_another_kind(self) -> None:
        layer = keras.layers.Softmax(name="x")
        layer(keras.Input((3,)))
        message = "layer 'x': kind must be one of .*QDense.*, got Softmax; build it of these"
        with pytest.raises(Refusal, match=message):
            exact_layer(layer)

    def test_sums_beyond_float64(self) -> None:
        weights = qkeras.quantized_bits(32, 0, keep_negative=True, alpha=1)
        wide = dense(1, "wide", kernel_quantizer=weights, bias_quantizer=weights)
        inputs = HardwareInput((2,), "fixed<32,1>", name="objects").output
        score = SquaredNorm(input_formats=["fixed<32,1>"], name="score")
        graph = keras.Model(inputs, score(wide(quantizer(32, 0, "input_format")(inputs))))
        with pytest.raises(Refusal, match=r"layer '\w+': sums must stay within 2\^53 units"):
            LayerGraph.from_keras(graph)
        # float64 rounds there.
        x = np.array([1 - 2.0**-31, 2.0**-31])
        exact = sum(Fraction(value) ** 2 for value in x)
        assert Fraction(float(x @ x)) != exact


def test_missing_input_quantizer() -> None:
    encoder_input, decoder_input = keras.Input((4,), name="x"), keras.Input((2,), name="z")
    encoder = keras.Model(encoder_input, quantizer(8, 3, "q")(dense(2, "d")(encoder_input)))
    decoder = keras.Model(decoder_input, quantizer(8, 3, "r")(dense(4, "e")(decoder_input)))
    model = Autoencoder(encoder, decoder)
    refusals = check_model(model, ["squared_error"], FirmwareSettings())
    # What the decoder takes is the code, in the code's format.
    assert [str(refusal) for refusal in refusals] == [
        "layer 'x': the format of an input must be known, got no quantizer behind it; "
        "put a QActivation there, or give input_formats"
    ]
    # Keras computes with bits that the hardware does not have.
    x = np.random.default_rng(1).normal(size=(100, 4)).astype(np.float32)
    rounded = FORMAT.quantize(x).astype(np.float32)
    assert (np.asarray(encoder(x)) != np.asarray(encoder(rounded))).any()


def hand_made(**names: str) -> Autoencoder:
    """4 -> 2 -> 4; `names` of some of its quantizers are others."""

    def named(name: str, bits: int = 8) -> keras.Layer:
        return quantizer(bits, 3, names.get(name, name))

    x, z = keras.Input((4,), name="x"), keras.Input((2,), name="z")
    code = dense(2, "latent_mean")(named("encoder_input_format")(x))
    encoder = keras.Model(x, named("latent_mean_format")(code))
    reconstruction = dense(4, names.get("dense", "reconstruction"))(
        named("decoder_input_format", 7 if "coarse" in names else 8)(z)
    )
    return Autoencoder(encoder, keras.Model(z, named("reconstruction_format")(reconstruction)))


def test_networks_made_by_hand() -> None:
    # What their layers are called does not matter, nor whether both call one alike.
    x = stress_events(FORMAT, (4,), 500, seed=1)
    scores = ["squared_error", "squared_latent_norm"]
    expected = build_score_graph(with_weights(hand_made()), scores).outputs(x)
    for names in (
        {"encoder_input_format": "a", "latent_mean_format": "b", "reconstruction_format": "c"},
        {"dense": "latent_mean"},
        {"dense": "objects"},
        {"dense": "squared_error"},
        {"dense": "trigger"},
    ):
        model = with_weights(hand_made(**names))
        assert check_model(model, scores, FirmwareSettings()) == []
        found = build_score_graph(model, scores).outputs(x)
        for score in scores:
            np.testing.assert_array_equal(found[score], expected[score])


def with_weights(model: Autoencoder) -> Autoencoder:
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("dense-1", "must be one of C++"),
        ("1st", "must be one of C++"),
        ("float", "must be one of C++"),
        ("w2", "must not be hls4ml's own"),
        ("layer3_out", "must not be hls4ml's own"),
        ("error", "'error_t' must not be a type of C"),
        ("off", "'off_t' must not be a type of C"),
        ("config2", "must not be hls4ml's own"),
        ("Last", "must differ not in upper and lower case alone"),
    ],
)
def test_names_in_cpp(name: str, rule: str) -> None:
    refusals = found(trigger(lambda x: dense(3, name)(x)))
    assert len(refusals) == 1 and rule in refusals[0][1]
    assert found(trigger(lambda x: dense(3, "fine_2")(x))) == []


@pytest.mark.parametrize("name", ["dense-1", pytest.param("float", marks=pytest.mark.slow)])
def test_names_that_do_not_compile(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls.cpp.convert, "check_graph", lambda *_: [])
    graph, events = trigger(lambda x: dense(3, name)(x)), stress_events(FORMAT, (4,), 20, seed=1)
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [events])
    with pytest.raises(ProofError, match="must compile with"):
        validate_project(graph, tmp_path / "firmware", {"stress": (events,)})


def test_layer_that_is_called_twice() -> None:
    def twice(x: Any) -> Any:
        layer = dense(4, "d")
        return layer(quantizer(8, 3, "q")(layer(x)))

    # The reference would know the first call alone.
    message = "layer 'd': a layer must be called once, got 2 calls; make a layer for each"
    with pytest.raises(Refusal, match=message):
        trigger(twice)


def test_decoder_that_rounds_the_code_once_more() -> None:
    model = with_weights(hand_made(coarse=""))
    assert check_model(model, ["squared_error"], FirmwareSettings()) == []
    x = stress_events(FORMAT, (4,), 200, seed=1)
    graph = build_score_graph(model, ["squared_error"])
    found = model.scores(x.astype("float32"))["squared_error"]
    np.testing.assert_array_equal(graph.outputs(x)["squared_error"].ravel(), found)
    # Where it finds the code in its format, nothing is there to round.
    names = [layer.name for layer in graph.layers]
    assert "decoder_input_format" in names
    fine = build_score_graph(hand_made(), ["squared_error"])
    assert "decoder_input_format" not in [layer.name for layer in fine.layers]


def test_every_fault_is_found() -> None:
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=6))
    names = [r.layer for r in check_model(model, ["squared_error"], FirmwareSettings())]
    # In float, no weight is exact; a rectifier is.
    assert {"encoder_dense_1", "encoder_dense_2", "latent_mean", "reconstruction"} <= set(names)
    assert "encoder_relu_1" not in names


def test_transposed_convolution() -> None:
    spec = ConvolutionalSpec(
        kind="convolutional",
        image_shape=(4, 4, 1),
        filters=(2,),
        upsampling="transpose",
        latent_dim=2,
    )
    model = build_autoencoder("plain", spec, FixedPoint())
    (refusal,) = check_model(model, ["squared_error"], FirmwareSettings())
    assert refusal.layer == "decoder_conv_1" and "use upsampling 'upsample'" in refusal.remedy


def graph_input(x: Any) -> Any:
    return keras.layers.UpSampling2D(33, name="u")(x)


@pytest.mark.parametrize("name", ["in", "e"])
def test_ports_that_are_variables_of_the_bench(name: str) -> None:
    inputs = HardwareInput((4,), str(FORMAT), name=name).output
    graph = LayerGraph.from_keras(keras.Model(inputs, quantizer(8, 3, "q")(inputs)))
    assert [(layer, "must not be hls4ml's own" in text) for layer, text in found(graph)] == [
        (name, True)
    ]


def test_an_input_that_is_given_out() -> None:
    inputs = HardwareInput((1,), str(FORMAT), name="score").output
    decision = AboveThreshold(1.0, input_formats=[str(FORMAT)], name="trigger")(inputs)
    graph = TriggerGraph.from_keras(keras.Model(inputs, [inputs, decision]))
    ((name, message),) = found(graph)
    assert (name, message) == (
        "score",
        "layer 'score': an input must not be an output, too, got both; let a layer stand between",
    )


class TestSynthesis:
    def test_unrolled_weights(self, tmp_path: Path) -> None:
        graph = trigger(lambda x: dense(1025, "d")(x))
        message = (
            "layer 'd': weights must be <= 4096 for strategy 'latency', got 4100; choose "
            "firmware.strategy 'resource' or 'distributed_arithmetic'"
        )
        assert found(graph) == [("d", message)]
        assert found(graph, strategy="resource") == []
        with pytest.raises(Refusal, match="layer 'd': weights must be"):
            convert_trigger_graph(
                graph, tmp_path / "firmware", FirmwareSettings(), [np.zeros((1, 4))]
            )
        assert not (tmp_path / "firmware").exists()

    def test_weights_of_convolutions_count(self) -> None:
        weights = qkeras.quantized_bits(6, 1, keep_negative=True, alpha=1)
        conv = qkeras.QConv2D(
            457, 3, padding="same", kernel_quantizer=weights, bias_quantizer=weights, name="c"
        )
        assert "got 4113" in found(trigger(conv, (2, 2, 1)), io_type="io_stream")[0][1]

    def test_arrays_of_registers(self, tmp_path: Path) -> None:
        graph = trigger(lambda x: keras.layers.UpSampling2D(33, name="u")(x), (2, 2, 1))
        refusals = found(graph)
        assert refusals[0] == (
            "u",
            "layer 'u': values of an event must be <= 4096 for io_type 'io_parallel', got 4356; "
            "choose firmware.io_type 'io_stream'",
        )
        assert found(graph, io_type="io_stream") == []
        # In streams, too, a dense layer holds its inputs in registers.
        flat = trigger(lambda x: dense(1, "d")(keras.layers.Flatten()(graph_input(x))), (2, 2, 1))
        (refusal,) = found(flat, io_type="io_stream", strategy="resource")
        assert "inputs and outputs of a dense layer must be <= 4096, got 4356" in refusal[1]
        # The limit that the emitted project sets for what HLS may part into registers.
        small = trigger(lambda x: dense(2, "d")(x))
        convert_trigger_graph(small, tmp_path / "firmware", FirmwareSettings(), [np.zeros((1, 4))])
        assert "set maximum_size 4096" in (tmp_path / "firmware" / "project.tcl").read_text()


@pytest.mark.parametrize("backend", ["Quartus", "Catapult"])
@pytest.mark.slow
def test_averages_in_ac_types(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = trigger(lambda x: keras.layers.AveragePooling2D(2, name="pool")(x), (4, 4, 1))
    assert found(graph) == []
    message = (
        f"layer 'pool': pooling must be by maximum for backend {backend}, got a mean; choose "
        "pooling 'max' or backend Vitis"
    )
    assert found(graph, backend=backend) == [("pool", message)]
    # hls4ml's mean has no more bits than a pixel.
    monkeypatch.setattr(hls.cpp.convert, "check_graph", lambda *_: [])
    events = stress_events(FORMAT, (4, 4, 1), 500, seed=1)
    settings = FirmwareSettings(backend=backend)
    convert_trigger_graph(graph, tmp_path / "firmware", settings, [events[:10]])
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (events,)})
    assert validation.firmware["stress"].mismatching_events > 0
    assert validation.divergences["firmware"][1].layer == "pool"


class TestTables:
    def test_argument(self) -> None:
        spec, wide = ArchitectureSpec(input_dim=6), FixedPoint(latent="fixed<13,4>")
        model = build_autoencoder("variational", spec, wide)
        (refusal,) = check_model(model, ["kl_divergence"], FirmwareSettings())
        assert refusal.layer == "kl_divergence_table"
        assert "must have at most 12 bits, got fixed<13,4>" in str(refusal)
        assert check_model(model, ["squared_latent_norm"], FirmwareSettings()) == []

    def test_error(self) -> None:
        model = build_autoencoder("variational", ArchitectureSpec(input_dim=6), FixedPoint())
        coarse = FirmwareSettings(table_error=0.5)
        (refusal,) = check_model(model, ["kl_divergence"], coarse)
        assert str(refusal) == (
            "layer 'kl_divergence_table': error of a table must be <= 0.0625, got 0.5; lower "
            "firmware.table_error"
        )
        # Where most latent dimensions of a trained VAE lie, the term would vanish.
        table = LookupTable("exp(x)-1-x", 0.5, input_formats=["fixed<8,4>"])
        x = np.arange(-1.0, 0.8, 2.0**-4)[:, None]
        assert not table.exact(x).any() and (np.expm1(x) - x).max() > 0.3


def test_formats_without_fraction_are_exact(tmp_path: Path) -> None:
    # Not refused: coarse, but the same function.
    formats = {"input": "fixed<5,5>", "weight": "fixed<3,4>", "bias": "fixed<4,6>"}
    precision = FixedPoint(**formats, activation="ufixed<4,6>", latent="fixed<6,8>")
    model = build_autoencoder("plain", ArchitectureSpec(input_dim=6, hidden_dims=(8,)), precision)
    assert check_model(model, ["squared_latent_norm"], FirmwareSettings()) == []

    events = stress_events(precision.input, (6,), 2000, seed=1)
    graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [events[:10]])
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (events,)})
    assert validation.mismatching_bits == 0 and validation.inexact_layers == ()
    np.testing.assert_array_equal(
        graph.evaluate_in_keras(events).score, graph.evaluate(events).score
    )
    assert math.log2(validation.reference["stress"].score.max()) > 2
