"""The stages `convert` and `validate` of a run, and synthesis of what was converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hls.cpp.backends import BACKENDS
from hls.cpp.convert import convert_trigger_graph
from hls.graph.assembly import check_networks
from hls.graph.build import build_score_graph, set_threshold
from hls.graph.interface import PROJECT_NAME
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import TRIGGER
from hls.graph.refusal import require_none
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from hls.proof.validate import Validation, validate_project
from hls.report.fidelity import measure_fidelity
from hls.report.implementations import implementations
from hls.report.page import render_page, update_page
from hls.report.verdicts import shortened
from hls.stages.adopted import fidelity_of_adopted, settings_in
from hls.stages.adopted import score_graph as score_graph_of_adopted
from hls.stages.events import (
    compared_samples,
    events_of_file,
    first_events,
    hardware_values,
    origin_of,
    scaler_of,
    wires_in_firmware,
)
from hls.synthesis.resources import ResourceReport
from hls.synthesis.vendor_hls import synthesize_project
from keras_ae.data.dataset import Dataset, Sample
from keras_ae.errors import InputError, ProofError
from keras_ae.files import read_json, whole_file, write_json, write_text
from keras_ae.rates import baseline_thresholds, decision_rates, missed_rate
from keras_ae.run_contents import load_data, load_model
from keras_ae.runs import Run
from keras_ae.settings.adoption import Adoption
from keras_ae.stages import PROVED


def convert(run: Run) -> bool:
    """Stage `convert`: trigger graph with calibrated threshold, and its HLS project."""
    settings = run.settings.require_firmware(str(run.folder))

    def work() -> None:
        score, trigger = run.settings.deciding_score, run.settings.trigger
        # Neither the training sample, which the model knows, nor the test sample, on which the
        # rate is measured.
        background = load_data(run).validation
        graph = trigger_graph(run, background)
        inputs = graph.with_threshold(hardware_values(run, background, graph.interface))
        # Refuses before anything is written.
        convert_trigger_graph(
            graph, run.firmware_folder, settings, first_events(inputs), origin_of(run)
        )
        with whole_file(run.trigger_graph_path) as temporary:
            graph.save(temporary)
        found = graph.evaluate(*inputs)
        write_json(
            run.trigger_path,
            {
                "score": score,
                "score_format": str(graph.grids[score].format),
                "threshold": graph.threshold,
                "target_fpr": trigger.fpr,
                "input_rate_khz": trigger.input_rate_khz,
                "calibration_events": len(background),
                "calibration_fpr": float(found.trigger.mean()),
                "working_points": {
                    name: {
                        "threshold": graph.thresholds[f"{TRIGGER}_{name}"],
                        "target_fpr": fpr,
                        "calibration_fpr": float(found.bits[f"{TRIGGER}_{name}"].mean()),
                    }
                    for name, fpr in trigger.fprs.items()
                },
            },
        )

    return run.stage("convert", work)


def trigger_graph(run: Run, background: Sample) -> TriggerGraph:
    """The trigger graph of a run's quantized model, its threshold set on `background`.

    Raises:
        InputError: see `build_trigger_graph`.
    """
    settings = run.settings.require_firmware(str(run.folder))
    scores = score_graph(run)
    values = hardware_values(run, background, scores.interface)
    trigger = run.settings.trigger
    return set_threshold(scores, values, trigger.fpr, settings.threshold == "input", trigger.fprs)


def score_graph(run: Run) -> LayerGraph:
    """The trigger graph of a run's quantized model, without its decision.

    Raises:
        InputError: see `build_trigger_graph`.
    """
    given, model = run.settings, load_model(run, "quantized")
    if isinstance(given, Adoption):
        return score_graph_of_adopted(settings_in(run), model)
    settings = given.require_firmware(str(run.folder))
    require_none(check_networks(model))
    return build_score_graph(
        model,
        given.firmware_scores,
        scaler_of(run),
        wires_in_firmware(given),
        settings.table_error,
    )


def validate(
    run: Run, event_files: Sequence[Path] = (), n_events: int = 0, as_is: bool = False
) -> Validation:
    """Stage `validate`: C-simulation of every event of the experiment and of stress events.

    Never skipped: the project on disk may have changed in any way. Writes the fidelity report.

    Args:
        run: converted before.
        event_files: more events to compare, of the kind of the data.
        n_events: as many stress events more as reach this number in all.
        as_is: compile files that are not as `convert` wrote them, too; that is no proof.

    Raises:
        ProofError: such files, unless `as_is`: nothing is compiled then.
        InputError: event files for an experiment without trigger events or with a condition; or
            another process is at work on the run.
    """
    settings = run.settings.require_firmware(str(run.folder))
    run.require("convert")
    _check_event_files(run, event_files)
    data = load_data(run)
    graph = TriggerGraph.load(run.trigger_graph_path)
    with run.locked():
        # Whatever happens next, an earlier proof no longer holds.
        run.forget_validation()
        changed = run.changed_contents(PROVED)
        if changed and not as_is:
            raise ProofError(
                f"{run.firmware_folder} must be as 'keras-ae convert' wrote it, but "
                f"{len(changed)} files are not: {shortened(changed)}; 'keras-ae convert "
                f"{run.folder}' writes them again, --as-is compares them as they are"
            )
        samples = compared_samples(run, data, graph, event_files, n_events)
        validation = validate_project(graph, run.firmware_folder, samples)
        report: dict[str, Any] = {
            "events": validation.events,
            "mismatching_bits": validation.mismatching_bits,
            "events_per_second": validation.events_per_second,
            "comparisons": validation.as_dict(),
            "changed_files": changed,
        }
        # Whatever becomes of the rest.
        write_json(run.validation_path, report)
        firmware = _tested_outputs(data, validation.outputs)
        if isinstance(run.settings, Adoption):
            reference = _tested_outputs(data, validation.reference)
            fidelity = fidelity_of_adopted(run, data, graph, reference, firmware)
        else:
            fidelity = measure_fidelity(run, data, graph, firmware)
        report |= fidelity.as_dict(read_json(run.trigger_path, "threshold")["threshold"])
        report["decisions"] = _decisions(run, data, firmware)
        report["warnings"] = _warnings(report["decisions"], data, firmware)
        write_json(run.validation_path, report)
        write_text(run.fidelity_page_path, render_page(run, settings, report, fidelity))
        update_page(run.fidelity_page_path, implementations(run, settings))
    return validation


def _warnings(
    decisions: Mapping[str, Any], data: Dataset, firmware: Mapping[str, TriggerOutput]
) -> list[str]:
    """Of firmware that may be proved, and still is not the trigger that was wanted."""
    found, scores = [], firmware["background"].score
    if np.ptp(scores) == 0:
        found.append(
            f"score is {scores[0]:g} for all {len(scores)} events of the test background: the "
            "firmware tells nothing apart; give weights and activations more bits"
        )
    # Events of one parent pass together.
    n_calibration = len(np.unique(data.validation.parents))
    for bit, decision in decisions.items():
        rate = decision["samples"]["background"]["rate"]
        missed = missed_rate(rate, decision["target_fpr"], n_calibration)
        if missed is not None:
            found.append(f"{bit}: {missed}")
    return found


def _decisions(run: Run, data: Dataset, firmware: Mapping[str, TriggerOutput]) -> dict[str, Any]:
    """What each bit of the firmware does to background of the test and signals, by its name."""
    trigger = run.settings.trigger
    fprs = {TRIGGER: trigger.fpr} | {f"{TRIGGER}_{n}": fpr for n, fpr in trigger.fprs.items()}
    return {
        bit: decision_rates(
            {name: output.bits[bit] for name, output in firmware.items()},
            {name: sample.observables for name, sample in data.tested.items()},
            data.parents,
            baseline_thresholds(data.validation.observables, fpr),
            fpr,
        )
        for bit, fpr in fprs.items()
    }


def _check_event_files(run: Run, event_files: Sequence[Path]) -> None:
    """Raise InputError unless they hold what the firmware of a run takes."""
    if event_files and isinstance(run.settings, Adoption):
        raise InputError(
            "events of files must be those of an experiment whose data are files, got files"
        )
    for path in event_files:
        events_of_file(run, path, 10)


def _tested_outputs(
    data: Dataset, outputs: Mapping[str, TriggerOutput]
) -> dict[str, TriggerOutput]:
    """Those of the test background and of each signal."""
    signals = {name: outputs[f"signal/{name}"] for name in data.signals}
    return {"background": outputs["background/test"], **signals}


def synthesize(run: Run) -> ResourceReport | None:
    """Synthesize the project of a run into `synthesis.json`, where the vendor's tool is on PATH.

    Returns None, and writes nothing, where there is none.

    Raises:
        InputError: the run is not converted, or the tool fails.
    """
    run.require("convert")
    settings = run.settings.require_firmware(str(run.folder))
    run.synthesis_path.unlink(missing_ok=True)
    backend = BACKENDS[settings.backend]
    report = synthesize_project(run.firmware_folder, PROJECT_NAME, backend)
    if report is not None:
        write_json(run.synthesis_path, report.as_dict())
    return report
