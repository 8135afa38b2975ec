"""Every layer of this package: importing this registers them all."""

from hls.graph.decision import AboveThreshold
from hls.graph.error_scores import AbsoluteError, SquaredError
from hls.graph.kernel_layers import Convolution, Dense
from hls.graph.lookup_table import LookupTable
from hls.graph.moving_layers import Concatenate, Reshape, UpSampling, ZeroPadding
from hls.graph.pooling_layers import AveragePooling, MaxPooling
from hls.graph.quantizer import Quantizer
from hls.graph.scale_objects import ScaleObjects
from hls.graph.score_layers import GaussianDivergence, NormalizedNorm, SquaredNorm, Total

__all__ = [
    "AboveThreshold",
    "AbsoluteError",
    "AveragePooling",
    "Concatenate",
    "Convolution",
    "Dense",
    "GaussianDivergence",
    "LookupTable",
    "MaxPooling",
    "NormalizedNorm",
    "Quantizer",
    "Reshape",
    "ScaleObjects",
    "SquaredError",
    "SquaredNorm",
    "Total",
    "UpSampling",
    "ZeroPadding",
]
