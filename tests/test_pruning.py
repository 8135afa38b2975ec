"""Pruning: the schedule and each step by hand, exact counts, interruption, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

from keras_ae.errors import InputError
from keras_ae.files import read_json
from keras_ae.fitting import fit as fitting
from keras_ae.fitting.pruning import kernel_layers, sparsity_at, weights_zero
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import ScoringModel, build_autoencoder, build_student
from keras_ae.precision import FixedPoint
from keras_ae.runs import Run, create_run
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.settings.learning import PruningSettings, QuantizationSettings
from keras_ae.summary import summary
from keras_ae.training import quantize, train

X = FixedPoint().input.quantize(np.random.default_rng(1).normal(size=(400, 6))).astype("float32")
SPEC = ArchitectureSpec(input_dim=6, hidden_dims=(7, 5), latent_dim=2)
SETTINGS = QuantizationSettings(
    epochs=6,
    batch_size=64,
    learning_rate=5e-3,
    pruning=PruningSettings(sparsity=0.6, n_epochs=3),
)


def make_model(seed: int = 1) -> ScoringModel:
    return build_autoencoder("plain", SPEC, FixedPoint(), seed=seed)


def fit(model: ScoringModel, folder: Path, settings: QuantizationSettings = SETTINGS) -> dict:
    return fitting.fit(model, X[:300], X[300:], settings, seed=1, checkpoint=folder, progress=False)


def kernels(model: ScoringModel) -> list[np.ndarray]:
    return [np.asarray(layer.kernel) for layer in kernel_layers(model)]


def n_zeros(model: ScoringModel) -> list[int]:
    return [int((kernel == 0).sum()) for kernel in kernels(model)]


def asked_for(model: ScoringModel, sparsity: float) -> list[int]:
    return [round(sparsity * kernel.size) for kernel in kernels(model)]


def test_schedule_by_hand() -> None:
    settings = PruningSettings(sparsity=0.5, n_epochs=4)
    expected = [0, 0.5 * 37 / 64, 0.5 * 7 / 8, 0.5 * 63 / 64, 0.5, 0.5]
    assert [sparsity_at(epoch, settings) for epoch in range(6)] == pytest.approx(expected)


@pytest.mark.parametrize("sparsity", [0.01, 0.6, 0.99])
def test_exactly_as_many_zeros_as_asked_for(tmp_path: Path, sparsity: float) -> None:
    pruning = PruningSettings(sparsity=sparsity, n_epochs=3)
    model = make_model()
    fit(model, tmp_path, SETTINGS.model_copy(update={"pruning": pruning}))
    assert n_zeros(model) == asked_for(model, sparsity)
    biases = np.concatenate([layer.bias for layer in kernel_layers(model)])
    assert (biases != 0).mean() > 0.5


def test_the_smallest_by_magnitude_in_each_kernel(tmp_path: Path) -> None:
    model = make_model()
    before = kernels(model)
    # Without learning.
    fit(model, tmp_path, SETTINGS.model_copy(update={"learning_rate": 1e-30}))
    for old, new in zip(before, kernels(model), strict=True):
        threshold = np.sort(np.abs(old), axis=None)[round(0.6 * old.size)]
        np.testing.assert_array_equal(new, np.where(np.abs(old) < threshold, 0, old))


def test_every_step_in_one_call_is_a_masked_step(tmp_path: Path) -> None:
    # The same batches by hand, without Keras' loop and optimizer: w <- mask (w - rate gradient).
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "epochs": 4})
    found, expected = make_model(), make_model()
    history = fit(found, tmp_path, settings)
    assert len(history["loss"]) == 4
    variables = expected.trainable_variables
    for epoch in range(4):
        masks = {}
        for layer in kernel_layers(expected):
            magnitudes = np.abs(np.asarray(layer.kernel))
            n_kept = magnitudes.size - round(sparsity_at(epoch, SETTINGS.pruning) * magnitudes.size)
            threshold = np.sort(magnitudes, axis=None)[::-1][n_kept - 1]
            masks[layer.kernel.path] = magnitudes >= threshold
            layer.kernel.assign(layer.kernel * masks[layer.kernel.path])
        order = np.random.default_rng([1, epoch]).permutation(300)
        for step in range(300 // 64):
            batch = tf.constant(X[:300][order[64 * step : 64 * (step + 1)]])
            with tf.GradientTape() as tape:
                output = expected.decoder(expected.encoder(batch))
                loss = tf.reduce_mean(tf.reduce_sum(0.5 * (batch - output) ** 2, axis=1))
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            for variable, gradient in zip(variables, gradients, strict=True):
                new = np.asarray(variable) - settings.learning_rate * np.asarray(gradient)
                # QKeras clips to the range of the format.
                new = variable.constraint(tf.constant(new)) if variable.constraint else new
                variable.assign(new * masks.get(variable.path, 1))
    best = int(np.argmin(history["val_loss"][3:])) + 3
    assert best == 3, "the only epoch of whole sparsity is the last"
    for a, b in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert n_zeros(found) == n_zeros(expected) == asked_for(found, 0.6)


@pytest.mark.parametrize(
    "epochs_before",
    [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)],
)
def test_interrupted_training_ends_at_the_same_weights(
    assert_resumed_is_whole: Callable[..., None], epochs_before: int
) -> None:
    assert_resumed_is_whole(epochs_before, make_model, X[:300], X[300:], SETTINGS)


@pytest.mark.slow
def test_kept_is_a_pruned_epoch_where_unpruned_ones_were_better(tmp_path: Path) -> None:
    # Trained before, so that pruning only makes it worse.
    model = make_model()
    fitting.fit(
        model,
        X[:300],
        X[300:],
        SETTINGS.model_copy(update={"pruning": None, "epochs": 60}),
        seed=1,
        checkpoint=tmp_path / "before",
        progress=False,
    )
    settings = QuantizationSettings(
        epochs=20,
        batch_size=64,
        learning_rate=1e-4,
        early_stopping_patience=2,
        plateau_patience=1,
        pruning=PruningSettings(sparsity=0.9, n_epochs=8),
    )
    history = fit(model, tmp_path / "pruned", settings)
    losses = history["val_loss"]
    assert min(losses[8:]) > min(losses[:8]), "the test is of no use unless pruning costs something"
    assert n_zeros(model) == asked_for(model, 0.9)
    model.compile()
    found = model.evaluate(X[300:], batch_size=64, return_dict=True, verbose=0)["loss"]
    assert found == pytest.approx(min(losses[8:]), rel=1e-6)
    # While losses rose because of pruning, nothing was stopped, and the learning rate stayed.
    assert len(losses) > 8 + 2
    assert len(set(history["learning_rate"][:9])) == 1
    assert len(history["learning_rate"]) == len(losses)


@pytest.mark.slow
def test_saved_and_trained_on_it_is_an_ordinary_model(tmp_path: Path) -> None:
    model = make_model()
    before = [layer.kernel.constraint for layer in kernel_layers(model)]
    fit(model, tmp_path / "checkpoint")
    assert [layer.kernel.constraint for layer in kernel_layers(model)] == before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert n_zeros(loaded) == n_zeros(model) == asked_for(model, 0.6)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_convolutions_and_students(tmp_path: Path) -> None:
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 4, 1), filters=(3,), latent_dim=1
    )
    student = build_student(spec, FixedPoint(), seed=1)
    images = np.abs(np.random.default_rng(2).normal(size=(400, 4, 4, 1))).astype("float32")
    scores = images.sum(axis=(1, 2, 3)) + 1
    student.adapt(scores)
    fitting.fit(
        student,
        images[:300],
        images[300:],
        SETTINGS,
        seed=1,
        checkpoint=tmp_path,
        progress=False,
        targets=(scores[:300], scores[300:]),
    )
    assert [kernel.shape for kernel in kernels(student)] == [(3, 3, 1, 3), (12, 1)]
    assert n_zeros(student) == asked_for(student, 0.6) == [16, 7]


def test_share_of_zeros_counts_what_rounds_to_zero() -> None:
    model = build_autoencoder("plain", SPEC, FixedPoint(weight="fixed<4,2>"), seed=1)
    # Up to half a step, 1/8, goes to zero.
    zeros = [(np.abs(kernel) <= 0.125) for kernel in kernels(model)]
    found = weights_zero(model)
    names = [layer.name for layer in kernel_layers(model)]
    assert found["layers"] == {n: z.mean() for n, z in zip(names, zeros, strict=True)}
    n_weights = sum(z.size for z in zeros)
    assert found["total"] == pytest.approx(sum(z.sum() for z in zeros) / n_weights)
    assert 0 < found["total"] < 0.5


@pytest.fixture(scope="module")
def pruned_run(small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    pruning = {"sparsity": 0.5, "n_epochs": 1}
    content = small_experiment | {
        "quantization": small_experiment["quantization"] | {"epochs": 2, "pruning": pruning}
    }
    run = create_run(tmp_path_factory.mktemp("pruned"), Experiment.model_validate(content))
    train(run, progress=False)
    quantize(run, progress=False)
    return run


def test_run_reports_what_is_zero(pruned_run: Run) -> None:
    from keras_ae.evaluation import evaluate

    evaluate(pruned_run)
    zeros = read_json(pruned_run.metrics_path)["weights_zero"]
    form = FixedPointFormat.parse(str(pruned_run.experiment.precision.weight))
    for name, model in (("quantized", "quantized"), ("post_training", "float")):
        loaded = keras.models.load_model(pruned_run.model_path(model))
        shares = {
            layer.name: float((form.quantize(np.asarray(layer.kernel)) == 0).mean())
            for layer in kernel_layers(loaded)
        }
        assert zeros[name]["layers"] == shares
    assert min(zeros["quantized"]["layers"].values()) >= 0.5
    assert 0 < zeros["post_training"]["total"] < 0.2
    line = (
        f"weights that are zero: {100 * zeros['quantized']['total']:.1f} % "
        f"(PTQ {100 * zeros['post_training']['total']:.1f} %)"
    )
    assert line in summary(pruned_run)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("training", {"pruning": {"sparsity": 0.5}}, "unknown key training.pruning; choices: ep"),
        (
            "quantization",
            {"pruning": {"sparsity": 1.0}},
            "quantization.pruning.sparsity: .* less than 1, got 1.0",
        ),
        (
            "quantization",
            {"pruning": {"sparsity": 0.5, "share": 0.5}},
            "unknown key quantization.pruning.share; choices: sparsity, n_epochs",
        ),
        (
            "quantization",
            {"pruning": {"sparsity": 0.5, "n_epochs": 5}, "epochs": 5},
            "quantization: pruning.n_epochs must be < epochs, 5, so that .*, got 5",
        ),
    ],
)
def test_refused_settings(
    experiment_content: dict[str, Any],
    tmp_path: Path,
    section: str,
    values: dict[str, Any],
    message: str,
) -> None:
    experiment_content[section] |= values
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_experiment(tmp_path / "e.yaml")


@pytest.mark.parametrize("kind", ["pca", "oja"])
def test_weights_without_gradient_are_not_pruned(
    experiment_content: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    experiment_content["objective"] = {"kind": kind}
    experiment_content["architecture"]["hidden_dims"] = []
    experiment_content["trigger"]["score"] = "squared_error"
    for section in ("training", "quantization"):
        experiment_content[section]["optimizer"] = "sgd"
    experiment_content["quantization"] |= {"epochs": 9, "pruning": {"sparsity": 0.5}}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
    message = f"quantization.pruning must be null for objective.kind '{kind}', .*, got sparsity 0.5"
    with pytest.raises(InputError, match=message):
        load_experiment(tmp_path / "e.yaml")
    # But a student of theirs is.
    student = {"architecture": {"input_dim": 57, "hidden_dims": [4]}}
    content = experiment_content | {"student": student}
    assert Experiment.model_validate(content).quantization.pruning is not None
