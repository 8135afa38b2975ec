"""The stages `convert` and `validate` of a run, and synthesis of what was converted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from hls.backends import BACKENDS
from hls.convert import PROJECT_NAME, convert_trigger_graph
from hls.exact import ExactGraph, producers
from hls.handover import Origin
from hls.settings import load_firmware_settings
from hls.synthesis import ResourceReport, synthesize_project
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
        choice, is_l1 = run.experiment.trigger, isinstance(run.experiment.data, L1Data)
        # Neither the training sample, which the model knows, nor the test sample, on which the
        # rate is measured.
        background = hardware_values(run, load_data(run).validation)
        graph = build_trigger_graph(
            load_model(run, "quantized"),
            (choice.score, *settings.scores),
            background,
            choice.target_fpr,
            scaler=L1Scaler.load(run.scaler_path) if is_l1 else None,
            units=run.experiment.scaling.units.format if is_l1 else None,
            threshold_input=settings.threshold == "input",
            table_error=settings.table_error,
        )
        with whole_file(run.trigger_graph_path) as temporary:
            graph.save(temporary)
        inputs = with_threshold(graph, background)
        bench_inputs = [part[:N_BENCH_EVENTS] for part in inputs]
        convert_trigger_graph(graph, run.firmware_folder, settings, bench_inputs, _origin(run))
        exact = ExactGraph(graph)
        write_json(
            run.trigger_path,
            {
                "score": choice.score,
                "score_format": str(exact.grids[choice.score].format),
                "threshold": graph.get_layer("trigger").threshold,
                "target_fpr": choice.target_fpr,
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


def synthesize(run: Run) -> ResourceReport | None:
    """Synthesize the project of a run into `synthesis.json`, where the vendor's tool is on PATH.

    Returns None, and writes nothing, where there is none.

    Raises:
        InputError: the run is not converted, or the tool fails.
    """
    run.require("convert")
    settings = load_firmware_settings(run.experiment, str(run.folder))
    if settings is None:
        raise InputError(f"{run.folder}: section firmware must be given to synthesize, got null")
    run.synthesis_path.unlink(missing_ok=True)
    backend = BACKENDS[settings.backend]
    report = synthesize_project(run.firmware_folder, PROJECT_NAME, backend)
    if report is not None:
        write_json(run.synthesis_path, report.as_dict())
    return report


def hardware_values(run: Run, sample: Sample) -> HardwareValues:
    """What the trigger sees of a sample: hardware values (events, ...), and condition if any.

    Trigger events are integers, which the firmware scales; images and conditions are in the format
    of the network's input.
    """
    inputs = network_inputs(run, "quantized", sample)
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    return (sample.x, *parts[1:]) if isinstance(run.experiment.data, L1Data) else parts


def _origin(run: Run) -> Origin:
    """Where the project of a run comes from."""
    experiment = run.experiment
    return Origin(
        f"{experiment.name}: {experiment.objective.kind} autoencoder {experiment.architecture}",
        experiment.trigger.target_fpr,
        experiment.scaling.units if isinstance(experiment.data, L1Data) else None,
    )


def _stress(graph: keras.Model, seed: int) -> HardwareValues:
    """Stress events on every input but the threshold, which stays where it belongs."""
    ports = [graph.get_layer(name) for name in producers(graph.inputs)]
    values = tuple(
        stress_events(port.input_format, port.output.shape[1:], N_STRESS_EVENTS, seed + number)
        for number, port in enumerate(ports)
        if port.name != "threshold"
    )
    return with_threshold(graph, values)
