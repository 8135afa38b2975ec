"""Adders, multiplexers and tables of RTL by distributed arithmetic, counted without tracing it.

A constant matrix is counted as a tree of shifted additions of the signed digits of its weights,
output by output; what da4ml then shares between outputs is estimated. All else follows from which
values a tensor can take, its grid. What each layer counts, it says itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hls.cost.liveness import live_values
from hls.graph.counting import Logic, Signal
from hls.graph.grid import Grid
from hls.graph.layer import Place
from hls.graph.layer_graph import LayerGraph


def count_logic(graph: LayerGraph) -> tuple[Logic, dict[str, Signal]]:
    """The logic of a trigger graph, and the signal of each of its layers.

    Raises:
        Refusal: a layer whose cost is not known.
    """
    grids = traced_grids(graph)
    live = live_values(graph, grids)
    signals = {name: Signal.of(grid, live[name]) for name, grid in grids.items()}
    logic = Logic()
    for node in graph.nodes:
        if not node.inputs:
            continue
        out = signals[node.name]
        inputs = tuple(signals[name] for name in node.inputs)
        more, depth = node.layer.count(Place(out, inputs, graph.layer(node.inputs[0]).has_kernel))
        logic += more
        signals[node.name] = replace(out, depth=np.where(out.bits > 0, depth, 0))
    return logic, signals


def traced_grids(graph: LayerGraph) -> dict[str, Grid]:
    """By layer, which values the tracer takes for possible: perhaps more than there are."""
    grids: dict[str, Grid] = {}
    for node in graph.nodes:
        grids[node.name] = node.layer.traced_grid(*(grids[name] for name in node.inputs))
    return grids
