"""The YAML: every config loads, every mistake is named with its dotted path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from keras_ae.config import Experiment, dump_experiment, load_experiment
from keras_ae.errors import InputError

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
        ("scaling.units.lsb", 1, r"unknown key scaling.units.lsb; choices: pt_lsb_gev"),
        ("training.epochs", "ten", "training.epochs: input should be a valid integer, got 'ten'"),
        ("training.epochs", 0, "training.epochs: .* greater than or equal to 1, got 0"),
        ("architecture.latent_dim", 0, "architecture.latent_dim: .* or equal to 1, got 0"),
        ("architecture.input_dim", 56, "architecture.input_dim must be 57, .* got 56"),
        ("precision.weight", "fixed<0,3>", r"precision.weight: width of fixed<0,3> must be 1"),
        ("precision.weight", "int8", r"precision.weight: precision must be 'fixed<W,I>'"),
        ("precision.weight", 8, r"precision.weight: precision must be 'fixed<W,I>' .* got 8"),
        ("precision.latent", "ufixed<8,3>", "precision: format of latent must be fixed"),
        ("precision.latent", "fixed<4,4>", "precision: format of latent must have at least one"),
        ("objective.kind", "sparse", "objective.kind: .*'plain' or 'variational', got 'sparse'"),
        ("trigger.target_fpr", 2.0, "trigger.target_fpr: .* less than 1, got 2.0"),
        ("trigger.score", "magic", "trigger.score: .*'squared_latent_norm' or"),
        ("quantization.mixed_precision", True, "quantization.mixed_precision must be false, got"),
        ("training", 3, "training: must be a mapping of keys, got 3"),
        ("architecture.hidden_dims", 32, "architecture.hidden_dims: must be a list, got 32"),
        ("data.train_fraction", 0.9, r"data: train_fraction \+ validation_fraction must be < 1"),
        ("data.signals", {"stress": "x.h5"}, r"data.signals must have names of .*, got 'stress'"),
        ("training.learning_rate", float("inf"), "training.learning_rate: .*finite number"),
        ("name", "a/b", "name: .*pattern"),
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


def test_score_that_the_objective_does_not_have(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    experiment_content["objective"]["kind"] = "plain"
    experiment_content["trigger"]["score"] = "squared_latent_norm"
    with pytest.raises(InputError, match=r"trigger.score must be 'reconstruction_error' for .*pla"):
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
