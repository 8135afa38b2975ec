"""The YAML: every config loads, every mistake is named with its dotted path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from keras_ae.errors import InputError
from keras_ae.settings.experiment import Experiment, dump_experiment, load_experiment
from keras_ae.settings.firmware import FirmwareSettings

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    experiment = load_experiment(path)
    (tmp_path / "copy.yaml").write_text(dump_experiment(experiment), encoding="utf-8")
    assert load_experiment(tmp_path / "copy.yaml") == experiment
    assert experiment.name == path.stem


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_says_how_to_run_it_and_what_it_gave(path: Path) -> None:
    header = path.read_text(encoding="utf-8").split("\nname:")[0]
    for word in ("Command:", "Source:", "Run time:", "Result:"):
        assert word in header
    assert f"keras-ae run configs/{path.name}" in header


def load(content: dict[str, Any], tmp_path: Path) -> Experiment:
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_experiment(path)


@pytest.mark.parametrize(
    ("dotted", "value", "message"),
    [
        ("training.epoch", 3, "unknown key training.epoch; choices: epochs, batch_size"),
        ("surplus", 3, "unknown key surplus; choices: name, seed, data"),
        ("inputs.quantiles.pt", 1, r"unknown key inputs.quantiles.pt; choices: pt_offset"),
        ("inputs.use", "jets.pt", r"use must name some of met.pt, .*, got 'jets.pt'"),
        ("inputs.use", "*.pt", r"architecture.input_dim must be 19, .* of 57, got 57"),
        ("inputs", {"kind": "float"}, "inputs.kind must be 'scaled' for firmware, got 'float'"),
        ("front_end", "adc", "front_end must be one of adc2021, .*, got 'adc'"),
        ("condition", {"shifts": {"met": 0, "tau": 1}}, "condition.shifts must be of .* 'tau'"),
        ("training.epochs", "ten", "training.epochs: input should be a valid integer, got 'ten'"),
        ("training.epochs", 0, "training.epochs: .* greater than or equal to 1, got 0"),
        ("architecture.latent_dim", 0, "architecture.latent_dim: .* or equal to 1, got 0"),
        ("architecture.input_dim", 56, "architecture.input_dim must be 57, .* got 56"),
        ("precision.weight", "fixed<0,3>", r"precision.weight: width of fixed<0,3> must be 1"),
        ("precision.weight", "int8", r"precision.weight: precision must be 'fixed<W,I>'"),
        ("precision.weight", 8, r"precision.weight: precision must be 'fixed<W,I>' .* got 8"),
        ("precision.latent", "ufixed<8,3>", "precision: format of latent must be fixed"),
        ("precision.latent", "fixed<1,0>", "precision: format of latent must have at least 2 bits"),
        ("objective.kind", "magic", "objective.kind must be one of plain, linear, .*, got 'magic'"),
        ("objective", {}, "objective.kind must be one of plain, .*, got none"),
        ("objective", 3, "objective must be a mapping of keys, got 3"),
        ("objective.betta", 3, "unknown key objective.betta; choices: kind, likelihood, .*, beta"),
        ("objective.beta", -1.0, "objective.beta: .* or equal to 0, got -1.0"),
        ("objective.n_samples", 0, "objective.n_samples: .* or equal to 1, got 0"),
        ("objective.schedule", {"kind": "steps"}, "objective.schedule.kind must be one of 'const"),
        ("objective.schedule", {"kind": "linear", "n_epochs": 0}, "schedule.n_epochs: .* got 0"),
        ("objective.variance", 0.0, "objective.variance: .* greater than 0, got 0.0"),
        ("objective.likelihood", "poisson", "objective.likelihood: .*'bernoulli', got 'poisson'"),
        ("objective", {"kind": "sparse", "weight": -1.0}, "objective.weight: .* got -1.0"),
        (
            "objective",
            {"kind": "sparse", "target_activation": 1.0},
            "target_activation: .* got 1.0",
        ),
        ("objective", {"kind": "sparse", "penalty": "kl"}, "latent_activation must be 'sigmoid'"),
        (
            "objective",
            {"kind": "sparse", "penalty": "l3"},
            "objective.penalty: .*'l1' or 'kl'",
        ),
        ("objective", {"kind": "contractive", "weight": -2.0}, "objective.weight: .* got -2.0"),
        (
            "objective",
            {"kind": "denoising", "corruption": {"kind": "fog"}},
            "objective.corruption.kind must be one of 'gaussian', .* got 'fog'",
        ),
        (
            "objective",
            {"kind": "denoising", "corruption": {"kind": "masking", "rate": 1.0}},
            "objective.corruption.rate: .* less than 1, got 1.0",
        ),
        ("objective", {"kind": "pca"}, "architecture for objective.kind 'pca' must be dense with"),
        (
            "objective",
            {"kind": "conditional_variational"},
            "architecture.condition_dim must be >= 1 for objective.kind 'conditional_variational'",
        ),
        (
            "objective",
            {"kind": "plain", "likelihood": "bernoulli", "variance": 2.0},
            "variance must not be set for the likelihood 'bernoulli'",
        ),
        (
            "architecture.condition_dim",
            3,
            "architecture.condition_dim must be 0 for objec",
        ),
        (
            "architecture.condition_dim",
            2,
            "architecture.condition_dim must be 0 or 3, what there is of a condition, got 2",
        ),
        ("architecture.kind", "magic", "architecture.kind must be one of 'dense', 'convolutional'"),
        ("data.kind", "magic", "data.kind must be one of adc2021, l1, .*, got 'magic'"),
        ("data", {"kind": "digits", "anomaly": 10}, "data.anomaly: .* equal to 9, got 10"),
        ("trigger.target_fpr", 2.0, "trigger.target_fpr: .* less than 1, got 2.0"),
        ("trigger.score", "magic", "trigger.score for .* must be one of reconstruction_error, .*"),
        ("trigger.target_fpr", None, "one of target_fpr and target_rate_khz must .*, got neither"),
        ("trigger.target_rate_khz", 2.0, "one of target_fpr and target_rate_khz must .*, got both"),
        (
            "trigger",
            {"score": "kl_divergence", "target_rate_khz": 2.0},
            "target_rate_khz must be below input_rate_khz, got 2 and no input_rate_khz",
        ),
        (
            "trigger",
            {"score": "kl_divergence", "target_rate_khz": 2.0, "input_rate_khz": 2.0},
            "target_rate_khz must be below input_rate_khz, got 2 and 2",
        ),
        ("quantization.mixed_precision", True, "quantization: mixed_precision must be false, got"),
        ("training", 3, "training: must be a mapping of keys, got 3"),
        ("architecture.hidden_dims", 32, "architecture.hidden_dims: must be a list, got 32"),
        ("data.train_fraction", 0.8, r"data: train_fraction \+ validation_fraction must be < 1"),
        ("data.train_fraction", 0.9, r"data: train_fraction \+ validation_fraction must be < 1"),
        ("data.signals", {"stress": "x.h5"}, r"data.signals must have names of .*, got 'stress'"),
        ("training.learning_rate", float("inf"), "training.learning_rate: .*finite number"),
        ("name", "a/b", "name: .*pattern"),
        ("name", "..", "name: .*pattern"),
        ("seed", 2**32, "seed: .* less than 4294967296"),
        ("training.learning_rate", "1e-3", "learning_rate: must be a number .in YAML 1.0e-3"),
        (
            "objective",
            {"kind": "denoising", "corruption": "masking"},
            "objective.corruption: must be a mapping of keys, got 'masking'",
        ),
        (
            "objective",
            {
                "kind": "denoising",
                "corruption": {"kind": "object_dropout", "features_per_object": 4},
            },
            "must be a multiple of features_per_object, 4, got 57-",
        ),
        (
            "objective",
            {"kind": "sparse", "target_activation": 0.1},
            "objective: target_activation must not be set for the penalty 'l1'",
        ),
    ],
)
def test_mistakes(
    experiment_content: dict[str, Any], tmp_path: Path, dotted: str, value: object, message: str
) -> None:
    *sections, key = dotted.split(".")
    section = experiment_content
    for name in sections:
        section = section.setdefault(name, {})
    section[key] = value
    with pytest.raises(InputError, match=message) as caught:
        load(experiment_content, tmp_path)
    assert "\n" not in str(caught.value)


def test_rate_of_the_input_beside_the_fraction(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    experiment_content["trigger"]["input_rate_khz"] = 40_000.0
    trigger = load(experiment_content, tmp_path).trigger
    assert trigger.fpr == trigger.target_fpr == 0.05


def test_score_that_the_objective_does_not_have(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    experiment_content["objective"] = {"kind": "plain"}
    experiment_content["trigger"]["score"] = "kl_divergence"
    with pytest.raises(InputError, match=r"trigger.score for objective.kind 'plain' must be one"):
        load(experiment_content, tmp_path)


def test_beta_of_an_objective_without_it(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    experiment_content["objective"] = {"kind": "plain", "beta": 2.0}
    with pytest.raises(InputError, match=r"unknown key objective.beta; choices: kind, likelihood"):
        load(experiment_content, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"trigger": {"score": "negative_elbo"}},
            "trigger.score must be 'reconstruction_error' or",
        ),
        ({"firmware": {"scores": ["latent_norm"]}}, "firmware.scores must be 'reconstruction_err"),
        ({"firmware": {"scores": ["reconstruction_error"]}}, "firmware.scores must name each once"),
        (
            {"architecture": {"latent_activation": "sigmoid"}},
            "architecture.latent_activation must be 'linear' or 'relu' for firmware, got 'sigmoid'",
        ),
    ],
)
def test_what_has_no_firmware_is_refused_before_training(
    experiment_content: dict[str, Any], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    for section, values in changes.items():
        experiment_content[section] |= values
    with pytest.raises(InputError, match=f"e.yaml: {message}"):
        load(experiment_content, tmp_path)
    experiment_content["firmware"] = None
    assert load(experiment_content, tmp_path).firmware is None


def test_transposed_convolutions_are_refused_with_the_reason(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    spec = {"kind": "convolutional", "image_shape": [8, 8, 1], "upsampling": "transpose"}
    experiment_content |= {"data": {"kind": "digits"}, "architecture": spec}
    with pytest.raises(InputError, match="got 'transpose': hls4ml has no transposed convolution"):
        load(experiment_content, tmp_path)


def test_scores_of_other_objectives_have_no_firmware(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    experiment_content["objective"] = {"kind": "plain"}
    experiment_content["firmware"]["scores"] = ["kl_divergence"]
    with pytest.raises(InputError, match=r"firmware\.scores must be .*, got 'kl_divergence'"):
        load(experiment_content, tmp_path)


def test_firmware_is_written_with_every_default(experiment_content: dict[str, Any]) -> None:
    del experiment_content["firmware"]
    experiment = Experiment.model_validate(experiment_content)
    assert experiment.firmware == FirmwareSettings()
    written = yaml.safe_load(dump_experiment(experiment))
    assert set(written["firmware"]) == set(FirmwareSettings.model_fields)
    assert Experiment.model_validate(written) == experiment


def test_firmware_must_be_a_section(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    experiment_content["firmware"] = "Vitis"
    with pytest.raises(InputError, match="firmware: must be a mapping of keys, got 'Vitis'"):
        load(experiment_content, tmp_path)


def test_firmware_that_is_needed(experiment_content: dict[str, Any]) -> None:
    experiment_content["firmware"] = None
    experiment = Experiment.model_validate(experiment_content)
    with pytest.raises(InputError, match=r"^here: section firmware must be given .* got null$"):
        experiment.require_firmware("here")


def test_scores_in_the_firmware(experiment_content: dict[str, Any]) -> None:
    experiment_content["trigger"]["score"] = "squared_latent_norm"
    for firmware, others in (({"scores": ["kl_divergence"]}, ("kl_divergence",)), (None, ())):
        experiment = Experiment.model_validate({**experiment_content, "firmware": firmware})
        assert experiment.firmware_scores == ("squared_latent_norm", *others)


def test_oja_needs_gradient_steps_without_memory(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    experiment_content["objective"] = {"kind": "oja"}
    experiment_content["architecture"]["hidden_dims"] = []
    with pytest.raises(InputError, match="training.optimizer must be 'sgd' for .*'oja'"):
        load(experiment_content, tmp_path)


def test_missing_key(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    del experiment_content["objective"]
    with pytest.raises(InputError, match="missing key objective"):
        load(experiment_content, tmp_path)


def test_not_yaml(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("a: [1")
    with pytest.raises(InputError, match="e.yaml must be YAML: expected .*, in line 1"):
        load_experiment(tmp_path / "e.yaml")


def test_key_that_stands_twice(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("name: a\nseed: 1\nname: b\n")
    with pytest.raises(InputError, match="e.yaml must be YAML: key 'name' stands twice, in line 3"):
        load_experiment(tmp_path / "e.yaml")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a YAML file, got a directory"):
        load_experiment(tmp_path)


def test_not_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("- 1")
    with pytest.raises(InputError, match="must hold a mapping of sections, got list"):
        load_experiment(tmp_path / "e.yaml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="experiment file not found"):
        load_experiment(tmp_path / "none.yaml")
