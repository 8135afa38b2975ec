"""Random designs, whatever a user may draw: zero bits differ between firmware and reference.

Formats of 2 to 18 bits with their point anywhere, weights and events that saturate them, all
scores, arrays and streams. Several designs are compiled as one project, of parts that share
nothing: the compiler reads hls4ml's headers once for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from trigger_objects import N_FEATURES, PORT_FORMAT, scaler_by

from hls.cpp.convert import convert_trigger_graph
from hls.cpp.linter import check_model
from hls.graph.build import build_trigger_graph
from hls.graph.node import Node
from hls.graph.trigger_graph import TriggerGraph
from hls.graph.trigger_output import TriggerOutput
from hls.proof.comparison import HardwareValues
from hls.proof.keras_rounding import beyond_rounding
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.fixed_point import KINDS, FixedPointFormat
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.precision import FixedPoint, weight_formats
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES, FirmwareSettings

T = TypeVar("T")

N_EVENTS = 300
DESIGNS_AT_ONCE = 15
#: Why the linter may refuse a design, and how many at most.
REASONS = (
    r"must stay within 2\^53 units",
    "must have at most 12 bits",
    "must have at least 2 bits for backend",
    "must be by maximum for backend",
)
MOST_REFUSED = 0.2


@dataclass(frozen=True)
class Design:
    """What is drawn; weights and events follow from the seed."""

    spec: ArchitectureSpec | ConvolutionalSpec
    objective: str
    likelihood: str
    formats: dict[str, Any]
    scores: tuple[str, ...]
    threshold_input: bool
    table_error: float
    weight_scale: float
    seed: int

    @property
    def is_l1(self) -> bool:
        """Whether trigger integers are scaled in the firmware."""
        return self.spec.input_dim == N_FEATURES


@st.composite
def formats(draw: st.DrawFn, widest: dict[str, int], names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        width = draw(st.integers(2, widest.get(name, 18)))
        fractional = draw(st.integers(-2, width + 3))
        unsigned = "u" if name == "activation" else ""
        found[name] = f"{unsigned}fixed<{width},{width - fractional}>"
    return found


@st.composite
def layer_formats(draw: st.DrawFn, spec: ArchitectureSpec | ConvolutionalSpec) -> dict[str, Any]:
    """Of some of the layers that every such network has."""
    kinds = {"latent_mean": ["weight", "bias"], "reconstruction": ["weight", "bias"]}
    if spec.hidden_dims:
        kinds |= {"encoder_dense_1": ["weight"], "encoder_relu_1": ["activation"]}
    return {name: draw(formats({}, given)) for name, given in kinds.items() if draw(st.booleans())}


@st.composite
def specs(draw: st.DrawFn, condition_dim: int) -> ArchitectureSpec | ConvolutionalSpec:
    options = {
        "latent_dim": draw(st.integers(1, 3)),
        "latent_activation": draw(st.sampled_from(["linear", "relu"])),
        "condition_dim": condition_dim,
    }
    sizes = st.sampled_from([2, 4])
    if draw(st.integers(0, 3)) == 0:
        shape = draw(st.tuples(sizes, sizes, st.integers(1, 2)))
        n_stages = draw(st.integers(1, 2 if min(shape[:2]) == 4 else 1))
        return ConvolutionalSpec(
            kind="convolutional",
            image_shape=shape,
            filters=draw(st.tuples(*[st.integers(1, 3)] * n_stages)),
            kernel_size=draw(st.integers(1, 3)),
            pooling=draw(st.sampled_from(["max", "average"])),
            hidden_dims=draw(st.lists(st.integers(1, 4), max_size=1)),
            **options,
        )
    return ArchitectureSpec(
        input_dim=draw(st.sampled_from([1, 2, 3, 4, 5, N_FEATURES])),
        hidden_dims=draw(st.lists(st.integers(1, 4), max_size=3)),
        **options,
    )


@st.composite
def designs(draw: st.DrawFn) -> Design:
    objective = draw(st.sampled_from(["sparse", "variational", "conditional_variational"]))
    spec = draw(specs(draw(st.integers(1, 2)) if objective.startswith("cond") else 0))
    scores = [*ERROR_SCORES, "squared_latent_norm"]
    if objective != "sparse":
        scores += [name for name in LATENT_SCORES if name not in scores]
    likelihood = draw(st.sampled_from(["gaussian", "masked_gaussian", "bernoulli"]))
    scores = draw(st.lists(st.sampled_from(scores), min_size=1, max_size=3, unique=True))
    # Tables take 12 bits; now and then a design asks for more.
    narrow = {"latent": 12} if {"kl_divergence", "normalized_latent_norm"} & set(scores) else {}
    narrow |= {"reconstruction": 12} if likelihood == "bernoulli" else {}
    return Design(
        spec=spec,
        objective=objective,
        likelihood=likelihood,
        formats=draw(formats(narrow if draw(st.integers(0, 9)) else {}, KINDS))
        | {"layers": draw(layer_formats(spec))},
        scores=tuple(scores),
        threshold_input=draw(st.booleans()),
        table_error=2.0 ** -draw(st.integers(4, 8)),
        weight_scale=draw(st.sampled_from([0.2, 1.0, 3.0])),
        seed=draw(st.integers(0, 2**20)),
    )


def model_of(design: Design, precision: FixedPoint) -> Autoencoder:
    """With weights beyond their formats, for the largest `weight_scale` most of them."""
    model = build_autoencoder(
        design.objective, design.spec, precision, likelihood=design.likelihood
    )
    rng = np.random.default_rng(design.seed)
    for layer in (*model.encoder.layers, *model.decoder.layers):
        if layer.weights:
            layer.set_weights(
                [
                    # As QKeras clips them.
                    np.clip(
                        rng.normal(0, design.weight_scale * form.high, part.shape),
                        -max(1.0, form.high),
                        max(1.0, form.high),
                    )
                    for part, form in zip(layer.get_weights(), weight_formats(layer), strict=True)
                ]
            )
    return model


@dataclass(frozen=True)
class Request:
    """What a design asks firmware for, as `build_trigger_graph` and the linter take it."""

    model: Autoencoder
    scaler: ScaledInputs | None
    units: FixedPointFormat | None

    @classmethod
    def of(cls, design: Design) -> Request:
        model = model_of(design, FixedPoint(**design.formats))
        if not design.is_l1:
            return cls(model, None, None)
        rng = np.random.default_rng(design.seed)
        # As `L1Scaler.fit` gives: offsets of pT alone.
        offset = rng.integers(0, 40, N_FEATURES) * (np.arange(N_FEATURES) % 3 == 0)
        shift = rng.integers(0, 9, N_FEATURES)
        scaler = scaler_by(tuple(offset.tolist()), tuple(shift.tolist()))
        return cls(model, scaler, PORT_FORMAT)


def graph_of(design: Design, request: Request) -> tuple[TriggerGraph, HardwareValues]:
    """The trigger graph, and values of its inputs over the whole range of their formats."""
    input_format = FixedPoint(**design.formats).input
    form = request.units or input_format
    values = [stress_events(form, design.spec.input_shape, N_EVENTS, design.seed)]
    if design.spec.condition_dim:
        shape = (design.spec.condition_dim,)
        values.append(stress_events(input_format, shape, N_EVENTS, design.seed + 1))
    graph = build_trigger_graph(
        request.model,
        design.scores,
        tuple(values),
        0.1,
        request.scaler,
        request.units,
        design.threshold_input,
        design.table_error,
    )
    if design.threshold_input:
        form = graph.layer("threshold").form
        values.append(stress_events(form, (1,), N_EVENTS, design.seed + 2))
    return graph, tuple(values)


def merged(graphs: Sequence[TriggerGraph]) -> TriggerGraph:
    """One graph of several that share nothing, each layer's name with its graph's number."""
    nodes, inputs, outputs = [], [], []
    for number, graph in enumerate(graphs):

        def named(names: Sequence[str], number: int = number) -> tuple[str, ...]:
            return tuple(f"d{number}_{name}" for name in names)

        for node in graph.nodes:
            (name,) = named([node.name])
            nodes.append(Node(replace(node.layer, name=name), named(node.inputs)))
        inputs += named(graph.input_names)
        outputs.append(named(graph.output_names))
    # The last one decides.
    *others, last = outputs
    flat = [*last[:-1], *(name for names in others for name in names), last[-1]]
    return TriggerGraph.of(nodes, inputs, flat)


def check_keras(graph: TriggerGraph, values: HardwareValues, design: Design) -> None:
    expected, found = graph.evaluate(*values), graph.evaluate_in_keras(*values)
    if not graph.inexact_in_float32:
        assert_equal(expected, found, f"Keras differs from the reference: {design}")
    else:
        assert not beyond_rounding(graph.keras_model, graph, values).any(), design


def assert_equal(expected: TriggerOutput, found: TriggerOutput, message: str) -> None:
    for name, values in expected.scores.items():
        np.testing.assert_array_equal(found.scores[name], values, f"{name}: {message}")
    np.testing.assert_array_equal(found.trigger, expected.trigger, message)


def draw_different(
    strategy: st.SearchStrategy[T], n: int, derandomize: bool, times: int = 10
) -> list[T]:
    """`n` different ones, of `times` as many: neighbours in hypothesis' order are alike."""
    found: dict[str, T] = {}

    @settings(
        max_examples=times * n,
        derandomize=derandomize,
        deadline=None,
        database=None,
        phases=[Phase.generate],
    )
    @given(strategy)
    def collect(drawn: T) -> None:
        found.setdefault(repr(drawn), drawn)

    collect()
    order = np.random.default_rng(1).permutation(len(found))[:n]
    return [list(found.values())[index] for index in order]


def draw_designs(n: int, derandomize: bool) -> list[Design]:
    return draw_different(designs(), n, derandomize)


def prove(drawn: Sequence[Design], options: dict[str, str], folder: Path) -> tuple[int, list[str]]:
    """Number of designs that the linter lets pass, and where firmware is not the reference."""
    graphs, inputs, kept = [], [], []
    for design in drawn:
        request = Request.of(design)
        settings = FirmwareSettings(table_error=design.table_error, **options)
        refusals = check_model(
            request.model, design.scores, settings, request.scaler, request.units
        )
        if refusals:
            assert re.search("|".join(REASONS), str(refusals[0])), (refusals[0], design)
            continue
        # What it lets pass is proved below.
        graph, values = graph_of(design, request)
        check_keras(graph, values, design)
        graphs.append(graph)
        inputs += values
        kept.append(design)
    whole = merged(graphs)
    convert_trigger_graph(
        whole, folder, FirmwareSettings(**options), [part[:20] for part in inputs]
    )
    validation = validate_project(whole, folder, {"stress": tuple(inputs)})
    keras.backend.clear_session()
    found, expected = validation.outputs["stress"].scores, validation.reference["stress"].scores
    failures = []
    for name, values in expected.items():
        differ = int((found[name] != values).sum())
        if differ:
            design = kept[int(re.match(r"d(\d+)_", name)[1])]
            failures.append(f"{name}, {options}: {differ} of {N_EVENTS} events of {design}")
    # Of what else is compared: the last decision, and the project's own bench.
    if not failures and (
        validation.firmware["stress"].mismatching_bits or validation.bench.mismatching_bits
    ):
        failures.append(f"trigger or bench, {options}: {kept[-1]}")
    return len(kept), failures


def check_designs(n: int, options: dict[str, str], folder: Path, derandomize: bool) -> None:
    drawn = draw_designs(n, derandomize)
    proofs = [
        prove(drawn[first : first + DESIGNS_AT_ONCE], options, folder / str(first))
        for first in range(0, n, DESIGNS_AT_ONCE)
    ]
    n_kept = sum(number for number, _ in proofs)
    failures = [failure for _, of_project in proofs for failure in of_project]
    assert not failures, "\n".join([f"{len(failures)} of {n_kept}", *failures])
    assert len(drawn) == n
    assert n - n_kept <= MOST_REFUSED * n


@pytest.mark.slow
@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_random_designs(io_type: str, tmp_path: Path) -> None:
    check_designs(15, {"io_type": io_type}, tmp_path, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_many_random_designs(io_type: str, tmp_path: Path) -> None:
    check_designs(180, {"io_type": io_type}, tmp_path, derandomize=False)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["Quartus", "Catapult"])
def test_random_designs_in_ac_types(backend: str, tmp_path: Path) -> None:
    check_designs(30, {"backend": backend}, tmp_path, derandomize=True)
