"""The stages `convert` and `validate` of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hls.convert import convert_trigger_graph
from hls.settings import load_firmware_settings
from hls.trigger import build_trigger_graph, run_trigger_graph
from hls.validate import Validation, stress_events, validate_project
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.scaling import N_FEATURES, L1Scaler
from keras_ae.errors import InputError
from keras_ae.files import whole_file
from keras_ae.metrics import separation
from keras_ae.runs import Run, write_json
from keras_ae.training import load_data, load_keras_model, load_model

N_STRESS_EVENTS = 20_000
N_BENCH_EVENTS = 1_000


def convert(run: Run) -> bool:
    """Stage `convert`: trigger graph with calibrated threshold, and its HLS project."""
    settings = load_firmware_settings(run.experiment, str(run.folder))
    if settings is None:
        raise InputError(f"{run.folder}: section firmware must be given to convert, got null")

    def work() -> None:
        data = load_data(run)
        choice = run.experiment.trigger
        # Neither the training sample, which the model knows, nor the test sample, on which the
        # rate is measured.
        background = data.validation.x
        graph = build_trigger_graph(
            load_model(run, "quantized"),
            L1Scaler.load(run.scaler_path),
            run.experiment.scaling.units.format,
            choice.score,
            background,
            choice.target_fpr,
        )
        with whole_file(run.trigger_graph_path) as temporary:
            graph.save(temporary)
        convert_trigger_graph(graph, run.firmware_folder, settings, background[:N_BENCH_EVENTS])
        decision = graph.get_layer("trigger")
        write_json(
            run.trigger_path,
            {
                "score": choice.score,
                "score_format": str(decision.input_format),
                "threshold": decision.threshold,
                "target_fpr": choice.target_fpr,
                "calibration_events": len(background),
                "calibration_fpr": float(run_trigger_graph(graph, background).trigger.mean()),
            },
        )

    outputs = (run.trigger_graph_path, run.trigger_path, run.firmware_folder)
    return run.stage("convert", outputs, work)


def validate(run: Run, event_files: Sequence[Path] = ()) -> Validation:
    """Stage `validate`: C-simulation of every event of the experiment and of stress events.

    Never skipped: the project on disk may have changed in any way.

    Args:
        run: converted before.
        event_files: more events to compare, in the ADC2021 layout.
    """
    run.require("convert")
    # Whatever happens next, an earlier proof no longer holds.
    run.validation_path.unlink(missing_ok=True)
    data = load_data(run)
    graph = load_keras_model(run.trigger_graph_path)
    units = run.experiment.scaling.units
    samples = {
        "background/train": data.train.x,
        "background/validation": data.validation.x,
        "background/test": data.test.x,
        **{f"signal/{name}": sample.x for name, sample in data.signals.items()},
        "stress": stress_events(units.format, N_FEATURES, N_STRESS_EVENTS, run.experiment.seed),
        **{f"file/{path}": units.to_integers(read_l1_events(path).objects) for path in event_files},
    }
    validation = validate_project(graph, run.firmware_folder, samples)
    tested = {"background": "background/test"} | {name: f"signal/{name}" for name in data.signals}
    write_json(
        run.validation_path,
        {
            "events": validation.events,
            "mismatching_bits": validation.mismatching_bits,
            "comparisons": validation.as_dict(),
            **{
                precision: {
                    "separation": separation({n: outputs[s].score for n, s in tested.items()}),
                    "trigger_rate": {
                        n: float(outputs[s].trigger.mean()) for n, s in tested.items()
                    },
                }
                for precision, outputs in (
                    ("quantized", validation.quantized),
                    ("firmware", validation.firmware),
                )
            },
        },
    )
    return validation
