"""The stages `convert` and `validate` of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from hls.convert import convert_trigger_graph
from hls.exact import ExactGraph, producers
from hls.settings import load_firmware_settings
from hls.trigger import build_trigger_graph, with_threshold
from hls.validate import HardwareValues, Validation, stress_events, validate_project
from keras_ae.data.dataset import Sample
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.scaling import L1Scaler
from keras_ae.data.sources import L1Data
from keras_ae.errors import InputError
from keras_ae.files import whole_file
from keras_ae.metrics import separation
from keras_ae.runs import Run, write_json
from keras_ae.training import load_data, load_keras_model, load_model, network_inputs

N_STRESS_EVENTS = 20_000
N_BENCH_EVENTS = 1_000


def convert(run: Run) -> bool:
    """Stage `convert`: trigger graph with calibrated threshold, and its HLS project."""
    settings = load_firmware_settings(run.experiment, str(run.folder))
    if settings is None:
        raise InputError(f"{run.folder}: section firmware must be given to convert, got null")

    def work() -> None:
        score, target_fpr = run.experiment.deciding_score, run.experiment.trigger.target_fpr
        is_l1 = isinstance(run.experiment.data, L1Data)
        # Neither the training sample, which the model knows, nor the test sample, on which the
        # rate is measured.
        background = hardware_values(run, load_data(run).validation)
        graph = build_trigger_graph(
            load_model(run, "quantized"),
            (score, *settings.scores),
            background,
            target_fpr,
            scaler=L1Scaler.load(run.scaler_path) if is_l1 else None,
            units=run.experiment.scaling.units.format if is_l1 else None,
            threshold_input=settings.threshold == "input",
            table_error=settings.table_error,
        )
        with whole_file(run.trigger_graph_path) as temporary:
            graph.save(temporary)
        inputs = with_threshold(graph, background)
        convert_trigger_graph(
            graph, run.firmware_folder, settings, [part[:N_BENCH_EVENTS] for part in inputs]
        )
        exact = ExactGraph(graph)
        write_json(
            run.trigger_path,
            {
                "score": score,
                "score_format": str(exact.grids[score].format),
                "threshold": graph.get_layer("trigger").threshold,
                "target_fpr": target_fpr,
                "calibration_events": len(background[0]),
                "calibration_fpr": float(exact.evaluate(*inputs).trigger.mean()),
            },
        )

    outputs = (run.trigger_graph_path, run.trigger_path, run.firmware_folder)
    return run.stage("convert", outputs, work)


def validate(run: Run, event_files: Sequence[Path] = ()) -> Validation:
    """Stage `validate`: C-simulation of every event of the experiment and of stress events.

    Never skipped: the project on disk may have changed in any way.

    Args:
        run: converted before.
        event_files: more trigger events to compare, in the ADC2021 layout.

    Raises:
        InputError: event files for an experiment without trigger events or with a condition.
    """
    run.require("convert")
    if event_files and (
        not isinstance(run.experiment.data, L1Data) or run.experiment.architecture.condition_dim
    ):
        raise InputError("more events must belong to trigger events without condition, got files")
    # Whatever happens next, an earlier proof no longer holds.
    run.validation_path.unlink(missing_ok=True)
    data = load_data(run)
    graph = load_keras_model(run.trigger_graph_path)
    units = run.experiment.scaling.units
    of_data = {
        "background/train": data.train,
        "background/validation": data.validation,
        "background/test": data.test,
        **{f"signal/{name}": sample for name, sample in data.signals.items()},
    }
    samples = {
        **{name: hardware_values(run, sample) for name, sample in of_data.items()},
        **{f"file/{p}": (units.to_integers(read_l1_events(p).objects),) for p in event_files},
    }
    samples = {name: with_threshold(graph, values) for name, values in samples.items()}
    samples["stress"] = _stress(graph, run.experiment.seed)
    validation = validate_project(graph, run.firmware_folder, samples)
    tested = {"background": "background/test"} | {name: f"signal/{name}" for name in data.signals}
    outputs = validation.outputs
    write_json(
        run.validation_path,
        {
            "events": validation.events,
            "mismatching_bits": validation.mismatching_bits,
            "comparisons": validation.as_dict(),
            "firmware": {
                "separation": separation({n: outputs[s].score for n, s in tested.items()}),
                "trigger_rate": {n: float(outputs[s].trigger.mean()) for n, s in tested.items()},
            },
        },
    )
    return validation


def hardware_values(run: Run, sample: Sample) -> HardwareValues:
    """What the trigger sees of a sample: hardware values (events, ...), and condition if any.

    Trigger events are integers, which the firmware scales; images and conditions are in the format
    of the network's input.
    """
    inputs = network_inputs(run, "quantized", sample)
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    return (sample.x, *parts[1:]) if isinstance(run.experiment.data, L1Data) else parts


def _stress(graph: keras.Model, seed: int) -> HardwareValues:
    """Stress events on every input but the threshold, which stays where it belongs."""
    ports = [graph.get_layer(name) for name in producers(graph.inputs)]
    values = tuple(
        stress_events(port.input_format, port.output.shape[1:], N_STRESS_EVENTS, seed + number)
        for number, port in enumerate(ports)
        if port.name != "threshold"
    )
    return with_threshold(graph, values)
