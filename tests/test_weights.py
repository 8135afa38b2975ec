"""Biases that leave no unit without events."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ae.networks import build_encoder
from keras_ae.precision import Float
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.weights import centre_units

SPECS = [
    ArchitectureSpec(input_dim=5, hidden_dims=(16, 8), latent_dim=1),
    ArchitectureSpec(input_dim=5, hidden_dims=(16,), latent_dim=1, condition_dim=2),
    ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 4, 1), filters=(3,), kernel_size=3, latent_dim=1
    ),
]


@pytest.mark.parametrize("spec", SPECS)
def test_every_unit_has_events(spec: ArchitectureSpec | ConvolutionalSpec) -> None:
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(1)
    network = build_encoder(spec, Float())
    shapes = [tensor.shape[1:] for tensor in network.inputs]
    parts = tuple(rng.exponential(size=(300, *shape)).astype(np.float32) for shape in shapes)
    centre_units(network, parts if len(parts) > 1 else parts[0])
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            values = keras.Model(network.inputs, layer.output).predict(list(parts), verbose=0)
            values = values.reshape(-1, values.shape[-1])
            np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
            assert (values > 0).any(axis=0).all()
