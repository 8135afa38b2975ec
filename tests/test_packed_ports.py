"""Firmware that takes packed words: the numbers in them are those of NumPy's unpacking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from test_packing import bits_of_fields, events

from hls.cost.features import count_logic
from hls.cpp.convert import convert_trigger_graph
from hls.graph.counting import Logic
from hls.graph.grid import Grid
from hls.graph.layer import GraphInput
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.layers.unpacking import PART_FORMAT, UnpackWords
from hls.graph.node import Node
from hls.graph.packed_ports import port_values, unpacked_inputs
from hls.graph.refusal import Refusal
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.validate import validate_project
from hls.rtl.levels import timed
from hls.rtl.logic import trace_graph
from hls.rtl.verilator import VerilogSimulation
from hls.rtl.write import write_rtl_project
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.packing import unpack
from keras_ae.front_end.presets import load_front_end
from keras_ae.settings.firmware import FirmwareSettings

N_EVENTS = 2000

#: Words of one part and of two, with a field that lies in both, and bits that are nobody's.
SMALL = {
    "objects": {
        "jet": {
            "slots": 3,
            "word_bits": 20,
            "fields": {
                "eta": {"format": "fixed<5,5>", "low_bit": 9},
                "pt": {"format": "ufixed<7,7>", "low_bit": 0},
            },
        },
        "muon": {
            "slots": 2,
            "word_bits": 64,
            "fields": {
                "phi": {"format": "ufixed<7,7>", "low_bit": 3},
                "eta": {"format": "fixed<8,8>", "low_bit": 27},
                "quality": {"format": "ufixed<4,4>", "low_bit": 60},
            },
        },
    }
}


@pytest.fixture(scope="module")
def front_end() -> FrontEnd:
    return load_front_end(SMALL)


def random_words(front_end: FrontEnd, n_events: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Every bit at random; the first events are all zero and all one."""
    rng = np.random.default_rng(seed)
    words = {}
    for name, kind in front_end.collections.items():
        ones = np.uint64(2 ** (kind.word_bits or 0) - 1)
        drawn = rng.integers(0, 2**64, (n_events, kind.slots), np.uint64) & ones
        drawn[:2] = np.array([[0], [ones]], np.uint64)
        words[name] = drawn
    return words


def parts_of(front_end: FrontEnd, words: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Of each word, by division."""
    found = []
    for name, kind in front_end.collections.items():
        low, high = words[name] % np.uint64(2**32), words[name] // np.uint64(2**32)
        found.append(np.stack([low, high] if (kind.word_bits or 0) > 32 else [low], axis=-1))
    return tuple(found)


def graph_of(front_end: FrontEnd) -> TriggerGraph:
    """Ports -> unpacked -> quantizer -> score -> decision."""
    packed = unpacked_inputs(front_end)
    # Holds every field: no bit is lost.
    form = FixedPointFormat(8, 8)
    score = SquaredNorm(input_formats=(form,), name="score")
    rounded = Node(Quantizer(form, name="rounded"), (packed.output,))
    nodes = [*packed.nodes, rounded, Node(score, ("rounded",))]
    total = LayerGraph.of(nodes, packed.ports, ("score",)).grids["score"].format
    decision = AboveThreshold(38000.0, input_formats=(total,), name="trigger")
    nodes.append(Node(decision, ("score",)))
    return TriggerGraph.of(nodes, packed.ports, ("score", "trigger"))


def unpacking_graph(front_end: FrontEnd) -> LayerGraph:
    packed = unpacked_inputs(front_end)
    return LayerGraph.of(packed.nodes, packed.ports, (packed.output,))


def check_grid(front_end: FrontEnd, grid: Grid) -> None:
    """Of each column, all values of its field."""
    assert grid.shape == (front_end.n_values,)
    for column in front_end.columns:
        form = column.field.format
        assert form is not None
        found = (part[column.index] for part in (grid.step, grid.low, grid.high))
        assert tuple(found) == (1, form.low, form.high), column.name


@pytest.mark.parametrize("content", [SMALL, "cms_ugt_run3"])
def test_numbers_of_random_words(content: Any) -> None:
    front_end = load_front_end(content)
    graph = unpacking_graph(front_end)
    words = random_words(front_end, N_EVENTS)
    values = parts_of(front_end, words)
    expected = unpack(front_end, words)
    np.testing.assert_array_equal(graph.outputs(*values)["objects"], expected)
    np.testing.assert_array_equal(graph.in_keras(*values)["objects"], expected)
    assert graph.inexact_in_float32 == ()
    check_grid(front_end, graph.grids["objects"])
    # Bits of no field do not come back.
    again = zip(front_end.collections.values(), words.values(), strict=True)
    used = [word & np.uint64(bits_of_fields(kind)) for kind, word in again]
    for found, word, port in zip(port_values(front_end, expected), used, values, strict=True):
        assert found.dtype == np.uint32 and found.shape == port.shape
        np.testing.assert_array_equal(
            sum(found[..., n].astype(object) << 32 * n for n in range(found.shape[-1])),
            word.astype(object),
        )


def test_ports() -> None:
    packed = unpacked_inputs(load_front_end("cms_ugt_run3"))
    layers = {node.name: node.layer for node in packed.nodes}
    shapes = {}
    for name in packed.ports:
        layer = layers[name]
        assert isinstance(layer, GraphInput) and layer.form == FixedPointFormat(32, 32, False)
        shapes[name] = layer.shape
    assert shapes == {
        **dict.fromkeys(("jet", "egamma", "tau"), (12, 1)),
        "muon": (8, 2),
        **dict.fromkeys(("ett", "htt", "met"), (1, 1)),
    }
    assert packed.output == "objects"


def test_words_that_are_whole() -> None:
    """Hand-made: a muon whose phi at the vertex is 547, and eta -225 over the middle of a word."""
    layer = UnpackWords(("ufixed<10,10>", "fixed<9,9>", "fixed<3,3>"), (43, 25, 61))
    low, high = 0, 0
    high += 547 << 11
    # -225 is 287 of 512: 31 of its seven low bits, 2 above.
    low += 31 << 25
    high += 2
    # -3 is 101.
    high += 0b101 << 29
    found = layer.exact(np.array([[[low, high]]], np.float64))
    assert found.tolist() == [[547.0, -225.0, -3.0]]


def test_one_collection() -> None:
    front_end = load_front_end({"objects": {"jet": SMALL["objects"]["jet"]}})
    packed = unpacked_inputs(front_end, "all_numbers")
    assert [node.name for node in packed.nodes] == ["jet", "all_numbers"]
    graph = LayerGraph.of(packed.nodes, packed.ports, ("all_numbers",))
    words = random_words(front_end, 100)
    found = graph.outputs(*parts_of(front_end, words))["all_numbers"]
    np.testing.assert_array_equal(found, unpack(front_end, words))


@settings(deadline=None, max_examples=60)
@given(events())
def test_any_front_end(drawn: tuple[FrontEnd, list[list[int]]]) -> None:
    """Values -> words -> parts -> values; in the logic of RTL, too."""
    front_end, rows = drawn
    formats = [column.field.format for column in front_end.columns]
    if max(form.width for form in formats if form is not None) > 53:
        with pytest.raises(Refusal, match=r"2\^53"):
            unpacking_graph(front_end)
        return
    graph = unpacking_graph(front_end)
    values = port_values(front_end, np.array(rows, np.int64))
    assert graph.outputs(*values)["objects"].tolist() == rows
    # da4ml's interpreter takes a sign beyond 32 bits for another.
    if all(form.width <= 31 for form in formats if form is not None):
        logic = trace_graph(graph)
        flat = np.hstack([part.reshape(len(rows), -1) for part in values]).astype(np.float64)
        assert logic.predict(flat).tolist() == rows


def test_unpacking_is_wires(front_end: FrontEnd) -> None:
    graph = unpacking_graph(front_end)
    logic = timed(trace_graph(graph), 8)
    assert logic.cost == 0 and max(op.latency for op in logic.ops) == 0
    counted, signals = count_logic(graph)
    assert counted == Logic() and signals["objects"].depth.max() == 0


@pytest.mark.parametrize(
    "io_type", ["io_parallel", pytest.param("io_stream", marks=pytest.mark.slow)]
)
def test_c_simulation(front_end: FrontEnd, io_type: str, tmp_path: Path) -> None:
    graph = graph_of(front_end)
    values = parts_of(front_end, random_words(front_end, N_EVENTS))
    chosen = FirmwareSettings(io_type=io_type)
    convert_trigger_graph(graph, tmp_path / "firmware", chosen, [part[:20] for part in values])
    proof = validate_project(graph, tmp_path / "firmware", {"words": values})
    assert proof.mismatching_bits == 0 and proof.is_proved and proof.events == N_EVENTS
    check_scores(front_end, graph, values)


def test_rtl(front_end: FrontEnd, tmp_path: Path) -> None:
    graph = graph_of(front_end)
    values = parts_of(front_end, random_words(front_end, N_EVENTS))
    chosen = FirmwareSettings(levels_per_stage=8)
    write_rtl_project(graph, tmp_path / "rtl", chosen, [part[:20] for part in values])
    with VerilogSimulation(tmp_path / "rtl") as simulation:
        found = simulation.run(*values).output
    expected = graph.evaluate(*values)
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.trigger, expected.trigger)
    check_scores(front_end, graph, values)


def check_scores(front_end: FrontEnd, graph: TriggerGraph, values: tuple[np.ndarray, ...]) -> None:
    """What the reference gives is the score of NumPy's numbers, and decides some."""
    numbers = unpack(front_end, random_words(front_end, N_EVENTS)).astype(np.int64)
    found = graph.evaluate(*values)
    np.testing.assert_array_equal(found.score.ravel(), (numbers**2).sum(axis=1))
    assert 0.1 < found.trigger.mean() < 0.9


def test_names_that_are_taken() -> None:
    jet = SMALL["objects"]["jet"]
    for name in ("unpack_jet", "objects"):
        front_end = load_front_end({"objects": {"jet": jet, name: jet}})
        message = f"^name of a collection must be none of the graph's objects, .*, got '{name}'$"
        with pytest.raises(InputError, match=message):
            unpacked_inputs(front_end)


def test_front_ends_without_words() -> None:
    front_end = load_front_end("axol1tl")
    with pytest.raises(InputError, match="^front_end must have word_bits"):
        unpacked_inputs(front_end)
    with pytest.raises(InputError, match="^front_end must have word_bits"):
        port_values(front_end, np.zeros((1, 57)))


FORMS = ("ufixed<4,4>", "fixed<4,4>")


@pytest.mark.parametrize(
    ("formats", "low_bits", "message"),
    [
        (FORMS, (0,), r"field_formats and low_bits must be as many, one at least, got \(2, 1\)"),
        ((), (), r"field_formats and low_bits must be as many, one at least, got \(0, 0\)"),
        (("fixed<4,2>",), (0,), "field_formats must be of integers, got fixed<4,2>"),
        (FORMS, (0, -1), "low_bits must be >= 0, got -1"),
    ],
)
def test_fields_that_are_none(formats: Any, low_bits: Any, message: str) -> None:
    with pytest.raises(Refusal, match=f"^layer 'unpack_words': {message}"):
        UnpackWords(formats, low_bits)


@pytest.mark.parametrize(
    ("form", "shape", "message"),
    [
        (PART_FORMAT, (3,), r"words must be of shape \(slots, parts\), at most 2 .* got \(3,\)"),
        (PART_FORMAT, (2, 3), r"words must be of shape .* got \(2, 3\)"),
        (PART_FORMAT, (2, 1), "fields must end within the 32 bits of 1 parts, got 34"),
        (
            FixedPointFormat(33, 33, False),
            (2, 2),
            "parts of words must be numbers of ufixed<32,32>",
        ),
        (FixedPointFormat(8, 8), (2, 2), "parts of words must be .* got fixed<8,8>"),
        (FixedPointFormat(8, 6, False), (2, 2), "parts of words must be .* got ufixed<8,6>"),
    ],
)
def test_words_that_are_none(form: FixedPointFormat, shape: Any, message: str) -> None:
    layer = UnpackWords(FORMS, (0, 30))
    nodes = [Node(GraphInput(form, shape, name="words")), Node(layer, ("words",))]
    with pytest.raises(Refusal, match=f"^layer 'unpack_words': {message}"):
        LayerGraph.of(nodes, ("words",), ("unpack_words",))
