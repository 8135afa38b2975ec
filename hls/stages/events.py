"""What a run's firmware is given: the events of its data, of files, and those that provoke."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from hls.graph.facts import Origin
from hls.graph.interface import Interface
from hls.graph.layers.unpacking import UnpackWords
from hls.graph.packed_ports import port_values
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.comparison import HardwareValues
from hls.proof.stress import stress_events, stress_words
from hls.stages.adopted import port_values as values_of_adopted
from keras_ae.data.dataset import Dataset, Sample, read_samples
from keras_ae.data.source import BACKGROUND
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.run_contents import fitted_inputs, network_inputs
from keras_ae.runs import Run
from keras_ae.settings.adoption import Adoption
from keras_ae.settings.experiment import Experiment

N_STRESS_EVENTS = 20_000
N_BENCH_EVENTS = 1_000
#: Events of a file that are compared at once.
_PART = 100_000


def hardware_values(run: Run, sample: Sample, interface: Interface) -> HardwareValues:
    """What the trigger sees of a sample: hardware values (events, ...), and condition if any.

    Events are as the wires carry them, which the firmware scales; a condition, and what stands on
    wires without a format of their own, is in the format of the network's input.

    Args:
        run: of which the trigger is.
        sample: of its data.
        interface: of the trigger's graph, with or without its decision.
    """
    if isinstance(run.settings, Adoption):
        return values_of_adopted(run.settings, sample, interface)
    inputs = network_inputs(run, "quantized", sample)
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    wires = run.experiment.wires
    if not wires.is_hardware:
        return parts
    if wires.packed:
        return (*port_values(wires, sample.x), *parts[1:])
    return (sample.x.reshape(len(sample), *interface.inputs[0].event_shape), *parts[1:])


def compared_samples(
    run: Run,
    data: Dataset,
    graph: TriggerGraph,
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
        yield name, graph.with_threshold(hardware_values(run, sample, graph.interface))
    for path in event_files:
        events = events_of_file(run, path)
        n_done += len(events)
        for start in range(0, len(events), _PART):
            part = events.take(np.arange(start, min(start + _PART, len(events))))
            values = hardware_values(run, part, graph.interface)
            yield f"file/{path}", graph.with_threshold(values)
    n_stress = max(N_STRESS_EVENTS, n_events - n_done)
    for number, first in enumerate(range(0, n_stress, N_STRESS_EVENTS)):
        seed = run.settings.seed + 1000 * number
        yield "stress", stress(graph, min(N_STRESS_EVENTS, n_stress - first), seed)


def events_of_file(run: Run, path: Path, max_events: int | None = None) -> Sample:
    """Events of a file like that of the background of a run's data."""
    experiment = run.experiment
    source = experiment.data.of_file(path, max_events)
    try:
        return read_samples(source, experiment.wires, experiment.counts)[BACKGROUND]
    except (InputError, FileNotFoundError) as error:
        # The background of the run's data is another file.
        raise type(error)(f"--events: {str(error).removeprefix('data.background: ')}") from error


def bench_inputs(run: Run, data: Dataset, graph: TriggerGraph) -> list[np.ndarray]:
    """Of the background, events of a test bench: (events, ...) of each input."""
    values = hardware_values(run, data.validation, graph.interface)
    return first_events(graph.with_threshold(values))


def first_events(inputs: HardwareValues) -> list[np.ndarray]:
    """Of values of all inputs, as many events as a test bench has."""
    return [part[:N_BENCH_EVENTS] for part in inputs]


def stress(graph: TriggerGraph, n_events: int, seed: int) -> HardwareValues:
    """Stress events on every input but the threshold, which stays where it belongs."""
    values = []
    for number, port in enumerate(graph.interface.inputs):
        shape = graph.grids[port.name].shape
        takers = [node.layer for node in graph.consumers(port.name)]
        if port.name in graph.threshold_inputs:
            continue
        if any(isinstance(layer, UnpackWords) for layer in takers):
            values.append(stress_words(shape, n_events, seed + number))
        else:
            values.append(stress_events(port.form, shape, n_events, seed + number))
    return graph.with_threshold(tuple(values))


def origin_of(run: Run) -> Origin:
    """Where the project of a run comes from."""
    settings = run.settings
    return Origin(
        f"{settings.name}: {settings.deployed}",
        settings.trigger.fpr,
        settings.trigger.input_rate_khz,
        settings.wires,
    )


def scaler_of(run: Run) -> ScaledInputs | None:
    """What firmware makes network inputs of; None where these stand on the wires."""
    if not run.experiment.wires.is_hardware:
        return None
    # What is no such is refused by the settings of an experiment with firmware.
    found = cast(ScaledInputs, fitted_inputs(run, "quantized"))
    return None if found.is_identity else found


def wires_in_firmware(experiment: Experiment) -> FrontEnd | None:
    """What the first ports carry; None where they are in the format of the network's input."""
    return experiment.wires if experiment.wires.is_hardware else None
