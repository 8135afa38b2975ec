"""The YAML of a scan: what may vary, every mistake with its dotted path, values of a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from keras_ae.errors import InputError
from keras_ae.settings.scan import Distribution, Objectives, Scan, load_scan

SCANS = sorted((Path(__file__).parents[1] / "configs" / "scans").glob("*.yaml"))


def write_scan(folder: Path, base: dict[str, Any], **sections: Any) -> Path:
    """A scan of two keys, but for other `sections`; None leaves one out."""
    (folder / "experiment.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    content = {
        "name": "small",
        "experiment": "experiment.yaml",
        "search": {
            "precision.weight.width": {"low": 3, "high": 12},
            "quantization.learning_rate": {"low": 1.0e-5, "high": 1.0e-3, "log": True},
        },
        "n_trials": 4,
        **sections,
    }
    path = folder / "scan.yaml"
    path.write_text(
        yaml.safe_dump({name: value for name, value in content.items() if value is not None}),
        encoding="utf-8",
    )
    return path


def load(folder: Path, base: dict[str, Any], **sections: Any) -> Scan:
    return load_scan(write_scan(folder, base, **sections))


@pytest.mark.parametrize("path", SCANS, ids=lambda path: path.stem)
def test_every_scan_loads_and_says_how_to_run_it_and_what_it_gave(path: Path) -> None:
    scan = load_scan(path)
    assert scan.settings.name == path.stem
    assert scan.base.firmware is not None
    header = path.read_text(encoding="utf-8").split("\nname:")[0]
    for word in ("Command:", "Run time:", "Result:", f"keras-ae scan configs/scans/{path.name}"):
        assert word in header


CHOICES = {"choices": [1]}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"search": {"precision.weight.width": {"low": 3.5, "high": 8}}},
            "search.precision.weight.width: low and high must be integers, got 3.5 and 8",
        ),
        ({"trials": 3}, "unknown key trials; choices: name, experiment, fixed, search"),
        ({"search": None}, "missing key search"),
        ({"search": {}}, "search: must have more entries|search: dictionary should have at least"),
        ({"n_trials": 0}, "n_trials: .* greater than or equal to 1, got 0"),
        ({"name": "a b"}, "name: string should match pattern"),
        ({"search": {"training.epochs": {"lo": 3}}}, "unknown key search.training.epochs.lo"),
        ({"search": {"training.epochs": {"low": 3}}}, "choices, or low and high, must be given"),
        (
            {"search": {"training.epochs": {"low": 3, "high": 2}}},
            r"search.training.epochs: low must be <= high, got 3 and 2",
        ),
        (
            {"search": {"training.epochs": {"choices": [3], "low": 3}}},
            "search.training.epochs: choices must stand without low",
        ),
        ({"search": {"training.epochs": {"choices": []}}}, "search.training.epochs.choices: must"),
        (
            {"search": {"training.epochs": {"low": 0, "high": 9, "log": True}}},
            "log must have low > 0 and no step, got low 0 and step none",
        ),
        (
            {"search": {"training.epochs": {"low": 1, "high": 9, "step": 3}}},
            "step must divide high - low, 8, got 3",
        ),
        (
            {"search": {"training.epochs": {"low": 1, "high": 9, "step": 0.5}}},
            r"step of integers must be one, got 0\.5",
        ),
        (
            {"search": {"training.epoch": CHOICES}},
            "search: unknown key training.epoch; choices: epochs, batch_size",
        ),
        (
            {"search": {"trainin": CHOICES}},
            "unknown key trainin; choices: name, seed, data",
        ),
        (
            {"search": {"precision.weights.width": CHOICES}},
            "search: unknown key precision.weights; choices: input, weight, bias",
        ),
        (
            {"search": {"precision.weight.bits": CHOICES}},
            "search: unknown key precision.weight.bits; choices: width, integer$",
        ),
        (
            {"search": {"precision.weight.width.x": CHOICES}},
            "search: precision.weight.width has no keys, got precision.weight.width.x",
        ),
        (
            {"search": {"precision.weight.width": {"choices": [6, "a"]}}},
            "search.precision.weight.width: choices must be integers, got 'a'",
        ),
        (
            {"fixed": {"precision.weight.integer": "x"}},
            "fixed: precision.weight: integer of a format must be an integer, got 'x'",
        ),
        (
            {"search": {"student.teachers.kind": CHOICES}},
            "search: student.teachers is a list, which is set as a whole, got student.teachers.ki",
        ),
        (
            {"search": {"architecture.hidden_dims.0": CHOICES}},
            "search: architecture.hidden_dims is a list, which is set as a whole, got arch",
        ),
        (
            {"search": {"objective.lambda": CHOICES}},
            "search: unknown key objective.lambda; choices: kind, likelihood, .*, beta",
        ),
        (
            {"search": {"quantization.pruning.share": CHOICES}},
            "search: unknown key quantization.pruning.share; choices: sparsity, n_epochs",
        ),
        (
            {"search": {"firmware.levels": CHOICES}},
            "search: unknown key firmware.levels; choices: backend, .*, levels_per_stage",
        ),
        (
            {"search": {"student.architecture.widths": CHOICES}},
            "search: unknown key student.architecture.widths; choices: latent_dim, .*hidden_dims",
        ),
        (
            {"search": {"training.epochs": {"choices": [1], "also": ["quantization.epoch"]}}},
            "search: unknown key quantization.epoch; choices: epochs",
        ),
        ({"fixed": {"training.epoch": 3}}, "fixed: unknown key training.epoch; choices: epochs"),
        ({"fixed": {"training.epochs": 0}}, "fixed: training.epochs: .* or equal to 1, got 0"),
        (
            {"search": {"data.max_events": CHOICES}},
            "search must leave name, seed, data as they are, so that trials are compared on the "
            "same events, got data.max_events",
        ),
        (
            {"fixed": {"precision.weight": "fixed<8,2>"}},
            "fixed and search must set precision.weight once, got precision.weight.width",
        ),
        ({"objectives": {"maximize": "tpr"}}, "fpr must be given to maximize tpr, .* none for tpr"),
        (
            {"objectives": {"fpr": 0.1}},
            "fpr must be given to maximize tpr, .* 0.1 for auc",
        ),
        (
            {"objectives": {"maximize": "f1"}},
            "objectives.maximize: input should be 'auc', 'tpr', 'agreement', 'likelihood' or 'st",
        ),
        ({"objectives": {"minimize": []}}, "objectives.minimize: must have more entries"),
        (
            {"objectives": {"minimize": ["lut", "lut"]}},
            "must name each once, got lut, lut",
        ),
        ({"objectives": {"minimize": ["ff"]}}, "objectives.minimize.0: input should be 'lut'"),
    ],
)
def test_mistakes(
    experiment_content: dict[str, Any], tmp_path: Path, sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, experiment_content, **sections)
    assert str(caught.value).startswith(str(tmp_path / "scan.yaml"))
    assert "\n" not in str(caught.value)


def test_missing_files(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^scan file not found: none\.yaml$"):
        load_scan(Path("none.yaml"))
    with pytest.raises(FileNotFoundError, match=r"^experiment file not found: .*/other\.yaml$"):
        load(tmp_path, experiment_content, experiment="other.yaml")


def test_values_reach_the_experiment(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    search = {
        "precision.weight.width": {"low": 3, "high": 12, "also": ["precision.bias.width"]},
        "precision.weight.integer": {"low": 0, "high": 3},
        "architecture.hidden_dims": {"choices": [[32, 16], [8]]},
        "quantization.pruning.sparsity": {"low": 0.1, "high": 0.9},
        "quantization.epochs": {"choices": [8]},
        "firmware.levels_per_stage": {"low": 2, "high": 6},
    }
    scan = load(tmp_path, experiment_content, search=search, fixed={"firmware.scores": []})
    values = {
        "precision.weight.width": 5,
        "precision.weight.integer": 0,
        "architecture.hidden_dims": [8],
        "quantization.pruning.sparsity": 0.3,
        "quantization.epochs": 8,
        "firmware.levels_per_stage": 3,
    }
    experiment = scan.experiment(7, values)
    assert experiment.name == "small_0007"
    assert str(experiment.precision.weight) == "fixed<5,0>"
    before = scan.base.precision.bias
    assert (experiment.precision.bias.width, experiment.precision.bias.integer) == (
        5,
        before.integer,
    )
    assert experiment.architecture.hidden_dims == (8,)
    assert experiment.quantization.pruning is not None
    assert experiment.quantization.pruning.sparsity == 0.3
    assert experiment.firmware and scan.base.firmware
    assert experiment.firmware == scan.base.firmware.model_copy(update={"levels_per_stage": 3})
    assert scan.base.firmware.scores == ()
    # What was not searched is as it was.
    assert experiment.training == scan.base.training
    assert experiment.precision.latent == scan.base.precision.latent


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("precision.weight.width", 1, "trial 3: precision: format of weight must have at least 2"),
        (
            "precision.weight.width",
            4.5,
            "precision.weight: width of a format must be an integer, got 4.5",
        ),
        ("quantization.pruning.n_epochs", 1, "missing key quantization.pruning.sparsity"),
        ("training.epochs", 3.0, "trial 3: training.epochs: .* valid integer"),
    ],
)
def test_a_combination_that_does_not_hold_together(
    experiment_content: dict[str, Any], tmp_path: Path, key: str, value: Any, message: str
) -> None:
    scan = load(tmp_path, experiment_content, search={key: {"choices": [value]}})
    with pytest.raises(InputError, match=message):
        scan.experiment(3, {key: value})


def test_values_of_the_experiment_itself(
    experiment_content: dict[str, Any], tmp_path: Path
) -> None:
    experiment_content["precision"] |= {"weight": "fixed<8,2>", "bias": "fixed<9,2>"}
    search: dict[str, Any] = {
        "precision.weight.width": {"low": 3, "high": 12},
        "quantization.pruning": {"choices": [None, {"sparsity": 0.5}]},
    }
    expected = {"precision.weight.width": 8, "quantization.pruning": None}
    assert load(tmp_path, experiment_content, search=search).values_of_base() == expected
    search["precision.weight.width"]["also"] = ["precision.bias.width"]
    assert load(tmp_path, experiment_content, search=search).values_of_base() is None
    search["precision.weight.width"] = {"low": 3, "high": 7}
    assert load(tmp_path, experiment_content, search=search).values_of_base() is None


def test_what_a_distribution_holds() -> None:
    assert Distribution(low=3, high=9, step=2).holds(5)
    assert not Distribution(low=3, high=9, step=2).holds(4)
    assert not Distribution(low=3, high=9).holds(4.0)
    assert Distribution(low=0.1, high=0.9).holds(0.3)
    assert Distribution(low=0.1, high=0.1).holds(0.1)
    assert not Distribution(low=0.1, high=0.9).holds(1.0)
    assert not Distribution(low=0.1, high=0.9).holds(None)
    assert Distribution(choices=([1, 2], None)).holds([1, 2])


def test_quality_in_words() -> None:
    assert Objectives().quality == "mean AUC of the signals"
    wanted = Objectives(maximize="tpr", fpr=0.01, signal="A -> 4l")
    assert wanted.quality == "TPR at FPR 0.01 of A -> 4l"
    wanted = Objectives(maximize="agreement")
    assert wanted.quality == "rank correlation with the score that is learned"
    with pytest.raises(ValueError, match="signal must be null to maximize agreement, .* got .x."):
        Objectives(maximize="agreement", signal="x")


def test_formats_of_single_layers(tmp_path: Path, experiment_content: dict[str, Any]) -> None:
    key = "precision.layers.encoder_dense_1.weight.width"
    scan = load(tmp_path, experiment_content, search={key: {"low": 3, "high": 8}})
    precision = scan.experiment(0, {key: 3}).precision
    weight = precision.layers["encoder_dense_1"].weight
    # The rest of the format is that of all layers.
    assert (weight.width, weight.integer) == (3, precision.weight.integer)
    assert precision.weight.width != 3
    with pytest.raises(InputError, match="unknown key .*encoder_dense_1.wide; choices: weight, "):
        key = "precision.layers.encoder_dense_1.wide.width"
        load(tmp_path, experiment_content, search={key: {"low": 3, "high": 8}})


def test_another_backend_brings_its_part_and_strategy(
    tmp_path: Path, experiment_content: dict[str, Any]
) -> None:
    experiment_content["firmware"] = {"clock_ns": 4.0}
    search = {"firmware.backend": {"choices": ["Vitis", "Quartus"]}}
    firmware = (
        load(tmp_path, experiment_content, search=search)
        .experiment(0, {"firmware.backend": "Quartus"})
        .firmware
    )
    assert firmware is not None
    assert (firmware.part, firmware.strategy, firmware.clock_ns) == ("Arria10", "resource", 4.0)
