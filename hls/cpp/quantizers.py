"""Quantizers in C++: fused by hls4ml into the layer before, or a function of their own.

hls4ml makes a quantizer the type of the layer before. That is exact where this layer computes each
value in full and rounds it once, as it is given out, and where nothing else takes it.
"""

from __future__ import annotations

from hls.cpp.backends import BACKENDS
from hls.graph.layer import CppForm, GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.quantizer import Quantizer
from hls.graph.node import Node
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.settings.firmware import FirmwareSettings

#: Of `nnet_trigger.h`, those that round once; scores would round every sum.
_ROUND_ONCE = ("scale_inputs", "look_up", "upsample", "above_threshold")


def cpp_form(node: Node, graph: LayerGraph, settings: FirmwareSettings) -> CppForm:
    """How a layer is written in C++ at its place."""
    layer = node.layer
    if not isinstance(layer, Quantizer) or is_fused(node, layer.form, graph, settings):
        return graph.cpp(node)
    out = graph.grids[node.name]
    attributes = {"function": "quantize", "output_kif": out.kif, "rounding_format": str(layer.form)}
    return CppForm("TriggerLogic", attributes)


def is_fused(
    node: Node, form: FixedPointFormat, graph: LayerGraph, settings: FirmwareSettings
) -> bool:
    """Whether hls4ml may make a quantizer to `form` the type of the layer before."""
    before = graph.node(node.inputs[0])
    names = [before.name]
    # hls4ml looks through what only renames values.
    while before.layer.only_reshapes:
        before = graph.node(before.inputs[0])
        names.append(before.name)
    layer = before.layer
    if isinstance(layer, Quantizer) or any(name in graph.output_names for name in names):
        return False
    if isinstance(layer, GraphInput) and layer.form != form.values:
        # The type of the port.
        return False
    if form.has_modes and not layer.has_kernel:
        return False
    written = graph.cpp(before)
    if written.kind == "TriggerLogic" and (
        written.header is not None or written.attributes["function"] not in _ROUND_ONCE
    ):
        return False
    return _is_alone(names, graph, settings, form.has_modes)


def _is_alone(
    names: list[str], graph: LayerGraph, settings: FirmwareSettings, has_modes: bool
) -> bool:
    """Whether nothing else takes what is rounded, or hls4ml copies it."""
    if all(len(graph.consumers(name)) == 1 for name in names):
        return True
    # In arrays of ap_fixed, hls4ml rounds a copy.
    copies = settings.io_type == "io_parallel" and BACKENDS[settings.backend].types == "ap"
    return copies and not has_modes and len(names) == 1
