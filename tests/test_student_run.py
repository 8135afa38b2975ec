"""A run with a student: stages and their order, what is evaluated, firmware, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import made_once, run_chain
from test_fidelity import read_page
from trigger_objects import N_FEATURES, PORT_FORMAT, fitted_scaler

from hls import cli
from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.interface import read_interface
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae import run_fitting
from keras_ae.errors import InputError
from keras_ae.files import read_json
from keras_ae.fitting.fit import fit
from keras_ae.metrics import roc_auc
from keras_ae.models import Student, build_student
from keras_ae.precision import FixedPoint
from keras_ae.run_contents import load_data, load_model, network_inputs
from keras_ae.runs import Run, create_run, open_run
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.training import distill, train
from keras_ae.yaml_files import validate_settings

STUDENT = {
    "architecture": {"input_dim": N_FEATURES, "hidden_dims": [6]},
    "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01},
}


@pytest.fixture
def student_content(experiment_content: dict[str, Any]) -> dict[str, Any]:
    return experiment_content | {"student": STUDENT}


@pytest.fixture(scope="module")
def finished(small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole chain on the command line, the student read as a stream, with a further score."""
    content = small_experiment | {"student": STUDENT | {"further_scores": ["kl_divergence"]}}
    settings = {"io_type": "io_stream", "scores": ["student_kl_divergence"]}
    content["firmware"] = content["firmware"] | settings
    folder = made_once(tmp_path_factory, "student", lambda folder: run_chain(folder, content))
    return open_run(folder / "run")


def test_whole_chain(finished: Run) -> None:
    validation = read_json(finished.validation_path)
    assert validation["events"] > 20_000
    assert validation["mismatching_bits"] == 0
    trigger = read_json(finished.trigger_path)
    assert trigger["score"] == "student_score"
    assert trigger["score_format"] == str(finished.experiment.precision.latent)
    assert 0 < trigger["calibration_fpr"] <= 0.05
    # Nothing of the teacher goes into firmware.
    graph = TriggerGraph.load(finished.trigger_graph_path)
    dense = [layer.name for layer in graph.layers if layer.has_kernel]
    assert dense == ["encoder_dense_1", "latent_mean", "encoder_student_kl_divergence"]
    assert graph.score_names == ("student_score", "student_kl_divergence")
    assert (finished.plots_folder / "training_student.png").exists()


def test_methods_are_the_teachers_and_the_students(finished: Run) -> None:
    methods = read_json(finished.metrics_path)["methods"]
    of_student = {
        f"{name}/{score}"
        for name in ("student", "post_training", "quantized")
        for score in ("student_score", "student_kl_divergence")
    }
    others = {name for name in methods if name.split("/")[0] in ("float", "untrained", "baseline")}
    assert set(methods) == of_student | others
    assert "float/reconstruction_error" in others
    # By hand: the saved student on the float inputs.
    data, student = load_data(finished), load_model(finished, "student")
    scores = {
        name: student.score(network_inputs(finished, "float", sample), "student_score")
        for name, sample in data.tested.items()
    }
    for signal in data.signals:
        expected = roc_auc(scores["background"], scores[signal]).value
        assert methods["student/student_score"][signal]["auc"] == expected


def test_student_learned_from_the_teachers_float_score(finished: Run) -> None:
    data, teacher = load_data(finished), load_model(finished, "float")
    x = network_inputs(finished, "float", data.train)
    scores = ("reconstruction_error", "kl_divergence")
    expected = np.log(np.stack([teacher.score(x, name) for name in scores], axis=1).astype(float))
    for name in ("student", "quantized"):
        student = load_model(finished, name)
        assert isinstance(student, Student)
        target = np.asarray(student.target(np.exp(expected)))
        np.testing.assert_allclose(
            target, (expected - expected.mean(axis=0)) / expected.std(axis=0), rtol=1e-3, atol=1e-3
        )
    history = read_json(finished.history_path("student"))
    # Of a target of variance 1.
    assert history["loss"][-1] < history["loss"][0] and history["val_loss"][-1] < 0.9


@pytest.mark.slow
def test_summary_says_what_is_lost(
    finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = open_run(Path(shutil.copytree(finished.folder, tmp_path / "copy")))
    with pytest.raises(SystemExit):
        cli.main(["validate", str(finished.folder)])
    out = capsys.readouterr().out
    assert "score: student_score, learned from reconstruction_error" in out
    header, row = (
        next(line for line in out.splitlines() if line.startswith(start))
        for start in ("signal", "A -> 4l")
    )
    titles = ["student", "PTQ", "QAT", "firmware", "lost"]
    assert header.split()[3:8] == titles
    shown = dict(zip(titles, row.split("±")[1].split()[1:], strict=False))
    lost = read_json(finished.metrics_path)["methods"]["float/reconstruction_error"]["A -> 4l"]
    lost = (
        lost["auc"]
        - read_json(finished.validation_path)["levels"]["firmware"]["separation"]["A -> 4l"]["auc"]
    )
    assert float(shown["lost"]) == pytest.approx(lost, abs=5.1e-4)
    # The page shows the teacher; its score has another scale, so it has no rate here.
    report, page = read_json(finished.validation_path), read_page(finished.fidelity_page_path)
    teacher = report["levels"]["teacher"]
    assert teacher["trigger_rate"] is None
    for text in (page.text, (finished.firmware_folder / "README.md").read_text()):
        assert "tudent 57-" in text
        assert "which learned the logarithm of the reconstruction_error of a " in text
    assert f"{teacher['separation']['A -> 4l']['auc']:.4f} (" in page.text
    assert list(report["auc_changes"]) == ["post_training", "quantized", "firmware"]


@pytest.mark.slow
def test_stages_are_skipped_and_repeated(
    finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = finished.folder.parent / "experiment.yaml"
    with pytest.raises(SystemExit):
        cli.main(["run", str(config), "--run-dir", str(finished.folder)])
    assert capsys.readouterr().out.count("already done") == 5
    for stage in ("train", "distill", "quantize", "evaluate", "convert"):
        assert finished.is_finished(stage)
    changes = {
        # What changed, and the last stage that still holds.
        "quantize": {"trigger": {"target_fpr": 0.06}},
        "train": {"student": {"training": {"epochs": 4}}},
        "distill": {"precision": {"weight": "fixed<9,3>"}},
    }
    content = finished.experiment.model_dump(mode="json")
    stages = ["train", "distill", "quantize", "evaluate"]
    for last, change in changes.items():
        ((section, values),) = change.items()
        changed = content | {section: content[section] | values}
        other = Run(finished.folder, Experiment.model_validate(changed))
        held = [stage for stage in stages if other.is_finished(stage)]
        assert held == stages[: stages.index(last) + 1], last
    # Another score of the teacher is another student, but the same teacher.
    changed = content | {"trigger": content["trigger"] | {"score": "squared_latent_norm"}}
    other = Run(finished.folder, Experiment.model_validate(changed))
    assert [stage for stage in stages if other.is_finished(stage)] == ["train"]


def test_without_a_student_nothing_is_distilled(
    finished: Run, experiment_content: dict[str, Any]
) -> None:
    alone = Run(finished.folder, Experiment.model_validate(experiment_content))
    assert alone.is_finished("train")
    assert not alone.is_finished("quantize")
    with pytest.raises(InputError, match="section student must be given to distill, got none"):
        distill(alone)


def test_order_of_stages(
    student_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(tmp_path / "run", Experiment.model_validate(student_content))
    for command, needed in (("distill", "train"), ("quantize", "distill")):
        with pytest.raises(SystemExit) as caught:
            cli.main([command, str(run.folder)])
        assert caught.value.code == 2
        err = capsys.readouterr().err
        assert f"must have finished the stage '{needed}' first" in err


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("student", {}, "missing key student.architecture"),
        (
            "student.architecture.latent_dim",
            3,
            "student: architecture.latent_dim of a student must be 1, because .*, got 3",
        ),
        (
            "student.architecture.latent_activation",
            "relu",
            "student: architecture.latent_activation of a student must be 'linear', .*, got 'relu'",
        ),
        (
            "student.architecture.input_dim",
            56,
            "student.architecture.input_dim must be 57, .* sees of 57, got 56",
        ),
        (
            "student.architecture.condition_dim",
            3,
            "student.architecture must have the condition_dim of architecture, 0, got 3",
        ),
        (
            "student.epochs",
            3,
            "unknown key student.epochs; choices: inputs, teachers, further_scores, exposure, arch",
        ),
        (
            "student.teachers",
            [{"kind": "autoencoder", "score": "mass"}],
            "student.teachers.score .* must be one of reconstruction_error, .*, got 'mass'",
        ),
        (
            "student.teachers",
            [{"kind": "autoencoder", "n_samples": 5}],
            "n_samples must not be set for the score None, which is not sampled, got 5",
        ),
        ("student.teachers", [{"kind": "forest"}], "student.teachers.0.kind must be one of"),
        (
            "student.exposure",
            {"share": 1.0, "steps": [{"kind": "merged"}]},
            "student.exposure.share: .*less than or equal to 0.99",
        ),
        (
            "student.exposure",
            {"steps": [{"kind": "merged", "collections": ["tau"]}]},
            "collections of the augmentation 'merged' must be some of electron, muon, jet, "
            "got 'tau'",
        ),
        ("student.exposure", {"steps": []}, "student.exposure.steps: must have more"),
        (
            "student.further_scores",
            ["reconstruction_error"],
            "student.further_scores must not name trigger.score, .*, 'reconstruction_error'",
        ),
        (
            "student.teachers",
            [{"kind": "gaussian_mixture"}, {"kind": "gaussian_mixture", "n_components": 30}],
            "student: teachers.1 must differ from those before it, got gaussian_mixture with the",
        ),
        (
            "student.teachers",
            [{"kind": "autoencoder", "n_seeds": 3}, {"kind": "autoencoder"}],
            "student: teachers.1 must differ from those before it, got autoencoder with the same",
        ),
        (
            "report",
            {"background_like": ["A -> 4l", "A -> 4l"]},
            "report: background_like must name each once, got A -> 4l, A -> 4l",
        ),
        (
            "student.further_scores",
            ["mass"],
            "student.further_scores for .* must be of reconstruction_error, .*, got 'mass'",
        ),
        (
            "student.further_scores",
            ["kl_divergence", "kl_divergence"],
            "student: further_scores must name each once, got kl_divergence, kl_divergence",
        ),
    ],
)
def test_refused_experiments(
    student_content: dict[str, Any], tmp_path: Path, section: str, value: Any, message: str
) -> None:
    *path, key = section.split(".")
    content = json.loads(json.dumps(student_content))
    place = content
    for name in path:
        place = place[name]
    place[key] = value
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_experiment(tmp_path / "e.yaml")


def test_firmware_has_the_students_scores_alone(student_content: dict[str, Any]) -> None:
    student_content["firmware"]["scores"] = ["kl_divergence"]
    message = "e.yaml: firmware.scores with a student .*, got kl_divergence; choices: "
    with pytest.raises(InputError, match=f"{message}none"):
        validate_settings(Experiment, student_content, "e.yaml")
    student_content["student"] = STUDENT | {"further_scores": ["kl_divergence", "latent_norm"]}
    with pytest.raises(InputError, match=f"{message}student_kl_divergence, student_latent_norm"):
        validate_settings(Experiment, student_content, "e.yaml")


def test_teacher_that_firmware_could_not_hold(student_content: dict[str, Any]) -> None:
    student_content["trigger"]["score"] = "latent_norm"
    student_content["architecture"]["latent_activation"] = "sigmoid"
    settings = Experiment.model_validate(student_content).firmware
    assert isinstance(settings, FirmwareSettings)


def test_teacher_without_gradients(student_content: dict[str, Any]) -> None:
    student_content["objective"] = {"kind": "oja"}
    student_content["architecture"] = {"input_dim": N_FEATURES, "hidden_dims": [], "latent_dim": 3}
    student_content["training"]["optimizer"] = "sgd"
    # The student is fine-tuned by Adam all the same.
    assert Experiment.model_validate(student_content).quantization.optimizer == "adam"


class TestFirmware:
    def student(self, spec: Any, precision: FixedPoint, scale: float) -> Student:
        """Of random weights, large enough for scores of either sign to saturate."""
        student = build_student(spec, precision, seed=3)
        layer = student.encoder.get_layer("latent_mean")
        kernel, _ = layer.get_weights()
        layer.set_weights([kernel * scale, np.array([-1.0])])
        return student

    @pytest.mark.parametrize(
        ("io_type", "threshold"),
        [("io_parallel", "constant"), pytest.param("io_stream", "input", marks=pytest.mark.slow)],
    )
    def test_every_bit(
        self, events: np.ndarray, tmp_path: Path, io_type: str, threshold: str
    ) -> None:
        units, precision = PORT_FORMAT, FixedPoint(latent="fixed<9,3>")
        scaler = fitted_scaler(events)
        spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(6, 4), latent_dim=1)
        student = self.student(spec, precision, 2.0)
        graph = build_trigger_graph(
            student,
            ["student_score"],
            (events,),
            # So that the threshold is negative.
            0.7,
            scaler,
            units,
            threshold == "input",
        )
        self.prove(graph, (events,), units, tmp_path / "firmware", io_type)
        inputs = graph.with_threshold((events,))
        scores = graph.evaluate(*inputs).scores["student_score"]
        x = precision.input.quantize(scaler.transform(events))
        np.testing.assert_allclose(scores, student.score(x, "student_score"), atol=1e-6)

    def test_rtl_of_two_outputs(self, events: np.ndarray, tmp_path: Path) -> None:
        scaler, spec = (
            fitted_scaler(events),
            ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(4,), latent_dim=1),
        )
        student = build_student(spec, FixedPoint(), seed=3, further_scores=["kl_divergence"])
        names = list(student.score_names)
        graph = build_trigger_graph(student, names, (events,), 0.1, scaler, PORT_FORMAT, False)
        settings = FirmwareSettings(levels_per_stage=8)
        write_rtl_project(graph, tmp_path / "rtl", settings, [events[:20]])
        stress = stress_events(PORT_FORMAT, (N_FEATURES,), 500, seed=1)
        inputs = (np.concatenate([events[:500], stress]),)
        with VerilogSimulation(tmp_path / "rtl") as simulation:
            found = simulation.run(*inputs).output
        expected = graph.evaluate(*inputs)
        assert list(found.scores) == names
        for name, scores in expected.scores.items():
            assert len(np.unique(scores)) > 10
            np.testing.assert_array_equal(found.scores[name], scores, name)
        np.testing.assert_array_equal(found.trigger, expected.trigger)

    @pytest.mark.parametrize(
        "io_type", [pytest.param("io_parallel", marks=pytest.mark.slow), "io_stream"]
    )
    @pytest.mark.slow
    def test_images(self, tmp_path: Path, io_type: str) -> None:
        spec = ConvolutionalSpec(
            kind="convolutional", image_shape=(4, 8, 1), filters=(3,), latent_dim=1
        )
        precision = FixedPoint(latent="fixed<8,2>")
        images = stress_events(precision.input, (4, 8, 1), 2000, seed=1)
        student = self.student(spec, precision, 1.0)
        graph = build_trigger_graph(student, ["student_score"], (images,), 0.7)
        self.prove(graph, (images,), precision.input, tmp_path / "firmware", io_type)

    def prove(
        self, graph: TriggerGraph, inputs: tuple, form: Any, folder: Path, io_type: str
    ) -> None:
        given = graph.with_threshold(inputs)
        convert_trigger_graph(
            graph, folder, FirmwareSettings(io_type=io_type), [part[:200] for part in given]
        )
        stress = graph.with_threshold((stress_events(form, inputs[0].shape[1:], 3000, seed=2),))
        validation = validate_project(graph, folder, {"given": given, "stress": stress})
        assert validation.mismatching_bits == 0
        assert validation.inexact_layers == ()
        outputs = validation.outputs["stress"].scores["student_score"]
        latent = graph.grids["student_score"].format
        assert (outputs.min(), outputs.max()) == (latent.low, latent.high)
        assert graph.threshold < 0
        assert 0.5 < validation.outputs["given"].trigger.mean() < 0.75

    def test_port_of_a_score_that_never_fills_its_format(self, tmp_path: Path) -> None:
        # Four inputs of at most 8 with weights below 2 reach +-64, the latent's format +-128.
        precision = FixedPoint(latent="fixed<12,8>")
        spec = ArchitectureSpec(input_dim=4, hidden_dims=(), latent_dim=1)
        x = stress_events(precision.input, (4,), 500, seed=1)
        graph = build_trigger_graph(
            build_student(spec, precision, seed=1), ["student_score"], (x,), 0.1
        )
        convert_trigger_graph(graph, tmp_path / "firmware", FirmwareSettings(), [x])
        (score, _) = read_interface(tmp_path / "firmware").outputs
        assert score.format == "fixed<12,8>"
        types = (tmp_path / "firmware" / "firmware" / "defines.h").read_text()
        assert f"typedef ap_{score.format} student_score_t;" in types

    def test_another_score(self, events: np.ndarray) -> None:
        student = build_student(ArchitectureSpec(input_dim=N_FEATURES, latent_dim=1), FixedPoint())
        message = "score of Student in firmware must be one of student_score, got 'kl_divergence'"
        with pytest.raises(InputError, match=message):
            build_trigger_graph(
                student,
                ["kl_divergence"],
                (events,),
                0.1,
                fitted_scaler(events),
                PORT_FORMAT,
            )


def test_the_best_of_several_initial_weights_is_kept(
    student_content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = student_content | {"student": STUDENT | {"n_init": 3}}
    run = create_run(tmp_path / "run", Experiment.model_validate(content))
    train(run, progress=False)
    experiment, data, score = run.experiment, load_data(run), run.experiment.trigger.score
    inputs, scores = zip(
        *(
            (x, load_model(run, "float").score(x, score))
            for x in (network_inputs(run, "float", s) for s in (data.train, data.validation))
        ),
        strict=True,
    )
    fits = []
    for number in range(3):
        seed = experiment.seed + 10_007 * number
        student = build_student(experiment.student.architecture, seed=seed)
        student.adapt(scores[0])
        settings, checkpoint = experiment.student.training, tmp_path / str(number)
        history = fit(student, *inputs, settings, seed, checkpoint, progress=False, targets=scores)
        fits.append((min(history["val_loss"]), student, history))
    losses = [loss for loss, *_ in fits]
    assert len(set(losses)) == 3
    _, best, history = fits[int(np.argmin(losses))]

    # Interrupted once, before the third.
    n_fitted = []

    def interrupted(*arguments: Any, **options: Any) -> dict[str, list[float]]:
        n_fitted.append(1)
        if len(n_fitted) == 3:
            raise KeyboardInterrupt
        return fit(*arguments, **options)

    monkeypatch.setattr(run_fitting, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        distill(run, progress=False)
    assert len(list(run.folder.glob("checkpoint_student*"))) == 2
    distill(run, progress=False)
    assert not list(run.folder.glob("checkpoint_*"))
    kept = load_model(run, "student")
    assert read_json(run.history_path("student")) == history
    for found, expected in zip(kept.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
