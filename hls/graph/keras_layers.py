"""What a trigger graph is in Keras, beside the layers that Keras and QKeras have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_ae.fixed_point import FixedPointFormat


@keras.saving.register_keras_serializable("hls")
class HardwareInput(keras.layers.InputLayer):
    """An input of the trigger: fixed-point numbers of a stated format, (batch, *shape)."""

    def __init__(self, shape: Sequence[int], input_format: str, **kwargs: Any) -> None:
        form = FixedPointFormat.parse(input_format)
        # What float32 does not hold is float64.
        number = "float32" if form.width <= 24 else "float64"
        super().__init__(shape=tuple(shape), dtype=number, **kwargs)
        self.input_format = form

    def get_config(self) -> dict[str, Any]:
        return {
            "shape": list(self.output.shape[1:]),
            "input_format": str(self.input_format),
            "name": self.name,
        }


class GraphLayer(keras.layers.Layer):
    """A layer of a graph that Keras has not: it calls that layer's `in_keras`."""

    def __init__(self, graph_layer: Any, **kwargs: Any) -> None:
        # Keras would cast a float64 score back to float32.
        super().__init__(autocast=False, name=graph_layer.name, **kwargs)
        self.graph_layer = graph_layer

    def call(self, inputs: Any) -> Any:
        parts = inputs if isinstance(inputs, list | tuple) else [inputs]
        return self.graph_layer.in_keras(ops, *parts)

    def get_config(self) -> dict[str, Any]:
        # Not enough to make it again: what is stored is the graph.
        return {"name": self.name, "graph_layer": type(self.graph_layer).__name__}
