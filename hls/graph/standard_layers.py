"""The layers of Keras and QKeras that have an exact form: importing this registers them."""

from hls.graph.kernel_layers import Convolution, Dense
from hls.graph.moving_layers import Concatenate, Reshape, UpSampling, ZeroPadding
from hls.graph.pooling_layers import AveragePooling, MaxPooling
from hls.graph.quantizer import Quantizer

__all__ = [
    "AveragePooling",
    "Concatenate",
    "Convolution",
    "Dense",
    "MaxPooling",
    "Quantizer",
    "Reshape",
    "UpSampling",
    "ZeroPadding",
]
