"""Graphs made by hand or read from a file: what is wrong with one is said in one line."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import test_layer_contract as contract

from hls.graph.grid import Grid
from hls.graph.keras_layers import HardwareInput
from hls.graph.layer import KERAS_LAYERS, LAYERS, CppForm, GraphInput, Layer, register
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.convolution import Convolution
from hls.graph.layers.decision import AboveThreshold
from hls.graph.layers.error_scores import SquaredError
from hls.graph.layers.kernel_layers import Dense
from hls.graph.layers.logic_layer import LogicLayer
from hls.graph.layers.lookup_table import LookupTable
from hls.graph.layers.measured_inputs import AbsoluteValues, RelativeAngles
from hls.graph.layers.moving_layers import Concatenate, Reshape
from hls.graph.layers.pooling_layers import MaxPooling
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.scale_inputs import ScaleInputs
from hls.graph.layers.score_layers import SquaredNorm
from hls.graph.node import Node
from hls.graph.refusal import Refusal
from hls.graph.storage import read_graph, write_nodes
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

FORM = FixedPointFormat(6, 3)
IN = Node(GraphInput(FORM, (3,), name="in"))
NORM = Node(SquaredNorm(input_formats=(FORM,), name="norm"), ("in",))
SCORE = LayerGraph.of([IN, NORM], ["in"], ["norm"]).grids["norm"].format
DECISION = Node(AboveThreshold(1.0, input_formats=(SCORE,), name="trigger"), ("norm",))


def node(layer: Layer, *inputs: str) -> Node:
    return Node(dataclasses.replace(layer, name="x"), inputs or ("in",))


@pytest.mark.parametrize(
    ("nodes", "inputs", "outputs", "message"),
    [
        ([IN, IN, NORM], ["in"], ["norm"], "'in': the name of a layer must be unique"),
        ([IN, node(Quantizer(FORM), "y")], ["in"], ["x"], "'x': inputs must be layers .*got 'y'"),
        ([IN, node(Quantizer(FORM), "x")], ["in"], ["x"], "'x': inputs must be layers .*got 'x'"),
        ([IN, NORM], [], ["norm"], "'in': an input must be one of the graph's"),
        ([IN, NORM], ["in", "norm"], ["norm"], "'norm': each input of a graph must be one of its"),
        ([IN, NORM], ["in"], ["score"], "'score': each output of a graph must be a layer"),
        ([IN, NORM], ["in"], ["norm", "norm"], "'norm': each output of a graph must be named once"),
        ([IN, NORM], ["in", "in"], ["norm"], "'in': each input of a graph must be named once"),
    ],
)
def test_names_that_do_not_fit(
    nodes: list[Node], inputs: list[str], outputs: list[str], message: str
) -> None:
    with pytest.raises(Refusal, match=f"^layer {message}"):
        LayerGraph.of(nodes, inputs, outputs)
    with pytest.raises(Refusal, match=f"^layer {message}"):
        LayerGraph(tuple(nodes), tuple(inputs), tuple(outputs))


KERNEL = np.ones((3, 2), np.float32)


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        (Dense(KERNEL, FORM), ("in", "in"), "inputs must be 1, got 2"),
        (
            Dense(KERNEL, FORM),
            ("image",),
            r"input must have the shape of the kernel's, \(3,\)",
        ),
        (Concatenate(), ("in", "image"), "inputs must have equal sizes but the last"),
        (SquaredNorm(input_formats=(FORM,)), ("in", "in"), "inputs must be 1, got 2"),
        (SquaredError(input_formats=(FORM, FORM)), ("in",), "inputs must be 2, got 1"),
        (
            SquaredError(input_formats=(FORM, FORM)),
            ("in", "image"),
            "inputs must have the same shape",
        ),
        (Reshape((2, 2)), ("in",), r"shape \(2, 2\) must have as many values as the input"),
        (
            MaxPooling((2, 2)),
            ("image",),
            r"pools must lie side by side .*got pool \(2, 2\)",
        ),
        (MaxPooling((1, 1)), ("in",), r"input must be an image of shape \(rows, columns, channels"),
        (
            Convolution(np.ones((2, 2, 5, 1)), FORM),
            ("image",),
            r"input must be an image of 5 channels",
        ),
        (AboveThreshold(0.0, input_formats=(FORM,)), ("in",), "score and threshold must be one"),
        (
            SquaredNorm(input_formats=("fixed<5,2>",)),
            ("in",),
            "input_formats must hold what comes in, numbers of fixed<6,3>, got fixed<5,2>",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else None,
)
def test_inputs_that_do_not_fit(layer: Layer, inputs: tuple[str, ...], message: str) -> None:
    image = Node(GraphInput(FORM, (3, 1, 2), name="image"))
    with pytest.raises(Refusal, match=f"^layer 'x': {message}"):
        LayerGraph.of([IN, image, node(layer, *inputs)], ["in", "image"], ["x"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GraphInput(FORM, ()), "shape must be of sizes >= 1"),
        (lambda: GraphInput(FORM, (3, 0)), "shape must be of sizes >= 1"),
        (lambda: Dense(KERNEL, FORM, np.ones(2)), "bias and bias_format must be given together"),
        (lambda: Dense(KERNEL * np.nan, FORM), "kernel must hold finite real numbers"),
        (lambda: Dense([["a"]], FORM), "kernel must hold finite real numbers, got .* type <U1"),
        (lambda: Dense(KERNEL, FORM, [1.5], FORM), r"one number for each of 2 outputs, got \(1,\)"),
        (lambda: Dense(KERNEL, FORM, 1.5, FORM), r"one number for each of 2 outputs, got \(\)"),
        (lambda: Dense(KERNEL, FORM, [[1, 2]], FORM), r"each of 2 outputs, got \(1, 2\)"),
        (lambda: Dense(KERNEL[None], FORM), r"kernel must have 2 axes, none .*got \(1, 3, 2\)"),
        (lambda: Dense(np.ones((2, 0)), FORM), r"none of them empty, got \(2, 0\)"),
        (lambda: Dense(1.0, FORM), r"kernel must have 2 axes, none of them empty, got \(\)"),
        (lambda: AboveThreshold("1", input_formats=(FORM,)), "threshold must be a finite number"),
        (lambda: AboveThreshold(None, input_formats=(FORM,)), "threshold must be a finite number"),
        (lambda: SquaredNorm(input_formats=(FORM, FORM)), "input_formats must be 1, one for each"),
        (
            lambda: LookupTable("tanh", 0.1, input_formats=(FORM,)),
            "function must be one of sig",
        ),
        (
            lambda: LookupTable("sigmoid", 0.0, input_formats=(FORM,)),
            "max_error must be a posi",
        ),
        (
            lambda: AboveThreshold(np.nan, input_formats=(FORM,)),
            "threshold must be a finite",
        ),
        (lambda: AboveThreshold(1.0, True, input_formats=(FORM,)), "input_formats must be 2, one"),
        (
            lambda: AboveThreshold(9.0, True, input_formats=(FORM, FORM)),
            "threshold must be a value of its port, -4 to 3.875, got 9",
        ),
        (
            lambda: ScaleInputs((0,) * 3, (0,) * 3, (0,) * 6, (0,) * 3, input_formats=(FORM,)),
            r"columns, offsets, shifts and guards must be as many, got {3, 6}",
        ),
        (
            lambda: RelativeAngles((0,), (0,), (1,), (8, 8), input_formats=(FORM,)),
            r"columns, references, factors and turns must be as many, got {1, 2}",
        ),
        (lambda: AbsoluteValues((), input_formats=(FORM,)), "columns must be one at least"),
    ],
)
def test_layers_that_cannot_be(make: Callable[[], Layer], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Quantizer(8),
        lambda: Quantizer(None),
        lambda: SquaredNorm(input_formats=(8,)),
        lambda: SquaredNorm(input_formats=None),
    ],
)
def test_formats_that_are_none(make: Callable[[], Layer]) -> None:
    with pytest.raises(
        InputError, match="precision must be 'fixed<W,I>' or 'ufixed<W,I>', with .*, got"
    ):
        make()


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(InputError, match="^name of a layer must be text, got 3$"):
        Quantizer(FORM, name=3)  # type: ignore[arg-type]


def test_one_format_alone() -> None:
    assert SquaredNorm(input_formats="fixed<6,3>").input_formats == (FORM,)  # type: ignore[arg-type]
    assert SquaredNorm(input_formats=FORM).input_formats == (FORM,)  # type: ignore[arg-type]


def test_formats_as_text_and_arrays_as_lists() -> None:
    layer = Dense([[1.0], [2.0]], "fixed<4,3>", [0.5], "fixed<4,3>")  # type: ignore[arg-type]
    assert layer.kernel_format == FixedPointFormat(4, 3)
    np.testing.assert_array_equal(layer.weights.kernel, [[1], [2]])
    assert GraphInput("fixed<8,4>", [2, 3]).shape == (2, 3)  # type: ignore[arg-type]
    assert Quantizer("ufixed<3,1>").name == "quantizer"  # type: ignore[arg-type]
    assert SquaredNorm(input_formats=["fixed<4,2>"]).name == "squared_norm"  # type: ignore[arg-type]


class TestTriggers:
    def test_without_a_score(self) -> None:
        with pytest.raises(InputError, match="outputs of a trigger graph must be a sc.*got norm"):
            TriggerGraph.of([IN, NORM], ["in"], ["norm"])

    def test_without_a_decision(self) -> None:
        other = Node(SquaredNorm(input_formats=(FORM,), name="other"), ("in",))
        message = (
            "'other': the last output of a trigger graph must be its decision, got SquaredNorm"
        )
        with pytest.raises(Refusal, match=message):
            TriggerGraph.of([IN, NORM, other], ["in"], ["norm", "other"])

    def test_on_another_score(self) -> None:
        other = Node(SquaredNorm(input_formats=(FORM,), name="other"), ("in",))
        message = "'trigger': decision must be on the first output, 'other', got 'norm'"
        with pytest.raises(Refusal, match=message):
            TriggerGraph.of([IN, NORM, other, DECISION], ["in"], ["other", "norm", "trigger"])

    def test_outputs_of_several_numbers(self) -> None:
        with pytest.raises(Refusal, match="'in': outputs of a trigger graph must be one number"):
            TriggerGraph.of([IN, NORM, DECISION], ["in"], ["norm", "in", "trigger"])

    def test_threshold_that_is_not_the_last_input(self) -> None:
        port = Node(GraphInput(SCORE, (1,), name="limit"))
        decision = AboveThreshold(1.0, True, input_formats=(SCORE, SCORE), name="trigger")
        nodes = [IN, NORM, port, Node(decision, ("norm", "limit"))]
        with pytest.raises(Refusal, match="threshold must be the last input, 'in', got 'limit'"):
            TriggerGraph.of(nodes, ["limit", "in"], ["norm", "trigger"])
        graph = TriggerGraph.of(nodes, ["in", "limit"], ["norm", "trigger"])
        (_, limit) = graph.with_threshold((np.zeros((2, 3)),))
        assert limit.tolist() == [[1.0], [1.0]]


def test_a_layer_that_is_not_there() -> None:
    graph = LayerGraph.of([IN, NORM], ["in"], ["norm"])
    with pytest.raises(InputError, match="^layer must be one of in, norm, got 'score'$"):
        graph.layer("score")


def test_threads() -> None:
    graph = LayerGraph.of([IN, NORM], ["in"], ["norm"])
    with pytest.raises(InputError, match="^n_threads must be an integer >= 1, got -1$"):
        graph.outputs(np.zeros((2, 3)), n_threads=-1)


class TestFiles:
    """Of stored graphs."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "trigger.npz"
        TriggerGraph.of([IN, NORM, DECISION], ["in"], ["norm", "trigger"]).save(path)
        return path

    def rewritten(self, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
        with np.load(path) as file:
            content = json.loads(str(file["graph"]))
        change(content)
        with path.open("wb") as file:
            np.savez(file, graph=np.array(json.dumps(content)))

    def test_in_a_process_of_its_own(self, tmp_path: Path) -> None:
        # Every layer, without TensorFlow and whatever else the process has not imported.
        graph = contract.merged(contract.CASES)
        graph.save(tmp_path / "all.npz")
        values = contract.events_of(graph, 50)
        np.savez(tmp_path / "in.npz", *values)
        code = (
            "import sys, numpy as np; from pathlib import Path\n"
            "from hls.graph.trigger_graph import TriggerGraph\n"
            f"graph = TriggerGraph.load(Path({str(tmp_path / 'all.npz')!r}))\n"
            f"values = list(np.load({str(tmp_path / 'in.npz')!r}).values())\n"
            f"np.savez({str(tmp_path / 'out.npz')!r}, **graph.outputs(*values))\n"
            "print({'tensorflow', 'keras', 'qkeras', 'hls4ml', 'da4ml'} & set(sys.modules))"
        )
        root = Path(__file__).parents[1]
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
        )
        assert found.stdout.strip() == "set()"
        with np.load(tmp_path / "out.npz") as outputs:
            for name, expected in graph.outputs(*values).items():
                np.testing.assert_array_equal(outputs[name], expected, name)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda c: c.update(format=2), "format must be 1, got 2: 'keras-ae convert' writes it"),
            (lambda c: c.pop("format"), "got a damaged one: 'format'"),
            (lambda c: c.update(layers={}), "must be a trigger graph: "),
            (lambda c: c["layers"][0].update(kind="Nothing"), "got 'Nothing': import the module"),
            (lambda c: c["layers"][0].update(fields=[]), "got a damaged one"),
            (lambda c: c["layers"][0]["fields"].update(form="fixed<4"), "precision must be 'fixed"),
            (lambda c: c["layers"][0]["fields"].update(form=7), "precision must be 'fixed<W,I>'"),
            (lambda c: c["layers"][0]["fields"].update(shape="3"), "got a damaged one"),
            (lambda c: c["layers"][0]["fields"].update(shape=[4.5]), "got a damaged one"),
            (lambda c: c["layers"][0]["fields"].update(other=1), "got a damaged one"),
            (lambda c: c["layers"][1].update(inputs=["y"]), "inputs must be layers of the graph"),
            (lambda c: c["layers"].reverse(), "inputs must be layers of the graph"),
            (lambda c: c.update(outputs=["score"]), "must be a trigger graph: "),
            (lambda c: c["layers"].append(c["layers"][0]), "must be unique"),
        ],
    )
    def test_damaged(self, path: Path, change: Callable[[Any], object], message: str) -> None:
        self.rewritten(path, change)
        with pytest.raises(InputError, match=message) as caught:
            TriggerGraph.load(path)
        assert str(caught.value).startswith(str(path))

    @pytest.mark.parametrize("content", [b"", b"PK", b"no zip", b"PK\x03\x04" + b"0" * 100])
    def test_no_archive(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(InputError, match="saved by keras-ae, got a damaged one"):
            TriggerGraph.load(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="trigger graph not found"):
            TriggerGraph.load(tmp_path / "none.npz")

    def test_layers_that_could_not_be_read_again(self, tmp_path: Path) -> None:
        class Unregistered(SquaredNorm):
            pass

        @dataclasses.dataclass(frozen=True, eq=False)
        class Odd(SquaredNorm):
            odd: object = dataclasses.field(default_factory=set)

        for layer, message in (
            (
                Unregistered(input_formats=(FORM,), name="norm"),
                "must be registered, so that it can",
            ),
            (
                Odd(input_formats=(FORM,), name="norm"),
                "field odd must be text, a number, .*got set",
            ),
        ):
            graph = TriggerGraph.of(
                [IN, Node(layer, ("in",)), DECISION], ["in"], ["norm", "trigger"]
            )
            if isinstance(layer, Odd):
                LAYERS["Odd"] = Odd
            with pytest.raises(Refusal, match=f"layer 'norm': .*{message}"):
                graph.save(tmp_path / "graph.npz")
            LAYERS.pop("Odd", None)
        assert not (tmp_path / "graph.npz").exists()


class TestRegistering:
    def test_what_is_taken(self) -> None:
        with pytest.raises(InputError, match="of the name keras.layers.Reshape must be re"):

            @register("keras.layers.Reshape")
            class Other(SquaredNorm):
                pass

        with pytest.raises(InputError, match="of the name SquaredNorm must be registered once"):
            register()(type("SquaredNorm", (SquaredNorm,), {}))
        assert "Other" not in LAYERS

    def test_what_is_no_layer(self) -> None:
        with pytest.raises(InputError, match="must be a class of Layer, got <class 'int'>"):
            register()(int)

    def test_again(self) -> None:
        # As in a notebook whose cell is run twice.
        for _ in range(2):

            @register()
            class Again(SquaredNorm):
                pass

        assert LAYERS.pop("Again") is Again

    def test_a_class_that_keras_has_not(self) -> None:
        register("keras.layers.Typo")(type("Typo", (SquaredNorm,), {}))
        inputs = HardwareInput((3,), str(FORM), name="in").output
        model = keras.Model(inputs, keras.layers.Softmax(name="soft")(inputs))
        with pytest.raises(InputError, match="registered for a class, got keras.layers.Typo"):
            LayerGraph.from_keras(model)
        del LAYERS["Typo"], KERAS_LAYERS["keras.layers.Typo"]


@dataclasses.dataclass(frozen=True, eq=False)
class Bare(Layer):
    """Only what must be."""

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0]

    def grid(self, *inputs: Any) -> Any:
        return inputs[0]


def test_what_a_layer_has_not_is_refused_where_it_is_needed() -> None:
    graph = LayerGraph.of([IN, node(Bare())], ["in"], ["x"])
    assert graph.outputs(np.ones((1, 3)))["x"].tolist() == [[1.0, 1.0, 1.0]]
    needed: dict[str, Callable[[Bare], object]] = {
        "form as logic": lambda layer: layer.trace(None),
        "form in C\\+\\+": lambda layer: layer.cpp([], None),
        "form in Keras": lambda layer: layer.in_keras(None, None),
        "cost": lambda layer: layer.count(None),
    }
    for what, ask in needed.items():
        message = f"layer 'x': a layer must have a {what} here, got Bare without; write its "
        with pytest.raises(Refusal, match=message):
            ask(graph.layer("x"))  # type: ignore[arg-type]


def test_models_of_keras() -> None:
    inputs = HardwareInput((3,), str(FORM), name="in").output
    sequential = keras.Sequential([keras.Input((3,)), keras.layers.Flatten()])
    with pytest.raises(Refusal, match="use HardwareInput, which states a format"):
        LayerGraph.from_keras(sequential)

    powers = keras.Model(inputs, keras.layers.Flatten()(inputs**2))
    with pytest.raises(Refusal, match="layer 'power.*': kind must be one of .*QDense"):
        LayerGraph.from_keras(powers)
    with pytest.raises(InputError, match="a graph must be made of a keras.Model, got NoneType"):
        LayerGraph.from_keras(None)  # type: ignore[arg-type]

    class Subclassed(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(Refusal, match="a graph must be a Functional model, got Subclassed"):
        LayerGraph.from_keras(Subclassed())
    graph = LayerGraph.from_keras(keras.Model(inputs, keras.layers.Reshape((3, 1))(inputs)))
    assert graph.interface.outputs[0].shape == (3, 1)


def test_keras_is_given_the_same_values() -> None:
    graph = LayerGraph.of([IN, NORM], ["in"], ["norm"])
    with pytest.raises(InputError, match="'in' must hold multiples of 0.125 from -4 to 3.875"):
        graph.in_keras(np.full((1, 3), 0.3))


def test_cpp_forms_hold_what_they_are_given() -> None:
    form = CppForm("Dense", {"n_in": 1})
    assert (form.constants, form.header) == ({}, None)


@pytest.mark.parametrize(
    "kind", [kind for kind in LAYERS.values() if issubclass(kind, LogicLayer)], ids=str
)
def test_formats_narrower_than_what_comes_in(kind: type[LogicLayer]) -> None:
    """Every layer of the trigger's logic says so, in one line."""
    example = kind.examples()[0]
    wide = [
        Grid.of(dataclasses.replace(form, width=form.width + 1), shape)
        for form, shape in example.inputs
    ]
    low = [
        Grid.of(dataclasses.replace(form, width=form.width + 1, integer=form.integer + 1), shape)
        for form, shape in example.inputs
    ]
    example.layer.grid_in_graph(*(Grid.of(form, shape) for form, shape in example.inputs))
    for grids in (wide, low):
        with pytest.raises(Refusal) as caught:
            example.layer.grid_in_graph(*grids)
        message = str(caught.value)
        assert message.startswith(
            f"layer '{example.layer.name}': input_formats must hold what comes in, numbers of "
        )
        assert f"got {example.layer.input_formats[0]}; give the format" in message
        assert "\n" not in message


def test_a_score_that_was_stored_without_formats(tmp_path: Path) -> None:
    """As files were before scores could round."""
    form = FixedPointFormat(6, 3)
    nodes = [
        Node(GraphInput(form, (3,), name="x")),
        Node(SquaredNorm(input_formats=(form,), name="score"), ("x",)),
    ]
    write_nodes(tmp_path / "new.npz", nodes, ("x",), ("score",))
    with np.load(tmp_path / "new.npz") as file:
        content = json.loads(str(file["graph"]))
    for name in ("term_format", "output_format"):
        assert content["layers"][1]["fields"].pop(name) is None
    np.savez(tmp_path / "old.npz", graph=np.array(json.dumps(content)))
    graph = read_graph(tmp_path / "old.npz", LayerGraph)
    assert graph.layer("score").term_format is graph.layer("score").output_format is None
    x = np.array([[1.0, -2.0, 0.5]])
    np.testing.assert_array_equal(graph.outputs(x)["score"], [[5.25]])


def test_axol1tl_scores() -> None:
    """Squares cut one by one, and a sum cut as a whole: by integers."""
    form = FixedPointFormat(8, 3)
    terms = SquaredNorm(input_formats=(form,), term_format="ufixed<6,4,TRN,WRAP>")
    whole = SquaredNorm(input_formats=(form,), output_format="fixed<7,5,TRN,WRAP>")
    units = np.random.default_rng(1).integers(-128, 128, (500, 3))
    # Squares are in units of 2^-10; those of the results, 2^-2, have 256 of these.
    expected = (units**2 // 256 % 64).sum(axis=1)[:, None] / 4
    np.testing.assert_array_equal(terms.exact(units / 32), expected)
    sums = (units**2).sum(axis=1)[:, None] // 256
    expected = ((sums + 64) % 128 - 64) / 4
    np.testing.assert_array_equal(whole.exact(units / 32), expected)
