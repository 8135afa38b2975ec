"""Autoencoder and VAE: the objective against numpy, and what Keras users expect."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.stats import norm

from keras_ae.errors import InputError
from keras_ae.fixed_point import KINDS
from keras_ae.likelihoods import Gaussian, MaskedGaussian
from keras_ae.models import Autoencoder, VariationalAutoencoder, build_autoencoder
from keras_ae.networks import build_decoder, build_encoder
from keras_ae.precision import FixedPoint, Float, Precision
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.objectives import OBJECTIVES, SparseObjective
from keras_ae.weights import copy_weights

SPEC = ArchitectureSpec(input_dim=12, hidden_dims=(8, 6), latent_dim=2)
PRECISIONS = {"float": Float(), "fixed": FixedPoint()}


def make_model(
    kind: str, precision: Precision | None = None, seed: int = 1, **options: float
) -> Autoencoder:
    keras.utils.set_random_seed(seed)
    precision = precision or Float()
    variational = kind == "variational"
    encoder = build_encoder(SPEC, precision, variational)
    decoder = build_decoder(SPEC, precision)
    if variational:
        return VariationalAutoencoder(encoder, decoder, MaskedGaussian(0.5), seed=seed, **options)
    return Autoencoder(encoder, decoder, MaskedGaussian(0.5))


@pytest.fixture
def x() -> np.ndarray:
    values = np.random.default_rng(1).normal(size=(256, 12)).astype("float32")
    values[:, 8:] *= np.random.default_rng(2).random((256, 4)) < 0.5
    return values


@pytest.fixture(params=["plain", "variational"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_elbo_terms_equal_numpy(x: np.ndarray, beta: float) -> None:
    model = make_model("variational", beta=beta)
    model.compile(optimizer="adam")
    shown = model.evaluate(x, batch_size=100, return_dict=True, verbose=0)
    mean, log_var = (np.asarray(output, float) for output in model.encoder(x))
    output = np.asarray(model.decoder(mean.astype("float32")), float)
    reconstruction = np.where(x != 0, -norm.logpdf(x, output, np.sqrt(0.5)), 0).sum(axis=1)
    kl = 0.5 * (mean**2 + np.exp(log_var) - log_var - 1).sum(axis=1)
    assert shown["reconstruction"] == pytest.approx(reconstruction.mean(), rel=1e-5)
    assert shown["kl"] == pytest.approx(kl.mean(), rel=1e-5)
    assert shown["loss"] == pytest.approx((reconstruction + beta * kl).mean(), rel=1e-5)


def test_loss_shown_is_the_mean_per_event_score(x: np.ndarray) -> None:
    model = make_model("variational")
    model.compile(optimizer="adam")
    shown = model.evaluate(x, batch_size=100, return_dict=True, verbose=0)
    scores = model.scores(x)
    assert shown["kl"] == pytest.approx(scores["kl_divergence"].mean(), rel=1e-5)
    constant = 0.5 * np.log(2 * np.pi * 0.5) * (x != 0).sum(axis=1).mean()
    assert shown["reconstruction"] - constant == pytest.approx(
        scores["reconstruction_error"].mean() / (2 * 0.5), rel=1e-5
    )


def test_sampling_has_the_encoders_moments(x: np.ndarray) -> None:
    model = make_model("variational")
    mean, log_var = (np.repeat(output, 20_000, axis=0) for output in model.encoder(x[:1]))
    z = np.asarray(model.latent((mean, log_var), training=True))
    np.testing.assert_allclose(z.mean(axis=0), mean[0], atol=0.05)
    np.testing.assert_allclose(z.std(axis=0), np.exp(log_var[0] / 2), rtol=0.03)


def test_gradient_of_beta_zero_has_no_kl(x: np.ndarray) -> None:
    # With beta = 0 and no use of the variance, its head must not learn at all.
    model = make_model("variational", beta=0.0)
    model.latent = lambda encoded, training: encoded[0]
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    head = model.encoder.get_layer("latent_log_var")
    before = head.get_weights()
    model.fit(x, epochs=1, verbose=0)
    for old, new in zip(before, head.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_beta_can_change_without_retracing(x: np.ndarray) -> None:
    model = make_model("variational", beta=1.0)
    model.compile(optimizer="adam")
    one = model.evaluate(x, return_dict=True, verbose=0)
    model.beta.assign(3.0)
    three = model.evaluate(x, return_dict=True, verbose=0)
    assert three["kl"] == one["kl"]
    assert three["loss"] - one["loss"] == pytest.approx(2 * one["kl"], rel=1e-4)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_training_reduces_the_loss(x: np.ndarray, kind: str, precision: str) -> None:
    model = make_model(kind, PRECISIONS[precision])
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    before = model.evaluate(x, return_dict=True, verbose=0)
    history = model.fit(x, validation_data=(x,), epochs=8, verbose=0).history
    after = model.evaluate(x, return_dict=True, verbose=0)
    assert after["loss"] < before["loss"]
    assert set(history) == {*model.term_names, "loss"} | {
        f"val_{name}" for name in (*model.term_names, "loss")
    }


@pytest.mark.parametrize("precision", PRECISIONS)
def test_save_and_load_give_the_same_bits_and_optimizer(
    x: np.ndarray, kind: str, precision: str, tmp_path: Path
) -> None:
    model = make_model(kind, PRECISIONS[precision])
    model.compile(optimizer="adam")
    model.fit(x, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    for name, values in model.scores(x).items():
        np.testing.assert_array_equal(values, loaded.score(x, name))
    for ours, theirs in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    model.fit(x, epochs=1, verbose=0, shuffle=False)
    loaded.fit(x, epochs=1, verbose=0, shuffle=False)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_same_seed_same_weights(x: np.ndarray, kind: str) -> None:
    weights = []
    for _ in range(2):
        model = make_model(kind, seed=3)
        model.compile(optimizer="adam")
        model.fit(x, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


def test_inference_is_deterministic_and_batches_do_not_matter(x: np.ndarray, kind: str) -> None:
    model = make_model(kind)
    assert model.encode(x).shape == (256, 2)
    np.testing.assert_array_equal(model.reconstruct(x), model.reconstruct(x))
    np.testing.assert_allclose(
        model.reconstruct(x, batch_size=100), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_wide_fixed_point_equals_float(x: np.ndarray, kind: str) -> None:
    wide = FixedPoint(
        **{name: "fixed<30,8>" for name in KINDS if name != "activation"},
        activation="ufixed<30,8>",
    )
    model, fixed = make_model(kind), make_model(kind, wide)
    copy_weights(model.encoder, fixed.encoder)
    copy_weights(model.decoder, fixed.decoder)
    np.testing.assert_allclose(fixed.reconstruct(x), model.reconstruct(x), atol=1e-4)


def test_graphs_of_both_precisions_have_the_same_layers(kind: str) -> None:
    names = [
        [layer.name for network in (model.encoder, model.decoder) for layer in network.layers]
        for model in (make_model(kind, precision) for precision in PRECISIONS.values())
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"steps_per_execution": 4}])
def test_compile_options(x: np.ndarray, kind: str, options: dict[str, object]) -> None:
    model = make_model(kind)
    model.compile(optimizer="adam", **options)
    assert np.isfinite(model.fit(x, epochs=1, verbose=0).history["loss"][0])


@contextmanager
def mixed_precision() -> Iterator[None]:
    """Layers made inside compute in float16."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def test_mixed_precision(x: np.ndarray, kind: str) -> None:
    with mixed_precision():
        model = make_model(kind)
    model.compile(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2)))
    history = model.fit(x, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert all(np.isfinite(values).all() for values in model.scores(x).values())
    assert model.encoder.compute_dtype == "float16" or model.encoder.layers[1].compute_dtype == (
        "float16"
    )


def test_mixed_precision_of_the_bounds(x: np.ndarray) -> None:
    with mixed_precision():
        model = build_autoencoder("importance_weighted", SPEC)
    model.compile(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2)))
    history = model.fit(x, validation_data=(x,), epochs=4, verbose=0).history["val_loss"]
    assert history[-1] < history[0]
    assert (model.log_likelihood(x, 20) >= model.elbo(x, 20)).all()


def test_mixed_precision_of_oja() -> None:
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(2000, 4)) * [3, 1, 1, 1]).astype("float32")
    with mixed_precision():
        spec = ArchitectureSpec(input_dim=4, hidden_dims=(), latent_dim=1)
        model = build_autoencoder("oja", spec)
    model.compile(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.02)))
    model.fit(x, batch_size=20, epochs=2, verbose=0)
    component = model.decoder.get_layer("reconstruction").get_weights()[0][0]
    np.testing.assert_allclose(abs(component), [1, 0, 0, 0], atol=0.1)


def test_random_generators_of_the_user_stay() -> None:
    before = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    build_autoencoder("plain", SPEC, seed=3)
    after = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    assert before == after


def test_losses_of_layers_are_part_of_the_loss(x: np.ndarray) -> None:
    inputs = keras.Input((12,))
    dense = keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5))
    model = Autoencoder(keras.Model(inputs, dense(inputs)), build_decoder(SPEC, Float()))
    model.compile(optimizer="adam")
    shown = model.evaluate(x, return_dict=True, verbose=0)
    decay = 0.5 * (dense.get_weights()[0] ** 2).sum()
    assert shown["loss"] - shown["reconstruction"] == pytest.approx(decay, rel=1e-4)


def test_one_sample_is_called(x: np.ndarray) -> None:
    model = build_autoencoder("variational", SPEC, n_samples=5)
    assert model(x, training=True).shape == x.shape
    assert not np.allclose(model(x, training=True), model(x, training=True))


@pytest.mark.slow
def test_two_replicas_train_like_one(tmp_path: Path) -> None:
    script = tmp_path / "replicas.py"
    script.write_text(
        """
import numpy as np, keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.networks import build_decoder, build_encoder
from keras_ae.errors import InputError
from keras_ae.models import Autoencoder, OjaPCA, VariationalAutoencoder
from keras_ae.precision import Float
spec = ArchitectureSpec(input_dim=12, hidden_dims=(8,), latent_dim=2, batch_norm=True)
x = np.random.default_rng(1).normal(size=(256, 12)).astype("float32")
weights = []
for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    with strategy.scope():
        keras.utils.set_random_seed(1)
        model = Autoencoder(build_encoder(spec, Float()), build_decoder(spec, Float()))
        model.compile(optimizer=keras.optimizers.SGD(0.01))
    model.fit(x, batch_size=64, epochs=2, shuffle=False, verbose=0)
    weights.append(model.get_weights())
for one, two in zip(*weights):
    np.testing.assert_allclose(one, two, atol=1e-5)
with strategy.scope():
    encoder = build_encoder(spec, Float(), variational=True)
    vae = VariationalAutoencoder(encoder, build_decoder(spec, Float()))
    vae.compile(optimizer="adam")
vae.fit(x, batch_size=64, epochs=1, verbose=0)
mean = tf.zeros((4, 2))
drawn = [
    np.asarray(part)[0, 0]
    for _ in range(4)
    for part in strategy.experimental_local_results(
        strategy.run(lambda: vae.latent((mean, mean), training=True))
    )
]
assert len(set(drawn)) == 8, "replicas and steps must not share their noise"
oja_networks = [build(ArchitectureSpec(input_dim=12, hidden_dims=(), latent_dim=2), Float())
                for build in (build_encoder, build_decoder)]
with strategy.scope():
    oja = OjaPCA(*oja_networks)
    oja.compile(optimizer="sgd")
try:
    oja.fit(x, batch_size=64, epochs=1, verbose=0)
except InputError as error:
    assert "replicas of OjaPCA must be 1, got 2" in str(error)
else:
    raise AssertionError("OjaPCA on two replicas")
print("equal")
""",
        encoding="utf-8",
    )
    root = Path(__file__).parents[1]
    result = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert result.stdout.strip() == "equal", result.stderr[-2000:]


def test_weights_that_saturate_are_named(experiment_content: dict[str, Any]) -> None:
    from keras_ae.experiment_models import build_model
    from keras_ae.quantization import quantize_model
    from keras_ae.settings.experiment import Experiment

    experiment = Experiment.model_validate(experiment_content)
    model = build_model(experiment, Float())
    layer = model.encoder.get_layer("encoder_dense_2")
    kernel, bias = layer.get_weights()
    kernel[0, :2] = 100.0
    layer.set_weights([kernel, bias])
    message = "2 of 128 weights of layer 'encoder_dense_2' saturate in .*, the largest is 100"
    with pytest.warns(UserWarning, match=message):
        quantize_model(model, experiment)


class TestBadInput:
    def test_encoder_and_decoder_that_do_not_fit(self) -> None:
        other = ArchitectureSpec(input_dim=5, hidden_dims=(4,), latent_dim=2)
        with pytest.raises(InputError, match="decoder output must have the encoder's input shape"):
            Autoencoder(build_encoder(SPEC, Float()), build_decoder(other, Float()))

    def test_encoder_without_variance(self) -> None:
        with pytest.raises(InputError, match="encoder of a VariationalAutoencoder must have 2"):
            VariationalAutoencoder(build_encoder(SPEC, Float()), build_decoder(SPEC, Float()))

    @pytest.mark.parametrize("beta", [-1.0, float("nan")])
    def test_beta(self, beta: float) -> None:
        with pytest.raises(InputError, match="beta must be >= 0, got"):
            make_model("variational", beta=beta)

    def test_what_keras_would_take(self, x: np.ndarray) -> None:
        model = make_model("plain")
        with pytest.raises(InputError, match="loss of Autoencoder must be None: .* got 'mse'"):
            model.compile(optimizer="adam", loss="mse")
        with pytest.raises(InputError, match="metrics of Autoencoder must be None: .*'mae'"):
            model.compile(optimizer="adam", metrics=["mae"])
        model.compile(optimizer="adam")
        bad = np.where(x > 1, np.nan, x)
        for method in (model.evaluate, model.predict):
            with pytest.raises(InputError, match="x: every value must be finite"):
                method(bad, verbose=0)

    def test_options_of_an_objective(self) -> None:
        with pytest.raises(InputError, match="'sparse': unknown key wight; choices: kind, likel"):
            build_autoencoder("sparse", SPEC, wight=1.0)
        with pytest.raises(InputError, match="'sparse': weight: .* equal to 0, got -1.0"):
            build_autoencoder("sparse", SPEC, weight=-1.0)
        with pytest.raises(InputError, match="steps_per_epoch must be given for the schedule 'lin"):
            build_autoencoder("variational", SPEC, schedule={"kind": "linear", "n_epochs": 3})

    def test_settings_without_a_model(self) -> None:
        class Mine(SparseObjective):
            """Inherits its kind."""

        assert OBJECTIVES["sparse"] is SparseObjective
        with pytest.raises(InputError, match="must be one that a model is registered .* got Mine"):
            build_autoencoder(Mine(), SPEC)

    def test_unknown_score(self, x: np.ndarray) -> None:
        with pytest.raises(
            InputError,
            match="score of Autoencoder must be one of .*, got 'x'",
        ):
            make_model("plain").score(x, "x")

    @pytest.mark.parametrize(
        ("formats", "message"),
        [
            ({"activation": "fixed<8,3>"}, "format of activation must be ufixed"),
            ({"latent": "ufixed<8,3>"}, "format of latent must be fixed, got ufixed<8,3>"),
            (
                {"weight": "fixed<1,0>"},
                "format of weight must have at least 2 bits, got fixed<1,0>",
            ),
        ],
    )
    def test_formats(self, formats: dict[str, str], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            FixedPoint(**formats)

    def test_quantizers_without_exact_form(self) -> None:
        import qkeras

        from keras_ae.precision import quantizer_format

        for quantizer in (
            qkeras.quantized_bits(8, 2, alpha=1, symmetric=1),
            qkeras.quantized_bits(8, 2, alpha="auto"),
            qkeras.quantized_relu(8, 2, negative_slope=0.25),
            qkeras.quantized_relu(8, 2, use_sigmoid=1),
            qkeras.quantized_relu(8, 2, relu_upper_bound=1.5),
            qkeras.quantized_bits(8, 2, alpha=1, qnoise_factor=0.5),
            None,
        ):
            with pytest.raises(InputError, match="quantizer must be quantized_bits"):
                quantizer_format(quantizer)


def test_default_likelihood_is_a_gaussian_of_variance_one() -> None:
    model = Autoencoder(build_encoder(SPEC, Float()), build_decoder(SPEC, Float()))
    assert type(model.likelihood) is Gaussian
    assert model.likelihood.variance == 1.0
