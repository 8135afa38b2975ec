"""Teachers of a student: densities by scikit-learn, several seeds, and their mean."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import made_once, run_chain
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from test_student_run import STUDENT

from hls import cli
from keras_ae.errors import InputError
from keras_ae.files import read_json
from keras_ae.models import Student
from keras_ae.run_contents import load_data, load_keras_model, load_model, network_inputs
from keras_ae.runs import Run, open_run
from keras_ae.settings.teachers import GaussianMixtureTeacher, NearestNeighboursTeacher
from keras_ae.teachers import MixtureDensity, NeighbourDistance
from keras_ae.teaching import (
    autoencoder_path,
    density_path,
    learned_scores,
    members_of,
    scores_by_member,
    teacher_scores,
)

TEACHERS: list[dict[str, Any]] = [
    {"kind": "autoencoder", "n_seeds": 2},
    {"kind": "autoencoder", "score": "negative_log_likelihood", "n_samples": 8},
    {"kind": "gaussian_mixture", "n_components": 3},
    {"kind": "nearest_neighbours", "n_neighbours": 2},
]


@pytest.fixture
def x() -> np.ndarray:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, (300, 4)), rng.normal(3, 2, (200, 4))])
    # As models see it.
    return x.astype(np.float32).astype(np.float64)


class TestMixture:
    def test_is_scikit_learns(self, x: np.ndarray, tmp_path: Path) -> None:
        settings = GaussianMixtureTeacher(n_components=2, least_variance=1e-3)
        density = MixtureDensity.fit(settings, x, seed=4)
        exact = GaussianMixture(2, reg_covar=1e-3, random_state=4).fit(x)
        np.testing.assert_array_equal(density.scores(x), -exact.score_samples(x))
        # And that is the density of its moments.
        logs = [
            np.log(weight) + multivariate_normal(mean, covariance).logpdf(x)
            for weight, mean, covariance in zip(
                exact.weights_, exact.means_, exact.covariances_, strict=True
            )
        ]
        np.testing.assert_allclose(density.scores(x), -logsumexp(logs, axis=0), rtol=1e-9)
        density.save(tmp_path / "mixture.npz")
        loaded = MixtureDensity.load(tmp_path / "mixture.npz")
        np.testing.assert_array_equal(loaded.scores(x), density.scores(x))

    def test_more_components_than_events(self, x: np.ndarray) -> None:
        with pytest.raises(
            InputError, match="n_components 30 must learn from at least 30 .*, got 20"
        ):
            MixtureDensity.fit(GaussianMixtureTeacher(), x[:20], seed=1)

    def test_a_variance_that_is_too_small(self) -> None:
        column = np.random.default_rng(1).normal(size=(100, 1)) * 1e6
        settings = GaussianMixtureTeacher(n_components=2, least_variance=1e-9)
        with pytest.raises(InputError, match="least_variance .* must be larger .*, got 1e-09: "):
            MixtureDensity.fit(settings, np.repeat(column, 2, axis=1), seed=1)


class TestNeighbours:
    def test_is_the_mean_distance(self, x: np.ndarray, tmp_path: Path) -> None:
        known, others = x[:400], x[400:]
        density = NeighbourDistance.fit(NearestNeighboursTeacher(n_neighbours=3), known)
        expected = np.sort(cdist(others, known), axis=1)[:, :3].mean(axis=1)
        np.testing.assert_allclose(density.scores(others), expected, rtol=1e-5)
        # What is known is not its own neighbour, and so as rare as what is not.
        known_to_known = cdist(known, known)
        np.fill_diagonal(known_to_known, np.inf)
        expected = np.sort(known_to_known, axis=1)[:, :3].mean(axis=1)
        np.testing.assert_allclose(density.scores(known), expected, rtol=1e-5)
        density.save(tmp_path / "known.npz")
        loaded = NeighbourDistance.load(tmp_path / "known.npz")
        np.testing.assert_array_equal(loaded.scores(others), density.scores(others))

    def test_a_damaged_file(self, x: np.ndarray, tmp_path: Path) -> None:
        path = tmp_path / "known.npz"
        NeighbourDistance.fit(NearestNeighboursTeacher(), x).save(path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InputError, match=r"known.npz must be a whole teacher as 'keras-ae dis"):
            NeighbourDistance.load(path)
        np.savez(path, known=x)
        with pytest.raises(
            InputError, match=r"known.npz must be a whole teacher .*: .*n_neighbours"
        ):
            NeighbourDistance.load(path)
        with pytest.raises(FileNotFoundError, match="teacher not found"):
            MixtureDensity.load(tmp_path / "none.npz")

    def test_more_neighbours_than_events(self, x: np.ndarray) -> None:
        with pytest.raises(InputError, match="n_neighbours 5 must learn from at least 6 .*, got 5"):
            NeighbourDistance.fit(NearestNeighboursTeacher(), x[:5])


@pytest.fixture(scope="module")
def finished(small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    exposure = {"share": 0.4, "steps": [{"kind": "merged"}, {"kind": "scaled"}]}
    content = small_experiment | {
        "inputs": {"kind": "float", "use": "*.pt", "log": "*.pt", "clip": 8.0},
        "architecture": {"input_dim": 19, "hidden_dims": [8], "latent_dim": 2},
        "objective": {"kind": "variational", "learn_variance": True},
        "student": STUDENT
        | {
            "inputs": {"use": "*.pt", "scale": {"*.pt": {"shift": 6}}},
            "architecture": {"input_dim": 19, "hidden_dims": [6]},
            "teachers": TEACHERS,
            "exposure": exposure,
            "further_scores": ["kl_divergence"],
            "initial_biases": "centred",
            "focus": {"target_fprs": [0.05, 0.01]},
        },
        "trigger": {"score": "negative_elbo", "target_fpr": 0.05},
    }
    folder = made_once(tmp_path_factory, "teachers", lambda folder: run_chain(folder, content))
    return open_run(folder / "run")


class TestRun:
    def test_firmware_is_the_quantized_student(self, finished: Run) -> None:
        assert read_json(finished.validation_path)["mismatching_bits"] == 0

    def test_members(self, finished: Run) -> None:
        names = [member.name for member in members_of(finished)]
        assert names == [
            "0_autoencoder_0",
            "0_autoencoder_1",
            "1_autoencoder_0",
            "2_gaussian_mixture",
            "3_nearest_neighbours",
        ]
        methods = read_json(finished.metrics_path)["methods"]
        assert {f"teacher/{name}" for name in (*names, "mean")} <= set(methods)
        assert methods["teacher/0_autoencoder_0"] == methods["float/negative_elbo"]

    def test_the_mean_is_that_of_standardized_scores(self, finished: Run) -> None:
        data = load_data(finished)
        train, test = (network_inputs(finished, "float", s) for s in (data.train, data.test))
        models = [
            load_keras_model(path)
            for path in (finished.model_path("float"), autoencoder_path(finished, 1))
        ]
        assert (models[0].encoder.get_weights()[0] != models[1].encoder.get_weights()[0]).any()
        functions = [
            *(lambda x, m=m: m.score(x, "negative_elbo") for m in models),
            lambda x: -models[0].log_likelihood(x, 8),
            lambda x: (
                -GaussianMixture(3, reg_covar=1e-3, random_state=finished.experiment.seed)
                .fit(train.astype(np.float64))
                .score_samples(x.astype(np.float64))
            ),
            lambda x: NeighbourDistance(train.astype(np.float64), 2).scores(x),
        ]
        expected = np.mean(
            [(f(test) - f(train).mean()) / f(train).std() for f in functions], axis=0
        )
        found = teacher_scores(finished, data.test)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)

    def test_a_further_score_is_the_autoencoders_alone(self, finished: Run) -> None:
        test = load_data(finished).test
        found = learned_scores(finished, test)
        assert found.shape == (len(test), 2)
        np.testing.assert_array_equal(found[:, 0], teacher_scores(finished, test))
        model, x = load_model(finished, "float"), network_inputs(finished, "float", test)
        np.testing.assert_allclose(found[:, 1], model.score(x, "kl_divergence"), rtol=1e-6)

    def test_the_student_has_learned_it_with_made_up_events(self, finished: Run) -> None:
        data, student = load_data(finished), load_model(finished, "student")
        assert isinstance(student, Student)
        on_background = learned_scores(finished, data.train)
        taught = np.sort(learned_scores(finished, data.train)[:, 0])[::-1]
        edges = np.stack([taught[[len(taught) // 20, len(taught) // 100]]] * 2, axis=1)
        expected = np.asarray(student.target(edges))[:, 0]
        found = next(w for w in student.weights if w.name == "focused")
        # A likelihood by sampling is another one in another batch.
        np.testing.assert_allclose(np.asarray(found)[:2], expected, rtol=0.05)
        # Mean and deviation are of more than the background.
        alone = np.asarray(student.target(on_background))
        assert (abs(alone.mean(axis=0)) > 1e-3).all()

    def test_it_is_done_once(self, finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            cli.main(["distill", str(finished.folder)])
        assert "already done" in capsys.readouterr().out


def test_too_many_components_before_training(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teachers = [{"kind": "gaussian_mixture", "n_components": 2000}]
    content = experiment_content | {"student": STUDENT | {"teachers": teachers}}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", str(tmp_path / "e.yaml"), "--run-dir", str(tmp_path / "run")])
    assert caught.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert "student.teachers.0: a teacher of n_components 2000 must learn from at least" in lines[0]
    assert not (tmp_path / "run").exists()


def test_a_slow_teacher_is_asked_once(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    run = open_run(tmp_path / "run")
    test = load_data(run).test
    shutil.rmtree(run.teacher_scores_folder)
    found = teacher_scores(run, test)

    def asked_again(self: Any, x: np.ndarray) -> np.ndarray:
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(NeighbourDistance, "scores", asked_again)
        np.testing.assert_array_equal(teacher_scores(run, test), found)
        with pytest.raises(AssertionError):
            teacher_scores(run, test.take(np.arange(10)))
    # It belongs to no stage.
    shutil.rmtree(run.teacher_scores_folder)
    assert run.is_finished("distill")


def test_scores_that_were_kept_are_of_the_same_teachers(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    run = open_run(tmp_path / "run")
    test = load_data(run).test
    scores_by_member(run, test)
    content = yaml.safe_load(run.experiment_path.read_text(encoding="utf-8"))
    content["student"]["teachers"][2]["n_components"] = 4
    run.experiment_path.write_text(yaml.safe_dump(content), encoding="utf-8")
    run = open_run(run.folder)
    x = network_inputs(run, "float", load_data(run).train)
    mixture = MixtureDensity.fit(run.experiment.student.teachers[2], x, seed=1)
    mixture.save(density_path(run, 2))
    expected = mixture.scores(network_inputs(run, "float", test))
    found = scores_by_member(run, test)["2_gaussian_mixture"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
