"""Ports of packed words: one for each collection of a front end, unpacked behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hls.graph.layer import GraphInput
from hls.graph.layers.moving_layers import Concatenate
from hls.graph.layers.unpacking import PART_FORMAT, UnpackWords
from hls.graph.node import Node
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.fields import ObjectCollection
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.packing import check_words, pack

_PART_BITS = PART_FORMAT.width


@dataclass(frozen=True)
class PackedInputs:
    """The beginning of a graph.

    Args:
        nodes: ports, what unpacks them, and what joins that, in an order of evaluation.
        ports: names of the inputs, in their order.
        output: name of the node that gives hardware values (events, n_values).
    """

    nodes: tuple[Node, ...]
    ports: tuple[str, ...]
    output: str


def unpacked_inputs(front_end: FrontEnd, name: str = "objects") -> PackedInputs:
    """Packed words of each collection, and hardware values made of them.

    A port has the name of its collection and takes (events, slots, parts): of each word its parts
    of 32 bits, the low one first.

    Args:
        front_end: whose collections are carried by words.
        name: of the node that gives all hardware values, in the front end's order.

    Raises:
        InputError: a front end without words, or a collection that is called like another node.
        Refusal: a field too wide for a float64, when the nodes become a graph.
    """
    check_words(front_end)
    kinds = front_end.collections
    ports = [
        Node(GraphInput(PART_FORMAT, (kind.slots, _n_parts(kind)), name=label))
        for label, kind in kinds.items()
    ]
    last = len(kinds) - 1
    unpacking = [
        Node(_unpacking(kind, f"unpack_{label}" if last else name), (label,))
        for label, kind in kinds.items()
    ]
    joins: list[Node] = []
    # By two, as C++ has it.
    for number, node in enumerate(unpacking[1:], 1):
        label = name if number == last else f"join_{tuple(kinds)[number]}"
        before = (joins or unpacking)[-1 if joins else 0].name
        joins.append(Node(Concatenate(name=label), (before, node.name)))
    _check_names(ports, [*unpacking, *joins])
    return PackedInputs((*ports, *unpacking, *joins), tuple(kinds), name)


def port_values(front_end: FrontEnd, hardware: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the ports of `unpacked_inputs` take for hardware values (events, n_values).

    Returns an array (events, slots, parts) uint32 for each port, in their order.

    Raises:
        InputError: see `keras_ae.front_end.packing.pack`.
    """
    words = pack(front_end, hardware)
    return tuple(
        word_parts(words[name], _n_parts(kind)) for name, kind in front_end.collections.items()
    )


def word_parts(words: np.ndarray, n_parts: int) -> np.ndarray:
    """Words (...) uint64 as parts of 32 bits (..., n_parts) uint32, the low one first."""
    shifts = np.arange(n_parts, dtype=np.uint64) * np.uint64(_PART_BITS)
    # What is beyond a part is cut.
    return (words[..., np.newaxis] >> shifts).astype(np.uint32)


def _n_parts(kind: ObjectCollection) -> int:
    return -(-(kind.word_bits or 0) // _PART_BITS)


def _unpacking(kind: ObjectCollection, name: str) -> UnpackWords:
    """Of a collection that is carried by words."""
    places: list[tuple[FixedPointFormat, int]] = [
        (field.format, field.low_bit)
        for field in kind.fields.values()
        if field.format is not None and field.low_bit is not None
    ]
    formats, low_bits = zip(*places, strict=True)
    return UnpackWords(formats, low_bits, name=name)


def _check_names(ports: list[Node], others: list[Node]) -> None:
    """Raise InputError where a collection is called like a node that is not its port."""
    own = {node.name for node in others}
    for port in ports:
        if port.name in own:
            raise InputError(
                f"name of a collection must be none of the graph's {', '.join(sorted(own))}, got "
                f"{port.name!r}"
            )
