"""Interface file, scripts and test bench of an RTL project agree with its ports and reference."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from trigger_objects import FRONT_END, scaler_by

from hls.graph.build import build_trigger_graph
from hls.graph.facts import Origin
from hls.graph.front_end_facts import describe_front_end
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.rtl.verilator import find_verilator
from hls.rtl.write import write_rtl_project
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings

N_FEATURES, N_EVENTS = 5, 30
PRECISION = FixedPoint(
    input="fixed<6,3>", weight="fixed<4,2>", activation="ufixed<5,3>", latent="fixed<5,3>"
)


@pytest.fixture(scope="module")
def graph() -> TriggerGraph:
    keras.utils.set_random_seed(1)
    spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(), latent_dim=2)
    model = build_autoencoder("plain", spec, PRECISION)
    events = stress_events(PRECISION.input, (N_FEATURES,), 500, seed=1)
    scores = ["squared_latent_norm", "absolute_error"]
    return build_trigger_graph(model, scores, (events,), 0.1, threshold_input=True)


@pytest.fixture(scope="module")
def inputs(graph: TriggerGraph) -> list[np.ndarray]:
    ports = graph.interface.inputs
    return [stress_events(port.form, (port.n_values,), N_EVENTS, seed=2) for port in ports]


@pytest.fixture(scope="module")
def project(
    graph: TriggerGraph, inputs: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("handover") / "rtl"
    settings = FirmwareSettings(levels_per_stage=6, clock_ns=2.5, part="xcvu9p-flga2104-2l-e")
    write_rtl_project(graph, folder, settings, inputs)
    return folder


def check_wrapper(project: Path, folder: Path) -> str:
    """What Verilator says of a module that instantiates the top from the interface file alone."""
    described = json.loads((project / "interface.json").read_text())
    ports = [(described[name], 1) for name in ("clock", "in_valid", "out_valid")]
    ports += [
        (port["name"], port["width"]) for side in ("inputs", "outputs") for port in described[side]
    ]
    inputs = {
        described["clock"],
        described["in_valid"],
        *(port["name"] for port in described["inputs"]),
    }
    lines = [
        f"  {'input' if name in inputs else 'output'} wire [{width - 1}:0] {name}"
        for name, width in ports
    ]
    connections = ", ".join(f".{name}({name})" for name, _ in ports)
    instance = f"{described['top']} top ({connections});"
    text = f"`timescale 1ns / 1ps\nmodule wrapper ({', '.join(lines)});\n{instance}\nendmodule\n"
    (folder / "wrapper.v").write_text(text)
    program, root = find_verilator()
    command = [program, "--lint-only", "-Wno-fatal", "-Werror-PINMISSING", "-Werror-WIDTH"]
    command += ["--top-module", "wrapper", str(folder / "wrapper.v")]
    command += [str(path) for path in sorted((project / "verilog").glob("*.v"))]
    result = subprocess.run(
        command,
        env={"VERILATOR_ROOT": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return "\n".join(line for line in result.stderr.splitlines() if "wrapper.v" in line)


def test_the_interface_file_is_enough_to_instantiate(project: Path, tmp_path: Path) -> None:
    assert check_wrapper(project, tmp_path) == ""
    copy = Path(shutil.copytree(project, tmp_path / "copy"))
    text = (copy / "interface.json").read_text()
    for old, new, said in (
        ('"width": 30', '"width": 29', "WIDTH"),
        ('"name": "absolute_error"', '"name": "other"', "PINMISSING"),
    ):
        assert old in text
        (copy / "interface.json").write_text(text.replace(old, new))
        assert said in check_wrapper(copy, tmp_path)


@pytest.mark.filterwarnings("ignore:score .* must leave background events above its threshold")
def test_order_and_decision_for_programs(project: Path, tmp_path: Path) -> None:
    described = json.loads((project / "interface.json").read_text())
    assert described["threshold"] == "input"
    assert described["decision"] == "squared_latent_norm > threshold"
    assert [port["shape"] for port in described["inputs"]] == [[N_FEATURES], [1]]
    assert "values" not in described["inputs"][0] and described["reset"] is None
    # Of trigger events, as in data files.
    spec = ArchitectureSpec(input_dim=57, hidden_dims=(), latent_dim=1)
    model = build_autoencoder("plain", spec, PRECISION)
    scaler = scaler_by((0,) * 57, (5,) * 57)
    events = np.zeros((100, 57), int)
    graph = build_trigger_graph(
        model, ["squared_latent_norm"], (events,), 0.1, scaler, FRONT_END.port_format
    )
    origin = Origin("a model", 0.1, None, FRONT_END)
    write_rtl_project(graph, tmp_path / "rtl", FirmwareSettings(), [events], origin)
    described = json.loads((tmp_path / "rtl" / "interface.json").read_text())
    assert described["front_end"] == describe_front_end(FRONT_END)
    assert described["threshold"] == graph.threshold


def test_bits_and_order(graph: TriggerGraph, project: Path, inputs: list[np.ndarray]) -> None:
    """Read as the README says: value i in bits W i to W i + W - 1, in two's complement."""
    described = json.loads((project / "interface.json").read_text())
    assert described["initiation_interval"] == 1
    ports = [*described["inputs"], *described["outputs"]]
    assert [port["name"] for port in ports] == [
        *("objects", "threshold", "squared_latent_norm", "absolute_error", "trigger")
    ]
    output = graph.evaluate(*inputs)
    expected = [*inputs, *output.scores.values(), output.trigger]
    lines = (project / "bench" / "events.txt").read_text().splitlines()
    assert len(lines) == N_EVENTS
    for number, line in enumerate(lines):
        for port, word, values in zip(ports, line.split(), expected, strict=True):
            bits, n_bits = int(word, 16), port["value_bits"]
            assert bits < 2 ** port["width"]
            for place, value in enumerate(np.ravel(values[number])):
                unit = bits >> (place * n_bits) & (2**n_bits - 1)
                if port["signed"] and unit >> (n_bits - 1):
                    unit -= 2**n_bits
                assert unit * port["step"] == value


def test_readme_and_scripts(project: Path) -> None:
    latency = json.loads((project / "interface.json").read_text())["latency_cycles"]
    text = (project / "README.md").read_text()
    assert f"| latency | {latency} cycles: the result of an event that rising edge n takes" in text
    assert "| in | `objects` | 30 | 5 | `fixed<6,3>` | 0.125 |" in text
    assert "30 events of `bench/events.txt`" in text
    vivado = (project / "vivado.tcl").read_text()
    assert "set part xcvu9p-flga2104-2l-e\nset clock_ns 2.5\n" in vivado
    # Of another vendor.
    assert (
        "set device 10AX115S2F45I1SG\nset clock_ns 2.5\n" in (project / "quartus.tcl").read_text()
    )
    pins = "{list in_valid out_valid objects threshold squared_latent_norm absolute_error trigger }"
    assert pins.strip("{}") in (project / "quartus.tcl").read_text()


def test_bench_of_cocotb_compiles(project: Path) -> None:
    for name in ("run.py", "test_anomaly_trigger.py"):
        path = project / "cocotb" / name
        compile(path.read_text(), str(path), "exec")


@pytest.mark.slow
def test_bench_of_cocotb(project: Path, tmp_path: Path) -> None:
    pytest.importorskip("cocotb", reason="cocotb is not installed")
    copy = Path(shutil.copytree(project, tmp_path / "copy"))

    def run() -> str:
        result = subprocess.run(
            [sys.executable, "cocotb/run.py"], cwd=copy, capture_output=True, text=True, check=False
        )
        return result.stdout + result.stderr

    assert "TESTS=2 PASS=2 FAIL=0" in run()
    events = copy / "bench" / "events.txt"
    first, *others = events.read_text().splitlines()
    # One bit of the trigger.
    events.write_text("\n".join([first[:-1] + str(1 - int(first[-1])), *others]) + "\n")
    assert "FAIL=2" in run()
