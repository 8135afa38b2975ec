"""The proof itself: C-simulation == quantized Keras, and that the proof can fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

from hls.convert import convert_trigger_graph
from hls.csim import check_weight_files, simulate_project
from hls.settings import FirmwareSettings
from hls.trigger import TriggerOutput, build_trigger_graph, run_trigger_graph
from hls.validate import compare_outputs, stress_events, validate_project
from keras_ae.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.batches import map_batches
from keras_ae.build import build_decoder, build_encoder
from keras_ae.data.scaling import N_FEATURES, HardwareUnits, L1Scaler, ScalingQuantiles
from keras_ae.errors import InputError, ProofError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.likelihoods import MaskedGaussian
from keras_ae.models import Autoencoder, VariationalAutoencoder, build_autoencoder
from keras_ae.precision import FixedPoint, Float, quantizer_format

UNITS = HardwareUnits().format
# With an offset, so that empty slots need their mask.
QUANTILES = ScalingQuantiles(pt_offset=0.1)
SCORES = {"variational": "squared_latent_norm", "plain": "reconstruction_error"}
CASES = [*SCORES.items(), ("variational", "reconstruction_error")]


def make_model(kind: str, precision: FixedPoint | None = None) -> Autoencoder:
    keras.utils.set_random_seed(1)
    spec = ArchitectureSpec(input_dim=N_FEATURES)
    precision = precision or FixedPoint()
    variational = kind == "variational"
    networks = build_encoder(spec, precision, variational), build_decoder(spec, precision)
    model_class = VariationalAutoencoder if variational else Autoencoder
    return model_class(*networks, MaskedGaussian())


def make_graph(
    kind: str, events: np.ndarray, model: Autoencoder | None = None, score: str | None = None
) -> keras.Model:
    scaler = L1Scaler.fit(events, QUANTILES)
    model = model or make_model(kind)
    model.compile(optimizer="adam")
    model.fit(scaler.transform(events), epochs=2, verbose=0)
    return build_trigger_graph(model, scaler, UNITS, score or SCORES[kind], events, 0.01)


@pytest.fixture(scope="module")
def module_events() -> np.ndarray:
    from keras_ae.data.l1 import read_l1_events
    from keras_ae.data.sources import resolve_path

    path = resolve_path("package:l1/background.h5")
    return HardwareUnits().to_integers(read_l1_events(path).objects)


@pytest.fixture(scope="module")
def project(module_events: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A variational trigger graph and its project."""
    graph = make_graph("variational", module_events[:3000])
    folder = tmp_path_factory.mktemp("project") / "firmware"
    convert_trigger_graph(graph, folder, FirmwareSettings())
    return graph, folder


@pytest.mark.parametrize(("kind", "score"), CASES)
def test_every_bit_of_200_000_events(
    kind: str, score: str, module_events: np.ndarray, tmp_path: Path
) -> None:
    graph = make_graph(kind, module_events[:3000], score=score)
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings())
    # Every representable input of a slot, in all slots at once.
    values = np.arange(UNITS.low, UNITS.high + 1).astype(np.int32)
    every_value = np.repeat(values[:, None], N_FEATURES, axis=1)
    n_stress = 200_000 - len(module_events) - len(every_value)
    stress = stress_events(UNITS, N_FEATURES, n_stress, seed=1)
    samples = {"background": module_events, "every value": every_value, "stress": stress}
    validation = validate_project(graph, tmp_path / "firmware", samples)
    assert validation.events == 200_000
    assert validation.mismatching_bits == 0
    assert {c.mismatching_events for c in validation.comparisons.values()} == {0}
    assert 0 < validation.firmware["background"].trigger.mean() < 0.05
    assert validation.firmware["stress"].trigger.any()
    assert_saturated(graph, stress)


def test_rectified_code_of_a_sparse_autoencoder(module_events: np.ndarray, tmp_path: Path) -> None:
    # One layer each way; a code of the unsigned activation format, over-complete.
    spec = ArchitectureSpec(
        input_dim=N_FEATURES, hidden_dims=(), latent_dim=64, latent_activation="relu"
    )
    model = build_autoencoder("sparse", spec, FixedPoint(), likelihood="masked_gaussian")
    graph = make_graph("sparse", module_events[:3000], model, "reconstruction_error")
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings())
    samples = {
        "background": module_events[:20_000],
        "stress": stress_events(UNITS, N_FEATURES, 5000, seed=1),
    }
    validation = validate_project(graph, tmp_path / "firmware", samples)
    assert (validation.events, validation.mismatching_bits) == (25_000, 0)
    code = map_batches(
        model.encoder, L1Scaler.fit(module_events, QUANTILES).transform(module_events[:1000])
    )
    assert code.min() == 0 < code.max()


def assert_saturated(graph: keras.Model, integers: np.ndarray) -> None:
    """Every quantizer of the graph must reach the upper end of its format, and the lower one."""
    quantizers = [layer for layer in graph.layers if layer.name.endswith("_format")]
    quantizers += [layer for layer in graph.layers if "_relu_" in layer.name]
    probe = keras.Model(graph.inputs, [layer.output for layer in quantizers])
    for layer, found in zip(quantizers, map_batches(probe, integers), strict=True):
        form = quantizer_format(layer.activation)
        assert found.max() == form.high, layer.name
        assert found.min() == form.low, layer.name


@pytest.mark.parametrize(("kind", "score"), CASES)
def test_graph_equals_the_autoencoder_itself(
    kind: str, score: str, module_events: np.ndarray
) -> None:
    # Not only graph == firmware: the graph is the model, its scaler and its score.
    events = module_events[:3000]
    model = make_model(kind)
    graph = make_graph(kind, events, model, score)
    x = FixedPoint().input.quantize(L1Scaler.fit(events, QUANTILES).transform(events))
    found = run_trigger_graph(graph, events).score
    # The model sums in float32.
    np.testing.assert_allclose(found, model.score(x, score), rtol=1e-6)


def test_threshold_passes_the_target_rate(module_events: np.ndarray, project: tuple) -> None:
    graph, _ = project
    rate = run_trigger_graph(graph, module_events[:3000]).trigger.mean()
    assert 0 < rate <= 0.01


def test_masked_score_ignores_empty_slots(module_events: np.ndarray) -> None:
    graph = make_graph("plain", module_events[:3000])
    probe = keras.Model(
        graph.inputs, [graph.get_layer("input_and_reconstruction").output, graph.outputs[0]]
    )
    pair, score = map_batches(probe, module_events[:500])
    x, y = pair[:, :N_FEATURES], pair[:, N_FEATURES:]
    np.testing.assert_array_equal(score[:, 0], np.where(x != 0, (x - y) ** 2, 0).sum(axis=1))


class TestTheProofCanFail:
    @pytest.fixture
    def copy(self, project: tuple, tmp_path: Path) -> tuple[keras.Model, Path]:
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
        self, copy: tuple[keras.Model, Path], module_events: np.ndarray
    ) -> None:
        graph, folder = copy
        step = FixedPoint().weight.step
        weights = max(folder.glob("firmware/weights/w*.txt"), key=lambda p: p.stat().st_size)
        self.flip_lowest_bit(weights, step)
        self.flip_lowest_bit(weights.with_suffix(".h"), step, opening="{")
        validation = validate_project(graph, folder, {"background": module_events[:5000]})
        assert validation.mismatching_bits > 0
        first = validation.comparisons["background"].first_mismatching_event
        assert first is not None and first >= 0

    def test_weights_that_only_synthesis_would_see(
        self, copy: tuple[keras.Model, Path], module_events: np.ndarray
    ) -> None:
        graph, folder = copy
        header = max(folder.glob("firmware/weights/w*.h"), key=lambda p: p.stat().st_size)
        self.flip_lowest_bit(header, FixedPoint().weight.step, opening="{")
        with pytest.raises(ProofError, match=r"must hold the same weights, but differ"):
            validate_project(graph, folder, {"background": module_events[:10]})

    def test_threshold_off_by_one_lsb(
        self, project: tuple, module_events: np.ndarray, tmp_path: Path
    ) -> None:
        graph, _ = project
        config = graph.get_config()
        decision = graph.get_layer("trigger")
        for layer in config["layers"]:
            if layer["name"] == "trigger":
                layer["config"]["threshold"] -= decision.input_format.step
        other = keras.Model.from_config(config)
        other.set_weights(graph.get_weights())
        convert_trigger_graph(other, tmp_path / "firmware", FirmwareSettings())
        # An event exactly at the threshold is there: it was set on one of these.
        validation = validate_project(
            graph, tmp_path / "firmware", {"background": module_events[:3000]}
        )
        assert 0 < validation.mismatching_bits < 100

    def test_comparison_counts_bits(self) -> None:
        form = FixedPointFormat.parse("ufixed<8,4>")
        expected = TriggerOutput(np.array([1.0, 2.0, 3.0]), np.array([False, True, False]))
        found = TriggerOutput(
            np.array([1.0, 2.0 + 3 * form.step, 3.0 + form.step / 4]),
            np.array([False, False, False]),
        )
        comparison = compare_outputs(expected, found, form)
        assert (comparison.events, comparison.mismatching_events) == (3, 2)
        # Two score bits and the trigger bit of the second; the third is off the grid.
        assert comparison.mismatching_bits == 2 + 1 + 1
        assert comparison.first_mismatching_event == 1


def test_the_projects_own_bench_gives_the_expected_outputs(
    project: tuple, module_events: np.ndarray, tmp_path: Path
) -> None:
    graph, _ = project
    folder = tmp_path / "firmware"
    convert_trigger_graph(graph, folder, FirmwareSettings(), module_events[:300])
    command = ["g++", "-std=c++17", "-O1", "-w", "-Ifirmware/ap_types"]
    command += [f'-DWEIGHTS_DIR="{folder}/firmware/weights"', "-o", "bench"]
    command += ["anomaly_trigger_test.cpp", "firmware/anomaly_trigger.cpp"]
    subprocess.run(command, cwd=folder, check=True)
    subprocess.run(["./bench"], cwd=folder, check=True, capture_output=True)
    # The bench writes score and trigger on lines of their own, in six digits.
    found = np.loadtxt(folder / "tb_data" / "csim_results.log").reshape(-1, 2)
    expected = np.loadtxt(folder / "tb_data" / "tb_output_predictions.dat")
    assert len(expected) == 300
    np.testing.assert_array_equal(found[:, 1], expected[:, 1])
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-5)


def test_project_is_complete_and_replaced_as_a_whole(
    project: tuple, module_events: np.ndarray, tmp_path: Path
) -> None:
    graph, _ = project
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "stale").touch()
    convert_trigger_graph(
        graph, folder, FirmwareSettings(part="xcvu9p-flga2104-2L-e", clock_ns=2.5)
    )
    assert not (folder / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]
    assert "writing-" not in (folder / "hls4ml_config.yml").read_text()
    script = (folder / "project.tcl").read_text() + (folder / "build_prj.tcl").read_text()
    assert "xcvu9p-flga2104-2L-e" in script and "2.5" in script
    check_weight_files(folder)


@pytest.mark.parametrize("strategy", ["resource", "distributed_arithmetic"])
@pytest.mark.slow
def test_other_strategies_are_exact(
    project: tuple, module_events: np.ndarray, tmp_path: Path, strategy: str
) -> None:
    graph, _ = project
    convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(strategy=strategy))
    samples = {"background": module_events[:20_000]}
    assert validate_project(graph, tmp_path / "firmware", samples).mismatching_bits == 0


class TestRefusals:
    def test_no_compiler(
        self, project: tuple, module_events: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(InputError, match=r"g\+\+ must be on PATH for C-simulation"):
            simulate_project(project[1], module_events[:1])

    def test_project_that_does_not_compile(
        self, project: tuple, module_events: np.ndarray, tmp_path: Path
    ) -> None:
        shutil.copytree(project[1], tmp_path / "firmware")
        (tmp_path / "firmware" / "firmware" / "defines.h").write_text("broken")
        with pytest.raises(InputError, match=r"must compile with g\+\+, got: .*defines.h"):
            simulate_project(tmp_path / "firmware", module_events[:1])

    def test_wrong_feature_count(self, project: tuple, module_events: np.ndarray) -> None:
        with pytest.raises(InputError, match=r"must have shape \(events, 57\), got \(1, 56\)"):
            simulate_project(project[1], module_events[:1, :56])

    def test_no_project(self, module_events: np.ndarray, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="HLS project not found: "):
            simulate_project(tmp_path, module_events[:1])

    def test_float_model(self, module_events: np.ndarray) -> None:
        spec = ArchitectureSpec(input_dim=N_FEATURES)
        model = Autoencoder(build_encoder(spec, Float()), build_decoder(spec, Float()))
        scaler = L1Scaler.fit(module_events[:100], QUANTILES)
        with pytest.raises(InputError, match="quantizer must be quantized_bits"):
            build_trigger_graph(
                model, scaler, UNITS, "reconstruction_error", module_events[:100], 0.1
            )

    def test_unknown_score(self, module_events: np.ndarray) -> None:
        scaler = L1Scaler.fit(module_events[:100], QUANTILES)
        with pytest.raises(InputError, match="score in firmware must be one of squared_latent"):
            build_trigger_graph(
                make_model("variational"), scaler, UNITS, "kl_divergence", module_events[:100], 0.1
            )

    @pytest.mark.parametrize(
        ("objective", "options", "message"),
        [
            (
                "plain",
                {"image_shape": (8, 8, 1), "filters": (2,), "upsampling": "transpose"},
                "layer 'decoder_conv_1' must not be a QConv2DTranspose: hls4ml has no transposed",
            ),
            ("plain", {"image_shape": (8, 8, 1), "filters": (2,)}, "must belong to a dense auto"),
            ("conditional_variational", {"condition_dim": 3}, "'encoder_with_condition' must bel"),
        ],
    )
    def test_layers_without_a_place_in_firmware(
        self,
        module_events: np.ndarray,
        objective: str,
        options: dict[str, object],
        message: str,
    ) -> None:
        spec = (
            ConvolutionalSpec(kind="convolutional", **options)
            if "filters" in options
            else ArchitectureSpec(input_dim=N_FEATURES, **options)
        )
        model = build_autoencoder(objective, spec, FixedPoint())
        scaler = L1Scaler.fit(module_events[:100], QUANTILES)
        with pytest.raises(InputError, match=message):
            build_trigger_graph(
                model, scaler, UNITS, "reconstruction_error", module_events[:100], 0.1
            )

    def test_sums_too_wide_for_float32(self, module_events: np.ndarray) -> None:
        wide = FixedPoint(weight="fixed<16,2>", input="fixed<16,4>")
        scaler = L1Scaler.fit(module_events[:100], QUANTILES)
        with pytest.raises(
            InputError, match=r"sums in layer 'encoder_dense_1' must stay within 2\^24 units"
        ):
            build_trigger_graph(
                make_model("variational", wide),
                scaler,
                UNITS,
                "squared_latent_norm",
                module_events[:100],
                0.1,
            )

    def test_dense_layer_too_large_to_unroll(self, module_events: np.ndarray) -> None:
        keras.utils.set_random_seed(1)
        spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(80,))
        model = VariationalAutoencoder(
            build_encoder(spec, FixedPoint(), True), build_decoder(spec, FixedPoint())
        )
        scaler = L1Scaler.fit(module_events[:100], QUANTILES)
        graph = build_trigger_graph(
            model, scaler, UNITS, "squared_latent_norm", module_events[:100], 0.1
        )
        with pytest.raises(InputError, match="weights of layer 'encoder_dense_1' must be <= 4096"):
            convert_trigger_graph(graph, Path("never"), FirmwareSettings())

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"part": "ep4ce6"}, "part must start with one of xc7a, .*, got 'ep4ce6'"),
            ({"io_type": "io_serial"}, "Input should be 'io_parallel'"),
            ({"clock_ns": 0.0}, "greater than 0"),
            ({"clock": 5.0}, "Extra inputs are not permitted"),
        ],
    )
    def test_settings(self, settings: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            FirmwareSettings(**settings)
