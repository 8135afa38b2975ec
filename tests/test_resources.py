"""The resource penalty: its formula, its gradient, what it saves, which epoch is kept, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

from hls.graph.build import build_trigger_graph
from hls.graph.keras_form import exact_layer
from hls.rtl.write import plan_rtl
from keras_ae.errors import InputError
from keras_ae.fitting import fit as fitting
from keras_ae.fitting.bit_penalty import ResourcePenalty, bit_operations
from keras_ae.fitting.pruning import kernel_layers
from keras_ae.models import ScoringModel, build_autoencoder, build_student
from keras_ae.precision import FixedPoint, Float
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.experiment import Experiment, dump_experiment, load_experiment
from keras_ae.settings.learning import PruningSettings, QuantizationSettings, TrainingSettings

PRECISION = FixedPoint(
    input="fixed<6,3>",
    weight="fixed<6,2>",
    activation="ufixed<7,4>",
    latent="fixed<8,4>",
    layers={"encoder_relu_1": {"activation": "ufixed<4,3>"}},
)
X = PRECISION.input.quantize(np.random.default_rng(1).normal(size=(400, 6))).astype("float32")
SPEC = ArchitectureSpec(input_dim=6, hidden_dims=(7,), latent_dim=2)
SETTINGS = QuantizationSettings(epochs=6, batch_size=64, learning_rate=5e-3, resource_penalty=1e-3)
#: Bits of the inputs of the kernels of SPEC, encoder and decoder.
INPUT_WIDTHS = [6, 4, 8, 7]


def make_model(seed: int = 1) -> ScoringModel:
    return build_autoencoder("plain", SPEC, PRECISION, seed=seed)


def fit(model: ScoringModel, folder: Path, settings: TrainingSettings = SETTINGS) -> dict:
    return fitting.fit(model, X[:300], X[300:], settings, seed=1, checkpoint=folder, progress=False)


def changed(**values: Any) -> QuantizationSettings:
    return QuantizationSettings.model_validate(SETTINGS.model_dump() | values)


def penalty_by_hand(model: ScoringModel, strength: float) -> float:
    kernels = (np.asarray(layer.kernel, np.float64) for layer in kernel_layers(model))
    step = PRECISION.weight.step
    return strength * sum(
        width * np.log2(1 + np.abs(kernel) / step).sum()
        for width, kernel in zip(INPUT_WIDTHS, kernels, strict=True)
    )


def validation_loss(model: ScoringModel) -> float:
    """The objective alone."""
    return float(model.losses_by_event(X[300:]).mean())


def n_digits(integers: np.ndarray) -> int:
    """Non-zero digits of integers in canonical signed-digit form: those of 3 n XOR n."""
    return sum((3 * n ^ n).bit_count() for n in map(int, np.abs(integers).ravel()))


def test_bits_by_hand() -> None:
    # 0, 1, 2 and 3 bits, of either sign, in units of the step.
    weights = np.array([[0.0, 0.25, -0.25], [-0.75, 0.75, 1.75]])
    assert float(bit_operations(weights, 0.25, 1)) == pytest.approx(0 + 1 + 1 + 2 + 2 + 3)
    assert float(bit_operations(weights, 0.25, 8)) == pytest.approx(8 * 9)


def test_gradient_by_finite_differences() -> None:
    weights = np.array([0.01, -0.2, 0.7, -1.9])
    with tf.GradientTape() as tape:
        at = tf.constant(weights)
        tape.watch(at)
        cost = bit_operations(at, 0.25, 5)
    shifts = 1e-6 * np.eye(4)
    differences = [
        float(bit_operations(weights + shift, 0.25, 5) - bit_operations(weights - shift, 0.25, 5))
        for shift in shifts
    ]
    np.testing.assert_allclose(tape.gradient(cost, at), np.array(differences) / 2e-6, rtol=1e-6)
    # What is zero stays there.
    zero = tf.Variable([0.0])
    with tf.GradientTape() as tape:
        cost = bit_operations(zero, 0.25, 5)
    assert np.asarray(tape.gradient(cost, zero)) == 0


def test_loss_and_history(tmp_path: Path) -> None:
    # Without learning.
    model = make_model()
    history = fit(model, tmp_path, changed(learning_rate=1e-30, epochs=2))
    expected = penalty_by_hand(model, 1e-3)
    assert expected > 0.5
    assert history["resource_penalty"] == pytest.approx([expected] * 2, rel=1e-5)
    for prefix in ("", "val_"):
        terms = np.array(history[f"{prefix}loss"]) - history[f"{prefix}reconstruction"]
        assert terms == pytest.approx([expected] * 2, rel=1e-4)
    assert set(history) == {
        "loss", "reconstruction", "val_loss", "val_reconstruction", "learning_rate",
        "resource_penalty",
    }  # fmt: skip


def test_one_step_by_hand(tmp_path: Path) -> None:
    settings = changed(optimizer="sgd", epochs=1, batch_size=300, learning_rate=0.01)
    found, expected = make_model(), make_model()
    fit(found, tmp_path, settings)
    with tf.GradientTape() as tape:
        output = expected.decoder(expected.encoder(X[:300]))
        loss = tf.reduce_mean(tf.reduce_sum(0.5 * (X[:300] - output) ** 2, axis=1))
    layers = list(kernel_layers(expected))
    gradients = tape.gradient(loss, [layer.kernel.value for layer in layers])
    for layer, after, gradient, width in zip(
        layers, kernel_layers(found), gradients, INPUT_WIDTHS, strict=True
    ):
        kernel = np.asarray(layer.kernel)
        slope = width * np.sign(kernel) / (np.abs(kernel) + PRECISION.weight.step) / np.log(2)
        new = kernel - 0.01 * (np.asarray(gradient) + 1e-3 * slope)
        np.testing.assert_allclose(after.kernel, layer.kernel.constraint(new), rtol=1e-4, atol=1e-6)


def test_none_changes_nothing(tmp_path: Path) -> None:
    models = [make_model(), make_model()]
    plain = TrainingSettings(epochs=6, batch_size=64, learning_rate=5e-3)
    histories = [
        fit(models[0], tmp_path / "none", changed(resource_penalty=0.0)),
        fit(models[1], tmp_path / "plain", plain),
    ]
    assert histories[0] == histories[1]
    assert "resource_penalty" not in histories[0]
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_the_larger_the_fewer_digits_and_the_less_logic(tmp_path: Path) -> None:
    digits, luts = [], []
    for strength in (0.0, 1e-3, 1e-2):
        model = make_model()
        settings = changed(resource_penalty=strength, epochs=15, batch_size=16)
        fit(model, tmp_path / f"{strength:g}", settings)
        graph = build_trigger_graph(model, ["squared_latent_norm"], (X.astype(float),), 0.1)
        kernels = [exact_layer(layer).weights for layer in kernel_layers(model)]
        digits.append(sum(n_digits(part.kernel / part.kernel_step) for part in kernels))
        luts.append(plan_rtl(graph, levels=8).estimated_lut)
    assert digits[0] > 1.3 * digits[1] > 2 * digits[2]
    assert luts[0] > 1.1 * luts[1] > 1.5 * luts[2]


def test_best_is_the_epoch_of_the_lowest_loss_with_it(tmp_path: Path) -> None:
    # Trained before, so that the penalty only makes the objective worse.
    model = make_model()
    fit(model, tmp_path / "before", changed(resource_penalty=0.0, epochs=40))
    before = penalty_by_hand(model, 1e-3)
    history = fit(model, tmp_path / "penalized", changed(epochs=20, learning_rate=2e-3))
    objective = np.array(history["val_loss"]) - history["resource_penalty"]
    best = int(np.argmin(history["val_loss"]))
    assert int(np.argmin(objective)) < best, "the test is of no use unless it costs something"
    assert validation_loss(model) == pytest.approx(objective[best], rel=1e-4)
    assert penalty_by_hand(model, 1e-3) == pytest.approx(history["resource_penalty"][best])
    assert history["resource_penalty"][best] < 0.9 * before


def test_trained_with_it_is_an_ordinary_model(tmp_path: Path) -> None:
    model, untouched = make_model(), make_model()
    fit(model, tmp_path / "checkpoint")
    assert all(layer.kernel.regularizer is None for layer in kernel_layers(model))
    for name in ("encoder", "decoder"):
        assert model.get_config()[name] == untouched.get_config()[name]
    # Neither loss nor score have it, without another compile.
    found = model.evaluate(X[300:], return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(validation_loss(model), rel=1e-5)
    assert model.score(X[300:], "reconstruction").mean() == pytest.approx(found["loss"], rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    assert loaded.losses == []


def test_on_top_of_another_regularizer(tmp_path: Path) -> None:
    model = make_model()
    kernel = next(kernel_layers(model)).kernel
    kernel.regularizer = regularizer = keras.regularizers.L2(0.1)
    history = fit(model, tmp_path, changed(learning_rate=1e-30, epochs=1))
    expected = penalty_by_hand(model, 1e-3) + 0.1 * np.square(kernel).sum()
    added = history["loss"][0] - history["reconstruction"][0]
    assert added == pytest.approx(expected, rel=1e-4)
    assert kernel.regularizer is regularizer


def test_with_pruning(tmp_path: Path) -> None:
    model = make_model()
    pruning = PruningSettings(sparsity=0.6, n_epochs=3)
    history = fit(model, tmp_path, changed(pruning=pruning.model_dump()))
    for layer in kernel_layers(model):
        kernel = np.asarray(layer.kernel)
        assert (kernel == 0).sum() == round(0.6 * kernel.size)
    best = 3 + int(np.argmin(history["val_loss"][3:]))
    assert penalty_by_hand(model, 1e-3) == pytest.approx(history["resource_penalty"][best])


@pytest.mark.parametrize("epochs_before", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_interrupted_training_ends_at_the_same_weights(
    assert_resumed_is_whole: Callable[..., None], epochs_before: int
) -> None:
    assert_resumed_is_whole(epochs_before, make_model, X[:300], X[300:], SETTINGS)


def test_convolutions_and_students(tmp_path: Path) -> None:
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 4, 1), filters=(3,), latent_dim=1, condition_dim=2
    )
    # Behind pooling, reshaping and concatenation with a condition of 8 bits.
    student = build_student(spec, FixedPoint(activation="ufixed<5,3>"), seed=1)
    rng = np.random.default_rng(2)
    images = np.abs(rng.normal(size=(400, 4, 4, 1))).astype("float32")
    condition = np.eye(2, dtype="float32")[np.arange(400) % 2]
    scores = images.sum(axis=(1, 2, 3)) + 1
    student.adapt(scores)
    history = fitting.fit(
        student,
        (images[:300], condition[:300]),
        (images[300:], condition[300:]),
        changed(learning_rate=1e-30, epochs=1),
        seed=1,
        checkpoint=tmp_path,
        progress=False,
        targets=(scores[:300], scores[300:]),
    )
    step = FixedPoint().weight.step
    expected = 1e-3 * sum(
        8 * np.log2(1 + np.abs(np.asarray(layer.kernel)) / step).sum()
        for layer in kernel_layers(student)
    )
    assert history["resource_penalty"] == [pytest.approx(expected, rel=1e-5)]
    found = student.evaluate((images[300:], condition[300:]), scores[300:], verbose=0)
    assert history["val_loss"] == [pytest.approx(found + expected, rel=1e-4)]


class TestRefusals:
    def test_float_model(self) -> None:
        model = build_autoencoder("plain", SPEC, Float())
        with pytest.raises(InputError, match="quantizer must be quantized_bits .*, got None"):
            ResourcePenalty(model, 1e-3)

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            (-1e-5, "input should be greater than or equal to 0, got -1e-05"),
            ("1e-5", "must be a number (in YAML 1.0e-3, not 1e-3), got '1e-5'"),
            (float("inf"), "input should be a finite number, got inf"),
        ],
    )
    def test_values(
        self, experiment_content: dict[str, Any], tmp_path: Path, value: object, rule: str
    ) -> None:
        experiment_content["quantization"]["resource_penalty"] = value
        path = tmp_path / "e.yaml"
        path.write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            load_experiment(path)
        assert str(caught.value) == f"{path}: quantization.resource_penalty: {rule}"

    @pytest.mark.parametrize("kind", ["pca", "oja"])
    def test_weights_without_gradient(
        self, experiment_content: dict[str, Any], tmp_path: Path, kind: str
    ) -> None:
        experiment_content["objective"] = {"kind": kind}
        experiment_content["architecture"]["hidden_dims"] = []
        experiment_content["trigger"]["score"] = "squared_error"
        for section in ("training", "quantization"):
            experiment_content[section]["optimizer"] = "sgd"
        experiment_content["quantization"]["resource_penalty"] = 1e-5
        path = tmp_path / "e.yaml"
        path.write_text(yaml.safe_dump(experiment_content), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            load_experiment(path)
        assert str(caught.value) == (
            f"{path}: quantization.resource_penalty must be 0 for objective.kind '{kind}', whose "
            "weights are not learned by gradient, got 1e-05"
        )
        # But a student of theirs learns by gradient.
        student = {"architecture": {"input_dim": 57, "hidden_dims": [4]}}
        content = experiment_content | {"student": student}
        assert Experiment.model_validate(content).quantization.resource_penalty == 1e-5


def test_round_trip(experiment_content: dict[str, Any], tmp_path: Path) -> None:
    assert Experiment.model_validate(experiment_content).quantization.resource_penalty == 0
    experiment_content["quantization"]["resource_penalty"] = 1e-5
    experiment = Experiment.model_validate(experiment_content)
    (tmp_path / "e.yaml").write_text(dump_experiment(experiment), encoding="utf-8")
    assert load_experiment(tmp_path / "e.yaml") == experiment
