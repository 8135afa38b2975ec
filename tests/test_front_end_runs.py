"""Runs whose networks see other things of the wires than all of them: from events to firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import made_once, run_chain
from trigger_objects import PACKED

from hls import cli
from hls.graph.interface import read_interface
from hls.graph.packed_ports import port_values
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.errors import InputError
from keras_ae.files import read_json
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end
from keras_ae.run_contents import load_data, load_model, network_inputs
from keras_ae.runs import Run, open_run
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.stages import STAGES

SEEN = ["met.pt", "electron.pt", "muon.pt", "jet.*"]


@pytest.fixture(scope="module")
def taught(small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A teacher of logarithms, and a student of the wires."""
    content = small_experiment | {
        "inputs": {"kind": "float", "use": "*.pt", "log": "*.pt", "clip": 8.0},
        "architecture": {"input_dim": 19, "hidden_dims": [8], "latent_dim": 3},
        "objective": {"kind": "variational", "variance": 0.1},
        "trigger": {"score": "reconstruction_error", "target_fpr": 0.05},
        "student": {
            "inputs": {"use": SEEN, "relative_to": "met.phi", "absolute": "jet.eta"},
            "architecture": {"input_dim": 39, "hidden_dims": [4]},
            "training": {"epochs": 2},
        },
    }
    folder = made_once(tmp_path_factory, "taught", lambda folder: run_chain(folder, content))
    return open_run(folder / "run")


@pytest.mark.slow
def test_teacher_and_student_see_their_own(taught: Run) -> None:
    data = load_data(taught)
    wires = taught.experiment.wires
    x = network_inputs(taught, "float", data.test)
    pt = np.log1p(data.train.x[:, ::3] * 0.5)
    # What is always empty has no deviation.
    deviation = np.where(pt.std(axis=0) == 0, 1.0, pt.std(axis=0))
    expected = (np.log1p(data.test.x[:, ::3] * 0.5) - pt.mean(axis=0)) / deviation
    np.testing.assert_allclose(x, expected.clip(-8, 8), atol=1e-5)
    of_student = network_inputs(taught, "student", data.test)
    assert of_student.shape == (len(data.test), 39)
    # What the firmware's network takes is what the quantized student is trained on.
    graph = TriggerGraph.load(taught.trigger_graph_path)
    assert graph.grids["objects"].shape == (wires.n_values,)
    traced = graph.trace(data.test.x)
    np.testing.assert_array_equal(traced["scale"].astype(np.float32), of_student)
    quantized = network_inputs(taught, "quantized", data.test)
    form = taught.experiment.precision.input
    np.testing.assert_array_equal(quantized, form.quantize(traced["scale"]).astype(np.float32))


def test_every_bit_of_the_student(taught: Run) -> None:
    report = read_json(taught.validation_path)
    assert report["mismatching_bits"] == 0 and report["events"] > 20_000
    data = load_data(taught)
    scores = load_model(taught, "quantized").score(
        network_inputs(taught, "quantized", data.test), "student_score"
    )
    found = TriggerGraph.load(taught.trigger_graph_path).outputs(data.test.x)["student_score"]
    np.testing.assert_array_equal(found.ravel().astype(np.float32), scores)


def test_what_the_audit_found(taught: Run) -> None:
    assert read_json(taught.audit_path) == read_json(taught.metrics_path)["audit"]
    page = taught.fidelity_page_path.read_text("utf-8")
    assert "audit found nothing odd" in page
    fields = {column.group for column in taught.experiment.wires.columns}
    assert {path.stem for path in taught.fields_folder.iterdir()} == fields
    for field in fields:
        assert f'aria-label="{field}"' in page


def test_what_stands_in_the_project(taught: Run) -> None:
    described = read_json(taught.firmware_folder / "interface.json")
    fields = {field["name"]: field for field in described["front_end"]["fields"]}
    assert fields["jet.phi"]["last_bit"] == "2*pi/144"
    assert float(fields["jet.phi"]["last_bit_value"]) == 2 * np.pi / 144
    assert described["decision"] == "student_score > threshold"
    assert described["threshold"] == read_json(taught.trigger_path)["threshold"]
    assert (taught.firmware_folder / "inputs.h").is_file()


def test_inputs_are_noticed(taught: Run) -> None:
    changed = taught.settings.model_copy(
        update={"student": taught.experiment.student.model_copy(update={"inputs": None})}  # type: ignore[union-attr]
    )
    other = Run(taught.folder, changed)
    assert other.digest("train") == taught.digest("train")
    assert other.digest("distill") != taught.digest("distill")
    assert "inputs" in STAGES["train"].inputs and "front_end" in STAGES["train"].inputs


def packed_events(front_end: FrontEnd, n_events: int, seed: int) -> np.ndarray:
    """Hardware values (events, 5), muons ordered, some slots empty."""
    rng = np.random.default_rng(seed)
    pt = -np.sort(-rng.integers(1, 500, (n_events, 2)), axis=1)
    pt[rng.random(n_events) < 0.3, 1] = 0
    eta = rng.integers(-200, 200, (n_events, 2)) * (pt > 0)
    met = rng.integers(1, 512, n_events)
    values = np.column_stack([met, pt[:, 0], eta[:, 0], pt[:, 1], eta[:, 1]])
    assert values.shape[1] == front_end.n_values
    return values


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Words on the wires."""

    def make(folder: Path) -> None:
        front_end = load_front_end(PACKED)
        np.save(folder / "events.npy", packed_events(front_end, 3000, 1))
        content = {
            "name": "packed",
            "data": {"kind": "table", "background": str(folder / "events.npy"), "hardware": True},
            "front_end": PACKED,
            "architecture": {"input_dim": 5, "hidden_dims": [4], "latent_dim": 2},
            "objective": {"kind": "plain"},
            "training": {"epochs": 2},
            "precision": {"weight": "fixed<7,3>", "bias": "fixed<7,3>"},
            "quantization": {"epochs": 1},
            "trigger": {"score": "reconstruction_error", "target_fpr": 0.05},
        }
        run_chain(folder, content)
        with pytest.raises(SystemExit) as ended:
            cli.main(["rtl", str(folder / "run"), "--n-events", "25000"])
        assert not ended.value.code

    return open_run(made_once(tmp_path_factory, "packed", make) / "run")


@pytest.mark.slow
def test_words_are_unpacked_inside(packed: Run) -> None:
    ports = read_interface(packed.firmware_folder).inputs
    assert [(port.name, port.format, port.shape) for port in ports] == [
        ("met", "ufixed<32,32>", (1, 1)),
        ("muon", "ufixed<32,32>", (2, 2)),
    ]
    for path in (packed.validation_path, packed.rtl_path):
        assert read_json(path)["mismatching_bits"] == 0
    data, wires = load_data(packed), packed.experiment.wires
    graph = TriggerGraph.load(packed.trigger_graph_path)
    traced = graph.trace(*port_values(wires, data.test.x))
    np.testing.assert_array_equal(traced["objects"], data.test.x)
    scores = load_model(packed, "quantized").score(
        network_inputs(packed, "quantized", data.test), "reconstruction_error"
    )
    np.testing.assert_array_equal(traced["reconstruction_error"].ravel(), scores)


def load(content: dict[str, Any], tmp_path: Path) -> Experiment:
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_experiment(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"data": {"kind": "table", "background": "x.npz"}},
            "front_end must be given for data.kind 'table', got none: say what the wires carry",
        ),
        (
            {"inputs": {"use": "jet.pt"}},
            "architecture.input_dim must be 10, the numbers .* sees of 57, got 57",
        ),
        (
            {"student": {"inputs": {"use": "jet.pt"}, "architecture": {"input_dim": 9}}},
            "student.architecture.input_dim must be 10, .* got 9",
        ),
        (
            {"inputs": {"kind": "float"}},
            "inputs.kind must be 'scaled' for firmware, got 'float': give the student, or the mod",
        ),
        ({"inputs": {"kind": "log"}}, "inputs.kind must be one of 'scaled', 'float', got 'log'"),
        ({"inputs": {"scales": "none"}}, "unknown key inputs.scales; choices: kind, use, scale"),
        ({"inputs": {"use": []}}, "inputs.use: must have more entries"),
        (
            {"inputs": {"use": "jets"}},
            "e.yaml: inputs.use must name some of met.pt, .*, got 'jets'",
        ),
        ({"inputs": {"scale": "log"}}, "inputs.scale: .* 'fitted' or 'none', got 'log'"),
        (
            {"inputs": {"scale": {"jet.pt": {"shift": 200}}}},
            "inputs.scale.jet.pt.shift: input should be less than or equal to 32, got 200",
        ),
        (
            {"inputs": {"scale": {"jet.pt": {"shft": 2}}}},
            "unknown key inputs.scale.jet.pt.shft; choices: offset, shift",
        ),
        ({"inputs": {"scale": {"jets": {"shift": 2}}}}, "inputs.scale must name .* got 'jets'"),
        ({"inputs": {"absolute": "jets"}}, "inputs.absolute must name some of .*, got 'jets'"),
        ({"inputs": {"relative_to": "jet.phi"}}, "inputs.relative_to must name one number of a fi"),
        ({"inputs": {"kind": "float", "log": "pt"}}, "inputs.log must name some of .*, got 'pt'"),
    ],
)
def test_mistakes(
    experiment_content: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(experiment_content | change, tmp_path)
    assert "\n" not in str(caught.value)
