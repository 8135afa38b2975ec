"""Trigger graph -> HLS project; the one caller of hls4ml."""

from __future__ import annotations

from pathlib import Path

import hls4ml
import keras
import numpy as np

import hls.handlers  # noqa: F401  registers the handlers
from hls.layers import HardwareInput
from hls.settings import FirmwareSettings
from hls.trigger import run_trigger_graph
from keras_ae.errors import InputError
from keras_ae.files import whole_folder

#: Name of the top function, of the project and of its files.
PROJECT_NAME = "anomaly_trigger"

#: Vendor HLS refuses to unroll more.
MAX_UNROLLED_WEIGHTS = 4096


def convert_trigger_graph(
    graph: keras.Model,
    folder: Path,
    settings: FirmwareSettings,
    bench_events: np.ndarray | None = None,
) -> None:
    """Write the HLS project of a trigger graph into `folder`, replacing what is there.

    Args:
        graph: made by `build_trigger_graph`.
        folder: of the project.
        settings: what the firmware is made for.
        bench_events: hardware integers (events, n_features) for the project's own test bench.

    Raises:
        InputError: a dense layer too large for the strategy.
    """
    _check_sizes(graph, settings)
    with whole_folder(folder) as temporary:
        _hls_model(graph, temporary, settings).write()
        if bench_events is not None:
            _write_bench_data(graph, temporary / "tb_data", bench_events)
        # hls4ml records where it wrote; the project is to be moved.
        record = temporary / "hls4ml_config.yml"
        record.write_text(record.read_text().replace(str(temporary), "."))


def _hls_model(
    graph: keras.Model, folder: Path, settings: FirmwareSettings
) -> hls4ml.model.ModelGraph:
    (input_layer,) = (layer for layer in graph.layers if isinstance(layer, HardwareInput))
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
                input_layer.name: {"Precision": {"result": str(input_layer.input_format)}}
            },
        },
    )


def _write_bench_data(graph: keras.Model, folder: Path, events: np.ndarray) -> None:
    """Inputs and expected outputs, in the files that the test bench reads: one event a line."""
    expected = run_trigger_graph(graph, events)
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / "tb_input_features.dat", events, fmt="%d")
    np.savetxt(
        folder / "tb_output_predictions.dat",
        np.column_stack([expected.score, expected.trigger]),
        fmt=("%.12g", "%d"),
    )


def _check_sizes(graph: keras.Model, settings: FirmwareSettings) -> None:
    for layer in graph.layers:
        n_weights = layer.kernel.shape[0] * layer.kernel.shape[1] if hasattr(layer, "kernel") else 0
        if settings.strategy == "latency" and n_weights > MAX_UNROLLED_WEIGHTS:
            raise InputError(
                f"weights of layer '{layer.name}' must be <= {MAX_UNROLLED_WEIGHTS} for strategy "
                f"'latency', got {n_weights}; choose 'resource' or 'distributed_arithmetic'"
            )
