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
from hls4ml.model.layers import DACombinational, register_layer
from hls4ml.model.optimizer.passes import bit_exact

from hls.logic import trace_logic
from keras_ae.precision import quantizer_format


class TracedLogic(DACombinational):
    """Combinational logic traced by da4ml, with its input formats requested element by element."""


register_layer("TracedLogic", TracedLogic)


@bit_exact._request_kif.register
def _(node: TracedLogic) -> tuple[tuple[np.ndarray, ...], ...]:
    # What hls4ml 1.3.0 returns for DACombinational lacks the outer tuple, one entry an input.
    k, i, f = node.attributes["da_comb_logic"].inp_kifs
    return ((k.astype(np.int16), i.astype(np.int16), f.astype(np.int16)),)


class HardwareInputHandler(KerasV3LayerHandler):
    handles = ("hls.layers.HardwareInput",)

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
        kernel = np.asarray(layer.kernel_quantizer_internal(layer.kernel))
        bias = np.asarray(layer.bias_quantizer_internal(layer.bias)) if layer.use_bias else None
        return {
            "class_name": "Dense",
            "data_format": "channels_last",
            "weight_data": kernel,
            "bias_data": bias,
            "n_in": kernel.shape[0],
            "n_out": kernel.shape[1],
        }


class QActivationHandler(KerasV3LayerHandler):
    handles = ("qkeras.qlayers.QActivation",)

    def maybe_get_activation_config(self, layer: Any, out_tensors: Any) -> tuple[None, None]:
        # The quantizer is the node itself, nothing is appended.
        return None, None

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        chosen = quantizer_format(layer.activation)
        # A ReLU needs no node of its own: saturation at the lower end of ufixed is one.
        return {
            "class_name": "FixedPointQuantizer",
            "mask_kbi": tuple(
                np.array([value], np.int16)
                for value in (int(chosen.signed), chosen.width, chosen.integer)
            ),
            "RND": "RND_CONV",
            "SAT": "SAT",
            "fusible": None,
            "overrides": {},
        }


class LogicHandler(KerasV3LayerHandler):
    handles = (
        "hls.layers.ScaleObjects",
        "hls.layers.SquaredNorm",
        "hls.layers.SquaredError",
        "hls.layers.AboveThreshold",
    )

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> dict[str, Any]:
        logic = trace_logic(layer, in_tensors[0].shape[1])
        return {
            "class_name": "TracedLogic",
            "da_comb_logic": logic,
            "output_shape": list(out_tensors[0].shape[1:]),
            "original_type": type(layer).__name__,
        }
