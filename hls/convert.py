"""Trigger graph -> HLS project; the one caller of hls4ml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hls4ml
import keras
import numpy as np

import hls.handlers  # noqa: F401  registers the handlers
from hls.exact import ExactGraph
from hls.interface import Interface
from hls.layers import HardwareInput
from hls.settings import FirmwareSettings
from keras_ae.errors import InputError
from keras_ae.files import whole_folder

#: Name of the top function, of the project and of its files.
PROJECT_NAME = "anomaly_trigger"

#: In `tb_data`.
BENCH_INPUTS = "tb_input_features.dat"
BENCH_OUTPUTS = "tb_output_predictions.dat"

#: Vendor HLS refuses to unroll more.
MAX_UNROLLED_WEIGHTS = 4096


def convert_trigger_graph(
    graph: keras.Model,
    folder: Path,
    settings: FirmwareSettings,
    bench_inputs: Sequence[np.ndarray] = (),
) -> None:
    """Write the HLS project of a trigger graph into `folder`, replacing what is there.

    Args:
        graph: made by `build_trigger_graph`.
        folder: of the project.
        settings: what the firmware is made for.
        bench_inputs: values of each input (events, ...) for the project's own test bench.

    Raises:
        InputError: a dense layer too large for the strategy.
    """
    _check_sizes(graph, settings)
    exact = ExactGraph(graph)
    interface = Interface.of(exact)
    with whole_folder(folder) as temporary:
        _hls_model(graph, temporary, settings).write()
        interface.write(temporary)
        _widen_bench(temporary / f"{PROJECT_NAME}_test.cpp")
        _guard_rounding(temporary / "firmware" / "ap_types" / "ap_fixed_base.h")
        if bench_inputs:
            expected = np.hstack(list(exact.outputs(*bench_inputs).values()))
            _write_bench_data(temporary / "tb_data", interface.rows(*bench_inputs), expected)
        # hls4ml records where it wrote; the project is to be moved.
        record = temporary / "hls4ml_config.yml"
        record.write_text(record.read_text().replace(str(temporary), "."))


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


def _widen_bench(path: Path) -> None:
    """hls4ml's bench reads float32 and writes six digits: too few to compare wide outputs."""
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ("std::vector<float> in", "std::vector<double> in"),
        ("nnet::copy_data<float, ", "nnet::copy_data<double, "),
        (
            "std::ofstream fout(RESULTS_LOG);",
            "std::ofstream fout(RESULTS_LOG);\n    fout.precision(17);",
        ),
    ):
        if old not in text:
            raise ValueError(f"{path.name} of hls4ml must hold {old!r}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def _guard_rounding(path: Path) -> None:
    """hls4ml's open ap_types read a bit that they do not use, and an assertion ends the program.

    Where a number stays below half a step of the format that it is rounded to, the bit behind that
    format's last is beyond the number's first.
    """
    text = path.read_text(encoding="utf-8")
    old = "bool qbit = _AP_ROOT_op_get_bit(op.V, F2 - _AP_F - 1);"
    if text.count(old) != 1:
        raise ValueError(f"{path.name} of hls4ml must hold {old!r} once")
    new = old.replace("= ", "= F2 - _AP_F - 1 < _AP_W2 && ")
    path.write_text(text.replace(old, new), encoding="utf-8")


def _check_sizes(graph: keras.Model, settings: FirmwareSettings) -> None:
    for layer in graph.layers:
        n_weights = layer.kernel.shape[0] * layer.kernel.shape[1] if hasattr(layer, "kernel") else 0
        if settings.strategy == "latency" and n_weights > MAX_UNROLLED_WEIGHTS:
            raise InputError(
                f"weights of layer '{layer.name}' must be <= {MAX_UNROLLED_WEIGHTS} for strategy "
                f"'latency', got {n_weights}; choose 'resource' or 'distributed_arithmetic'"
            )
