"""A layer at its place in a graph."""

from __future__ import annotations

from dataclasses import dataclass

from hls.graph.layer import Layer


@dataclass(frozen=True)
class Node:
    """A layer, and the names of the layers whose outputs it takes."""

    layer: Layer
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (self.inputs,) if isinstance(self.inputs, str) else tuple(self.inputs)
        object.__setattr__(self, "inputs", names)

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.layer.name
