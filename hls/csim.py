"""C-simulation: the emitted project, compiled with g++ as it lies on disk.

Nothing of hls4ml's in-memory model is used, so that what is simulated is what is handed over.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hls.trigger import TriggerOutput
from keras_ae.errors import InputError, ProofError

#: Calls the top function for each event. The first call, alone, loads the weights: hls4ml's code
#: guards that with a static flag that is not thread-safe.
_EVENT_LOOP = """
#include <map>
#include <string>
#include "firmware/{project}.h"

namespace nnet {{
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = NULL;
size_t trace_type_size = sizeof(double);
}}

extern "C" void simulate(const double *events, long n_events, double *scores, double *triggers) {{
    for (long event = 0; event < n_events; event++) {{
        input_t objects[{n_features}];
        for (int i = 0; i < {n_features}; i++)
            objects[i] = events[event * {n_features} + i];
        score_t score[1];
        trigger_t trigger[1];
        {project}(objects, score, trigger);
        scores[event] = score[0].to_double();
        triggers[event] = trigger[0].to_double();
    }}
}}
"""

_CHUNK = 2000


def simulate_project(
    folder: Path, integers: np.ndarray, n_threads: int | None = None
) -> TriggerOutput:
    """Compile the project in `folder` with g++ and run every event through its top function.

    Args:
        folder: an HLS project made by `convert`.
        integers: hardware integers (events, n_features).
        n_threads: by default one for each core.

    Raises:
        FileNotFoundError: the folder holds no project.
        InputError: another number of features than the project has, no g++ on PATH, or a project
            that g++ does not compile.
    """
    sources = list(folder.glob("firmware/*.cpp"))
    if len(sources) != 1:
        raise FileNotFoundError(f"HLS project not found: {folder} must hold firmware/NAME.cpp")
    project = sources[0].stem
    _check_features(sources[0], integers)
    events = np.ascontiguousarray(integers, np.float64)
    scores, triggers = np.empty(len(events)), np.empty(len(events))
    with tempfile.TemporaryDirectory() as build_folder:
        library = ctypes.CDLL(str(_compile(folder, project, events.shape[1], Path(build_folder))))

        def simulate(first: int, last: int) -> None:
            library.simulate(
                _pointer(events[first:last]),
                ctypes.c_long(last - first),
                _pointer(scores[first:last]),
                _pointer(triggers[first:last]),
            )

        simulate(0, min(1, len(events)))
        with ThreadPoolExecutor(n_threads or os.cpu_count()) as pool:
            starts = range(1, len(events), _CHUNK)
            list(pool.map(lambda first: simulate(first, min(first + _CHUNK, len(events))), starts))
    return TriggerOutput(scores, triggers > 0.5)


def check_weight_files(folder: Path) -> None:
    """Raise ProofError unless C-simulation and synthesis see the same weights.

    C-simulation reads `weights/*.txt`, synthesis compiles `weights/*.h`.
    """
    for header in sorted(folder.glob("firmware/weights/*.h")):
        text = header.with_suffix(".txt")
        initializer = re.search(r"\{(.*)\}", header.read_text(encoding="utf-8"), re.DOTALL)
        if initializer is None or not text.is_file():
            raise ProofError(f"{header} must hold an initializer and have {text.name} beside it")
        synthesized, simulated = (
            np.array([float(value) for value in values.split(",") if value.strip()])
            for values in (initializer[1], text.read_text(encoding="utf-8"))
        )
        # A text file that is too short would end the process from inside the C++ code.
        if not np.array_equal(synthesized, simulated):
            raise ProofError(f"{header} and {text.name} must hold the same weights, but differ")


def _check_features(top: Path, integers: np.ndarray) -> None:
    declared = re.search(r"input_t \w+\[(\d+)\]", top.read_text(encoding="utf-8"))
    n_features = int(declared[1]) if declared else None
    if integers.ndim != 2 or integers.shape[1] != n_features:
        raise InputError(
            f"integers for {top.name} must have shape (events, {n_features}), got {integers.shape}"
        )


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _compile(folder: Path, project: str, n_features: int, build_folder: Path) -> Path:
    compiler = shutil.which("g++")
    if compiler is None:
        raise InputError("g++ must be on PATH for C-simulation, found none: install g++")
    folder = folder.resolve()
    library = build_folder / "simulation.so"
    loop = build_folder / "event_loop.cpp"
    loop.write_text(_EVENT_LOOP.format(project=project, n_features=n_features), encoding="utf-8")
    weights = folder / "firmware" / "weights"
    command = [compiler, "-std=c++17", "-O3", "-fPIC", "-shared", "-fno-gnu-unique", "-w"]
    command += [f"-I{folder}", f"-I{folder}/firmware/ap_types", f'-DWEIGHTS_DIR="{weights}"']
    command += [str(loop), str(folder / "firmware" / f"{project}.cpp"), "-o", str(library)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        first_error = next(
            (line for line in result.stderr.splitlines() if "error" in line), "no message"
        )
        raise InputError(f"project {folder} must compile with g++, got: {first_error}")
    return library
