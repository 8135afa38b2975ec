"""Stages of a run whose network came trained: `adopt`, and `evaluate` of its scores."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

import hls.graph.keras_layers  # noqa: F401  known to Keras when it reads a model
from hls.cpp.linter import checked_graph
from hls.graph import packed_ports
from hls.graph.build import build_score_graph
from hls.graph.interface import Interface
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import THRESHOLD
from hls.graph.refusal import Refusal, require_none
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from hls.proof.reading import check_reading
from hls.report.adopted_fidelity import (
    adopted_fidelity,
    layer_errors_of,
    scores_in_float,
)
from hls.report.fidelity import Fidelity, first_events
from keras_ae import plots
from keras_ae.data.dataset import Dataset, Sample
from keras_ae.errors import InputError
from keras_ae.events import audited_events
from keras_ae.files import read_json, whole_file, write_json
from keras_ae.front_end.input_view import load_inputs, save_inputs
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.metrics import check_rate, separation
from keras_ae.run_contents import keep_audit, load_data, load_keras_model, load_model
from keras_ae.runs import Run
from keras_ae.settings.adoption import Adoption


def with_model(settings: Adoption, path: Path) -> Adoption:
    """The settings of a run that adopts the model in a file.

    Raises:
        FileNotFoundError: there is no such file, or none of those that the settings name.
    """
    network = settings.network
    files = {"model": str(path), "float_model": network.float_model, "inputs": network.inputs}
    contents = {}
    for name, file in files.items():
        if file is not None:
            if not Path(file).is_file():
                raise FileNotFoundError(f"{name.replace('_', ' ')} not found: {file}")
            contents[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    found = network.model_copy(update={"model": str(path), "contents": contents})
    return settings.model_copy(update={"network": found})


def check_adoption(settings: Adoption) -> None:
    """Raise InputError unless the model can be put into firmware, and takes the data's events.

    The model must give what its exact form gives, for the background that the threshold is set on
    and for the signals. A float model that is named must have the tensors of the scores.
    """
    model = load_keras_model(Path(settings.network.model), compiled=False)
    refusals, graph = check(settings, model)
    require_none(refusals, "hls.check_model")
    data, audit = audited_events(settings)
    if audit is not None:
        audit.report().require()
    check_rate(len(data.validation), settings.trigger.fpr, "background")
    interface = cast(LayerGraph, graph).interface
    for sample in (data.train, *data.tested.values()):
        interface.check(port_values(settings, sample, interface))
    scaler, formats = _scaler(settings), _input_formats(settings)
    for sample in (data.validation, *data.signals.values()):
        values = port_values(settings, sample, interface)
        seen = _network_inputs(settings, model, sample, interface)
        check_reading(model, values, seen, scaler, formats)
    if settings.network.float_model is not None:
        in_float = load_keras_model(Path(settings.network.float_model), compiled=False)
        _scores_in_float(settings, in_float, data.train.take(np.arange(2)), interface)


def adopt(run: Run) -> bool:
    """Stage `adopt`: the model becomes the run's quantized one."""
    settings = _adoption(run)

    def work() -> None:
        path = Path(settings.network.model)
        with whole_file(run.model_path("quantized")) as temporary:
            shutil.copyfile(path, temporary)
        if settings.network.float_model is not None:
            with whole_file(run.model_path("float")) as temporary:
                shutil.copyfile(settings.network.float_model, temporary)
        _, audit = audited_events(settings)
        if audit is not None:
            keep_audit(run, audit)
        scaler = _scaler(settings)
        if scaler is not None:
            save_inputs(scaler, run.inputs_path("float"))

    return run.stage("adopt", work)


def check(settings: Adoption, model: Any) -> tuple[list[Refusal], LayerGraph | None]:
    """What keeps a model from becoming the firmware that is asked for, and its graph of scores."""
    return checked_graph(
        model,
        settings.scores,
        settings.firmware,
        _scaler(settings),
        _input_formats(settings),
        settings.network.roles,
    )


def score_graph(settings: Adoption, model: Any) -> LayerGraph:
    """The scores of a model that the settings ask for."""
    return build_score_graph(
        model,
        settings.scores,
        _scaler(settings),
        _input_formats(settings),
        settings.firmware.table_error,
        settings.network.roles,
    )


def _input_formats(settings: Adoption) -> Any:
    """Of the wires, where their values are scaled; else as asked for."""
    wires = settings.wires
    is_stated = settings.front_end is not None or _scaler(settings) is not None
    if wires is not None and wires.is_hardware and is_stated:
        return wires
    return settings.network.input_formats or None


def _scaler(settings: Adoption) -> ScaledInputs | None:
    """What the network sees of the wires; None where it takes them as they are."""
    wires, path = settings.wires, settings.network.inputs
    if wires is None:
        return None
    if settings.inputs is not None:
        return settings.inputs.fit(wires, np.zeros((0, wires.n_values)))
    if path is None:
        return None
    found = load_inputs(Path(path))
    if not isinstance(found, ScaledInputs) or found.n_values != wires.n_values:
        raise InputError(
            f"network.inputs must be scaled inputs of {wires.n_values} values, those of the front "
            f"end, got {path} of {found.n_values}"
        )
    return found


def port_values(settings: Adoption, sample: Sample, interface: Interface) -> tuple[np.ndarray, ...]:
    """What the ports of an adopted network are given of a sample, the threshold left out.

    Hardware values and arrays are as they are; what has no format is rounded to that of the port.
    Flat events take the shape of the port, others only axes of length one.
    """
    points = settings.trigger.working_points
    thresholds = {THRESHOLD, *(f"{THRESHOLD}_{name}" for name in points)}
    ports = [port for port in interface.inputs if port.name not in thresholds]
    if settings.wires is not None and settings.wires.packed:
        parts = packed_ports.port_values(settings.wires, sample.x)
        return (*parts, sample.condition)[: len(ports)]
    given = [sample.x, sample.condition]
    if len(ports) > len(given):
        raise InputError(f"data must have values of all inputs, 2 at most, got {len(ports)} inputs")
    as_they_are = settings.wires is None or settings.wires.is_hardware
    values = []
    for port, part in zip(ports, given, strict=False):
        shape = port.event_shape
        if _is_same_event(part.shape[1:], shape):
            part = part.reshape(len(part), *shape)
        values.append(part if as_they_are else port.form.quantize(part))
    return tuple(values)


def _is_same_event(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether values in one shape are those in another, in the same order of axes."""
    if min(len(found), len(wanted)) == 1:
        return math.prod(found) == math.prod(wanted)
    return [n for n in found if n > 1] == [n for n in wanted if n > 1]


def evaluate(run: Run) -> bool:
    """Stage `evaluate`: AUC and TPR of every score, by the exact reference, and as figures."""
    settings = settings_in(run)

    def work() -> None:
        data = load_data(run)
        graph = score_graph(settings, load_model(run, "quantized"))
        found = {
            sample: graph.outputs(*port_values(settings, events, graph.interface))
            for sample, events in data.tested.items()
        }
        scores = {
            f"quantized/{name}": {
                sample: outputs[name].ravel() for sample, outputs in found.items()
            }
            for name in graph.output_names
        }
        for observable in data.test.observables:
            scores[f"baseline/{observable}"] = {
                name: sample.observables[observable] for name, sample in data.tested.items()
            }
        methods = {name: separation(samples, data.parents) for name, samples in scores.items()}
        result = {"test_background_events": len(data.test), "methods": methods}
        if run.audit_path.exists():
            result["audit"] = read_json(run.audit_path)
        write_json(run.metrics_path, result)
        deciding = settings.deciding_score
        quantized = scores[f"quantized/{deciding}"]
        figure = plots.score_distributions(quantized, deciding)
        plots.save(figure, run.plots_folder / "scores.png")
        if len(quantized) > 1:
            plots.save(plots.roc_curves(quantized, deciding), run.plots_folder / "roc.png")

    return run.stage("evaluate", work)


def fidelity_of_adopted(
    run: Run,
    data: Dataset,
    graph: TriggerGraph,
    reference: Mapping[str, TriggerOutput],
    firmware: Mapping[str, TriggerOutput],
) -> Fidelity:
    """What the scores have lost on the way from float, where the settings name a float model."""
    settings = settings_in(run)
    if settings.network.float_model is None:
        return adopted_fidelity(graph, reference, firmware, None, parents=data.parents)
    model = load_model(run, "float")
    in_float = {
        name: _scores_in_float(settings, model, sample, graph.interface)
        for name, sample in data.tested.items()
    }
    events = first_events(port_values(settings, data.test, graph.interface))
    seen = first_events(_network_inputs(settings, model, data.test, graph.interface))
    traced = graph.trace(*graph.with_threshold(events))
    formats = {name: graph.grids[name].format for name in traced}
    errors = layer_errors_of(model, traced, formats, seen)
    return adopted_fidelity(graph, reference, firmware, in_float, errors, data.parents)


def _scores_in_float(
    settings: Adoption, model: Any, sample: Sample, interface: Interface
) -> dict[str, np.ndarray]:
    """Scores of the float model."""
    seen = _network_inputs(settings, model, sample, interface)
    return scores_in_float(model, settings.scores, settings.network.roles, seen)


def _network_inputs(
    settings: Adoption, model: Any, sample: Sample, interface: Interface
) -> tuple[np.ndarray, ...]:
    """What a network in Keras sees of a sample: (events, ...) of each input."""
    values = port_values(settings, sample, interface)
    if settings.wires is not None and settings.wires.packed:
        values = (sample.x, *values[len(settings.wires.collections) :])
    x, *others = values
    scaler = _scaler(settings)
    if scaler is not None:
        x = scaler.transform(x).reshape(-1, *model.inputs[0].shape[1:])
    return (x, *others)


def settings_in(run: Run) -> Adoption:
    """Those of a run that has adopted its network, with the scaler that lies in it.

    Raises:
        InputError: a run of another kind.
    """
    settings = _adoption(run)
    if settings.network.inputs is None:
        return settings
    # What the user's own file has become since does not count.
    path = str(run.inputs_path("float"))
    network = settings.network.model_copy(update={"inputs": path})
    return settings.model_copy(update={"network": network})


def _adoption(run: Run) -> Adoption:
    """Settings of a run of this kind.

    Raises:
        InputError: of another.
    """
    if not isinstance(run.settings, Adoption):
        raise InputError(
            f"{run.folder} must be a run of 'keras-ae adopt', got one of an experiment"
        )
    return run.settings
