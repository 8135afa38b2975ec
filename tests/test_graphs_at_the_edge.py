"""What random graphs have found: each a small graph, all compiled as one project."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from test_random_designs import merged

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_score_graph, with_decision
from hls.graph.keras_layers import HardwareInput
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.precision import QActivation, QDense, fixed_point
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.tensor_scores import squared_norm

FORM, N_EVENTS = FixedPointFormat(4, 0), 100


def always_zero() -> TriggerGraph:
    """Terms that all are rounded to zero: 0.25 at most, in steps of one."""
    x = HardwareInput((2,), str(FORM), name="x").output
    score = squared_norm("x", term_format=FixedPointFormat(2, 2))
    graph = build_score_graph(keras.Model(x, x), score)
    assert not graph.grids["squared_norm"].high.any()
    return with_decision(graph, 0.0)


def end_finer_than_what_comes_in() -> TriggerGraph:
    """Sums in steps of 1/4 that saturate at 1 - 1/8, in another mode than QKeras'."""
    x = HardwareInput((2,), "ufixed<3,3>", name="x").output
    weights = {f"{kind}_quantizer": fixed_point("fixed<4,2>") for kind in ("kernel", "bias")}
    layer = QDense(2, name="sums", **weights)
    y = QActivation(fixed_point("fixed<4,1,RND>"), name="y")(layer(x))
    layer.set_weights([np.array([[0.25, 0.5], [0.75, 0.25]]), np.zeros(2)])
    return with_decision(build_score_graph(keras.Model(x, y), squared_norm("y")), 0.5)


def one_square() -> TriggerGraph:
    """Below one, of more bits than a table has, and rounded."""
    x = HardwareInput((1,), "fixed<10,0>", name="x").output
    score = squared_norm("x", output_format=FixedPointFormat.parse("ufixed<8,0,TRN>"))
    return with_decision(build_score_graph(keras.Model(x, x), score), 0.1)


def an_ordinary_one() -> TriggerGraph:
    """Results of RTL must depend on the event somewhere."""
    x = HardwareInput((2,), str(FORM), name="x").output
    return with_decision(build_score_graph(keras.Model(x, x), squared_norm("x")), 0.2)


@pytest.mark.slow
def test_every_bit(tmp_path: Path) -> None:
    graph = merged([always_zero(), end_finer_than_what_comes_in(), one_square(), an_ordinary_one()])
    values = tuple(
        stress_events(port.form, graph.grids[port.name].shape, N_EVENTS, seed)
        for seed, port in enumerate(graph.interface.inputs)
    )
    settings, bench = FirmwareSettings(), [part[:20] for part in values]
    convert_trigger_graph(graph, tmp_path / "hls", settings, bench)
    assert validate_project(graph, tmp_path / "hls", {"stress": values}).is_proved
    write_rtl_project(graph, tmp_path / "rtl", settings, bench)
    with VerilogSimulation(tmp_path / "rtl") as simulation:
        found = simulation.run(*values).output
    for name, scores in graph.evaluate(*values).scores.items():
        np.testing.assert_array_equal(found.scores[name], scores, name)
