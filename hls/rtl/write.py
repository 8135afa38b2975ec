"""Trigger graph -> pipelined Verilog and VHDL by distributed arithmetic.

da4ml writes the core: stages of logic with registers between. The top module around it has a port
for each of the graph's, in the port's own format, and a valid bit beside the data.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import da4ml.codegen.rtl
import numpy as np
from da4ml.codegen.rtl.verilog import pipeline_logic_gen as verilog_of
from da4ml.codegen.rtl.verilog.comb import table_mem_gen
from da4ml.codegen.rtl.vhdl import pipeline_logic_gen as vhdl_of
from da4ml.trace import to_pipeline

from hls.graph.facts import Origin
from hls.graph.interface import PROJECT_NAME, Interface, project_folder
from hls.graph.layer_graph import LayerGraph
from hls.graph.refusal import require_none
from hls.graph.trigger_graph import TriggerGraph
from hls.rtl.design import RtlDesign
from hls.rtl.levels import adder_widths, timed
from hls.rtl.logic import fractional_of, trace_graph, width_of
from hls.rtl.rendering import render
from hls.rtl.rtl_handover import write_rtl_handover
from hls.rtl.rules import check_rtl
from keras_ae.arrays import check_not_empty
from keras_ae.errors import InputError, ProofError
from keras_ae.files import whole_folder, write_text
from keras_ae.settings.firmware import FirmwareSettings

#: Name of the module that da4ml writes, and of its files.
CORE = f"{PROJECT_NAME}_core"
#: Folder of each language, the ending of its files, and da4ml's writer of it.
LANGUAGES = {"verilog": ("v", verilog_of), "vhdl": ("vhd", vhdl_of)}


def write_rtl_project(
    graph: TriggerGraph,
    folder: Path,
    settings: FirmwareSettings,
    bench_inputs: Sequence[np.ndarray],
    origin: Origin | None = None,
) -> RtlDesign:
    """Write the RTL project of a trigger graph into `folder`, replacing what is there.

    Args:
        graph: made by `build_trigger_graph`.
        folder: of the project.
        settings: with the delay target `levels_per_stage`; part and clock go into scripts.
        bench_inputs: events of its test bench, (events, ...) of each input; one event at least.
        origin: of the graph, for the README.

    Raises:
        Refusal: the first rule of `check_rtl` that it breaks, or a layer without an exact form.
        InputError: no events, or values that the ports cannot take; an operation with more levels
            than these, or results that are constant.
    """
    folder = project_folder(folder)
    require_none(check_rtl(graph))
    bench_inputs = graph.interface.check(bench_inputs)
    check_not_empty(**{"bench_inputs": bench_inputs[0]})
    pipeline, design = _plan(graph, settings.levels_per_stage)
    with whole_folder(folder) as temporary:
        for language in LANGUAGES:
            _write_language(temporary / language, language, graph.interface, pipeline, design)
        cycles = design.latency_cycles
        write_rtl_handover(temporary, graph, settings, cycles, bench_inputs, origin)
        design.write(temporary)
    return design


def plan_rtl(graph: LayerGraph, levels: int) -> RtlDesign:
    """What `write_rtl_project` would write, in seconds."""
    return _plan(graph, levels)[1]


def _plan(graph: LayerGraph, levels: int) -> tuple[Any, RtlDesign]:
    """The pipeline of a trigger graph."""
    logic = timed(trace_graph(graph), levels)
    pipeline = to_pipeline(logic, levels, retiming=False, verbose=False)
    # Registers before each stage, and behind the last.
    widths = adder_widths(logic)
    design = RtlDesign(
        len(pipeline.solutions) + 1,
        float(logic.cost),
        int(pipeline.reg_bits),
        len(widths),
        sum(widths),
    )
    return pipeline, design


def _write_language(
    folder: Path, language: str, interface: Interface, pipeline: Any, design: RtlDesign
) -> None:
    suffix, generate = LANGUAGES[language]
    folder.mkdir()
    for name, text in generate(pipeline, CORE).items():
        write_text(folder / f"{name}.{suffix}", text)
    write_text(folder / f"{PROJECT_NAME}.{suffix}", top_module(suffix, interface, pipeline, design))
    # da4ml's elements, under its licence.
    for path in Path(da4ml.codegen.rtl.__file__).parent.glob(f"{language}/source/*.{suffix}"):
        shutil.copy(path, folder)
    for stage in pipeline.solutions:
        for name, text in table_mem_gen(stage).items():
            write_text(folder / name, text)


def top_module(suffix: str, interface: Interface, pipeline: Any, design: RtlDesign) -> str:
    """The module around the core."""
    n_input_bits = sum(map(width_of, pipeline.inp_qint))
    if n_input_bits != sum(port.width for port in interface.inputs):
        raise ProofError(f"inputs of the core must have the bits of the ports, got {n_input_bits}")
    n_output_bits = sum(map(width_of, pipeline.out_qint))
    if n_output_bits == 0:
        raise InputError("results of RTL must depend on the event, but all of them are constant")
    return render(
        f"top.{suffix}",
        project=PROJECT_NAME,
        core=CORE,
        latency=design.latency_cycles,
        inputs=interface.inputs,
        outputs=list(_outputs(interface, pipeline)),
        n_input_bits=n_input_bits,
        n_output_bits=n_output_bits,
    )


def _outputs(interface: Interface, pipeline: Any) -> Iterator[dict[str, Any]]:
    """Ports with the expressions of their bits: da4ml leaves out those that are always the same."""
    first = 0
    for port, interval in zip(interface.outputs, pipeline.out_qint, strict=True):
        form, given = port.form, width_of(interval)
        zeros = form.fractional - fractional_of(interval) if given else form.width
        # Interval arithmetic may not know that the last bits are always zero.
        lowest, zeros = first + max(-zeros, 0), max(zeros, 0)
        kept = min(first + given - lowest, form.width - zeros)
        # Above what is given, the sign.
        missing = form.width - zeros - kept
        last = lowest + kept - 1
        sign = f"results[{last}]" if interval.min < 0 else "1'b0"
        parts = [
            f"{{{missing}{{{sign}}}}}" if missing else "",
            f"results[{last}:{lowest}]" if kept else "",
            f"{zeros}'b0" if zeros else "",
        ]
        verilog = "{" + ", ".join(filter(None, parts)) + "}"
        sign = f"results({last})" if interval.min < 0 else "'0'"
        parts = [
            f"({missing - 1} downto 0 => {sign})" if missing else "",
            f"results({last} downto {lowest})" if kept else "",
            f"({zeros - 1} downto 0 => '0')" if zeros else "",
        ]
        vhdl = " & ".join(filter(None, parts))
        yield {**asdict(port), "width": port.width, "verilog": verilog, "vhdl": vhdl}
        first += given
