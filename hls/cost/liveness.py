"""Which values of a trigger graph its outputs depend on: no logic is made for the others.

Pruning leaves neurons whose weights in the next layer are all zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hls.graph.grid import Grid
from hls.graph.layer_graph import LayerGraph


def live_values(graph: LayerGraph, grids: Mapping[str, Grid]) -> dict[str, np.ndarray]:
    """Of each layer by name, a mask in the shape of one event; constants are not live.

    A value that another is added to or compared with counts, even where the other decides alone.

    Raises:
        Refusal: a layer that does not say what its output depends on.
    """
    live = {name: np.zeros(grid.shape, bool) for name, grid in grids.items()}
    for name in graph.output_names:
        live[name] |= True
    for node in reversed(graph.nodes):
        if not node.inputs:
            continue
        shapes = [grids[name].shape for name in node.inputs]
        found = node.layer.live(live[node.name], shapes)
        for name, mask in zip(node.inputs, found, strict=True):
            live[name] |= mask & (grids[name].low < grids[name].high)
    return live
