"""The stages `convert` and `validate` of a run, and synthesis of what was converted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hls.cost.model import CostEstimate, estimate_cost
from hls.cpp.backends import BACKENDS
from hls.cpp.check import check_model, require_none
from hls.cpp.convert import convert_trigger_graph
from hls.cpp.hls_handover import Origin
from hls.graph.build import build_score_graph, build_trigger_graph, with_threshold
from hls.graph.exact import ExactGraph
from hls.graph.interface import PROJECT_NAME
from hls.graph.operation import producers
from hls.graph.refusal import Refusal
from hls.proof.validate import HardwareValues, Validation, stress_events, validate_project
from hls.report.fidelity import measure_fidelity
from hls.report.implementations import implementations
from hls.report.page import render_page, update_page
from hls.synthesis.resources import ResourceReport
from hls.synthesis.vendor_hls import synthesize_project
from keras_ae.data.dataset import Dataset, Sample
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.scaling import N_FEATURES, L1Scaler
from keras_ae.data.sources import L1Data
from keras_ae.errors import InputError
from keras_ae.experiment_models import build_fixed_point_model
from keras_ae.files import read_json, whole_file, write_json, write_text
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import ScoringModel
from keras_ae.run_contents import load_data, load_keras_model, load_model, network_inputs
from keras_ae.runs import Run
from keras_ae.settings.experiment import Experiment

N_STRESS_EVENTS = 20_000

#: Events of a file that are compared at once.
_PART = 100_000
N_BENCH_EVENTS = 1_000


def check(
    experiment: Experiment, subject: str = "experiment", run: Run | None = None
) -> list[Refusal]:
    """What keeps an experiment from becoming firmware; empty if nothing does.

    Of its quantized model, or of an untrained one as long as `run` has none. `subject` is what a
    fault of the settings is named after.

    Raises:
        InputError: settings that no firmware can have, or `firmware: null`.
    """
    settings = experiment.require_firmware(subject)
    model, scaler = _model_and_scaler(experiment, run)
    scores = (experiment.deciding_score, *settings.scores)
    return check_model(model, scores, settings, scaler, _units(experiment))


def estimate_rtl(
    experiment: Experiment, subject: str = "experiment", run: Run | None = None
) -> CostEstimate:
    """What the RTL of an experiment takes, by the cost model, without its comparison.

    Of its quantized model, or of an untrained one, in which nothing is pruned, as in `check`, which
    must have found nothing.
    """
    settings = experiment.require_firmware(subject)
    model, scaler = _model_and_scaler(experiment, run)
    scores = (experiment.deciding_score, *settings.scores)
    units, error = _units(experiment), settings.table_error
    graph = build_score_graph(model, scores, scaler, units, error)
    return estimate_cost(graph, settings.levels_per_stage)


def _model_and_scaler(
    experiment: Experiment, run: Run | None
) -> tuple[ScoringModel, L1Scaler | None]:
    """A quantized model, untrained as long as `run` has none."""
    if run and run.is_finished("quantize"):
        return load_model(run, "quantized"), _scaler(run)
    # Any will do: behind it stands the network's input format.
    some = L1Scaler((0,) * N_FEATURES, (0,) * N_FEATURES)
    scaler = some if isinstance(experiment.data, L1Data) else None
    return build_fixed_point_model(experiment), scaler


def convert(run: Run) -> bool:
    """Stage `convert`: trigger graph with calibrated threshold, and its HLS project."""
    settings = run.experiment.require_firmware(str(run.folder))

    def work() -> None:
        score, trigger = run.experiment.deciding_score, run.experiment.trigger
        require_none(check(run.experiment, str(run.folder), run))
        # Neither the training sample, which the model knows, nor the test sample, on which the
        # rate is measured.
        background = hardware_values(run, load_data(run).validation)
        graph = trigger_graph(run, background)
        with whole_file(run.trigger_graph_path) as temporary:
            graph.save(temporary)
        inputs = with_threshold(graph, background)
        events = [part[:N_BENCH_EVENTS] for part in inputs]
        convert_trigger_graph(graph, run.firmware_folder, settings, events, origin_of(run))
        exact = ExactGraph(graph)
        write_json(
            run.trigger_path,
            {
                "score": score,
                "score_format": str(exact.grids[score].format),
                "threshold": graph.get_layer("trigger").threshold,
                "target_fpr": trigger.fpr,
                "input_rate_khz": trigger.input_rate_khz,
                "calibration_events": len(background[0]),
                "calibration_fpr": float(exact.evaluate(*inputs).trigger.mean()),
            },
        )

    return run.stage("convert", work)


def trigger_graph(run: Run, background: HardwareValues) -> keras.Model:
    """The trigger graph of a run's quantized model, its threshold set on `background`.

    Raises:
        InputError: see `build_trigger_graph`.
    """
    settings = run.experiment.require_firmware(str(run.folder))
    return build_trigger_graph(
        load_model(run, "quantized"),
        (run.experiment.deciding_score, *settings.scores),
        background,
        run.experiment.trigger.fpr,
        scaler=_scaler(run),
        units=_units(run.experiment),
        threshold_input=settings.threshold == "input",
        table_error=settings.table_error,
    )


def validate(run: Run, event_files: Sequence[Path] = (), n_events: int = 0) -> Validation:
    """Stage `validate`: C-simulation of every event of the experiment and of stress events.

    Never skipped: the project on disk may have changed in any way. Writes the fidelity report.

    Args:
        run: converted before.
        event_files: more trigger events to compare, in the ADC2021 layout.
        n_events: as many stress events more as reach this number in all.

    Raises:
        InputError: event files for an experiment without trigger events or with a condition; or
            another process is at work on the run.
    """
    settings = run.experiment.require_firmware(str(run.folder))
    run.require("convert")
    if event_files and (
        not isinstance(run.experiment.data, L1Data) or run.experiment.architecture.condition_dim
    ):
        raise InputError("more events must belong to trigger events without condition, got files")
    for path in event_files:
        read_l1_events(path, 1)
    data = load_data(run)
    graph = load_keras_model(run.trigger_graph_path)
    with run.locked():
        # Whatever happens next, an earlier proof no longer holds.
        run.forget_validation()
        samples = compared_samples(run, data, graph, event_files, n_events)
        validation = validate_project(graph, run.firmware_folder, samples)
        report: dict[str, Any] = {
            "events": validation.events,
            "mismatching_bits": validation.mismatching_bits,
            "events_per_second": validation.events_per_second,
            "comparisons": validation.as_dict(),
        }
        # Whatever becomes of the rest.
        write_json(run.validation_path, report)
        tested = {"background": "background/test"} | {
            name: f"signal/{name}" for name in data.signals
        }
        firmware = {name: validation.outputs[sample] for name, sample in tested.items()}
        fidelity = measure_fidelity(run, data, graph, firmware)
        report |= fidelity.as_dict(read_json(run.trigger_path, "threshold")["threshold"])
        write_json(run.validation_path, report)
        write_text(run.fidelity_page_path, render_page(run, settings, report, fidelity))
        update_page(run.fidelity_page_path, implementations(run, settings))
    return validation


def compared_samples(
    run: Run,
    data: Dataset,
    graph: keras.Model,
    event_files: Sequence[Path] = (),
    n_events: int = 0,
) -> Iterator[tuple[str, HardwareValues]]:
    """What is compared, by name and in parts that fit in memory."""
    of_data = {
        "background/train": data.train,
        "background/validation": data.validation,
        "background/test": data.test,
        **{f"signal/{name}": sample for name, sample in data.signals.items()},
    }
    n_done = 0
    for name, sample in of_data.items():
        n_done += len(sample)
        yield name, with_threshold(graph, hardware_values(run, sample))
    for path in event_files:
        integers = run.experiment.scaling.units.to_integers(read_l1_events(path).objects)
        n_done += len(integers)
        for first in range(0, len(integers), _PART):
            values = integers[first : first + _PART]
            yield f"file/{path}", with_threshold(graph, (values,))
    n_stress = max(N_STRESS_EVENTS, n_events - n_done)
    for part, first in enumerate(range(0, n_stress, N_STRESS_EVENTS)):
        seed = run.experiment.seed + 1000 * part
        yield "stress", stress(graph, min(N_STRESS_EVENTS, n_stress - first), seed)


def synthesize(run: Run) -> ResourceReport | None:
    """Synthesize the project of a run into `synthesis.json`, where the vendor's tool is on PATH.

    Returns None, and writes nothing, where there is none.

    Raises:
        InputError: the run is not converted, or the tool fails.
    """
    run.require("convert")
    settings = run.experiment.require_firmware(str(run.folder))
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


def bench_inputs(run: Run, data: Dataset, graph: keras.Model) -> list[np.ndarray]:
    """Of the background, events of a test bench: (events, ...) of each input."""
    background = hardware_values(run, data.validation)
    return [part[:N_BENCH_EVENTS] for part in with_threshold(graph, background)]


def _scaler(run: Run) -> L1Scaler | None:
    """Of trigger events; other data is in the format of the network's input."""
    return L1Scaler.load(run.scaler_path) if isinstance(run.experiment.data, L1Data) else None


def _units(experiment: Experiment) -> FixedPointFormat | None:
    is_l1 = isinstance(experiment.data, L1Data)
    return experiment.scaling.units.format if is_l1 else None


def origin_of(run: Run) -> Origin:
    """Where the project of a run comes from."""
    experiment = run.experiment
    units = experiment.scaling.units if isinstance(experiment.data, L1Data) else None
    return Origin(
        f"{experiment.name}: {experiment.deployed}",
        experiment.trigger.fpr,
        experiment.trigger.input_rate_khz,
        units,
    )


def stress(graph: keras.Model, n_events: int, seed: int) -> HardwareValues:
    """Stress events on every input but the threshold, which stays where it belongs."""
    ports = [graph.get_layer(name) for name in producers(graph.inputs)]
    values = tuple(
        stress_events(port.input_format, port.output.shape[1:], n_events, seed + number)
        for number, port in enumerate(ports)
        if port.name != "threshold"
    )
    return with_threshold(graph, values)
