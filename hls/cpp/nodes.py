"""hls4ml's side of the trigger's own layers: one kind of node, its types and its C++.

Importing this module registers them with hls4ml. The C++ is `templates/nnet_trigger.h`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.layers import Layer, register_layer
from hls4ml.model.optimizer.passes import bit_exact

from hls.cpp.backends import BACKENDS, Backend
from keras_ae.fixed_point import FixedPointFormat

HEADERS = ("nnet_trigger.h", "nnet_trigger_stream.h")


class TriggerLogic(Layer):
    """A function of `nnet_trigger.h`, or of a layer's own header.

    Attributes: `function` and its first template argument `term`, if it has one, of `term_format`
    if that has one, and of `rounded_term_format` if it is rounded; its next template arguments, if
    it has them, `sum_format`, of a sum, and `rounding_format`, of what is rounded, with its modes;
    `constants`, arrays by name, its arguments behind the inputs, and `constant_formats` of those
    for which the narrowest would not do; `config`, its numbers; `index_format`, of what indexes a
    table; `output_shape`, and `output_kif`, the bits of each output, or `sources`, which of the
    input's values each is; `header` beside the headers of this package, where the function is in
    none of them.
    """

    def initialize(self) -> None:
        self.add_output_variable(
            self.attributes["output_shape"], var_name=self.name, type_name=f"{self.name}_t"
        )
        for name, values in self.attributes["constants"].items():
            self.add_weights_variable(name=name, var_name=f"{self.name}_{name}", data=values)


register_layer("TriggerLogic", TriggerLogic)


@bit_exact._produce_kif.register
def _(node: TriggerLogic) -> tuple[np.ndarray, ...]:
    shape = tuple(node.attributes["output_shape"])
    if "sources" in node.attributes:
        sources = node.attributes["sources"].ravel()
        bits_of_inputs = bit_exact.get_input_kifs(node)[0]
        return tuple(bits.ravel()[sources].reshape(shape) for bits in bits_of_inputs)
    return tuple(
        np.broadcast_to(bits, shape).astype(np.int16) for bits in node.attributes["output_kif"]
    )


@bit_exact.register_precision.register
def _(node: TriggerLogic) -> None:
    """Constants have the narrowest type that holds them, or one that the layer asks for."""
    bit_exact.default_register_precision(node)
    for name, text in node.attributes.get("constant_formats", {}).items():
        bits = FixedPointFormat.parse(text).kif
        chosen = bit_exact.to_hls4ml_fixed(*bits, f"{node.name}_{name}_t")
        node.attributes[f"{name}_t"] = chosen
        node.weights[name].type = chosen


class TriggerConfig(LayerConfigTemplate):
    def __init__(self) -> None:
        super().__init__(TriggerLogic)

    def format(self, node: TriggerLogic) -> str:
        numbers = {"n_in": node.get_input_variable().size(), **node.attributes.get("config", {})}
        lines = [f"static const unsigned {name} = {value};" for name, value in numbers.items()]
        if "index_format" in node.attributes:
            lines.append(f"typedef {_cpp_type(node, 'index_format')} index_t;")
        body = "".join(f"    {line}\n" for line in lines)
        return f"struct config{node.index} : nnet::trigger_config {{\n{body}}};\n"


class TriggerCall(FunctionCallTemplate):
    def __init__(self) -> None:
        super().__init__(
            TriggerLogic, include_header=[f"nnet_utils/{header}" for header in HEADERS]
        )

    def transform(self, model: Any, node: TriggerLogic) -> Any:
        transformed = super().transform(model, node)
        if node.attributes["header"] is not None:
            header = f"nnet_utils/{node.attributes['header']}"
            node.set_attr("include_header", [*self.include_header, header])
        return transformed

    def format(self, node: TriggerLogic) -> str:
        constants = [node.get_weights(name) for name in node.attributes["constants"]]
        inputs = [node.get_input_variable(name) for name in node.inputs]
        variables: list[Any] = [*inputs, *constants, node.get_output_variable()]
        term = [node.attributes["term"]] if "term" in node.attributes else []
        if "term_format" in node.attributes:
            term = [f"{term[0]}<{_cpp_type(node, 'term_format')}>"]
        if "rounded_term_format" in node.attributes:
            rounded = _cpp_type(node, "rounded_term_format", with_modes=True)
            term = [f"nnet::rounded_term<{term[0]}, {rounded}>"]
        if "sum_format" in node.attributes:
            term.append(_cpp_type(node, "sum_format"))
        if "rounding_format" in node.attributes:
            term.append(_cpp_type(node, "rounding_format", with_modes=True))
        names = (variable.type.name for variable in variables)
        types = [*term, *names, f"config{node.index}"]
        arguments = ", ".join(variable.name for variable in variables)
        return f"nnet::{node.attributes['function']}<{', '.join(types)}>({arguments});"


def _cpp_type(node: TriggerLogic, attribute: str, with_modes: bool = False) -> str:
    """Of the attribute's format, in the types of the node's backend."""
    form = FixedPointFormat.parse(node.attributes[attribute])
    types = BACKENDS[node.model.config.get_config_value("Backend")].types
    modes = [f"{types.upper()}_{mode}" for mode in (form.rounding, form.overflow) if with_modes]
    numbers = [form.width, form.integer, *([str(form.signed).lower()] if types == "ac" else [])]
    sign = "u" if types == "ap" and not form.signed else ""
    return f"{types}_{sign}fixed<{', '.join(map(str, [*numbers, *modes]))}>"


def _register(chosen: Backend) -> None:
    backend, folder = get_backend(chosen.name), Path(__file__).parent.resolve() / "templates"
    backend.register_template(TriggerConfig)
    backend.register_template(TriggerCall)
    for header in (*HEADERS, f"{chosen.types}/nnet_trigger_bits.h"):
        backend.register_source(folder / header)


for _backend in BACKENDS.values():
    _register(_backend)
