"""What RTL by distributed arithmetic takes, from weights and formats alone, in milliseconds.

`hls.rtl.write.plan_rtl` traces the design, in seconds; this is for a search, or for a network
while it is trained. Errors against yosys are in benchmarks/cost_model.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hls.cost.features import count_logic
from hls.graph.layer_graph import LayerGraph
from keras_ae.errors import InputError
from keras_ae.settings.firmware import FirmwareSettings

#: LUT of UltraScale+ by yosys, for each unit of `hls.graph.counting.Logic`.
#: Fitted by `python benchmarks/cost_model.py report`.
LUT_PER_UNIT = {
    "shared_bits": 1.338,
    "saturation_bits": 0.548,
    "adder_bits": 0.766,
    "table_luts": 1.506,
}
#: Factor and offset of the depth, for operations that wait for the next stage, and for trees of
#: additions that da4ml makes deeper than they must be. Fitted by the same command.
DEPTH_LINE = (1.01, 0.25)


@dataclass(frozen=True)
class CostEstimate:
    """Of the RTL of a trigger graph, before it is made.

    `lut`: of UltraScale+, as yosys would count them. `effective_bit_operations`: the sum over all
    multiplications by a weight of the bits of the weight, between the highest and the lowest that
    is set, times the bits of the other factor, with its sign (after the EBOPs of C. Sun et al.,
    arXiv:2405.00645). A multiplication counts only where the score depends on it, and
    convolutions count each of their places; squares in the score count nothing. `n_adders` and
    `adder_bits`: of the constant matrices as trees of shifted additions, before terms are shared.
    `latency_cycles`: from an event to its result.
    """

    lut: float
    effective_bit_operations: int
    n_adders: int
    adder_bits: float
    latency_cycles: int


def estimate_cost(graph: LayerGraph, levels: int) -> CostEstimate:
    """The cost of a trigger graph's RTL, without tracing it.

    Args:
        graph: made by `build_trigger_graph` or `build_score_graph`.
        levels: of logic (adders, multiplexers) between two registers, at most.

    Raises:
        InputError: fewer than one level.
        Refusal: a layer without an exact form.
    """
    if not isinstance(levels, int) or levels < 1:
        raise InputError(f"levels must be an integer >= 1, got {levels!r}")
    logic, signals = count_logic(graph)
    depth = max(float(signals[name].depth.max()) for name in graph.output_names)
    return CostEstimate(
        lut=float(sum(factor * getattr(logic, name) for name, factor in LUT_PER_UNIT.items())),
        effective_bit_operations=logic.ebops,
        n_adders=logic.n_adders,
        adder_bits=logic.tree_bits,
        latency_cycles=latency_cycles(depth, levels),
    )


def require_size(graph: LayerGraph, settings: FirmwareSettings) -> CostEstimate:
    """The cost of a trigger graph's RTL, which must not be larger than its settings allow.

    Raises:
        InputError: all of it side by side is.
        Refusal: a layer without an exact form.
    """
    cost = estimate_cost(graph, settings.levels_per_stage)
    if cost.lut > settings.max_rtl_lut:
        raise InputError(
            f"RTL must have at most firmware.max_rtl_lut = {settings.max_rtl_lut:,} LUT, estimated "
            f"{cost.lut:,.0f}: RTL does all operations side by side; use fewer or smaller layers, "
            "fewer bits or pruning, or hls4ml's io_stream, which 'keras-ae convert' writes"
        )
    return cost


def latency_cycles(depth: float, levels: int, line: tuple[float, float] = DEPTH_LINE) -> int:
    """Of logic `depth` levels deep: registers before each stage, and behind the last."""
    factor, offset = line
    return max(1, math.ceil(round(factor * depth + offset) / levels)) + 1
