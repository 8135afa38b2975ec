"""keras.Model subclasses, one objective a file, behind the interface of `Autoencoder`."""

import keras_ae.precision  # noqa: F401  registers QKeras' layers, so that quantized models load
from keras_ae.models.autoencoder import Autoencoder, Pass
from keras_ae.models.building import build_autoencoder
from keras_ae.models.conditional import ConditionalVariationalAutoencoder
from keras_ae.models.contractive import ContractiveAutoencoder
from keras_ae.models.denoising import DenoisingAutoencoder
from keras_ae.models.importance_weighted import ImportanceWeightedAutoencoder
from keras_ae.models.linear import PCA, LinearAutoencoder, OjaPCA
from keras_ae.models.registry import register
from keras_ae.models.scoring import ScoringModel
from keras_ae.models.sparse import SparseAutoencoder
from keras_ae.models.student import Student, build_student
from keras_ae.models.variational import VariationalAutoencoder
from keras_ae.models.vicreg import VICReg, build_vicreg

__all__ = [
    "PCA",
    "Autoencoder",
    "ConditionalVariationalAutoencoder",
    "ContractiveAutoencoder",
    "DenoisingAutoencoder",
    "ImportanceWeightedAutoencoder",
    "LinearAutoencoder",
    "OjaPCA",
    "Pass",
    "ScoringModel",
    "SparseAutoencoder",
    "Student",
    "VICReg",
    "VariationalAutoencoder",
    "build_autoencoder",
    "build_student",
    "build_vicreg",
    "register",
]
