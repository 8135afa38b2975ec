"""Teaches hls4ml's Keras 3 front end the layers of the trigger graph.

hls4ml 1.3.0 knows neither QKeras for Keras 3 nor our layers. Every quantizer becomes an explicit
`FixedPointQuantizer` node: that switches on hls4ml's bit-exact pass, which derives all other types.
Importing this module registers the handlers; one that a later hls4ml brings for the same layer
would be replaced, so that what the proof covers is always this file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hls4ml.converters.keras_v3._base import KerasV3LayerHandler
from hls4ml.converters.keras_v3.conv import ConvHandler

import hls.cpp.nodes  # registers the node
import hls.cpp.overrides  # noqa: F401  mends the bit-exact pass
from hls.graph.grid import Grid
from hls.graph.logic_layers import AboveThreshold, LogicLayer, LookupTable, ScaleObjects
from hls.graph.quantized_weights import QuantizedWeights
from hls.graph.score_layers import (
    AbsoluteError,
    GaussianDivergence,
    NormalizedNorm,
    SquaredError,
    SquaredNorm,
    Total,
)
from keras_ae.data.scaling import FEATURES
from keras_ae.precision import quantizer_format


class HardwareInputHandler(KerasV3LayerHandler):
    handles = ("hls.graph.logic_layers.HardwareInput",)

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        # Trusted: the type comes from the configuration, not from what the next layer can use.
        return {
            "class_name": "InputLayer",
            "input_shape": list(out_tensors[0].shape[1:]),
            "trusted": True,
        }


class QDenseHandler(KerasV3LayerHandler):
    handles = ("qkeras.qlayers.QDense",)

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        weights = QuantizedWeights.of(layer)
        return {
            "class_name": "Dense",
            "data_format": "channels_last",
            "weight_data": weights.kernel,
            "bias_data": weights.bias if layer.use_bias else None,
            "n_in": weights.kernel.shape[0],
            "n_out": weights.kernel.shape[1],
        }


class QConv2DHandler(ConvHandler):
    handles = ("qkeras.qconvolutional.QConv2D",)

    def default_class_name(self, layer: Any) -> str:
        return "Conv2D"

    def load_weight(self, layer: Any, key: str) -> np.ndarray:
        # In float64: float32 would round what has more than 24 bits.
        weights: np.ndarray = getattr(QuantizedWeights.of(layer), key)
        return weights


class QActivationHandler(KerasV3LayerHandler):
    handles = ("qkeras.qlayers.QActivation",)

    def maybe_get_activation_config(self, layer: Any, out_tensors: Any) -> tuple[None, None]:
        # The quantizer is the node itself, nothing is appended.
        return None, None

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        chosen = quantizer_format(layer.activation)
        # As many axes as the input, and the batch.
        ones = (1,) * len(out_tensors[0].shape)
        # A ReLU needs no node of its own: saturation at the lower end of ufixed is one.
        return {
            "class_name": "FixedPointQuantizer",
            "mask_kbi": tuple(
                np.full(ones, value, np.int16)
                for value in (int(chosen.signed), chosen.width, chosen.integer)
            ),
            "RND": "RND_CONV",
            "SAT": "SAT",
            "fusible": None,
            "overrides": {},
        }


class UpSampling2DHandler(KerasV3LayerHandler):
    handles = ("keras.src.layers.reshaping.up_sampling2d.UpSampling2D",)

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        # hls4ml's own resizing wants one type before and behind, which fusing a quantizer parts.
        _, height, width, n_channels = in_tensors[0].shape
        rows, columns = layer.size
        return {
            "class_name": "TriggerLogic",
            "output_shape": list(out_tensors[0].shape[1:]),
            "function": "upsample",
            "constants": {},
            "config": {
                "height": height,
                "width": width,
                "n_channels": n_channels,
                "rows": rows,
                "columns": columns,
            },
        }


class ZeroPadding2DHandler(KerasV3LayerHandler):
    handles = ("keras.src.layers.reshaping.zero_padding2d.ZeroPadding2D",)

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        _, in_height, in_width, n_chan = in_tensors[0].shape
        _, out_height, out_width, _ = out_tensors[0].shape
        (top, bottom), (left, right) = layer.padding
        return {
            "class_name": "ZeroPadding2D",
            "data_format": "channels_last",
            "in_height": in_height,
            "in_width": in_width,
            "out_height": out_height,
            "out_width": out_width,
            "n_chan": n_chan,
            "pad_top": top,
            "pad_bottom": bottom,
            "pad_left": left,
            "pad_right": right,
        }


class LogicHandler(KerasV3LayerHandler):
    handles = tuple(
        f"{kind.__module__}.{kind.__name__}"
        for kind in (
            ScaleObjects,
            LookupTable,
            Total,
            SquaredNorm,
            NormalizedNorm,
            GaussianDivergence,
            SquaredError,
            AbsoluteError,
            AboveThreshold,
        )
    )

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        grids = [
            Grid.of(form, tuple(tensor.shape[1:]))
            for form, tensor in zip(layer.input_formats, in_tensors, strict=True)
        ]
        return {
            "class_name": "TriggerLogic",
            "output_shape": list(out_tensors[0].shape[1:]),
            "output_kif": layer.grid(*grids).kif,
            "constants": {},
            **_cpp(layer),
        }


def _cpp(layer: LogicLayer) -> dict[str, Any]:
    """Which function of `nnet_trigger.h` computes the layer, and what it needs."""
    if isinstance(layer, ScaleObjects):
        offsets = np.array(layer.scaler.offset, np.float64)
        constants = {"offsets": offsets, "factors": layer.steps}
        config = {"slot_size": len(FEATURES)}
        return {"function": "scale_objects", "constants": constants, "config": config}
    if isinstance(layer, LookupTable):
        (form,) = layer.input_formats
        # In the order of the argument's bits: those with the sign bit come last.
        by_bits = np.roll(layer.entries, -int(form.low / form.step) if form.signed else 0)
        return {
            "function": "look_up",
            "constants": {"table": by_bits},
            "config": {"table_size": len(by_bits)},
            "index_format": str(form),
        }
    if isinstance(layer, AboveThreshold):
        constants = {} if layer.from_input else {"limit": np.array([layer.threshold])}
        return {"function": "above_threshold", "constants": constants}
    terms = {
        Total: "total",
        SquaredNorm: "squared_norm",
        NormalizedNorm: "normalized_norm",
        GaussianDivergence: "gaussian_divergence",
        SquaredError: "squared_error",
        AbsoluteError: "absolute_error",
    }
    term = terms[type(layer)]
    if isinstance(layer, SquaredError | AbsoluteError):
        term += f"<{str(layer.masked).lower()}>"
    found = {"function": "score", "term": f"nnet::{term}"}
    if isinstance(layer, GaussianDivergence):
        # Of the constant 0.5; ac_fixed of Quartus wants two bits at least.
        found["term_format"] = "ufixed<2,0>"
    return found
