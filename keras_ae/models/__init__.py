"""keras.Model subclasses, one objective a file, behind the interface of `Autoencoder`."""

import keras_ae.precision  # noqa: F401  registers QKeras' layers, so that quantized models load
from keras_ae.models.autoencoder import Autoencoder
from keras_ae.models.variational import VariationalAutoencoder

__all__ = ["Autoencoder", "VariationalAutoencoder"]
