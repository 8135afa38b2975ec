"""C-simulation: the emitted project, compiled with g++ as it lies on disk, as a program.

Nothing of hls4ml's in-memory model is used, so that what is simulated is what is handed over. It
runs in processes of its own: hls4ml's streams keep their state in static variables, which threads
would share, and its loader of weights ends the process that misses a file.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hls.compiled import CompiledProject, call_program
from hls.cpp.constants import read_rows
from hls.cpp.ports import BENCH_INPUTS, BENCH_OUTPUTS
from hls.graph.interface import PROJECT_NAME, Interface
from hls.graph.trigger_output import TriggerOutput
from keras_ae.errors import ProofError

#: Calls hls4ml's bridge to the top function for each event of a binary file.
_EVENT_LOOP = """
#include <cstdio>

extern "C" void {project}_double({parameters});

int main(int, char **arguments) {{
    std::FILE *events = std::fopen(arguments[1], "rb"), *results = std::fopen(arguments[2], "wb");
    if (!events || !results)
        return 1;
    double event[{n_inputs}], result[{n_outputs}];
    unsigned short size = 0;
    while (std::fread(event, sizeof(double), {n_inputs}, events) == {n_inputs}) {{
        {project}_double({arguments});
        std::fwrite(result, sizeof(double), {n_outputs}, results);
    }}
    return std::fclose(results);
}}
"""


class Simulation(CompiledProject):
    """C-simulation of a project, for as long as the context lasts.

    Args:
        folder: of the project.
        with_bench: also its own test bench, for `run_bench`, which takes g++ a third of its time.

    Raises:
        FileNotFoundError: the folder holds no project.
        InputError: no g++.
        ProofError: g++ does not take the project.
    """

    def __init__(self, folder: Path, with_bench: bool = True) -> None:
        self._with_bench = with_bench
        super().__init__(folder)

    def run(self, *inputs: np.ndarray, n_processes: int | None = None) -> TriggerOutput:
        """What the top function gives for every event.

        Args:
            inputs: hardware values (events, ...) of each input, in the order of the interface.
            n_processes: by default one for each core.

        Raises:
            InputError: values that the ports cannot take, see `Interface.check`.
            ProofError: the program fails.
        """
        events = self._interface.rows(*inputs)
        n_processes = n_processes or os.cpu_count() or 1
        # One at least, so that the results of no events have their shape.
        parts = np.array_split(events, max(1, min(n_processes, len(events))))
        with self._timed(len(events)), ThreadPoolExecutor(n_processes) as pool:
            results = list(pool.map(self._run, range(len(parts)), parts))
        return self._output(np.concatenate(results))

    def run_bench(self) -> TriggerOutput:
        """What the project's own test bench gives for its own events, in `tb_data`.

        As in a vendor's C-simulation. The project stays as it is.

        Raises:
            FileNotFoundError: there are no events.
            ProofError: the program fails, or writes something else than numbers of whole events.
        """
        data = self._folder / "tb_data"
        if not (data / BENCH_INPUTS).is_file():
            raise FileNotFoundError(f"events of the test bench not found: {data / BENCH_INPUTS}")
        with tempfile.TemporaryDirectory() as name:
            # The bench reads and writes below its working directory.
            copy = Path(name) / "tb_data"
            shutil.copytree(data, copy)
            bench, weights = self._build / "bench", self._folder / "firmware/weights"
            # Catapult's asks for them.
            call_program([bench, weights, copy / BENCH_INPUTS, copy / BENCH_OUTPUTS], Path(name))
            written = read_rows(copy / "csim_results.log").ravel()
        n_events, rest = divmod(len(written), self._interface.n_outputs)
        if rest or not n_events:
            raise ProofError(
                f"test bench of {self._folder} must write {self._interface.n_outputs} numbers an "
                f"event, got {len(written)} in all"
            )
        return self._output(written.reshape(n_events, self._interface.n_outputs))

    def _compile(self) -> None:
        """The programs `simulation` and, if wanted, `bench`, which share the compiled firmware."""
        loop = self._build / "event_loop.cpp"
        bridge_source = self._folder / f"{PROJECT_NAME}_bridge.cpp"
        text = _event_loop(self._interface, bridge_source.read_text(encoding="utf-8"))
        loop.write_text(text, encoding="utf-8")
        sources = [self._folder / "firmware" / f"{PROJECT_NAME}.cpp", bridge_source, loop]
        bench_source = self._folder / f"{PROJECT_NAME}_test.cpp"
        if self._with_bench:
            sources.append(bench_source)
        options = ["-std=c++17", "-w", f"-I{self._folder}"]
        options += [f"-I{folder}" for folder in self._include_folders()]
        options += [f'-DWEIGHTS_DIR="{self._folder}/firmware/weights"']
        firmware, bridge, event_loop, *bench = self._compile_objects(
            sources, options, {bench_source}
        )
        self._link([firmware, bridge, event_loop], "simulation")
        if bench:
            self._link([firmware, *bench], "bench")

    def _include_folders(self) -> list[Path]:
        """Those of fixed-point types, of which each backend has its own, and of hls4ml's C++."""
        firmware = self._folder / "firmware"
        places = [firmware / "ap_types", firmware / "ac_types", *firmware.glob("*/include")]
        return [firmware, firmware / "nnet_utils", *(place for place in places if place.is_dir())]

    def _run(self, number: int, events: np.ndarray) -> np.ndarray:
        """Results (events, n_outputs) of the program on events (events, n_inputs)."""
        program = self._build / "simulation"
        paths = [program.with_name(f"{kind}_{number}.bin") for kind in ("events", "results")]
        events.tofile(paths[0])
        call_program([program, *paths], program.parent)
        results = np.fromfile(paths[1])
        if len(results) != len(events) * self._interface.n_outputs:
            raise ProofError(
                f"project {self._folder} must give {self._interface.n_outputs} numbers for each of "
                f"{len(events)} events, got {len(results)} in all"
            )
        return results.reshape(-1, self._interface.n_outputs)

    def _output(self, results: np.ndarray) -> TriggerOutput:
        """Of rows of the firmware's outputs."""
        names = [port.name for port in self._interface.outputs]
        return TriggerOutput.of(dict(zip(names, results.T, strict=True)), self._interface)


def _event_loop(interface: Interface, bridge: str) -> str:
    """The program around the function in the text of the project's `bridge`."""
    arguments = []
    for array, ports in (("event", interface.inputs), ("result", interface.outputs)):
        first = 0
        for port in ports:
            arguments.append(f"{array} + {first}")
            first += port.n_values
    parameters = ["double *"] * len(arguments)
    # For Quartus, hls4ml also asks for places for the size of each port, and leaves them alone.
    wanted = re.search(rf"{PROJECT_NAME}_double\(([^)]*)\)", bridge)
    n_sizes = wanted[1].count("unsigned short &") if wanted else 0
    return _EVENT_LOOP.format(
        project=PROJECT_NAME,
        parameters=", ".join(parameters + ["unsigned short &"] * n_sizes),
        arguments=", ".join(arguments + ["size"] * n_sizes),
        n_inputs=interface.n_inputs,
        n_outputs=interface.n_outputs,
    )
