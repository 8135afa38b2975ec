"""alkaid, the successor of da4ml by its author, in the place of da4ml.

It traces the same trigger graphs by the same `Layer.trace`, and writes the core of the same RTL
project, so that both can be simulated and synthesized alike. It is no dependency of the package:

    pip install --no-deps alkaid==0.8.2
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alkaid.codegen.rtl
import numpy as np
from alkaid.codegen.rtl.verilog import lookup
from alkaid.codegen.rtl.verilog.comb import comb_logic_gen
from alkaid.trace import FVArray, HWConfig, pipeline
from alkaid.trace import trace as trace_variables
from alkaid.trace.affine_interval import AffineInterval
from alkaid.trace.fixed_variable import FVariable
from alkaid.trace.passes import dead_code_elimin, optimize
from alkaid.types import CombLogic, Op, QInterval

from hls.graph import symbolic
from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.trigger_graph import TriggerGraph
from hls.rtl import write
from hls.rtl.design import RtlDesign
from keras_ae.settings.firmware import FirmwareSettings

_HARDWARE = HWConfig(1, 1, -1)
#: Opcodes, and their levels of logic as `hls.rtl.levels` counts da4ml's: rectifiers, other bits of
#: a number and constants take none.
_LEVELS = {-1: 0, 2: 0, 3: 0, 4: 1, 5: 0, 6: 1, 10: 1, 11: 1}
_ADD, _ADDERS, _NEGATE, _MULTIPLY, _TABLE, _BITS = 0, (0, 1, 4), -2, 7, 8, 9
_ONE_LEVEL_BITS = 8


def trace(graph: LayerGraph) -> CombLogic:
    """A trigger graph as alkaid's logic, of the values of its inputs one after the other."""
    with _in_place_of_da4ml():
        values: dict[str, Any] = {}
        for node in graph.nodes:
            if isinstance(node.layer, GraphInput):
                bits = [np.full(node.layer.shape, number) for number in node.layer.form.kif]
                values[node.name] = FVArray.from_kif(*bits, hwconf=_HARDWARE)
            else:
                values[node.name] = node.layer.trace(*(values[name] for name in node.inputs))
    inputs, outputs = (
        [variable for name in names for variable in values[name].ravel()]
        for names in (graph.input_names, graph.output_names)
    )
    raw = trace_variables(inputs, outputs, optimize=False)
    try:
        logic = optimize(raw)
    except AssertionError:
        # It traces what it has once more, and forgets what interval arithmetic does not know.
        logic = optimize(raw, retrace=False)
    # keep_dead_inputs keeps none of them in 0.8.2.
    return _with_inputs(logic, inputs)


@contextmanager
def _in_place_of_da4ml() -> Iterator[None]:
    """Where `hls.graph.symbolic` looks into da4ml's variables, it finds alkaid's."""
    before = symbolic._not_negated, FVariable.low, FVariable.high
    symbolic._not_negated = _not_negated
    FVariable.low = property(before[1].fget, lambda v, low: _set_interval(v, low, v.high))
    FVariable.high = property(before[2].fget, lambda v, high: _set_interval(v, v.low, high))
    try:
        yield
    finally:
        symbolic._not_negated, FVariable.low, FVariable.high = before


def _set_interval(variable: FVariable, low: Any, high: Any) -> None:
    interval = QInterval(float(low), float(high), variable.step)
    variable._affine = AffineInterval.new(interval)


def _not_negated(variable: FVariable) -> FVariable:
    """A constant less a variable is one subtracter; other opposites alkaid shares by itself."""
    if variable._factor > 0 or variable.opr != "cadd":
        return variable
    (term,) = variable._from
    value, shift = (_signed(variable._data >> bits) for bits in (0, 32))
    constant = variable.from_const(value * 2.0**-shift * variable._factor, variable.hwconf)
    return FVariable(
        _affine=variable._affine,
        _from=(constant, term * (variable._factor / term._factor)),
        _factor=constant._factor,
        opr="vadd",
        hwconf=variable.hwconf,
    )


def _signed(bits: int) -> int:
    """The lowest 32 bits in two's complement."""
    return ((bits & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _with_inputs(logic: CombLogic, inputs: list[FVariable]) -> CombLogic:
    """With an operation for each input, also for those that nothing depends on."""
    known = {op.data[0] for op in logic.ops if op.opcode == -1}
    missing = [number for number in range(len(inputs)) if number not in known]
    dead = [Op((), -1, (n,), inputs[n].unscaled.qint, 0.0, 0.0) for n in missing]
    moved = [op._replace(addr=tuple(place + len(dead) for place in op.addr)) for op in logic.ops]
    ends = [place + len(dead) if place >= 0 else place for place in logic.out_idxs]
    return logic._replace(ops=dead + moved, out_idxs=ends)


def timed(logic: CombLogic, levels: int) -> CombLogic:
    """Each operation with the level at which it is done, none of which begins in one stage and
    ends in the next."""
    ops: list[Op] = []
    for op in logic.ops:
        n_levels = _n_levels(op, logic.ops)
        start = max((ops[number].latency for number in op.addr), default=0.0)
        if start % levels + n_levels > levels:
            start = math.ceil(start / levels) * levels
        ops.append(op._replace(latency=float(start + n_levels)))
    return logic._replace(ops=ops)


def _n_levels(op: Op, ops: list[Op]) -> int:
    widths = [_width(ops[number]) for number in op.addr]
    if op.opcode == _TABLE:
        return 1 + max(0, -(-(widths[0] - _ONE_LEVEL_BITS) // 2))
    if op.opcode == _MULTIPLY:
        return max(widths)
    if op.opcode in (0, 1):
        return 0 if _is_concatenation(op, ops) else 1
    if op.opcode == _NEGATE:
        return int(widths[0] > 1)
    if op.opcode == _BITS:
        # Not; or any, or all of them.
        return 0 if op.data[0] == 0 else 1 + (widths[0] > symbolic.LUT_INPUTS)
    return _LEVELS[op.opcode]


def _width(op: Op) -> int:
    return int(sum(op.qint.kif))


def _is_concatenation(op: Op, ops: list[Op]) -> bool:
    if op.opcode != _ADD:
        return False
    (low, high, step), other = ops[op.addr[0]].qint, ops[op.addr[1]].qint
    other_low, other_high, other_step = (value * 2.0 ** op.data[0] for value in other)
    return (other_low >= 0 and other_high < step) or (low >= 0 and high < other_step)


class Stages:
    """What `hls.rtl.write` asks of a pipeline, cut where a stage has so many levels."""

    def __init__(self, logic: CombLogic, levels: int) -> None:
        n_stages = max(math.ceil(max(op.latency for op in logic.ops) / levels), 1)
        self.solutions = _cut(logic, n_stages, levels)
        self.inp_qint = self.solutions[0].inp_qint
        self.out_qint = self.solutions[-1].out_qint

    def verilog(self, name: str) -> dict[str, str]:
        """Files by name: stages, tables, and the registers between them."""
        files = {f"{name}_tables": lookup.lookup_source(list(self.solutions))}
        wires, registers = [], ["stage0_inp <= model_inp;"]
        for number, stage in enumerate(self.solutions):
            own = f"{name}_stage{number}"
            files[own] = comb_logic_gen(stage, own)
            taken, given = (int(kifs.sum()) for kifs in (stage.inp_kifs, stage.out_kifs))
            wires += [
                f"reg [{taken - 1}:0] stage{number}_inp;",
                f"wire [{given - 1}:0] stage{number}_out;",
                f"{own} stage{number} (.model_inp(stage{number}_inp), "
                f".model_out(stage{number}_out));",
            ]
            last = number + 1 == len(self.solutions)
            target = "model_out" if last else f"stage{number + 1}_inp"
            registers.append(f"{target} <= stage{number}_out;")
        n_in, n_out = (int(k.sum()) for k in (self.solutions[0].inp_kifs, stage.out_kifs))
        head = f"module {name} (input clk, input [{n_in - 1}:0] model_inp, output reg "
        body = "\n".join([*wires, "always @(posedge clk) begin", *registers, "end", "endmodule"])
        files[name] = f"{head}[{n_out - 1}:0] model_out);\n{body}\n"
        return {file: text for file, text in files.items() if text}


def _cut(logic: CombLogic, n_stages: int, levels: int) -> tuple[CombLogic, ...]:
    """At whole stages: alkaid itself makes all of equal length, and drops inputs that are dead."""
    kept = iter([True])

    class Numpy:
        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def linspace(self, first: float, last: float, n_points: int) -> np.ndarray:
            return levels * np.arange(n_points, dtype=float)

    def without_dead(stage: CombLogic) -> CombLogic:
        found = dead_code_elimin(stage)
        if next(kept, False):
            inputs = [op for op in logic.ops if op.opcode == -1]
            by_number = {op.data[0]: op for op in inputs}
            variables = [FVariable(*by_number[n].qint) for n in range(len(by_number))]
            return _with_inputs(found, variables)
        return found

    before = pipeline.np, pipeline.dead_code_elimin
    pipeline.np, pipeline.dead_code_elimin = Numpy(), without_dead
    try:
        return pipeline._split_comb_logic(logic, n_stages=n_stages, verbose=False)
    finally:
        pipeline.np, pipeline.dead_code_elimin = before


def write_project(
    graph: TriggerGraph, folder: Path, settings: FirmwareSettings, bench_inputs: list[np.ndarray]
) -> RtlDesign:
    """As `hls.rtl.write.write_rtl_project` does, in Verilog, with a core by alkaid."""
    write.write_rtl_project(graph, folder, settings, bench_inputs)
    logic = timed(trace(graph), settings.levels_per_stage)
    stages, verilog = Stages(logic, settings.levels_per_stage), folder / "verilog"
    adders = [
        _width(op)
        for op in logic.ops
        if op.opcode in _ADDERS and not _is_concatenation(op, logic.ops)
    ]
    bits = sum(int(stage.inp_kifs.sum()) for stage in stages.solutions)
    n_cycles = len(stages.solutions) + 1
    design = RtlDesign(n_cycles, float(sum(adders)), bits, len(adders), sum(adders))
    for path in [*verilog.glob("*.v"), *verilog.glob("*.mem")]:
        path.unlink()
    name = write.CORE
    top = write.top_module("v", graph.interface, stages, design)
    files = stages.verilog(name) | {write.PROJECT_NAME: top}
    for path in (Path(alkaid.codegen.rtl.__file__).parent / "verilog/source").glob("*.v"):
        files[path.stem] = path.read_text(encoding="utf-8")
    for file, text in files.items():
        (verilog / f"{file}.v").write_text(text, encoding="utf-8")
    design.write(folder)
    return design
