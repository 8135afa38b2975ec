"""Every layer of this package; importing this registers them all.

kernel_layers    layers of weights, dense
convolution      and over images
quantizer        rounding to a format
rectifier        the rectifier without rounding
arithmetic_layers   sums and differences
unpacking        fields of words of bits
rescaling        a factor and an offset for each channel
moving_layers    reshaping, joining, repeating, padding
pooling_layers   maxima and means
logic_layer      what the trigger's own layers share
measured_inputs, scale_inputs           the front end: angles, absolute values, scaling
lookup_table, decision                  tables, the trigger bit
score_layers, error_scores              scores
"""

from hls.graph.layers.arithmetic_layers import Add, Subtract
from hls.graph.layers.convolution import Convolution
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.error_scores import AbsoluteError, SquaredError
from hls.graph.layers.kernel_layers import Dense
from hls.graph.layers.lookup_table import LookupTable
from hls.graph.layers.measured_inputs import AbsoluteValues, RelativeAngles
from hls.graph.layers.moving_layers import Concatenate, Reshape, UpSampling, ZeroPadding
from hls.graph.layers.pooling_layers import AveragePooling, MaxPooling
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.rectifier import Rectifier
from hls.graph.layers.rescaling import Rescaling
from hls.graph.layers.scale_inputs import ScaleInputs
from hls.graph.layers.score_layers import GaussianDivergence, NormalizedNorm, SquaredNorm, Total
from hls.graph.layers.unpacking import UnpackWords

__all__ = [
    "AboveThreshold",
    "AbsoluteError",
    "AbsoluteValues",
    "Add",
    "AveragePooling",
    "Concatenate",
    "Convolution",
    "Dense",
    "GaussianDivergence",
    "LookupTable",
    "MaxPooling",
    "NormalizedNorm",
    "Quantizer",
    "Rectifier",
    "RelativeAngles",
    "Rescaling",
    "Reshape",
    "ScaleInputs",
    "SquaredError",
    "SquaredNorm",
    "Subtract",
    "Total",
    "UnpackWords",
    "UpSampling",
    "ZeroPadding",
]
