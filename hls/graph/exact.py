"""The exact reference: layers in NumPy, without a rounding that is not stated.

Every number in a trigger graph is a fixed-point number. float64 holds it, and every partial sum on
the way to it, as long as these stay within 2^53 units of their last bit: that is proved before
anything is evaluated, and float32, which is faster, taken where 2^24 units are enough. Weights are
quantized from their formats alone; neither Keras nor hls4ml has a part in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from hls.graph.grid import EXACT_FLOAT32, EXACT_FLOAT64, Grid
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from keras_ae.arrays import check_count

#: Numbers of the widest tensor that are evaluated at once: they stay in the cache.
_CHUNK_NUMBERS = 2**17


def find_grids(nodes: Sequence[Node]) -> dict[str, Grid]:
    """Which values each of the nodes, in an order of evaluation, can give, by name.

    Raises:
        Refusal: sums too wide for float64.
    """
    grids: dict[str, Grid] = {}
    for node in nodes:
        layer, inputs = node.layer, [grids[name] for name in node.inputs]
        n_inputs = len(inputs) if layer.n_inputs is None else layer.n_inputs
        if len(inputs) != n_inputs or (layer.n_inputs is None and not inputs):
            wanted = "1 at least" if layer.n_inputs is None else layer.n_inputs
            raise Refusal(node.name, f"inputs must be {wanted}", len(inputs), "give so many")
        layer.check_inputs(*inputs)
        grid = layer.grid_in_graph(*inputs)
        # NaN is not smaller, either.
        if not grid.units <= EXACT_FLOAT64:
            raise Refusal(
                node.name,
                "sums must stay within 2^53 units of their last bit",
                f"{grid.units:.3g}",
                "use narrower formats, or a quantizer between it and the layers before",
            )
        grids[node.name] = grid
    return grids


def evaluate(
    nodes: Sequence[Node],
    grids: Mapping[str, Grid],
    inputs: Mapping[str, np.ndarray],
    wanted: Sequence[str],
    n_threads: int | None = None,
) -> dict[str, np.ndarray]:
    """The outputs of the layers `wanted`, (events, ...) each.

    Args:
        nodes: of a graph, in an order of evaluation.
        grids: by layer, see `find_grids`.
        inputs: values by name, (events, ...) each.
        wanted: names of layers.
        n_threads: by default one for each core.
    """
    n_threads = os.cpu_count() or 1 if n_threads is None else n_threads
    check_count("n_threads", n_threads, 1)
    work = [(node, _number_type(node, grids)) for node in nodes if node.inputs]
    n_events = len(next(iter(inputs.values())))
    size = max(1, _CHUNK_NUMBERS // max(int(np.prod(grid.shape)) for grid in grids.values()))

    def chunk(first: int) -> list[np.ndarray]:
        values = {name: part[first : first + size] for name, part in inputs.items()}
        for node, number in work:
            taken: list[np.ndarray] = [np.asarray(values[name], number) for name in node.inputs]
            values[node.name] = node.layer.exact(*taken)
        return [values[name] for name in wanted]

    with (
        # One thread for each chunk instead of several for each product.
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(n_threads) as pool,
    ):
        # One at least, so that the results of no events have their shape.
        chunks = list(pool.map(chunk, range(0, max(n_events, 1), size)))
    joined = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    return dict(zip(wanted, joined, strict=True))


def _number_type(node: Node, grids: Mapping[str, Grid]) -> type:
    """The smallest in which the layer is exact."""
    units = [grids[name].units for name in (node.name, *node.inputs)]
    return np.float32 if max(units) <= EXACT_FLOAT32 else np.float64


def float32_bounds(nodes: Sequence[Node], grids: Mapping[str, Grid]) -> dict[str, float]:
    """By layer, how far Keras' float32 can be from the output that the exact input gives.

    Zero where float32 is exact. Elsewhere n terms are added, each rounded as a factor, as a
    product and in the sum: at most n + 4 times half the last of float32's 24 bits of the
    largest sum (N. Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). A
    layer has as many terms as inputs, at most.
    """
    bounds = {}
    for node in nodes:
        if not node.inputs:
            continue
        grid = grids[node.name]
        n_terms = sum(int(np.prod(grids[name].shape)) for name in node.inputs)
        largest = grid.units * float(np.min(grid.step))
        rounds = node.layer.in_float32 and grid.units > EXACT_FLOAT32
        bounds[node.name] = (n_terms + 4) * largest / EXACT_FLOAT32 if rounds else 0.0
    return bounds
