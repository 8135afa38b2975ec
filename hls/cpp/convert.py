"""Trigger graph -> HLS project; the one caller of hls4ml.

hls4ml is given its list of layers as the graph's layers describe them; its own front end, which
knows neither QKeras for Keras 3 nor our layers, has no part in it. Its bit-exact pass derives the
types of all layers from what they are made of.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hls4ml
import numpy as np
from hls4ml.utils.config import create_config

import hls.cpp.nodes  # registers the node
import hls.cpp.overrides  # noqa: F401  mends the bit-exact pass
from hls.cpp.backends import BACKENDS
from hls.cpp.finish import finish_project
from hls.cpp.headers import headers_of
from hls.cpp.hls_handover import write_handover
from hls.cpp.ports import BENCH_INPUTS, BENCH_OUTPUTS
from hls.cpp.quantizers import cpp_form
from hls.cpp.rules import check_graph
from hls.graph.facts import Origin
from hls.graph.front_end_facts import project_facts
from hls.graph.interface import PROJECT_NAME, project_folder
from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.node import Node
from hls.graph.refusal import require_none
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.arrays import check_not_empty
from keras_ae.files import whole_folder
from keras_ae.settings.firmware import FirmwareSettings


def convert_trigger_graph(
    graph: TriggerGraph,
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
        Refusal: the first rule of `check_graph` that it breaks, or see `headers_of`; a header is
            named like one of hls4ml.
        InputError: no events, values that the ports cannot take, or a folder that holds something
            else than a project.
    """
    folder = project_folder(folder)
    require_none(check_graph(graph, settings))
    headers = headers_of(graph)
    bench_inputs = graph.interface.check(bench_inputs)
    check_not_empty(**{"bench_inputs": bench_inputs[0]})
    with whole_folder(folder) as temporary:
        reuse_factors = _write_project(graph, temporary, settings, headers)
        front_end = origin.front_end if origin else None
        graph.interface.write(temporary, project_facts(graph, front_end))
        expected = np.hstack(list(graph.outputs(*bench_inputs).values()))
        _write_bench_data(temporary / "tb_data", graph.interface.rows(*bench_inputs), expected)
        write_handover(temporary, graph, settings, reuse_factors, len(bench_inputs[0]), origin)


def _write_project(
    graph: TriggerGraph, folder: Path, settings: FirmwareSettings, headers: Mapping[str, Path]
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
    backend = BACKENDS[settings.backend]
    finish_project(folder, PROJECT_NAME, backend, graph.interface, headers, written_in)
    return {
        layer.name: int(layer.get_attr("reuse_factor"))
        for layer in model.get_layers()
        if "weight" in layer.weights
    }


def _hls_model(
    graph: LayerGraph, folder: Path, settings: FirmwareSettings
) -> hls4ml.model.ModelGraph:
    config = create_config(
        output_dir=str(folder),
        project_name=PROJECT_NAME,
        backend=settings.backend,
        part=settings.part,
        clock_period=settings.clock_ns,
        io_type=settings.io_type,
    )
    # No files of its own for the bench, which is ours.
    config |= {"InputData": None, "OutputPredictions": None}
    config["HLSConfig"] = {
        "Model": {
            # All types but the input's are derived by the bit-exact pass.
            "Precision": {"default": "fixed<16,6>", "maximum": "fixed<64,32>"},
            "ReuseFactor": settings.reuse_factor,
            "Strategy": settings.strategy,
            "BitExact": True,
        },
        "LayerName": {
            layer.name: {"Precision": {"result": str(layer.form)}}
            for layer in graph.layers
            if isinstance(layer, GraphInput)
        },
    }
    layers = [_described(node, graph, settings) for node in graph.nodes]
    ends = list(graph.input_names), list(graph.output_names)
    return hls4ml.model.ModelGraph.from_layer_list(config, layers, *ends)


def _described(node: Node, graph: LayerGraph, settings: FirmwareSettings) -> dict[str, Any]:
    """A layer as hls4ml's list has it."""
    form = cpp_form(node, graph, settings)
    described: dict[str, Any] = {
        "name": node.name,
        "class_name": form.kind,
        "inputs": list(node.inputs),
        "input_shape": [list(graph.grids[name].shape) for name in node.inputs],
        **form.attributes,
    }
    if form.kind == "TriggerLogic":
        shape = list(graph.grids[node.name].shape)
        header = None if form.header is None else form.header.name
        return {**described, "output_shape": shape, "constants": form.constants, "header": header}
    # In hls4ml's words; a layer without bias is given none.
    given = {role: values for role, values in form.constants.items() if role != "bias"}
    if described.get("use_bias"):
        given["bias"] = form.constants["bias"]
    data = {f"{role}_data": values for role, values in given.items()}
    return {"bias_data": None, **described, **data} if form.constants else described


def _write_bench_data(folder: Path, inputs: np.ndarray, outputs: np.ndarray) -> None:
    """Inputs and expected outputs, in the files that the test bench reads: one event a line."""
    folder.mkdir(exist_ok=True)
    for name, rows in ((BENCH_INPUTS, inputs), (BENCH_OUTPUTS, outputs)):
        # 17 digits tell every float64 from the next.
        np.savetxt(folder / name, rows, fmt="%.17g")
