"""Trigger graph -> HLS project; the one caller of hls4ml."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import hls4ml
import keras
import numpy as np

import hls.cpp.handlers  # noqa: F401  registers the handlers
from hls.cpp.backends import BACKENDS
from hls.cpp.check import check_graph, require_none
from hls.cpp.finish import finish_project
from hls.cpp.hls_handover import Origin, write_handover
from hls.graph.exact import ExactGraph
from hls.graph.interface import BENCH_INPUTS, BENCH_OUTPUTS, PROJECT_NAME, Interface
from hls.graph.logic_layers import HardwareInput
from keras_ae.arrays import check_not_empty
from keras_ae.files import whole_folder
from keras_ae.settings.firmware import FirmwareSettings


def convert_trigger_graph(
    graph: keras.Model,
    folder: Path,
    settings: FirmwareSettings,
    bench_inputs: Sequence[np.ndarray],
    origin: Origin | None = None,
) -> None:
    """Write the HLS project of a trigger graph into `folder`, replacing what is there.

    Args:
        graph: made by `build_trigger_graph`.
        folder: of the project.
        settings: what the firmware is made for.
        bench_inputs: values of each input (events, ...) for the project's own test bench; one event
            at least.
        origin: of the graph, for the project's README.

    Raises:
        Refusal: the first rule of `check_graph` that it breaks.
        InputError: no events.
    """
    require_none(check_graph(graph, settings))
    check_not_empty(**{"bench_inputs": bench_inputs[0]})
    exact = ExactGraph(graph)
    interface = Interface.of(exact)
    with whole_folder(folder) as temporary:
        reuse_factors = _write_project(graph, temporary, settings, interface)
        interface.write(temporary)
        expected = np.hstack(list(exact.outputs(*bench_inputs).values()))
        _write_bench_data(temporary / "tb_data", interface.rows(*bench_inputs), expected)
        n_events = len(bench_inputs[0])
        write_handover(temporary, graph, interface, settings, reuse_factors, n_events, origin)


def _write_project(
    graph: keras.Model, folder: Path, settings: FirmwareSettings, interface: Interface
) -> dict[str, int]:
    """hls4ml's project, made ready to be handed over.

    Returns the reuse factor of each layer with multipliers: hls4ml takes the closest that divides
    the layer's products.
    """
    # Apart: for Catapult, hls4ml leaves an archive beside the project.
    with tempfile.TemporaryDirectory() as name:
        written_in = Path(name) / PROJECT_NAME
        model = _hls_model(graph, written_in, settings)
        # For some backends it says what it copies from where; what it says before counts.
        with contextlib.redirect_stdout(io.StringIO()):
            model.write()
        shutil.copytree(written_in, folder, dirs_exist_ok=True)
    finish_project(folder, PROJECT_NAME, BACKENDS[settings.backend], interface, written_in)
    return {
        layer.name: int(layer.get_attr("reuse_factor"))
        for layer in model.get_layers()
        if "weight" in layer.weights
    }


def _hls_model(
    graph: keras.Model, folder: Path, settings: FirmwareSettings
) -> hls4ml.model.ModelGraph:
    return hls4ml.converters.convert_from_keras_model(
        graph,
        output_dir=str(folder),
        project_name=PROJECT_NAME,
        backend=settings.backend,
        part=settings.part,
        clock_period=settings.clock_ns,
        io_type=settings.io_type,
        allow_da_fallback=False,
        hls_config={
            "Model": {
                # All types but the input's are derived by the bit-exact pass.
                "Precision": {"default": "fixed<16,6>", "maximum": "fixed<64,32>"},
                "ReuseFactor": settings.reuse_factor,
                "Strategy": settings.strategy,
                "BitExact": True,
            },
            "LayerName": {
                layer.name: {"Precision": {"result": str(layer.input_format)}}
                for layer in graph.layers
                if isinstance(layer, HardwareInput)
            },
        },
    )


def _write_bench_data(folder: Path, inputs: np.ndarray, outputs: np.ndarray) -> None:
    """Inputs and expected outputs, in the files that the test bench reads: one event a line."""
    folder.mkdir(exist_ok=True)
    for name, rows in ((BENCH_INPUTS, inputs), (BENCH_OUTPUTS, outputs)):
        # 17 digits tell every float64 from the next.
        np.savetxt(folder / name, rows, fmt="%.17g")
