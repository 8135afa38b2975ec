"""Formats of single layers: what is built, down to the bits of firmware and RTL, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from test_random_designs import merged

from hls import cli
from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.write import plan_rtl
from keras_ae.errors import InputError
from keras_ae.experiment_models import build_fixed_point_model
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import ScoringModel, build_autoencoder, build_student
from keras_ae.precision import FixedPoint, Float, quantizer_format, weight_formats
from keras_ae.quantization import quantize_model
from keras_ae.runs import create_run
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.experiment import Experiment, dump_experiment, load_experiment
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.training import train

SPEC = ArchitectureSpec(input_dim=5, hidden_dims=(4, 3), latent_dim=2)
OTHERS = FixedPoint(input="fixed<6,3>")
LAYERS = {
    "encoder_dense_1": {"weight": "fixed<3,1>"},
    "encoder_relu_1": {"activation": "ufixed<4,3>"},
    "encoder_dense_2": {"weight": "fixed<11,3>", "bias": "fixed<5,2>"},
    "latent_mean": {"bias": "fixed<12,4>"},
    "decoder_relu_2": {"activation": "ufixed<10,2>"},
    "reconstruction": {"weight": "fixed<4,2>"},
}
PRECISION = FixedPoint(input="fixed<6,3>", layers=LAYERS)


def formats_of(model: ScoringModel) -> dict[str, list[str]]:
    """Of weights, or of the output, by the name of each layer that has any."""
    found = {}
    for network in model.networks:
        for layer in network.layers:
            if hasattr(layer, "kernel"):
                found[layer.name] = [str(form) for form in weight_formats(layer)]
            elif hasattr(layer, "activation"):
                found[layer.name] = [str(quantizer_format(layer.activation))]
    return found


def with_random_weights(model: ScoringModel) -> ScoringModel:
    """Over the whole range of their formats and beyond."""
    rng = np.random.default_rng(1)
    for network in model.networks:
        for layer in (layer for layer in network.layers if layer.weights):
            parts = zip(layer.get_weights(), weight_formats(layer), strict=True)
            # As QKeras clips them.
            ends = [max(1.0, form.high) for form in weight_formats(layer)]
            values = [rng.normal(0, form.high, part.shape) for part, form in parts]
            layer.set_weights([np.clip(v, -end, end) for v, end in zip(values, ends, strict=True)])
    return model


def test_only_what_is_named_changes() -> None:
    changed = formats_of(build_autoencoder("plain", SPEC, PRECISION))
    others = formats_of(build_autoencoder("plain", SPEC, OTHERS))
    assert {name: form for name, form in changed.items() if form != others[name]} == {
        "encoder_dense_1": ["fixed<3,1>", "fixed<8,2>"],
        "encoder_relu_1": ["ufixed<4,3>"],
        "encoder_dense_2": ["fixed<11,3>", "fixed<5,2>"],
        "latent_mean": ["fixed<8,2>", "fixed<12,4>"],
        "decoder_relu_2": ["ufixed<10,2>"],
        "reconstruction": ["fixed<4,2>", "fixed<8,2>"],
    }


def test_convolutions() -> None:
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 4, 1), filters=(2,), latent_dim=2, pooling="average"
    )
    for upsampling in ("upsample", "transpose"):
        layers = {
            "encoder_conv_1": {"weight": "fixed<5,2>"},
            "encoder_pool_1_format": {"activation": "ufixed<9,4>"},
            "decoder_conv_1": {"bias": "fixed<5,2>"},
        }
        model = build_autoencoder(
            "plain",
            spec.model_copy(update={"upsampling": upsampling}),
            FixedPoint(layers=layers),
        )
        found = formats_of(model)
        assert found["encoder_conv_1"] == ["fixed<5,2>", "fixed<8,2>"]
        assert found["encoder_conv_relu_1"] == ["ufixed<8,4>"]
        assert found["encoder_pool_1_format"] == ["ufixed<9,4>"]
        assert found["decoder_conv_1"] == ["fixed<8,2>", "fixed<5,2>"]


def test_every_bit_in_firmware(tmp_path: Path) -> None:
    # An autoencoder and a student, compiled as one project of parts that share nothing.
    events = stress_events(PRECISION.input, (5,), 400, seed=1)
    of_encoder = {name: LAYERS[name] for name in list(LAYERS)[:4]}
    precision = FixedPoint(input="fixed<6,3>", layers=of_encoder)
    student = build_student(SPEC.model_copy(update={"latent_dim": 1}), precision)
    models = {
        "squared_error": build_autoencoder("plain", SPEC, PRECISION),
        "student_score": student,
    }
    graphs = [
        build_trigger_graph(with_random_weights(model), [score], (events,), 0.1)
        for score, model in models.items()
    ]
    for graph in graphs:
        dense = graph.layer("encoder_dense_1").weights
        form = FixedPointFormat.parse("fixed<3,1>")
        np.testing.assert_array_equal(dense.kernel, form.quantize(dense.kernel))
        assert len(np.unique(dense.kernel)) > 4
        hidden = graph.grids["encoder_relu_1"]
        assert str(hidden.format) == "ufixed<4,3>"
    whole = merged(graphs)
    convert_trigger_graph(whole, tmp_path / "firmware", FirmwareSettings(), [events[:20]] * 2)
    validation = validate_project(whole, tmp_path / "firmware", {"stress": (events, events)})
    assert validation.is_proved
    scores = validation.outputs["stress"].scores
    for name in ("d0_squared_error", "d1_student_score"):
        assert len(np.unique(scores[name])) > 20


def test_fewer_bits_are_less_logic() -> None:
    events = stress_events(PRECISION.input, (5,), 400, seed=1)
    luts = []
    for layers in ({}, {"encoder_dense_1": {"weight": "fixed<3,2>"}}):
        precision = FixedPoint(input="fixed<6,3>", layers=layers)
        model = build_autoencoder("plain", SPEC, precision, seed=1)
        graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
        luts.append(plan_rtl(graph, levels=8).estimated_lut)
    assert luts[1] < 0.9 * luts[0]


@pytest.mark.filterwarnings("ignore:.*saturate.*:UserWarning")
def test_experiment(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    assert Experiment.model_validate(experiment_content).precision.layers == {}
    experiment_content["precision"]["layers"] = {"latent_mean": {"weight": "fixed<4,2>"}}
    experiment = Experiment.model_validate(experiment_content)
    (tmp_path / "e.yaml").write_text(dump_experiment(experiment), encoding="utf-8")
    assert load_experiment(tmp_path / "e.yaml") == experiment
    model = quantize_model(build_autoencoder("variational", experiment.architecture), experiment)
    assert formats_of(model)["latent_mean"][0] == "fixed<4,2>"
    assert formats_of(model)["latent_log_var"][0] == str(experiment.precision.weight)


def test_saturation_is_that_of_the_layer(experiment_content: dict[str, Any]) -> None:
    experiment_content["precision"]["layers"] = {"latent_mean": {"weight": "fixed<4,-3>"}}
    experiment = Experiment.model_validate(experiment_content)
    model = build_autoencoder("variational", experiment.architecture)
    with pytest.warns(
        UserWarning, match=r"of 24 weights of layer 'latent_mean' saturate in fixed<4,-3>"
    ):
        quantize_model(model, experiment)


class TestRefusals:
    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            (
                {"encoder_dense_3": {"weight": "fixed<4,2>"}},
                "precision.layers must name one of encoder_dense_1, encoder_relu_1, "
                "encoder_dense_2, encoder_relu_2, latent_mean, decoder_dense_1, decoder_relu_1, "
                "decoder_dense_2, decoder_relu_2, reconstruction, got 'encoder_dense_3'",
            ),
            (
                {"encoder_dense_1": {"weight": "fixed<4,2>", "activation": "ufixed<4,2>"}},
                "precision.layers.encoder_dense_1 must have formats of weight and bias alone, got "
                "activation ufixed<4,2>",
            ),
            (
                {"encoder_relu_2": {"bias": "fixed<4,2>"}},
                "precision.layers.encoder_relu_2 must have formats of activation alone, got bias "
                "fixed<4,2>",
            ),
        ],
    )
    def test_what_the_networks_have_not(self, layers: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError) as caught:
            build_autoencoder("plain", SPEC, FixedPoint(layers=layers))
        assert str(caught.value) == message

    def test_codes_have_one_format(self) -> None:
        # Also where a ReLU makes them.
        spec = SPEC.model_copy(update={"latent_activation": "relu"})
        layers = {"latent_mean_format": {"activation": "ufixed<4,2>"}}
        with pytest.raises(InputError, match="must name one of .*, got 'latent_mean_format'"):
            build_autoencoder("plain", spec, FixedPoint(layers=layers))

    def test_a_student_has_no_decoder(self) -> None:
        precision = FixedPoint(layers={"reconstruction": {"weight": "fixed<4,2>"}})
        spec = SPEC.model_copy(update={"latent_dim": 1})
        with pytest.raises(InputError) as caught:
            build_student(spec, precision)
        assert str(caught.value) == (
            "precision.layers must name one of encoder_dense_1, encoder_relu_1, encoder_dense_2, "
            "encoder_relu_2, latent_mean, got 'reconstruction'"
        )
        build_autoencoder("plain", SPEC, precision)

    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            (
                {"latent_mean": {"weights": "fixed<4,2>"}},
                "unknown key precision.layers.latent_mean.weights; choices: weight, bias, "
                "activation",
            ),
            (
                {"latent_mean": {"weight": "fixed<1,1>"}},
                "precision.layers.latent_mean: format of weight must have at least 2 bits, got "
                "fixed<1,1>",
            ),
            (
                {"encoder_relu_1": {"activation": "fixed<4,2>"}},
                "precision.layers.encoder_relu_1: format of activation must be ufixed (it follows "
                "a ReLU), got fixed<4,2>",
            ),
            (
                {"latent_mean": "fixed<4,2>"},
                "precision.layers.latent_mean: must be a mapping of keys, got 'fixed<4,2>'",
            ),
            (["latent_mean"], "precision.layers: must be a mapping of keys, got ['latent_mean']"),
        ],
    )
    def test_settings(
        self, experiment_content: dict[str, Any], tmp_path: Path, layers: Any, message: str
    ) -> None:
        experiment_content["precision"]["layers"] = layers
        path = tmp_path / "e.yaml"
        path.write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            load_experiment(path)
        assert str(caught.value) == f"{path}: {message}"

    @pytest.mark.parametrize("command", ["check", "train"])
    def test_before_training(
        self,
        experiment_content: dict[str, Any],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        command: str,
    ) -> None:
        experiment_content["precision"]["layers"] = {"latent": {"weight": "fixed<4,2>"}}
        path = tmp_path / "e.yaml"
        path.write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
        options = ["--run-dir", str(tmp_path / "run")] if command == "train" else []
        with pytest.raises(SystemExit) as caught:
            cli.main([command, str(path), *options])
        assert caught.value.code == 2
        assert (
            "error: precision.layers must name one of encoder_dense_1, " in capsys.readouterr().err
        )
        assert not (tmp_path / "run").exists()

    def test_before_training_without_firmware(
        self, experiment_content: dict[str, Any], tmp_path: Path
    ) -> None:
        experiment_content["precision"]["layers"] = {"latent": {"weight": "fixed<4,2>"}}
        experiment_content["firmware"] = None
        run = create_run(tmp_path / "run", Experiment.model_validate(experiment_content))
        with pytest.raises(InputError, match="precision.layers must name one of"):
            train(run, progress=False)
        assert not run.model_path("float").exists()
        with pytest.raises(InputError, match="precision.layers must name one of"):
            build_fixed_point_model(run.experiment)


def test_float_has_no_formats() -> None:
    Float().check_layers(*build_autoencoder("plain", SPEC).networks)
