"""Random networks of a user's own: reference, Keras, storage, C++ and RTL agree in every bit.

Several graphs are compiled as one project, of parts that share nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from random_networks import Drawing, Request, build, drawings
from test_random_designs import draw_different, merged

from hls.cpp.convert import convert_trigger_graph
from hls.cpp.rules import check_graph
from hls.graph.assembly import check_networks
from hls.graph.build import build_trigger_graph
from hls.graph.layers.lookup_table import TABLE_FUNCTIONS
from hls.graph.layers.rescaling import Rescaling
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.comparison import HardwareValues
from hls.proof.keras_rounding import beyond_rounding
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.logic import trace_graph, width_of
from hls.rtl.rules import check_rtl
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.errors import InputError
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.tensor_scores import TensorScore

N_EVENTS = 200
#: Why a graph may be refused, and how many at most.
REASONS = (
    r"sums must stay within 2\^53 units",
    "must have at most 12 bits",
    r"entries of a table of .* must stay within 2\^53 units",
)
MOST_REFUSED = 0.2
#: Of the others, how many give more than a few scores at least.
LEAST_ACTIVE = 0.3
GRAPHS_AT_ONCE = 10


def graph_of(drawing: Drawing) -> tuple[TriggerGraph, HardwareValues] | None:
    """What is built of a drawing, and values of its inputs; None where that is rightly refused."""
    request = build(drawing)
    events = tuple(
        stress_events(form, shape, N_EVENTS, drawing.seed + number)
        for number, (form, shape) in enumerate(zip(request.forms, drawing.shapes, strict=True))
    )
    # Only what follows from widths is refused, which no single layer knows.
    assert check_networks(request.model) == []
    try:
        graph = build_trigger_graph(
            request.model,
            request.scores,
            events,
            0.1,
            input_formats=request.input_formats,
            threshold_input=drawing.threshold_input,
            table_error=drawing.table_error,
        )
    except InputError as refusal:
        assert "\n" not in str(refusal)
        assert re.search("|".join(REASONS), str(refusal)), (refusal, drawing)
        return None
    values = events
    if drawing.threshold_input:
        form = graph.layer("threshold").form
        values = (*events, stress_events(form, (1,), N_EVENTS, drawing.seed + 9))
    check_own_model(graph, request, drawing, events, values)
    return graph, values


def check_own_model(
    graph: TriggerGraph,
    request: Request,
    drawing: Drawing,
    events: HardwareValues,
    values: HardwareValues,
) -> None:
    """The reference gives the scores of the user's own model, where its float32 is exact."""
    if graph.inexact_in_float32 or has_constants_of_its_own(graph):
        return
    flat = [x for parts in request.tensors for x in parts]
    probe = keras.Model(request.model.inputs, list({id(x): x for x in flat}.values()))
    found = probe([part.astype(np.float32) for part in events])
    found = found if isinstance(found, list | tuple) else [found]
    by_tensor = {
        id(x): np.asarray(y, np.float64) for x, y in zip(probe.outputs, found, strict=True)
    }
    scores = graph.evaluate(*values).scores
    for score, tensors in zip(request.scores, request.tensors, strict=True):
        expected = score_of(score, [by_tensor[id(x)] for x in tensors], drawing.table_error)
        np.testing.assert_array_equal(scores[score.port].ravel(), expected, str(drawing))


def has_constants_of_its_own(graph: TriggerGraph) -> bool:
    """Whether Keras folds a batch normalization otherwise than the graph, in float32."""
    return any(
        isinstance(layer, Rescaling) and "batch_normalization" in layer.name
        for layer in graph.layers
    )


def score_of(score: TensorScore, tensors: Sequence[np.ndarray], table_error: float) -> np.ndarray:
    """In closed form, (events,)."""
    x, y = tensors[0], tensors[-1]
    step = 2.0 ** math.floor(math.log2(2 * table_error))
    if score.table is not None:
        y = np.rint(TABLE_FUNCTIONS[score.table](y) / step) * step
    terms: Callable[[], Any] = {
        "squared_error": lambda: (x - y) ** 2,
        "absolute_error": lambda: np.abs(x - y),
        "squared_norm": lambda: x**2,
        "value": lambda: x,
        "normalized_norm": lambda: x**2 * y,
        "gaussian_divergence": lambda: (x**2 + y) / 2,
    }[score.kind]
    found = terms() * (x != 0) if score.masked else terms()
    if score.term_format is not None:
        found = score.term_format.quantize(found)
    total = found.reshape(len(found), -1).sum(axis=1)
    return total if score.output_format is None else score.output_format.quantize(total)


def check_reference(graph: TriggerGraph, values: HardwareValues, folder: Path) -> None:
    """Keras gives the same as the reference, and so does the graph that is read again."""
    expected, found = graph.evaluate(*values), graph.evaluate_in_keras(*values)
    graph.save(folder / "graph.npz")
    again = TriggerGraph.load(folder / "graph.npz")
    assert again.interface == graph.interface
    loaded = again.evaluate(*values)
    np.testing.assert_array_equal(loaded.trigger, expected.trigger)
    for name, scores in expected.scores.items():
        np.testing.assert_array_equal(loaded.scores[name], scores, name)
        if not graph.inexact_in_float32:
            np.testing.assert_array_equal(found.scores[name], scores, name)
    if graph.inexact_in_float32:
        assert not beyond_rounding(graph.keras_model, graph, values).any()
    else:
        np.testing.assert_array_equal(found.trigger, expected.trigger)
    for name, numbers in graph.trace(*values).items():
        grid = graph.grids[name]
        np.testing.assert_array_equal(grid.format.quantize(numbers), numbers, name)
        assert (numbers >= grid.low).all() and (numbers <= grid.high).all(), name


def check_logic(graph: TriggerGraph, values: HardwareValues) -> None:
    """The logic that RTL is written of gives the same; da4ml evaluates it in 32 bits."""
    logic = trace_graph(graph)
    if max(width_of(operation.qint) for operation in logic.ops) > 31:
        return
    events = np.hstack([part.reshape(len(part), -1) for part in values])
    expected = np.hstack(list(graph.outputs(*values).values()))
    np.testing.assert_array_equal(logic.predict(events), expected)


def check_firmware(
    kept: Sequence[tuple[TriggerGraph, HardwareValues]], io_type: str, folder: Path
) -> list[str]:
    """Where C-simulation or RTL of all graphs together is not the reference."""
    graph = merged([part for part, _ in kept])
    values = tuple(values for _, parts in kept for values in parts)
    settings, bench = FirmwareSettings(io_type=io_type), [part[:20] for part in values]
    assert not check_graph(graph, settings) and not check_rtl(graph)
    convert_trigger_graph(graph, folder / "hls", settings, bench)
    validation = validate_project(graph, folder / "hls", {"stress": values})
    write_rtl_project(graph, folder / "rtl", settings, bench)
    with VerilogSimulation(folder / "rtl") as simulation:
        rtl = simulation.run(*values).output
    expected = validation.reference["stress"]
    failures = []
    for level, found in (("C++", validation.outputs["stress"]), ("RTL", rtl)):
        for name, scores in expected.scores.items():
            differ = int((found.scores[name] != scores).sum())
            if differ:
                failures.append(f"{level}, {name}: {differ} of {N_EVENTS} events")
        for name, fired in expected.bits.items():
            if (found.bits[name] != fired).any():
                failures.append(f"{level}: {name}")
    if not failures and not validation.is_proved:
        failures.append(f"{validation.as_dict()}")
    return failures


def check_drawings(
    drawn: Sequence[Drawing], folder: Path
) -> list[tuple[Drawing, TriggerGraph, HardwareValues]]:
    """Those that are not refused, after all that needs no compiler; few are."""
    kept, n_values = [], []
    for drawing in drawn:
        keras.backend.clear_session()
        found = graph_of(drawing)
        if found is None:
            continue
        graph, values = found
        check_reference(graph, values, folder)
        check_logic(graph, values)
        kept.append((drawing, graph, values))
        scores = graph.evaluate(*values).scores.values()
        n_values.append(max(len(np.unique(score)) for score in scores))
    assert len(drawn) - len(kept) <= MOST_REFUSED * len(drawn)
    # Many of them do something.
    assert np.mean(np.array(n_values) > 3) > LEAST_ACTIVE
    return kept


def check_all(n: int, io_type: str, folder: Path, derandomize: bool) -> None:
    kept = check_drawings(draw_different(drawings(), n, derandomize, times=4), folder)
    failures = []
    for first in range(0, len(kept), GRAPHS_AT_ONCE):
        part = kept[first : first + GRAPHS_AT_ONCE]
        found = check_firmware([pair[1:] for pair in part], io_type, folder / str(first))
        if found:
            failures += [*found, *(f"d{i}: {drawing}" for i, (drawing, *_) in enumerate(part))]
    assert not failures, "\n".join(failures)


@pytest.mark.filterwarnings("ignore:score .* must leave background events above its threshold")
@pytest.mark.parametrize("n", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_reference_keras_and_storage(n: int, tmp_path: Path) -> None:
    drawn = draw_different(drawings(), n, derandomize=True, times=4)
    assert len(drawn) == n
    check_drawings(drawn, tmp_path)


@pytest.mark.filterwarnings("ignore:score .* must leave background events above its threshold")
@pytest.mark.parametrize(
    "io_type", ["io_parallel", pytest.param("io_stream", marks=pytest.mark.slow)]
)
def test_firmware(io_type: str, tmp_path: Path) -> None:
    check_all(3, io_type, tmp_path, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_firmware_of_many(io_type: str, tmp_path: Path) -> None:
    check_all(60, io_type, tmp_path, derandomize=False)
