"""The proof itself: C-simulation == exact reference == quantized Keras, and that it can fail."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from trigger_objects import N_FEATURES, PORT_FORMAT, fitted_scaler, hardware_of

from hls.cpp.constants import check_copies
from hls.cpp.convert import convert_trigger_graph
from hls.cpp.csim import Simulation
from hls.graph.build import build_trigger_graph
from hls.graph.interface import read_interface
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from hls.proof.comparison import HardwareValues, compare_outputs
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.errors import InputError, ProofError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.input_view import ScalingQuantiles
from keras_ae.mapping import map_batches
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.networks import build_decoder, build_encoder
from keras_ae.precision import FixedPoint, Float, quantizer_format
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import FirmwareSettings

UNITS = PORT_FORMAT
# With an offset, so that empty slots need their mask.
QUANTILES = ScalingQuantiles(pt_offset=0.1)
SCORES = {"variational": "squared_latent_norm", "plain": "reconstruction_error"}
CASES = [
    ("variational", SCORES["variational"]),
    pytest.param("plain", SCORES["plain"], marks=pytest.mark.slow),
    pytest.param("variational", "reconstruction_error", marks=pytest.mark.slow),
]
ALL_SCORES = (
    "kl_divergence",
    "normalized_latent_norm",
    "squared_latent_norm",
    "reconstruction_error",
    "squared_error",
    "masked_squared_error",
    "absolute_error",
)


def make_model(kind: str, precision: FixedPoint | None = None) -> Autoencoder:
    keras.utils.set_random_seed(1)
    spec = ArchitectureSpec(input_dim=N_FEATURES)
    return build_autoencoder(kind, spec, precision or FixedPoint(), likelihood="masked_gaussian")


def make_graph(
    kind: str,
    events: np.ndarray,
    model: Autoencoder | None = None,
    scores: Sequence[str] | None = None,
    threshold_input: bool = False,
) -> TriggerGraph:
    scaler = fitted_scaler(events, QUANTILES)
    model = model or make_model(kind)
    model.compile(optimizer="adam")
    model.fit(scaler.transform(events), epochs=2, verbose=0)
    scores = scores or [SCORES[kind]]
    return build_trigger_graph(model, scores, (events,), 0.01, scaler, UNITS, threshold_input)


def convert(graph: TriggerGraph, folder: Path, inputs: HardwareValues, **settings: object) -> None:
    bench = [part[:200] for part in graph.with_threshold(inputs)]
    convert_trigger_graph(graph, folder, FirmwareSettings(**settings), bench)


@pytest.fixture(scope="module")
def module_events() -> np.ndarray:
    from keras_ae.data.l1 import read_l1_events
    from keras_ae.data.source import resolve_path

    path = resolve_path("package:l1/background.h5")
    return hardware_of(read_l1_events(path, 40_000).objects)


@pytest.fixture(scope="module")
def project(module_events: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A variational trigger graph and its project."""
    graph = make_graph("variational", module_events[:3000])
    folder = tmp_path_factory.mktemp("project") / "firmware"
    convert(graph, folder, (module_events,))
    return graph, folder


@pytest.mark.parametrize(("kind", "score"), CASES)
def test_every_bit_of_200_000_events(
    kind: str, score: str, module_events: np.ndarray, tmp_path: Path
) -> None:
    graph = make_graph(kind, module_events[:3000], scores=[score])
    convert(graph, tmp_path / "firmware", (module_events,))
    # Every representable input of a slot, in all slots at once.
    values = np.arange(UNITS.low, UNITS.high + 1).astype(np.int32)
    every_value = np.repeat(values[:, None], N_FEATURES, axis=1)
    n_stress = 200_000 - len(module_events) - len(every_value)
    stress = stress_events(UNITS, (N_FEATURES,), n_stress, seed=1)
    samples = {"background": module_events, "every value": every_value, "stress": stress}
    validation = validate_project(
        graph, tmp_path / "firmware", {name: (sample,) for name, sample in samples.items()}
    )
    assert validation.events == 200_000
    assert validation.mismatching_bits == 0
    assert {c.mismatching_events for c in validation.firmware.values()} == {0}
    # Keras is exact here, too, and was compared.
    assert validation.inexact_layers == ()
    assert {c.mismatching_events for c in validation.keras.values()} == {0}
    assert validation.bench.events == 200 and validation.bench.mismatching_events == 0
    assert 0 < validation.outputs["background"].trigger.mean() < 0.05
    assert validation.outputs["stress"].trigger.any()
    assert_saturated(graph, stress)


@pytest.mark.parametrize(
    ("io_type", "threshold"),
    [
        ("io_parallel", "constant"),
        pytest.param("io_stream", "input", marks=pytest.mark.slow),
    ],
)
def test_all_scores_at_once(
    io_type: str, threshold: str, module_events: np.ndarray, tmp_path: Path
) -> None:
    events = module_events[:3000]
    graph = make_graph("variational", events, None, ALL_SCORES, threshold == "input")
    convert(graph, tmp_path / "firmware", (events,), io_type=io_type)
    stress = stress_events(UNITS, (N_FEATURES,), 3000, seed=1)
    samples = {"background": (events,), "stress": (stress,)}
    samples = {name: graph.with_threshold(values) for name, values in samples.items()}
    if threshold == "input":
        # Other thresholds than the calibrated one.
        form = graph.layer("threshold").form
        samples["any threshold"] = (events, stress_events(form, (1,), len(events), seed=2))
        assert graph.interface.inputs[-1].name == "threshold"
    validation = validate_project(graph, tmp_path / "firmware", samples)
    assert validation.mismatching_bits == 0
    assert tuple(validation.outputs["background"].scores) == ALL_SCORES
    for name, output in validation.outputs.items():
        assert 0 < output.trigger.mean() < 1, name


@pytest.mark.parametrize(
    "io_type", ["io_parallel", pytest.param("io_stream", marks=pytest.mark.slow)]
)
def test_condition_as_second_input(io_type: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(8,), latent_dim=2, condition_dim=2)
    precision = FixedPoint()
    model = build_autoencoder("conditional_variational", spec, precision)
    inputs = tuple(stress_events(precision.input, (n,), 2000, seed=n) for n in (6, 2))
    graph = build_trigger_graph(model, ["squared_error", "kl_divergence"], inputs, 0.1)
    convert(graph, tmp_path / "firmware", inputs, io_type=io_type)
    validation = validate_project(graph, tmp_path / "firmware", {"stress": inputs})
    assert (validation.events, validation.mismatching_bits) == (2000, 0)
    # The condition counts.
    other = graph.evaluate(inputs[0], precision.input.quantize(-inputs[1]))
    assert (other.score != validation.reference["stress"].score).any()


@pytest.mark.parametrize(
    ("io_type", "likelihood"),
    [
        pytest.param("io_parallel", "gaussian", marks=pytest.mark.slow),
        pytest.param("io_stream", "bernoulli", marks=pytest.mark.slow),
    ],
)
def test_images(io_type: str, likelihood: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    spec = ConvolutionalSpec(
        kind="convolutional",
        image_shape=(4, 8, 1),
        filters=(3, 2),
        kernel_size=3,
        hidden_dims=(6,),
        latent_dim=2,
    )
    precision = FixedPoint(input="fixed<6,1>", reconstruction="fixed<8,4>")
    model = build_autoencoder("plain", spec, precision, likelihood=likelihood)
    images = np.abs(stress_events(precision.input, (4, 8, 1), 1500, seed=1))
    images = precision.input.quantize(images)
    scores = ["reconstruction_error", "absolute_error", "squared_latent_norm"]
    graph = build_trigger_graph(model, scores, (images,), 0.1)
    convert(graph, tmp_path / "firmware", (images,), io_type=io_type)
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (images,)})
    assert (validation.events, validation.mismatching_bits) == (1500, 0)
    # A table errs by its bound in each pixel.
    expected = model.score(images, "absolute_error")
    bound = 32 * 2.0**-6 if likelihood == "bernoulli" else 1e-4
    found = validation.reference["stress"].scores["absolute_error"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@pytest.mark.slow
def test_rectified_code_of_a_sparse_autoencoder(module_events: np.ndarray, tmp_path: Path) -> None:
    # One layer each way; a code of the unsigned activation format, over-complete.
    spec = ArchitectureSpec(
        input_dim=N_FEATURES, hidden_dims=(), latent_dim=64, latent_activation="relu"
    )
    model = build_autoencoder("sparse", spec, FixedPoint(), likelihood="masked_gaussian")
    graph = make_graph("sparse", module_events[:3000], model, ["reconstruction_error"])
    convert(graph, tmp_path / "firmware", (module_events,))
    samples = {
        "background": (module_events[:20_000],),
        "stress": (stress_events(UNITS, (N_FEATURES,), 5000, seed=1),),
    }
    validation = validate_project(graph, tmp_path / "firmware", samples)
    assert (validation.events, validation.mismatching_bits) == (25_000, 0)
    code = map_batches(
        model.encoder, fitted_scaler(module_events, QUANTILES).transform(module_events[:1000])
    )
    assert code.min() == 0 < code.max()


def assert_saturated(graph: TriggerGraph, integers: np.ndarray) -> None:
    """Every quantizer of the graph must reach the upper end of its format, and the lower one."""
    names = [layer.name for layer in graph.layers if layer.name.endswith("_format")]
    names += [layer.name for layer in graph.layers if "_relu_" in layer.name]
    for name, found in graph.in_keras(integers, layers=names).items():
        layer = graph.keras_model.get_layer(name)
        form = quantizer_format(layer.activation)
        assert found.max() == form.high, layer.name
        assert found.min() == form.low, layer.name


def test_graph_equals_the_autoencoder_itself(module_events: np.ndarray) -> None:
    # Not only graph == firmware: the graph is the model, its scaler and its scores.
    events = module_events[:3000]
    model = make_model("variational")
    graph = make_graph("variational", events, model, ALL_SCORES)
    x = FixedPoint().input.quantize(fitted_scaler(events, QUANTILES).transform(events))
    found = graph.evaluate(events).scores
    expected = model.scores(x)
    log_var = map_batches(model.encoder, x.astype(np.float32))[1]
    for name in ALL_SCORES:
        # The model sums in float32; a table errs by 1/64 in each of the three entries.
        bound = np.full(len(events), 1e-5 * expected[name].max())
        if name == "kl_divergence":
            bound += 3 / 64 / 2
        if name == "normalized_latent_norm":
            bound += (model.encode(x) ** 2).sum(axis=1) / 64
        assert (np.abs(found[name] - expected[name]) <= bound).all(), name
    assert log_var.std() > 0


def test_threshold_passes_the_target_rate(module_events: np.ndarray, project: tuple) -> None:
    graph, _ = project
    rate = graph.evaluate(module_events[:3000]).trigger.mean()
    assert 0 < rate <= 0.01


@pytest.mark.slow
def test_wide_formats_round_in_keras_not_in_firmware(
    module_events: np.ndarray, tmp_path: Path
) -> None:
    wide = FixedPoint(
        input="fixed<20,5>",
        weight="fixed<18,3>",
        bias="fixed<18,3>",
        activation="ufixed<18,5>",
        latent="fixed<18,5>",
    )
    model = make_model("variational", wide)
    graph = make_graph("variational", module_events[:3000], model)
    convert(graph, tmp_path / "firmware", (module_events,))
    validation = validate_project(
        graph, tmp_path / "firmware", {"background": (module_events[:5000],)}
    )
    assert validation.mismatching_bits == 0
    assert validation.firmware["background"].mismatching_events == 0
    assert "encoder_dense_2" in validation.inexact_layers
    assert validation.keras["background"].mismatching_events > 0


class TestTheProofCanFail:
    @pytest.fixture
    def copy(self, project: tuple, tmp_path: Path) -> tuple[TriggerGraph, Path]:
        graph, folder = project
        shutil.copytree(folder, tmp_path / "firmware")
        return graph, tmp_path / "firmware"

    def flip_lowest_bit(self, path: Path, step: float, opening: str = "") -> None:
        """Of the largest weight in a text file or in the initializer of a header."""
        text = path.read_text()
        start = text.index(opening) + len(opening)
        end = text.index("}", start) if opening else len(text)
        weights = [float(value) for value in text[start:end].split(",")]
        index = int(np.argmax(np.abs(weights)))
        weights[index] += step if round(weights[index] / step) % 2 == 0 else -step
        path.write_text(text[:start] + ", ".join(f"{w:.12f}" for w in weights) + text[end:])

    def test_one_flipped_weight_bit(
        self, copy: tuple[TriggerGraph, Path], module_events: np.ndarray
    ) -> None:
        graph, folder = copy
        step = FixedPoint().weight.step
        weights = max(folder.glob("firmware/weights/w*.txt"), key=lambda p: p.stat().st_size)
        self.flip_lowest_bit(weights, step)
        self.flip_lowest_bit(weights.with_suffix(".h"), step, opening="{")
        validation = validate_project(graph, folder, {"background": (module_events[:5000],)})
        assert validation.mismatching_bits > 0
        first = validation.firmware["background"].first_mismatching_event
        assert first is not None and first >= 0
        assert validation.keras["background"].mismatching_bits == 0

    @pytest.mark.slow
    def test_another_score(
        self, copy: tuple[TriggerGraph, Path], module_events: np.ndarray
    ) -> None:
        graph, folder = copy
        # Of the same tensor, and of as many bits.
        top = folder / "firmware" / "anomaly_trigger.cpp"
        text = top.read_text()
        assert text.count("nnet::squared_norm") == 1
        top.write_text(text.replace("nnet::squared_norm", "nnet::absolute_norm"))
        header = folder / "firmware" / "nnet_utils" / "nnet_trigger.h"
        header.write_text(
            header.read_text().replace(
                "// x^2 w",
                "struct absolute_norm { template <class x_T, class sum_T> static void add(x_T x, "
                "sum_T &sum) { if (x < 0) sum -= x; else sum += x; } };\n// x^2 w",
            )
        )
        validation = validate_project(graph, folder, {"background": (module_events[:1000],)})
        assert validation.mismatching_bits > 0

    def test_weights_that_only_synthesis_would_see(
        self, copy: tuple[TriggerGraph, Path], module_events: np.ndarray
    ) -> None:
        graph, folder = copy
        header = max(folder.glob("firmware/weights/w*.h"), key=lambda p: p.stat().st_size)
        self.flip_lowest_bit(header, FixedPoint().weight.step, opening="{")
        with pytest.raises(ProofError, match=r"must hold the same weights, but differ"):
            validate_project(graph, folder, {"background": (module_events[:10],)})

    @pytest.mark.slow
    def test_weight_file_that_the_program_misses(
        self, copy: tuple[TriggerGraph, Path], module_events: np.ndarray
    ) -> None:
        # hls4ml's loader ends the process: not this one.
        _, folder = copy
        weights = max(folder.glob("firmware/weights/w*.txt"), key=lambda p: p.stat().st_size)
        weights.unlink()
        message = r"simulation must end with 0, got 1: ERROR: file .*w"
        with Simulation(folder) as simulation, pytest.raises(ProofError, match=message):
            simulation.run(module_events[:10])

    @pytest.mark.slow
    def test_threshold_off_by_one_lsb(
        self, project: tuple, module_events: np.ndarray, tmp_path: Path
    ) -> None:
        graph, _ = project
        lower = graph.threshold - graph.decision.input_formats[0].step
        decision = dataclasses.replace(graph.decision, threshold=lower)
        nodes = [*graph.nodes[:-1], dataclasses.replace(graph.nodes[-1], layer=decision)]
        other = TriggerGraph.of(nodes, graph.input_names, graph.output_names)
        convert(other, tmp_path / "firmware", (module_events,))
        # An event exactly at the threshold is there: it was set on one of these.
        validation = validate_project(
            graph, tmp_path / "firmware", {"background": (module_events[:3000],)}
        )
        assert 0 < validation.mismatching_bits < 100

    def test_other_ports(self, project: tuple, module_events: np.ndarray, tmp_path: Path) -> None:
        graph, _ = project
        other = make_graph("plain", module_events[:3000])
        convert(other, tmp_path / "firmware", (module_events,))
        with pytest.raises(ProofError, match="must have the ports of its trigger graph"):
            validate_project(graph, tmp_path / "firmware", {"background": (module_events[:10],)})

    def test_comparison_counts_bits(self) -> None:
        forms = {name: FixedPointFormat.parse("ufixed<8,4>") for name in ("a", "b")}
        step = forms["a"].step
        expected = TriggerOutput(
            {"a": np.array([1.0, 2.0, 3.0]), "b": np.zeros(3)},
            {"trigger_tight": np.zeros(3, bool), "trigger": np.array([False, True, False])},
        )
        found = TriggerOutput(
            {"a": np.array([1.0, 2.0 + 3 * step, 3.0 + step / 4]), "b": np.array([step, 0, 0])},
            {"trigger_tight": np.array([True, False, False]), "trigger": np.zeros(3, bool)},
        )
        comparison = compare_outputs(expected, found, forms)
        assert (comparison.events, comparison.mismatching_events) == (3, 3)
        # A bit of the other score and one of the other threshold; two score bits and the trigger
        # bit; the third is off the grid.
        assert comparison.mismatching_bits == 2 + 2 + 1 + 1
        assert comparison.first_mismatching_event == 0

    def test_sign_is_one_bit_of_its_port(self) -> None:
        # 0 and -1 LSB differ in each of the eight bits, but in no more.
        form = FixedPointFormat.parse("fixed<8,4>")
        zero, minus_one = (
            TriggerOutput({"a": np.array([value])}, {"trigger": np.array([False])})
            for value in (0.0, -form.step)
        )
        assert compare_outputs(zero, minus_one, {"a": form}).mismatching_bits == 8


def test_the_projects_own_bench_gives_every_bit(project: tuple, module_events: np.ndarray) -> None:
    graph, folder = project
    with Simulation(folder) as simulation:
        found = simulation.run_bench()
    expected = graph.evaluate(module_events[:200])
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.trigger, expected.trigger)
    written = np.loadtxt(folder / "tb_data" / "tb_output_predictions.dat")
    np.testing.assert_array_equal(written, np.stack([expected.score, expected.trigger], axis=1))


def test_project_is_complete_and_replaced_as_a_whole(
    project: tuple, module_events: np.ndarray, tmp_path: Path
) -> None:
    graph, _ = project
    folder = tmp_path / "firmware"
    folder.mkdir()
    # Of a project before.
    for name in ("interface.json", "stale"):
        (folder / name).touch()
    convert(graph, folder, (module_events,), part="xcvu9p-flga2104-2L-e", clock_ns=2.5)
    assert not (folder / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]
    assert "writing-" not in (folder / "hls4ml_config.yml").read_text()
    script = (folder / "project.tcl").read_text() + (folder / "build_prj.tcl").read_text()
    assert "xcvu9p-flga2104-2L-e" in script and "2.5" in script
    check_copies(folder)
    interface = read_interface(folder)
    assert [(port.name, port.format, port.n_values) for port in interface.inputs] == [
        ("objects", "fixed<13,13>", 57)
    ]
    assert [port.name for port in interface.outputs] == ["squared_latent_norm", "trigger"]
    # The types of the C++ hold what the interface states.
    score = interface.outputs[0]
    assert f"ap_{score.format} squared_latent_norm_t" in (
        (folder / "firmware" / "defines.h").read_text()
    )


@pytest.mark.parametrize("strategy", ["resource", "distributed_arithmetic"])
@pytest.mark.slow
def test_other_strategies_are_exact(
    project: tuple, module_events: np.ndarray, tmp_path: Path, strategy: str
) -> None:
    graph, _ = project
    convert(graph, tmp_path / "firmware", (module_events,), strategy=strategy)
    samples = {"background": (module_events[:20_000],)}
    assert validate_project(graph, tmp_path / "firmware", samples).mismatching_bits == 0


class TestRefusals:
    def build(self, model: Autoencoder, score: str, events: np.ndarray) -> TriggerGraph:
        scaler = fitted_scaler(events, QUANTILES)
        return build_trigger_graph(model, [score], (events,), 0.1, scaler, UNITS)

    def test_no_compiler(
        self, project: tuple, module_events: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(InputError, match=r"g\+\+ must be on PATH for simulation"):
            Simulation(project[1])

    def test_project_that_does_not_compile(
        self, project: tuple, module_events: np.ndarray, tmp_path: Path
    ) -> None:
        shutil.copytree(project[1], tmp_path / "firmware")
        (tmp_path / "firmware" / "firmware" / "defines.h").write_text("broken")
        with pytest.raises(ProofError, match=r"must compile with g\+\+, got: .*defines.h"):
            Simulation(tmp_path / "firmware")

    def test_wrong_feature_count(self, project: tuple, module_events: np.ndarray) -> None:
        message = r"input 'objects' must be numbers of shape \(events, 57\), got .*\(1, 56\)"
        with Simulation(project[1]) as simulation, pytest.raises(InputError, match=message):
            simulation.run(module_events[:1, :56])

    def test_no_project(self, module_events: np.ndarray, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="project not found: "):
            Simulation(tmp_path)

    def test_float_model(self, module_events: np.ndarray) -> None:
        spec = ArchitectureSpec(input_dim=N_FEATURES)
        model = Autoencoder(build_encoder(spec, Float()), build_decoder(spec, Float()))
        with pytest.raises(InputError, match="weights must be quantized, got Dense; make a qu"):
            self.build(model, "reconstruction_error", module_events[:100])

    @pytest.mark.parametrize(
        ("kind", "score"), [("variational", "negative_elbo"), ("plain", "kl_divergence")]
    )
    def test_unknown_score(self, module_events: np.ndarray, kind: str, score: str) -> None:
        with pytest.raises(InputError, match=f"score of .* in firmware must be .*, got '{score}'"):
            self.build(make_model(kind), score, module_events[:100])

    def test_layer_without_a_place_in_firmware(self) -> None:
        spec = ConvolutionalSpec(
            kind="convolutional", image_shape=(8, 8, 1), filters=(2,), upsampling="transpose"
        )
        model = build_autoencoder("plain", spec, FixedPoint())
        images = np.zeros((100, 8, 8, 1))
        with pytest.raises(
            InputError,
            match="layer 'decoder_conv_1': kind must be .*got QConv2DTranspose; hls4ml has no",
        ):
            build_trigger_graph(model, ["squared_error"], (images,), 0.1)

    def test_sums_too_wide_for_float64(self, module_events: np.ndarray) -> None:
        wide = FixedPoint(
            weight="fixed<30,2>",
            bias="fixed<30,2>",
            activation="ufixed<30,4>",
            latent="fixed<30,4>",
        )
        with pytest.raises(
            InputError, match=r"layer 'encoder_dense_2': sums must stay within 2\^53 units"
        ):
            self.build(make_model("variational", wide), "squared_latent_norm", module_events[:100])

    def test_dense_layer_too_large_to_unroll(self, module_events: np.ndarray) -> None:
        keras.utils.set_random_seed(1)
        spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(80,))
        model = build_autoencoder("variational", spec, FixedPoint())
        graph = self.build(model, "squared_latent_norm", module_events[:100])
        with pytest.raises(InputError, match="layer 'encoder_dense_1': weights must be <= 4096"):
            convert_trigger_graph(graph, Path("never"), FirmwareSettings(), [module_events[:1]])

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"part": "ep4ce6"}, "part must start with one of xc7a, .*, got 'ep4ce6'"),
            # Each means something to Tcl, make, a shell, C++, Verilog or VHDL.
            *(
                (
                    {"part": f"xcvu13p{character}x"},
                    "part must be of letters, digits, '-', '_' and '.'",
                )
                for character in "[]{}()$`\"'\\;|&<>#!?*~^%@=+,:/ \n\t\0é"
            ),
            ({"io_type": "io_serial"}, "Input should be 'io_parallel' or 'io_stream'"),
            ({"threshold": "later"}, "Input should be 'constant' or 'input'"),
            ({"table_error": 0.0}, "greater than 0"),
            (
                {"strategy": "distributed_arithmetic", "reuse_factor": 2},
                "reuse_factor must be 1 for strategy 'distributed_arithmetic'.*, got 2",
            ),
            ({"clock_ns": 0.0}, "greater than 0"),
            ({"clock": 5.0}, "Extra inputs are not permitted"),
        ],
    )
    def test_settings(self, settings: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            FirmwareSettings(**settings)


def test_keras_and_reference_agree_without_a_project(module_events: np.ndarray) -> None:
    graph = make_graph("plain", module_events[:3000])
    expected, found = (
        graph.evaluate(module_events),
        graph.evaluate_in_keras(module_events),
    )
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.trigger, expected.trigger)
