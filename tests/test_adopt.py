"""`keras-ae adopt`: a network that came trained becomes a proved trigger, by one command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from trigger_objects import FRONT_END, PACKED, fitted_scaler

from hls import cli
from hls.graph.trigger_graph import TriggerGraph
from hls.stages.adopted import check_adoption, with_model
from hls.stages.firmware import score_graph
from keras_ae.data.adc2021 import Adc2021
from keras_ae.data.array_file import read_array_file
from keras_ae.data.dataset import load_dataset
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.input_view import save_inputs
from keras_ae.precision import QActivation, QConv2D, QDense, fixed_point
from keras_ae.run_contents import load_data
from keras_ae.runs import Run, open_run
from keras_ae.settings.adoption import Adoption, load_adoption

FORMAT = FixedPointFormat(8, 4)
N_FEATURES = 6


def quantized(n_outputs: int = 2, n_features: int = N_FEATURES) -> keras.Model:
    keras.utils.set_random_seed(1)
    weights = {f"{kind}_quantizer": fixed_point("fixed<6,2>") for kind in ("kernel", "bias")}
    x = keras.Input((n_features,), name="wires")
    h = QActivation(fixed_point("fixed<8,4>"), name="seen")(x)
    h = QActivation(fixed_point("ufixed<8,4>"), name="act")(QDense(8, name="fc", **weights)(h))
    y = QActivation(fixed_point("fixed<8,4>"), name="mu")(
        QDense(n_outputs, name="fc2", **weights)(h)
    )
    return keras.Model(x, y, name="theirs")


def in_float(n_outputs: int = 2, n_features: int = N_FEATURES) -> keras.Model:
    """Of the same names and weights."""
    x = keras.Input((n_features,), name="wires")
    h = keras.layers.Dense(8, name="fc")(x)
    h = keras.layers.Activation("relu", name="act")(h)
    y = keras.layers.Dense(n_outputs, name="fc2")(h)
    model = keras.Model(x, keras.layers.Activation("linear", name="mu")(y))
    model.set_weights(quantized(n_outputs, n_features).get_weights())
    return model


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """Settings of a network, whose data and models lie beside them."""
    rng = np.random.default_rng(1)
    background = FORMAT.quantize(rng.normal(0, 1, (6000, N_FEATURES)))
    np.savez(
        tmp_path / "events.npz",
        background=background,
        bump=FORMAT.quantize(rng.normal(3, 1, (500, N_FEATURES))),
    )
    quantized().save(tmp_path / "theirs.keras")
    in_float().save(tmp_path / "float.keras")
    return {
        "name": "theirs",
        "data": {"kind": "arrays", "path": str(tmp_path / "events.npz")},
        "network": {"roles": {"latent_mean": "mu"}},
        "trigger": {"score": "squared_latent_norm", "target_fpr": 0.01},
    }


@pytest.fixture
def adopt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The command on settings, with what it printed."""

    def call(settings: dict[str, Any], model: str = "theirs.keras") -> tuple[int, str]:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        arguments = [str(tmp_path / model), str(tmp_path / "config.yaml")]
        with pytest.raises(SystemExit) as ended:
            cli.main(["adopt", *arguments, "--run-dir", str(tmp_path / "run")])
        found = capsys.readouterr()
        return int(ended.value.code or 0), found.out + found.err

    return call


@pytest.mark.slow
def test_one_command(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    given["network"]["float_model"] = str(tmp_path / "float.keras")
    code, text = adopt(given)
    assert code == 0, text
    assert "mismatching bits: 0" in text and "AUC float" in text
    run = open_run(tmp_path / "run")
    assert run.is_finished("convert") and run.fidelity_page_path.is_file()
    report = json.loads(run.validation_path.read_text())
    assert list(report["levels"]) == ["float", "quantized", "firmware"]
    # The score in float by hand.
    data = np.load(tmp_path / "events.npz")
    scores = np.asarray(in_float()(data["bump"].astype("float32")) ** 2).sum(axis=1)
    assert report["levels"]["firmware"]["separation"]["bump"]["auc"] > 0.6
    assert [layer["layer"] for layer in report["layers"]] == ["fc", "act", "fc2", "mu"]
    threshold = json.loads(run.trigger_path.read_text())["threshold"]
    rate = report["levels"]["float"]["trigger_rate"]["bump"]["value"]
    assert rate == pytest.approx((scores > threshold).mean())
    # Again, nothing is to be done but the proof; another model is.
    code, text = adopt(given)
    assert code == 0 and text.count("already done") == 3
    other = quantized()
    other.set_weights([weight / 2 for weight in other.get_weights()])
    other.save(tmp_path / "theirs.keras")
    code, text = adopt(given)
    assert code == 0 and "already done" not in text


@pytest.mark.slow
def test_no_signals_and_no_float_model(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    data = np.load(tmp_path / "events.npz")
    np.savez(tmp_path / "events.npz", background=data["background"])
    given["trigger"]["score"] = {
        "kind": "squared_norm",
        "of": ["mu"],
        "term_format": "ufixed<10,6,TRN>",
    }
    code, text = adopt(given)
    assert code == 0 and "mismatching bits: 0" in text


@pytest.mark.slow
def test_trigger_objects_through_a_scaler(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    samples = {
        "background": "package:l1/background.h5",
        "signals": {"A -> 4l": "package:l1/a_4l.h5"},
    }
    source = Adc2021(**samples, max_events=2000)
    data = load_dataset(source, FRONT_END, 1)
    save_inputs(fitted_scaler(data.train.x), tmp_path / "inputs.json")
    quantized(2, 57).save(tmp_path / "theirs.keras")
    given["data"] = {"kind": "l1", **samples, "max_events": 2000}
    given["trigger"]["target_fpr"] = 0.1
    given["network"] = {"inputs": str(tmp_path / "inputs.json")}
    code, text = adopt(given)
    assert code == 0 and "mismatching bits: 0" in text and "A -> 4l" in text
    # The run has a copy of its own.
    (tmp_path / "inputs.json").unlink()
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", str(tmp_path / "run")])
    assert not ended.value.code
    assert score_graph(open_run(tmp_path / "run")).layer("scale") is not None


def muons(n_events: int, scale: float, seed: int) -> np.ndarray:
    """Hardware values (events, 5) of `PACKED`: missing ET, and two muons in their order."""
    rng = np.random.default_rng(seed)
    pt = -np.sort(-np.minimum(1 + rng.exponential(scale, (n_events, 2)), 510).astype(int), axis=1)
    pt[rng.random(n_events) < 0.3, 1] = 0
    eta = rng.integers(-200, 200, (n_events, 2)) * (pt > 0)
    met = rng.integers(1, 400, n_events)
    return np.column_stack([met, pt[:, 0], eta[:, 0], pt[:, 1], eta[:, 1]])


@pytest.mark.slow
def test_packed_words_that_are_scaled(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """The network sees columns of what the words hold, not the words."""
    np.save(tmp_path / "background.npy", muons(6000, 40, 1))
    np.save(tmp_path / "heavy.npy", muons(500, 120, 2))
    quantized(2, 3).save(tmp_path / "theirs.keras")
    in_float(2, 3).save(tmp_path / "float.keras")
    given["data"] = {
        "kind": "table",
        "background": str(tmp_path / "background.npy"),
        "signals": {"heavy": str(tmp_path / "heavy.npy")},
        "hardware": True,
    }
    given["front_end"] = PACKED
    given["inputs"] = {
        "use": ["met.pt", "muon.pt"],
        "scale": {"met.pt": {"offset": 100, "shift": 6}, "muon.pt": {"offset": 0, "shift": 5}},
    }
    given["network"]["float_model"] = str(tmp_path / "float.keras")
    code, text = adopt(given)
    assert code == 0 and "mismatching bits: 0" in text and "AUC float" in text, text
    run = open_run(tmp_path / "run")
    graph = TriggerGraph.load(run.trigger_graph_path)
    assert [port.name for port in graph.interface.inputs] == ["met", "muon"]
    # By hand, of the hardware values.
    data = load_data(run)
    x = data.signals["heavy"].x
    seen = (x[:, [0, 1, 3]] - [100, 0, 0]) / [64, 32, 32]
    scores = np.asarray(in_float(2, 3)(seen.astype("float32")) ** 2).sum(axis=1)
    report = json.loads(run.validation_path.read_text())
    threshold = json.loads(run.trigger_path.read_text())["threshold"]
    rate = report["levels"]["float"]["trigger_rate"]["heavy"]["value"]
    assert rate == pytest.approx((scores > threshold).mean())
    assert "muon.pt" in run.fidelity_page_path.read_text()
    assert run.audit_path.is_file() and (run.fields_folder / "muon.pt.svg").is_file()


@pytest.mark.slow
def test_images_that_are_scaled(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    for name, mean in (("background", 30), ("bright", 90)):
        images = np.minimum(rng.exponential(mean, (6000, 4, 6)), 1023).astype(int)
        np.save(tmp_path / f"{name}.npy", images)
    weights = {f"{kind}_quantizer": fixed_point("fixed<6,2>") for kind in ("kernel", "bias")}
    for precise in (True, False):
        keras.utils.set_random_seed(3)
        x = h = keras.Input((4, 6, 1), name="regions")
        if precise:
            h = keras.layers.Conv2D(2, 3, name="conv")(h)
            h = keras.layers.Activation("relu", name="act")(h)
        else:
            h = QActivation(fixed_point("fixed<8,5>"), name="seen")(h)
            h = QConv2D(2, 3, name="conv", **weights)(h)
            h = QActivation(fixed_point("ufixed<8,5>"), name="act")(h)
        y = keras.layers.Flatten(name="code")(h)
        path = "float.keras" if precise else "theirs.keras"
        keras.Model(x, y, name="theirs").save(tmp_path / path)
    given["data"] = {
        "kind": "images",
        "background": str(tmp_path / "background.npy"),
        "signals": {"bright": str(tmp_path / "bright.npy")},
    }
    given["front_end"] = {"image": {"shape": [4, 6, 1], "pixel": {"format": "ufixed<10,10>"}}}
    given["inputs"] = {"scale": {"pixel": {"offset": 0, "shift": 5}}}
    given["network"] = {
        "roles": {"latent_mean": "code"},
        "float_model": str(tmp_path / "float.keras"),
    }
    code, text = adopt(given)
    assert code == 0 and "mismatching bits: 0" in text and "AUC float" in text, text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"roles": {"mean": "mu"}}}, "network: roles must be of input, condition"),
        ({"network": {"roles": {"latent_mean": "x"}}}, "role 'latent_mean' must be of one of the"),
        ({"trigger": {"score": "mse", "target_fpr": 0.1}}, "score must be one of"),
        (
            {"trigger": {"score": {"kind": "squared_norm"}, "target_fpr": 0.1}},
            "score: missing key of",
        ),
        ({"trigger": {"score": "model_output", "target_fpr": 0.1}}, "must be one number an event"),
        ({"network": {"inputs": "s.json"}}, "front_end must state formats where inputs of the"),
        ({"inputs": {"use": "*"}}, "inputs.scale must be none or a mapping from columns to"),
        ({"data": {"kind": "arrays", "path": "none.npz"}}, "events not found: none.npz"),
        ({"data": {"kind": "array", "path": "x"}}, "data.kind must be one of"),
        ({"network": {"float_model": "none.keras"}}, "float model not found: none.keras"),
        ({"architecture": {}}, "unknown key architecture; choices: name, seed, data"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    given: dict[str, Any],
    adopt: Callable[..., tuple[int, str]],
    tmp_path: Path,
    change: dict[str, Any],
    message: str,
) -> None:
    code, text = adopt({**given, **change})
    (line,) = [part for part in text.splitlines() if part.startswith("error")]
    assert code == 2 and message in line and not (tmp_path / "run").exists()


def test_events_that_are_no_hardware_values(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    data = dict(np.load(tmp_path / "events.npz"))
    for name, values, message in (
        ("background", data["background"] + 0.01, "must hold multiples of 0.0625"),
        ("background", data["background"][:, :3], "must be numbers of shape (events, 6)"),
        ("bump", data["bump"] * np.nan, "'bump' must hold finite numbers"),
        ("bump", data["bump"][:, :3], "'bump' must be numbers of shape (events, 6)"),
    ):
        changed = {**data, name: values}
        if name == "background" and values.shape[1] == 3:
            changed.pop("bump")
        np.savez(tmp_path / "events.npz", **changed)
        code, text = adopt(given)
        assert code == 2 and message in text and not (tmp_path / "run").exists()


def test_files_that_are_no_arrays_of_events(tmp_path: Path) -> None:
    x = np.zeros((5, 2))
    path = tmp_path / "events.npz"
    for arrays, message in (
        ({"background": x, "loud": x[:0]}, "'loud' must hold at least one event, got 0"),
        ({"signal": x}, "must hold an array 'background', got signal"),
        ({"background": x, "bump.condition": x}, "'bump.condition' must stand beside the events"),
        ({"background": x, "background.condition": x[:3]}, "must have shape (5, n), got (3, 2)"),
        ({"background": np.array(["a"])}, "'background' must be numbers of shape"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=re.escape(message)):
            read_array_file(path)
    for name, content in (("events.npy", None), ("text.npz", "text")):
        path = tmp_path / name
        if content is None:
            np.save(path, x)
        else:
            path.write_text(content)
        with pytest.raises(InputError, match="must be an npz file, by np.savez"):
            read_array_file(path)


def test_models_that_cannot_be_adopted(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    for model, message in (
        ("float.keras", "layer 'fc': weights must be quantized"),
        ("nothing.keras", "model not found"),
        ("events.npz", "must be a .keras file, by model.save"),
    ):
        code, text = adopt(given, model)
        assert code == 2 and message in text and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_other_commands_know_the_run(
    given: dict[str, Any],
    adopt: Callable[..., tuple[int, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adopt(given)
    folder = str(tmp_path / "run")
    for command, expected, text in (
        (["check", folder], 0, "nothing keeps it from becoming firmware"),
        (["evaluate", folder], 0, "already done"),
        (["rtl", folder, "--n-events", "1000"], 0, "mismatching bits: 0"),
        (["quantize", folder], 2, "must be a run that trains its model"),
        (
            ["run", str(tmp_path / "config.yaml")],
            2,
            "must be an experiment, got the settings of a network that came",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(command)
        found = capsys.readouterr()
        assert (ended.value.code or 0) == expected, found
        assert text in found.out + found.err


@pytest.mark.slow
def test_experiment_of_an_adopted_run(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    adopt(given)
    with pytest.raises(InputError, match="must be a run that trains its model, got one whose"):
        _ = open_run(tmp_path / "run").experiment


def test_float_model_without_the_tensors_of_the_score(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    x = keras.Input((N_FEATURES,), name="wires")
    keras.Model(x, keras.layers.Dense(2, name="other")(x)).save(tmp_path / "float.keras")
    given["network"]["float_model"] = str(tmp_path / "float.keras")
    code, text = adopt(given)
    assert code == 2 and "role 'latent_mean' must be of one of the layers wires, other" in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("n_inputs", [1, 2])
def test_float_model_of_other_inputs(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path, n_inputs: int
) -> None:
    inputs = [keras.Input((5,), name=f"wires_{number}") for number in range(n_inputs)]
    x = keras.layers.Add()(inputs) if n_inputs > 1 else inputs[0]
    keras.Model(inputs, keras.layers.Dense(2, name="mu")(x)).save(tmp_path / "float.keras")
    given["network"]["float_model"] = str(tmp_path / "float.keras")
    code, text = adopt(given)
    assert code == 2 and "the float model must take inputs of the shapes of the quantized" in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("shape", [(2, 4, 1), (4, 2), (8,), (1, 4, 2)])
def test_events_of_another_shape(
    given: dict[str, Any], adopt: Callable[..., tuple[int, str]], tmp_path: Path, shape: Any
) -> None:
    x = keras.Input((4, 2, 1), name="wires")
    h = QActivation(fixed_point("fixed<8,4>"), name="seen")(x)
    keras.Model(x, keras.layers.Flatten(name="mu")(h)).save(tmp_path / "theirs.keras")
    events = FORMAT.quantize(np.random.default_rng(1).normal(0, 1, (6000, *shape)))
    np.savez(tmp_path / "events.npz", background=events)
    settings = with_model(_loaded(given, tmp_path), tmp_path / "theirs.keras")
    if shape == (2, 4, 1):
        with pytest.raises(InputError, match=r"must be numbers of shape \(events, 4, 2, 1\)"):
            check_adoption(settings)
    else:
        check_adoption(settings)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"data": {"max_events": 3000}},
        {"data": {"train_fraction": 0.4}},
        {"front_end": {"features": 6, "format": "fixed<8,4>"}},
    ],
)
def test_what_decides_the_threshold_is_noticed(
    given: dict[str, Any], tmp_path: Path, change: dict[str, Any]
) -> None:
    before = Run(tmp_path / "run", _loaded(given, tmp_path)).digest("convert")
    changed = {**given, **change}
    if "data" in change:
        changed["data"] = given["data"] | change["data"]
    assert Run(tmp_path / "run", _loaded(changed, tmp_path)).digest("convert") != before


def _loaded(settings: dict[str, Any], folder: Path) -> Adoption:
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return load_adoption(folder / "config.yaml")
