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

HEADERS = ("nnet_trigger.h", "nnet_trigger_stream.h")
BACKENDS = ("Vitis", "Vivado")


class TriggerLogic(Layer):
    """A function of `nnet_trigger.h`.

    Attributes: `function` and its first template argument `term`, if it has one; `constants`,
    arrays by name, its arguments behind the inputs; `config`, its numbers; `index_t`, the C++ type
    that indexes a table; `output_shape`, and `output_kif`, the bits of each output, where they are
    not the input's.
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
    if node.attributes["function"] == "upsample":
        config = node.attributes["config"]
        return tuple(
            bits.repeat(config["rows"], axis=0).repeat(config["columns"], axis=1)
            for bits in bit_exact.get_input_kifs(node)[0]
        )
    shape = tuple(node.attributes["output_shape"])
    return tuple(
        np.broadcast_to(bits, shape).astype(np.int16) for bits in node.attributes["output_kif"]
    )


class TriggerConfig(LayerConfigTemplate):
    def __init__(self) -> None:
        super().__init__(TriggerLogic)

    def format(self, node: TriggerLogic) -> str:
        numbers = {"n_in": node.get_input_variable().size(), **node.attributes.get("config", {})}
        lines = [f"static const unsigned {name} = {value};" for name, value in numbers.items()]
        if "index_t" in node.attributes:
            lines.append(f"typedef {node.attributes['index_t']} index_t;")
        body = "".join(f"    {line}\n" for line in lines)
        return f"struct config{node.index} : nnet::trigger_config {{\n{body}}};\n"


class TriggerCall(FunctionCallTemplate):
    def __init__(self) -> None:
        super().__init__(
            TriggerLogic, include_header=[f"nnet_utils/{header}" for header in HEADERS]
        )

    def format(self, node: TriggerLogic) -> str:
        constants = [node.get_weights(name) for name in node.attributes["constants"]]
        inputs = [node.get_input_variable(name) for name in node.inputs]
        variables: list[Any] = [*inputs, *constants, node.get_output_variable()]
        term = [node.attributes["term"]] if "term" in node.attributes else []
        types = [*term, *(variable.type.name for variable in variables), f"config{node.index}"]
        arguments = ", ".join(variable.name for variable in variables)
        return f"nnet::{node.attributes['function']}<{', '.join(types)}>({arguments});"


def _register(backend_name: str) -> None:
    backend = get_backend(backend_name)
    backend.register_template(TriggerConfig)
    backend.register_template(TriggerCall)
    for header in HEADERS:
        backend.register_source(Path(__file__).parent.resolve() / "templates" / header)


for _name in BACKENDS:
    _register(_name)
