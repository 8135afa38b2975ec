"""Observables of an event as scores of a trigger graph: what one would cut on without a network."""

from __future__ import annotations

from hls.graph.layer import GraphInput, Layer
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.moving_layers import Reshape
from hls.graph.layers.pooling_layers import MaxPooling
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.scale_inputs import NO_GUARD, ScaleInputs
from hls.graph.layers.score_layers import Total
from hls.graph.node import Node
from hls.graph.packed_ports import unpacked_inputs
from keras_ae.data.observables import Observable, observables_of
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.front_end import FrontEnd

_OBJECTS = "objects"
_ONE_BIT = FixedPointFormat(1, 1, signed=False)


def baseline_graph(front_end: FrontEnd, name: str) -> LayerGraph:
    """Hardware values of an event -> one of `keras_ae.data.observables`, in last bits.

    Objects must be in the order that the front end states: the largest momentum is looked for in
    the first slots. `hls.graph.build.set_threshold` makes a trigger of it.

    Raises:
        InputError: an observable of fields that the front end has not, fields without a format, or
            momenta of different last bits.
    """
    choices = observables_of(front_end)
    if name not in choices:
        raise InputError(
            f"baseline must be one of {', '.join(choices) or 'none, of this front end'}, got "
            f"{name!r}"
        )
    observable = choices[name]
    _check_last_bits(name, observable)
    if front_end.packed:
        packed = unpacked_inputs(front_end, _OBJECTS)
        nodes, ports = list(packed.nodes), packed.ports
    else:
        shape = (front_end.n_values,)
        nodes = [Node(GraphInput(front_end.port_format, shape, name=_OBJECTS))]
        ports = (_OBJECTS,)
    last = _OBJECTS
    for layer in _layers(front_end, observable):
        nodes.append(Node(layer, (last,)))
        last = layer.name
    formats = (LayerGraph.of(nodes, ports, (last,)).grids[last].format,)
    nodes.append(Node(Total(input_formats=formats, name=name), (last,)))
    return LayerGraph.of(nodes, ports, (name,))


def _check_last_bits(name: str, observable: Observable) -> None:
    bits = {column.field.last_bit.value for column in observable.columns}
    if observable.kind != "count" and len(bits) > 1:
        raise InputError(
            f"baseline '{name}' must be of momenta with one last bit, got "
            f"{', '.join(f'{bit:g}' for bit in sorted(bits))}"
        )


def _layers(front_end: FrontEnd, observable: Observable) -> list[Layer]:
    """Between the event and the sum."""
    columns = observable.columns
    if observable.kind == "largest":
        kinds = front_end.collections
        # In order, the first is the largest.
        columns = tuple(
            c for c in columns if not c.slot or kinds[c.collection].order != c.field_name
        )
    # So that one last bit of whatever a count looks at rounds to one.
    finest = max(front_end.port_format.fractional, 0) if observable.kind == "count" else 0
    n = len(columns)
    chosen = ScaleInputs(
        tuple(column.index for column in columns),
        (0.0,) * n,
        (-finest,) * n,
        (NO_GUARD,) * n,
        input_formats=(front_end.port_format,),
        name="chosen",
    )
    if observable.kind == "count":
        return [chosen, Quantizer(_ONE_BIT, name="is_filled")]
    if observable.kind == "largest" and n > 1:
        return [
            chosen,
            Reshape((n, 1, 1), name="column"),
            MaxPooling((n, 1), name="largest"),
            Reshape((1,), name="one"),
        ]
    return [chosen]
