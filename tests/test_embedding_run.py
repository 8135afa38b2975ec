"""A run with an embedding: its stages, what is frozen, firmware of it, refusals."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import made_once, run_chain
from numpy.testing import assert_array_equal
from sklearn.mixture import GaussianMixture
from trigger_objects import N_FEATURES, PORT_FORMAT, fitted_scaler

from hls import cli
from hls.graph.build import build_trigger_graph
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.embedding import embed, fine_tuned_embedding, trained_embedding
from keras_ae.errors import InputError
from keras_ae.files import read_json
from keras_ae.fitting.bit_penalty import ResourcePenalty
from keras_ae.fitting.pruning import Pruning, weights_zero
from keras_ae.metrics import roc_auc
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.run_contents import load_data, load_keras_model, load_model, network_inputs
from keras_ae.runs import Run, create_run, open_run
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.learning import PruningSettings
from keras_ae.teachers import NeighbourDistance
from keras_ae.teaching import autoencoder_path, scores_by_member
from keras_ae.training import distill, quantize, train
from keras_ae.yaml_files import validate_settings

EMBEDDING = {
    "architecture": {"input_dim": 57, "hidden_dims": [9], "latent_dim": 5},
    "objective": {
        "kind": "vicreg",
        "projector_dims": [8],
        "n_pairs": 2,
        "augmentations": [{"kind": "rotated"}, {"kind": "smeared", "relative": 0.1}],
    },
    "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01},
    "quantization": {"epochs": 1, "batch_size": 64},
}


def with_embedding(content: dict[str, Any]) -> dict[str, Any]:
    content = copy.deepcopy(content)
    content["embedding"] = copy.deepcopy(EMBEDDING)
    content["architecture"] = {"input_dim": 5, "hidden_dims": [6, 4], "latent_dim": 2}
    content["objective"] = {"kind": "plain"}
    content["trigger"]["score"] = "squared_error"
    content["precision"] |= {"embedding": "fixed<12,6>", "reconstruction": "fixed<12,6>"}
    return content


@pytest.fixture
def content(experiment_content: dict[str, Any]) -> dict[str, Any]:
    return with_embedding(experiment_content)


def run_of(folder: Path, content: dict[str, Any]) -> Run:
    return create_run(folder, validate_settings(Experiment, content, "experiment"))


@pytest.fixture(scope="module")
def finished(small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole chain on the command line, with the norm of the embedding as a further score."""
    content = with_embedding(small_experiment)
    content["firmware"] = content["firmware"] | {"scores": ["squared_embedding_norm"]}
    folder = made_once(tmp_path_factory, "embedding", lambda folder: run_chain(folder, content))
    return open_run(folder / "run")


def test_whole_chain(finished: Run) -> None:
    validation = read_json(finished.validation_path)
    assert validation["events"] > 20_000 and validation["mismatching_bits"] == 0
    graph = TriggerGraph.load(finished.trigger_graph_path)
    assert graph.score_names == ("squared_error", "squared_embedding_norm")
    dense = [layer.name for layer in graph.layers if layer.has_kernel]
    assert dense[:2] == ["embedding_dense_1", "embedding"]
    assert dense[2:4] == ["encoder_dense_1", "encoder_dense_2"]
    assert (finished.plots_folder / "training_embedding.png").exists()
    # The score is of the embedding, not of the event.
    assert graph.node("squared_error").inputs[0] == graph.node("squared_embedding_norm").inputs[0]


def test_scores_by_hand(finished: Run) -> None:
    data, methods = load_data(finished), read_json(finished.metrics_path)["methods"]
    model = load_model(finished, "quantized")
    scores = {}
    for name, sample in data.tested.items():
        x = network_inputs(finished, "quantized", sample)
        z = np.asarray(model.embedding(x))
        y = np.asarray(model.decoder(model.encoder(z)))
        scores[name] = ((z.astype(float) - y) ** 2).sum(axis=1)
        assert_array_equal(model.embed(x), z)
        assert_array_equal(model.score(x, "squared_error"), scores[name].astype("float32"))
        norm = (z.astype(float) ** 2).sum(axis=1)
        assert_array_equal(model.score(x, "squared_embedding_norm"), norm.astype("float32"))
    for signal in data.signals:
        expected = roc_auc(scores["background"], scores[signal]).value
        assert methods["quantized/squared_error"][signal]["auc"] == pytest.approx(expected)


def test_embedding_is_frozen_to_the_bit(finished: Run) -> None:
    """What is behind it learns; what was embedded does not move."""
    learned = trained_embedding(finished).encoder
    model = load_model(finished, "float")
    for before, after in zip(learned.get_weights(), model.embedding.get_weights(), strict=True):
        assert_array_equal(before, after)
    tuned = fine_tuned_embedding(finished, load_data(finished), progress=False)
    quantized = load_model(finished, "quantized")
    for before, after in zip(tuned.get_weights(), quantized.embedding.get_weights(), strict=True):
        assert_array_equal(before, after)
    assert not quantized.embedding.trainable_variables
    # It was trained further in fixed point, and so was what is behind it.
    assert any(
        (before != after).any()
        for before, after in zip(learned.get_weights(), tuned.get_weights(), strict=True)
    )


def test_outputs_have_mean_zero_on_background(finished: Run) -> None:
    x = network_inputs(finished, "float", load_data(finished).train)
    mean = trained_embedding(finished).embed(np.asarray(x)).mean(axis=0)
    np.testing.assert_allclose(mean, 0, atol=1e-4)


def test_stages_are_done_again_only_where_something_changed(
    content: dict[str, Any], tmp_path: Path
) -> None:
    run = run_of(tmp_path / "run", content)
    with pytest.raises(InputError, match="must have finished the stage 'embed' first"):
        train(run, progress=False)
    assert embed(run, progress=False) and train(run, progress=False)
    assert quantize(run, progress=False)
    weights = run.model_path("embedding").read_bytes()
    content["training"]["epochs"] = 1
    run = run_of(tmp_path / "run", content)
    assert not embed(run, progress=False) and train(run, progress=False)
    assert run.model_path("embedding").read_bytes() == weights
    content["embedding"]["quantization"] = {"epochs": 2, "batch_size": 64}
    run = run_of(tmp_path / "run", content)
    assert not embed(run, progress=False) and not train(run, progress=False)
    assert quantize(run, progress=False)
    content["embedding"]["training"]["epochs"] = 1
    run = run_of(tmp_path / "run", content)
    assert embed(run, progress=False)


def test_same_seed_same_weights(content: dict[str, Any], tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        run = run_of(tmp_path / name, content)
        embed(run, progress=False)
        found.append(trained_embedding(run).get_weights())
    for first, second in zip(*found, strict=True):
        assert_array_equal(first, second)


@pytest.mark.parametrize("kind", ["sparse", "denoising", "contractive", "variational"])
def test_any_objective_by_gradient_on_it(
    kind: str, content: dict[str, Any], tmp_path: Path
) -> None:
    content["objective"] = {"kind": kind}
    content["firmware"] = None
    run = run_of(tmp_path / "run", content)
    assert embed(run, progress=False) and train(run, progress=False)
    model = load_model(run, "float")
    x = np.asarray(network_inputs(run, "float", load_data(run).test))[:100]
    assert model.reconstruct(x).shape == model.embed(x).shape == (100, 5)
    assert all(np.isfinite(values).all() for values in model.scores(x).values())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "embedding.objective.augmentations",
            [{"kind": "smeared", "relative": 0.1, "fields": ["tau.pt"]}],
            "fields of the augmentation 'smeared' must name some of met.pt",
        ),
        (
            "embedding.objective.variance_weight",
            0.0,
            "embedding.objective.variance_weight: input should be greater than 0",
        ),
        (
            "embedding.training.batch_size",
            1,
            "training.batch_size of an embedding must be >= 2, of one event there is no variance",
        ),
        (
            "embedding.architecture.latent_dim",
            0,
            "embedding.architecture.latent_dim: input should be greater",
        ),
        (
            "embedding.architecture.latent_activation",
            "relu",
            "architecture.latent_activation of an embedding must be 'linear', got 'relu'",
        ),
        (
            "embedding.architecture.input_dim",
            19,
            "embedding.architecture.input_dim must be 57, the numbers of an event that the network",
        ),
        (
            "architecture.input_dim",
            57,
            "architecture must be dense with input_dim 5, the outputs of the embedding, got 57-",
        ),
        ("objective", {"kind": "oja"}, "objective.kind 'oja'"),
        (
            "objective",
            {"kind": "plain", "likelihood": "masked_gaussian"},
            "objective.likelihood must be 'gaussian' for the outputs of an embedding",
        ),
        (
            "embedding.quantization",
            {"mixed_precision": True},
            "mixed_precision must be false, got true",
        ),
        ("precision.layers", {"embedding_dense_9": {"weight": "fixed<4,1>"}}, "embedding_dense_1"),
    ],
)
def test_refusals(
    path: str,
    value: Any,
    message: str,
    content: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    part, (*keys, last) = content, path.split(".")
    for key in keys:
        part = part[key]
    part[last] = value
    config = tmp_path / "experiment.yaml"
    config.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", str(config), "--run-dir", str(tmp_path / "run")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.fixture
def taught_content(content: dict[str, Any]) -> dict[str, Any]:
    """A student learns a mixture of the embedding and neighbours of the inputs."""
    content["student"] = {
        "architecture": {"input_dim": 57, "hidden_dims": [6]},
        "teachers": [
            {"kind": "gaussian_mixture", "n_components": 3, "sees": "embedding"},
            {"kind": "nearest_neighbours"},
        ],
        "training": {"epochs": 2, "batch_size": 64},
    }
    return content


def test_a_density_of_the_embedding_is_scikit_learns(
    taught_content: dict[str, Any], tmp_path: Path
) -> None:
    run = run_of(tmp_path / "run", taught_content)
    embed(run, progress=False)
    train(run, progress=False)
    distill(run, progress=False)
    data, model = load_data(run), load_model(run, "float")
    training, test = (
        model.embedding.predict(network_inputs(run, "float", sample), verbose=0).astype(np.float64)
        for sample in (data.train, data.test)
    )
    mixture = GaussianMixture(3, reg_covar=1e-3, random_state=run.experiment.seed).fit(training)
    of_inputs = network_inputs(run, "float", data.train).astype(np.float64)
    found = scores_by_member(run, data.test)
    np.testing.assert_allclose(
        found["0_gaussian_mixture"], -mixture.score_samples(test), rtol=1e-3, atol=1e-3
    )
    neighbours = NeighbourDistance(of_inputs, 5)
    expected = neighbours.scores(network_inputs(run, "float", data.test).astype(np.float64))
    np.testing.assert_allclose(found["1_nearest_neighbours"], expected, rtol=1e-6)


def test_every_autoencoder_that_teaches_is_one_of_the_embedding(
    taught_content: dict[str, Any], tmp_path: Path
) -> None:
    taught_content["student"]["teachers"] = [{"kind": "autoencoder", "n_seeds": 2}]
    run = run_of(tmp_path / "run", taught_content)
    embed(run, progress=False)
    train(run, progress=False)
    distill(run, progress=False)
    expected = trained_embedding(run).encoder.get_weights()
    for path in (run.model_path("float"), autoencoder_path(run, 1)):
        found = load_keras_model(path).embedding.get_weights()
        for one, other in zip(found, expected, strict=True):
            assert_array_equal(one, other)


def test_a_density_of_an_embedding_that_is_not_there(
    experiment_content: dict[str, Any], taught_content: dict[str, Any]
) -> None:
    content = experiment_content | {"student": taught_content["student"]}
    with pytest.raises(InputError, match="teachers.sees must be 'inputs' without a section embedd"):
        validate_settings(Experiment, content, "experiment")


def test_no_embedding(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", experiment_content)
    with pytest.raises(InputError, match="section embedding must be given to embed, got none"):
        embed(run)


def test_score_of_an_embedding_without_one(experiment_content: dict[str, Any]) -> None:
    experiment_content["trigger"]["score"] = "squared_embedding_norm"
    with pytest.raises(InputError, match="trigger.score for objective.kind 'variational' must be"):
        validate_settings(Experiment, experiment_content, "experiment")


def test_rtl_of_an_autoencoder_of_an_embedding(events: np.ndarray, tmp_path: Path) -> None:
    """Three networks one behind the other, scores of the code, the embedding and the error."""
    scaler = fitted_scaler(events)
    front = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(4,), latent_dim=3)
    behind = ArchitectureSpec(input_dim=3, hidden_dims=(3,), latent_dim=2)
    model = build_autoencoder("plain", behind, FixedPoint(), seed=3, embedding=front)
    names = ["squared_error", "squared_embedding_norm", "squared_latent_norm"]
    graph = build_trigger_graph(model, names, (events,), 0.1, scaler, PORT_FORMAT, False)
    write_rtl_project(graph, tmp_path / "rtl", FirmwareSettings(), [events[:20]])
    stress = stress_events(PORT_FORMAT, (N_FEATURES,), 500, seed=1)
    inputs = (np.concatenate([events[:500], stress]),)
    with VerilogSimulation(tmp_path / "rtl") as simulation:
        found = simulation.run(*inputs).output
    expected = graph.evaluate(*inputs)
    in_keras = model.scores(FixedPoint().input.quantize(scaler.transform(inputs[0])))
    for name in names:
        assert len(np.unique(expected.scores[name])) > 10
        assert_array_equal(found.scores[name], expected.scores[name], name)
        assert_array_equal(found.scores[name], in_keras[name], name)
    assert_array_equal(found.trigger, expected.trigger)


def test_frozen_weights_are_neither_pruned_nor_penalized() -> None:
    front = ArchitectureSpec(input_dim=8, hidden_dims=(6,), latent_dim=4)
    behind = ArchitectureSpec(input_dim=4, hidden_dims=(3,), latent_dim=2)
    model = build_autoencoder("plain", behind, FixedPoint(), seed=3, embedding=front)
    before = [np.array(weights) for weights in model.embedding.get_weights()]
    x = np.random.default_rng(1).normal(size=(64, 8)).astype("float32")
    pruning = Pruning(model, PruningSettings(sparsity=0.5, n_epochs=1))
    penalty = ResourcePenalty(model, 1e-3)
    model.compile()
    model.fit(x, epochs=2, callbacks=[penalty, pruning], verbose=0)
    for weights, found in zip(before, model.embedding.get_weights(), strict=True):
        assert_array_equal(found, weights)
    kernel = np.asarray(model.encoder.get_layer("encoder_dense_1").kernel)
    assert (kernel == 0).mean() == 0.5
    # But they are counted among the weights that are zero.
    assert {"embedding", "embedding_dense_1"} < set(weights_zero(model)["layers"])
