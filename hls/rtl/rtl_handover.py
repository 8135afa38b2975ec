"""What the engineer who takes RTL over finds beside it: README, interface, scripts, test bench."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hls.graph.facts import Origin, decision_facts
from hls.graph.front_end_facts import order_of_values, project_facts
from hls.graph.interface import FILE_NAME, PROJECT_NAME, Port
from hls.graph.trigger_graph import TriggerGraph
from hls.rtl.rendering import TEMPLATES, render
from hls.rtl.words import to_hexadecimal
from keras_ae import __version__
from keras_ae.files import write_text
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.targets import TARGETS

_FILES = ("README.md", "vivado.tcl", "quartus.tcl", "cocotb/run.py")
_TEST = "cocotb/test_top.py"
#: Families, by which hls4ml asks for a device: one of each, for a compiler that asks for its name.
_QUARTUS_DEVICES = {"Arria10": "10AX115S2F45I1SG"}


def write_rtl_handover(
    folder: Path,
    graph: TriggerGraph,
    settings: FirmwareSettings,
    latency_cycles: int,
    bench_inputs: Sequence[np.ndarray],
    origin: Origin | None = None,
) -> None:
    """Add README, `interface.json`, scripts for Vivado and Quartus and a bench for cocotb.

    Args:
        folder: of the RTL project.
        graph: trigger graph that it was made of.
        settings: part and clock of the scripts, where the part is of the script's vendor.
        latency_cycles: of the design.
        bench_inputs: events of the bench, (events, ...) of each input.
        origin: of the graph, for the README.
    """
    front_end = origin.front_end if origin else None
    ports = graph.interface
    inputs = [
        _described(port) | {"shape": list(graph.grids[port.name].shape)} for port in ports.inputs
    ]
    outputs = list(map(_described, ports.outputs))
    described = _interface_file(settings, latency_cycles, inputs, outputs)
    described |= project_facts(graph, front_end)
    write_text(folder / FILE_NAME, json.dumps(described, indent=2) + "\n")
    values = {
        "facts": decision_facts(graph, origin, "bench/events.txt"),
        "latency": latency_cycles,
        "inputs": inputs,
        "outputs": outputs,
        "pins": ["in_valid", "out_valid", *(port["name"] for port in (*inputs, *outputs))],
        "order": "\n".join(order_of_values(graph, front_end)),
        "n_events": len(bench_inputs[0]),
        **_target(settings),
    }
    (folder / "cocotb").mkdir()
    for name in _FILES:
        text = render(f"project/{name}", top=PROJECT_NAME, version=__version__, **values)
        write_text(folder / name, text)
    shutil.copyfile(TEMPLATES / "project" / _TEST, folder / "cocotb" / f"test_{PROJECT_NAME}.py")
    (folder / "bench").mkdir()
    write_text(folder / "bench" / "events.txt", _bench_lines(graph, bench_inputs))


def _interface_file(
    settings: FirmwareSettings,
    latency_cycles: int,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> dict[str, Any]:
    """What `interface.json` says: the ports, and when what is on them."""
    return {
        "top": PROJECT_NAME,
        "clock": "clk",
        "clock_edge": "rising",
        "clock_ns": settings.clock_ns,
        "reset": None,
        "in_valid": "in_valid",
        "out_valid": "out_valid",
        "latency_cycles": latency_cycles,
        "latency": f"what rising edge n takes has its result taken by edge n + {latency_cycles}",
        "initiation_interval": 1,
        "packing": "value i of a port in its bits i * value_bits and up, in two's complement",
        "inputs": inputs,
        "outputs": outputs,
    }


def _target(settings: FirmwareSettings) -> dict[str, Any]:
    """Clock, levels and parts, as scripts and README state them."""
    of_intel = settings.backend == "Quartus"
    if of_intel:
        quartus_part = _QUARTUS_DEVICES.get(settings.part, settings.part)
    else:
        quartus_part = _QUARTUS_DEVICES[TARGETS["Quartus"].default_part]
    return {
        "levels": settings.levels_per_stage,
        "clock_ns": f"{settings.clock_ns:g}",
        "vivado_part": TARGETS["Vitis"].default_part if of_intel else settings.part,
        "quartus_part": quartus_part,
    }


def _described(port: Port) -> dict[str, Any]:
    """A port with the bits of each value and of all, and what the last of a value's bits is."""
    form = port.form
    return {
        **port.as_dict(),
        "value_bits": form.width,
        "width": port.width,
        "signed": form.signed,
        "step": form.step,
    }


def _bench_lines(graph: TriggerGraph, inputs: Sequence[np.ndarray]) -> str:
    """Of each event the ports in hexadecimal, inputs before outputs."""
    output, interface = graph.evaluate(*inputs), graph.interface
    columns = [
        to_hexadecimal(values.reshape(len(values), -1), port)
        for values, port in zip(inputs, interface.inputs, strict=True)
    ]
    results = [*output.scores.values(), *(fired.astype(float) for fired in output.bits.values())]
    columns += [
        to_hexadecimal(values[:, None], port)
        for values, port in zip(results, interface.outputs, strict=True)
    ]
    return "".join(" ".join(words) + "\n" for words in zip(*columns, strict=True))
