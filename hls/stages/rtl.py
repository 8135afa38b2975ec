"""Stages of a run that make RTL of its trigger graph, simulate and synthesize it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict

from hls.compiled import find_compiler
from hls.cost.model import require_size
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.rtl_report import RtlReport, RtlTally
from hls.report.implementations import implementations
from hls.report.page import update_page
from hls.rtl.design import RtlDesign, read_design
from hls.rtl.ghdl import VhdlSimulation, find_ghdl
from hls.rtl.verilator import VerilogSimulation, find_verilator
from hls.rtl.write import write_rtl_project
from hls.stages.events import bench_inputs, compared_samples, origin_of, stress
from hls.synthesis.nextpnr import NEXTPNR, place_and_route, require_room
from hls.synthesis.resources import ResourceReport
from hls.synthesis.vendor_rtl import synthesize_by_vendors
from hls.synthesis.yosys import FAMILIES, YOSYS, count_cells
from keras_ae.errors import InputError, ProofError
from keras_ae.files import read_json, remove_unfinished, write_json
from keras_ae.run_contents import load_data
from keras_ae.runs import Run

#: Events that are simulated at least.
N_EVENTS = 100_000
#: Stress events for GHDL, beside those of the test bench.
_N_VHDL_EVENTS = 1_000


def write_rtl(run: Run, report: Callable[[str], None] = print) -> bool:
    """Stage `rtl`: Verilog and VHDL of the trigger graph.

    Args:
        run: converted before.
        report: is given a line before what takes long.

    Raises:
        InputError: no Verilator or g++, or a design too large or too slow for its settings.
    """
    settings = run.settings.require_firmware(str(run.folder))

    def work() -> None:
        # Before minutes of tracing, not after them.
        find_compiler()
        find_verilator()
        run.rtl_path.unlink(missing_ok=True)
        run.resources_path.unlink(missing_ok=True)
        graph = TriggerGraph.load(run.trigger_graph_path)
        cost = require_size(graph, settings)
        report(
            f"   tracing about {cost.lut:,.0f} LUT and {cost.latency_cycles} cycles by the cost "
            "model: seconds for each thousand LUT"
        )
        events = bench_inputs(run, load_data(run), graph)
        write_rtl_project(graph, run.rtl_folder, settings, events, origin_of(run))

    return run.stage("rtl", work)


def simulate_rtl(run: Run, n_events: int = N_EVENTS) -> RtlReport:
    """Simulate the RTL of a run, with all events of its data and stress events, into `rtl.json`.

    As it lies on disk, whoever changed it: all events in Verilog, and where GHDL is on PATH
    some in VHDL.

    Args:
        run: with its RTL written.
        n_events: as many stress events more as reach this number in all.

    Raises:
        InputError: no RTL, or no Verilator or g++.
        ProofError: Verilator or g++ do not compile the RTL.
    """
    run.require("rtl")
    design = read_design(run.rtl_folder)
    data, graph = load_data(run), TriggerGraph.load(run.trigger_graph_path)
    with run.locked():
        run.rtl_path.unlink(missing_ok=True)
        tally = RtlTally(graph)
        with VerilogSimulation(run.rtl_folder) as simulation:
            for name, values in compared_samples(run, data, graph, n_events=n_events):
                tally.add(simulation, name, values)
        if find_ghdl() is not None:
            with VhdlSimulation(run.rtl_folder) as vhdl:
                tally.add(vhdl, "VHDL: background", tuple(bench_inputs(run, data, graph)))
                tally.add(vhdl, "VHDL: stress", stress(graph, _N_VHDL_EVENTS, run.settings.seed))
        report = tally.report(design.latency_cycles)
        _write_report(run, report, design, simulation.events_per_second)
        _update_page(run)
    return report


def _write_report(run: Run, report: RtlReport, design: RtlDesign, events_per_second: float) -> None:
    write_json(
        run.rtl_path,
        {
            "events": report.events,
            "mismatching_bits": report.mismatching_bits,
            "proved": report.is_proved,
            "comparisons": {name: asdict(found) for name, found in report.comparisons.items()},
            "latency_cycles": list(report.latency_cycles),
            "events_per_second": events_per_second,
            "design": asdict(design),
            "verilog": _verilog_digest(run),
        },
    )


def synthesize_rtl(run: Run, place: bool = True) -> list[ResourceReport]:
    """Resources and timing of the RTL of a run into `resources.json`, by all tools that are there.

    Args:
        run: with its RTL simulated.
        place: also place and route.

    Raises:
        InputError: no RTL, or one that was not simulated as it is; no yosys or nextpnr, or a
            vendor's tool fails.
        ProofError: RTL that differs from the model, or that a tool does not take.
    """
    settings = run.settings.require_firmware(str(run.folder))
    folder, clock_ns = run.rtl_folder, settings.clock_ns
    with run.locked():
        _require_proof(run)
        remove_unfinished(folder)
        # Before what an earlier call found is forgotten.
        YOSYS.find()
        if place:
            require_room(folder)
            NEXTPNR.find()
        run.resources_path.unlink(missing_ok=True)
        with ThreadPoolExecutor() as pool:
            # Each is a process of its own.
            work = [pool.submit(count_cells, folder, family, clock_ns) for family in FAMILIES]
            if place:
                work.append(pool.submit(place_and_route, folder, clock_ns))
            # Those of one tool are kept when another fails.
            for _ in as_completed(work):
                done = (future for future in work if future.done() and not future.exception())
                _write_reports(run, [future.result() for future in done])
        reports = [future.result() for future in work]
        reports += synthesize_by_vendors(folder, clock_ns)
        _write_reports(run, reports)
        _update_page(run)
    return reports


def _require_proof(run: Run) -> None:
    """Raise unless the RTL was simulated as it is, and is the model."""
    run.require("rtl")
    command = f"'keras-ae rtl {run.folder}' does that"
    if not run.rtl_path.exists():
        raise InputError(f"{run.rtl_folder} must be simulated first: {command}")
    found = read_json(run.rtl_path, "proved", "verilog")
    if found["verilog"] != _verilog_digest(run):
        raise InputError(
            f"{run.rtl_folder} must be as it was simulated, but its Verilog is another: {command}"
        )
    if not found["proved"]:
        raise ProofError(
            f"{run.rtl_folder} must be the same function as the model, with its latency, but "
            f"differs; see {run.rtl_path}"
        )


def _verilog_digest(run: Run) -> str:
    """Of names and contents."""
    digest = hashlib.sha256()
    for path in sorted((run.rtl_folder / "verilog").iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write_reports(run: Run, reports: list[ResourceReport]) -> None:
    write_json(run.resources_path, {"reports": [report.as_dict() for report in reports]})


def _update_page(run: Run) -> None:
    settings = run.settings.require_firmware(str(run.folder))
    update_page(run.fidelity_page_path, implementations(run, settings))
