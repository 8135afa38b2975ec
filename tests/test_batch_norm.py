"""Batch normalization: in float a layer, in fixed point part of the weights before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ae.errors import InputError
from keras_ae.fitting import fit as fitting
from keras_ae.fixed_point import KINDS, FixedPointFormats
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.precision import FixedPoint, Float
from keras_ae.quantization import quantize_model
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.learning import TrainingSettings
from keras_ae.yaml_files import validate_settings

DENSE = ArchitectureSpec(input_dim=5, hidden_dims=(7, 4), latent_dim=2, batch_norm=True)
IMAGES = {
    "convolutional": ConvolutionalSpec(
        kind="convolutional",
        image_shape=(4, 8, 1),
        filters=(3, 2),
        hidden_dims=(5,),
        latent_dim=2,
        batch_norm=True,
    ),
    "transpose": ConvolutionalSpec(
        kind="convolutional",
        image_shape=(4, 8, 1),
        filters=(3,),
        upsampling="transpose",
        batch_norm=True,
    ),
}
WIDE = dict.fromkeys(KINDS, "fixed<30,8>") | {"activation": "ufixed<30,8>"}


def normalizations(model: Autoencoder) -> list[keras.layers.BatchNormalization]:
    layers = [*model.encoder.layers, *model.decoder.layers]
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def trained(spec: Any, objective: str = "plain") -> tuple[Autoencoder, np.ndarray]:
    """As after a training: any gamma, beta, moving mean and variance."""
    model = build_autoencoder(objective, spec, seed=3)
    rng = np.random.default_rng(1)
    for layer in normalizations(model):
        n = layer.gamma.shape[0]
        layer.set_weights(
            [rng.normal(1, 0.3, n), rng.normal(0, 0.5, n), rng.normal(size=n), rng.gamma(2, 1, n)]
        )
    return model, rng.normal(size=(50, *spec.input_shape)).astype("float32")


def test_where_it_stands() -> None:
    # Before each ReLU of a hidden layer; neither at the code nor at the reconstruction.
    model, _ = trained(IMAGES["convolutional"], "variational")
    names = [layer.name for layer in normalizations(model)]
    assert names == [
        *("encoder_conv_norm_1", "encoder_conv_norm_2", "encoder_norm_1", "decoder_norm_1"),
        *("decoder_unflatten_norm", "decoder_conv_norm_1", "decoder_conv_norm_2"),
    ]
    for layer in normalizations(model):
        (node,) = layer._outbound_nodes
        assert "relu" in node.operation.name


def test_folded_layer_equals_the_closed_form() -> None:
    model, x = trained(DENSE)
    plain = build_autoencoder("plain", DENSE.model_copy(update={"batch_norm": False}))
    plain.copy_from(model)
    kernel, bias = model.encoder.get_layer("encoder_dense_1").get_weights()
    norm = model.encoder.get_layer("encoder_norm_1")
    gamma, beta, mean, variance = norm.get_weights()
    found_kernel, found_bias = plain.encoder.get_layer("encoder_dense_1").get_weights()
    expected = gamma * (x @ kernel + bias - mean) / np.sqrt(variance + norm.epsilon) + beta
    np.testing.assert_allclose(x @ found_kernel + found_bias, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spec", [DENSE, *IMAGES.values()], ids=["dense", *IMAGES])
@pytest.mark.parametrize("precision", [Float(), FixedPoint(**WIDE)], ids=["float", "fixed"])
def test_folded_network_equals_the_normalized(spec: Any, precision: Any) -> None:
    model, x = trained(spec)
    if isinstance(precision, Float):
        spec = spec.model_copy(update={"batch_norm": False})
    folded = build_autoencoder("plain", spec, precision)
    folded.copy_from(model)
    assert not normalizations(folded)
    expected = model.reconstruct(x)
    np.testing.assert_allclose(folded.reconstruct(x), expected, rtol=1e-4, atol=1e-4)
    assert np.std(expected) > 0.1


def test_copy_between_normalized_networks_keeps_the_statistics() -> None:
    model, x = trained(DENSE)
    twin = build_autoencoder("plain", DENSE)
    twin.copy_from(model)
    np.testing.assert_array_equal(twin.reconstruct(x), model.reconstruct(x))


def test_moving_statistics_become_those_of_the_data() -> None:
    model, x = trained(DENSE, "importance_weighted")
    layer = model.encoder.get_layer("encoder_norm_1")
    model.compile(optimizer=keras.optimizers.SGD(1e-12))
    model.fit(x, batch_size=50, epochs=100, verbose=0)
    seen = keras.Model(model.encoder.inputs, layer.input)([x])
    np.testing.assert_allclose(layer.moving_mean, np.mean(seen, axis=0), rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(layer.moving_variance, np.var(seen, axis=0), rtol=1e-2)


def test_contraction_is_that_of_the_encoder_in_inference() -> None:
    model, x = trained(DENSE, "contractive")
    found = np.asarray(model.squared_jacobian_norm(keras.ops.convert_to_tensor(x)))
    step = 1e-3
    squares = np.zeros(len(x))
    for index in range(DENSE.input_dim):
        shift = np.zeros_like(x)
        shift[:, index] = step
        slope = (model.encode(x + shift) - model.encode(x - shift)) / (2 * step)
        squares += (slope**2).sum(axis=1)
    # Where a ReLU bends within a step, the difference is not the derivative.
    assert np.median(np.abs(found / squares - 1)) < 1e-3


@pytest.mark.slow
def test_interrupted_training_continues_with_its_statistics(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=4, batch_size=16, learning_rate=0.01)

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    def fit(folder: Path, *callbacks: keras.callbacks.Callback) -> list[np.ndarray]:
        model, x = trained(DENSE, "variational")
        arguments = {"seed": 1, "checkpoint": folder, "progress": False, "callbacks": callbacks}
        fitting.fit(model, x[:40], x[40:], settings, **arguments)
        return model.get_weights()

    whole = fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "interrupted", Interrupt())
    for expected, found in zip(whole, fit(tmp_path / "interrupted"), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_weights_that_saturate_after_folding_are_named(experiment_content: dict[str, Any]) -> None:
    from keras_ae.experiment_models import build_model
    from keras_ae.settings.experiment import Experiment

    experiment_content["architecture"]["batch_norm"] = True
    experiment = validate_settings(Experiment, experiment_content, "test")
    model = build_model(experiment, Float(), n_train=1000)
    form = FixedPointFormats(**dict(experiment.precision)).weight
    layer = model.encoder.get_layer("encoder_norm_1")
    layer.moving_variance.assign(np.full(16, 1e-4, np.float32))
    assert np.abs(model.encoder.get_layer("encoder_dense_1").kernel).max() < form.high
    with pytest.warns(UserWarning, match="of 912 weights of layer 'encoder_dense_1' saturate in"):
        quantize_model(model, experiment)


def test_nothing_to_normalize() -> None:
    content = {"input_dim": 5, "hidden_dims": [], "batch_norm": True}
    message = r"batch_norm must be false for hidden_dims \[\], got true: there is no hidden layer"
    with pytest.raises(InputError, match=message):
        validate_settings(ArchitectureSpec, content, "test")
    for objective in ("pca", "oja", "linear"):
        with pytest.raises(InputError, match=r"must be dense with hidden_dims \[\]"):
            build_autoencoder(objective, DENSE)
