"""Cost without tracing: counted by hand, and against what da4ml makes of the design."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from trigger_objects import N_FEATURES, PORT_FORMAT, scaler_by

from hls.cost.features import traced_grids
from hls.cost.model import DEPTH_LINE, LUT_PER_UNIT, estimate_cost, latency_cycles
from hls.cost.monitor import CostMonitor
from hls.graph.build import build_score_graph, build_trigger_graph
from hls.graph.grid import Grid
from hls.graph.layer_graph import LayerGraph
from hls.graph.refusal import Refusal
from hls.graph.shift_add import canonical_parts, enclosed_bits, signed_digits
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.rtl.write import plan_rtl, write_rtl_project
from hls.synthesis.yosys import count_cells
from keras_ae.data.l1 import N_OBJECTS
from keras_ae.errors import InputError
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES, FirmwareSettings

PRECISION = FixedPoint(
    input="fixed<5,3>",
    weight="fixed<6,3>",
    bias="fixed<6,3>",
    activation="ufixed<6,3>",
    latent="fixed<6,3>",
)


def autoencoder(
    hidden_dims: Sequence[int] = (),
    input_dim: int = 2,
    precision: FixedPoint = PRECISION,
    seed: int = 1,
) -> Autoencoder:
    spec = ArchitectureSpec(input_dim=input_dim, hidden_dims=tuple(hidden_dims), latent_dim=1)
    return build_autoencoder("plain", spec, precision, seed=seed)


def set_kernel(model: Autoencoder, name: str, kernel: Sequence[Sequence[float]]) -> None:
    layer = model.encoder.get_layer(name)
    layer.set_weights([np.array(kernel), np.zeros(len(kernel[0]))])


def score_graph(model: Autoencoder) -> LayerGraph:
    return build_score_graph(model, ["squared_latent_norm"])


def test_digits_and_bits_of_integers() -> None:
    units = np.array([0, 1, 2, 3, 5, 7, -7, 11, -12, 127])
    # 7 = 8 - 1, 11 = 8 + 4 - 1, 12 = 16 - 4, 127 = 128 - 1.
    assert signed_digits(units).tolist() == [0, 1, 1, 2, 2, 2, 2, 3, 2, 2]
    assert enclosed_bits(units).tolist() == [0, 1, 1, 2, 3, 3, 3, 4, 2, 7]
    every = np.arange(-300, 300)
    plus, minus = canonical_parts(every)
    np.testing.assert_array_equal(plus - minus, every)
    both = plus | minus
    # No two digits are neighbours.
    assert not (plus & minus).any() and not (both & both >> 1).any()


def test_one_layer_counted_by_hand() -> None:
    model = autoencoder()
    # In units of 1/8: 12 = 16 - 4 of two digits and two bits; -2 of one each.
    set_kernel(model, "latent_mean", [[1.5], [-0.25]])
    found = estimate_cost(score_graph(model), levels=4)
    # Inputs of 5 bits.
    assert found.effective_bit_operations == 5 * 2 + 5 * 1
    # Three digits are two additions, of 5 + 2 bits each.
    assert found.n_adders == 2 and found.adder_bits == pytest.approx(14)


def test_a_convolution_counts_each_place() -> None:
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(2, 2, 1), filters=(1,), kernel_size=3, latent_dim=1
    )
    model = build_autoencoder("plain", spec, PRECISION)
    kernel = np.zeros((3, 3, 1, 1))
    # The pixel itself, and its left neighbour, which half of the pixels have.
    kernel[1, 1] = kernel[1, 0] = 0.375
    name = next(layer.name for layer in model.encoder.layers if hasattr(layer, "kernel"))
    model.encoder.get_layer(name).set_weights([kernel, np.zeros(1)])
    set_kernel(model, "latent_mean", [[1.0]])
    found = estimate_cost(score_graph(model), levels=4)
    assert found.effective_bit_operations == 5 * 2 * (4 + 2) + PRECISION.activation.width
    # Two digits of each weight: 1 addition at two pixels, 3 at the others.
    assert found.n_adders == 2 * 1 + 2 * 3


def test_zeros_cost_nothing() -> None:
    model = autoencoder()
    set_kernel(model, "latent_mean", [[0.0], [0.0]])
    nothing = estimate_cost(score_graph(model), levels=4)
    assert (nothing.lut, nothing.effective_bit_operations, nothing.n_adders) == (0, 0, 0)
    assert nothing.latency_cycles == 2

    model = autoencoder([3])
    first = [[1.5, 0.375, 1.125], [0.75, 1.5, -2.0]]
    set_kernel(model, "encoder_dense_1", first)
    set_kernel(model, "latent_mean", [[1.0], [0.0], [-0.5]])
    # The second neuron has no part in the score: its own weights are no matter.
    before = estimate_cost(score_graph(model), levels=4)
    set_kernel(model, "encoder_dense_1", [[row[0], 0.0, row[2]] for row in first])
    assert estimate_cost(score_graph(model), levels=4) == before
    set_kernel(model, "encoder_dense_1", first)
    set_kernel(model, "latent_mean", [[1.0], [0.5], [-0.5]])
    assert estimate_cost(score_graph(model), levels=4).lut > before.lut


@pytest.mark.parametrize("field", ["weight", "activation", "input"])
def test_more_bits_cost_more(field: str) -> None:
    costs = []
    for width in (4, 6, 9):
        unsigned = "u" if field == "activation" else ""
        precision = PRECISION.model_copy(
            update={field: type(PRECISION.input).parse(f"{unsigned}fixed<{width},3>")}
        )
        costs.append(estimate_cost(score_graph(autoencoder([6], 8, precision)), levels=4))
    for name in ("lut", "effective_bit_operations"):
        values = [getattr(cost, name) for cost in costs]
        assert values == sorted(values) and values[0] < values[-1], name


def test_latency_and_size_are_those_of_the_design() -> None:
    close = []
    for seed, hidden_dims in enumerate([(), (8,), (8, 4)]):
        model = autoencoder(hidden_dims, 8, seed=seed)
        events = stress_events(PRECISION.input, (8,), 500, seed=seed)
        graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
        for levels in (2, 5):
            found, design = estimate_cost(graph, levels), plan_rtl(graph, levels)
            off = abs(found.latency_cycles - design.latency_cycles)
            close.append(off <= 1)
            # How often: benchmarks/cost_model.md.
            assert off <= 2
            assert 0.6 < found.lut / design.estimated_lut < 1.8
    assert np.mean(close) >= 0.8


def test_latency_of_a_depth() -> None:
    found = [latency_cycles(depth, 4, (1.0, 0.0)) for depth in (0, 1, 4, 4.4, 5, 8, 9)]
    assert found == [2, 2, 2, 2, 3, 3, 4]
    # Deep logic has more levels than its shallowest form.
    assert latency_cycles(40, 4) > latency_cycles(40, 4, (1.0, 0.0))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_every_score(likelihood: str) -> None:
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(2, 2, 1), filters=(2,), kernel_size=2, latent_dim=2
    )
    model = build_autoencoder("variational", spec, PRECISION, likelihood=likelihood)
    events = stress_events(PRECISION.input, (2, 2, 1), 500, seed=1)
    scores = [*LATENT_SCORES, *ERROR_SCORES]
    graph = build_trigger_graph(model, scores, (events,), 0.1, threshold_input=True)
    design = plan_rtl(graph, 4)
    found = estimate_cost(graph, 4)
    assert 0.6 < found.lut / design.estimated_lut < 1.8
    assert abs(found.latency_cycles - design.latency_cycles) <= 1
    assert_within(traced_grids(graph), graph, events)


def test_scaled_integers() -> None:
    units = PORT_FORMAT
    scaler = scaler_by((0, 12, 0) * N_OBJECTS, (4, 5, 6) * N_OBJECTS)
    model = autoencoder([2], N_FEATURES)
    graph = build_score_graph(model, ["squared_latent_norm"], scaler, units)
    assert 0.6 < estimate_cost(graph, 4).lut / plan_rtl(graph, 4).estimated_lut < 1.8
    events = stress_events(units, (N_FEATURES,), 200, seed=1)
    assert_within(traced_grids(graph), graph, events)


def assert_within(grids: dict[str, Grid], graph: LayerGraph, events: np.ndarray) -> None:
    for name, values in graph.trace(*with_threshold_of(graph, events)).items():
        assert (grids[name].low <= values).all() and (values <= grids[name].high).all(), name


def with_threshold_of(graph: LayerGraph, events: np.ndarray) -> tuple[np.ndarray, ...]:
    return graph.with_threshold((events,)) if isinstance(graph, TriggerGraph) else (events,)


def test_while_a_network_is_trained() -> None:
    model = autoencoder([6], 8)
    monitor = CostMonitor(model, ("squared_latent_norm",), levels=4)
    before = monitor.estimate()
    events = stress_events(PRECISION.input, (8,), 200, seed=1).astype(np.float32)
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    history = model.fit(events, epochs=2, callbacks=[monitor], verbose=0).history
    after = estimate_cost(score_graph(model), levels=4)
    assert history["lut"][-1] == after.lut != before.lut
    assert history["ebops"][-1] == after.effective_bit_operations
    assert history["latency_cycles"][-1] == after.latency_cycles


def test_against_yosys(tmp_path: Path) -> None:
    events = stress_events(PRECISION.input, (8,), 500, seed=1)
    model = autoencoder([6], 8)
    graph = build_trigger_graph(model, ["squared_latent_norm"], (events,), 0.1)
    design = write_rtl_project(graph, tmp_path / "rtl", FirmwareSettings(), [events])
    cells, found = count_cells(tmp_path / "rtl", "xcup"), estimate_cost(graph, 4)
    assert cells.lut is not None and 0.6 < found.lut / cells.lut < 1.6
    assert abs(found.latency_cycles - design.latency_cycles) <= 1


def test_constants_are_those_of_the_benchmark() -> None:
    written = (Path(__file__).parents[1] / "benchmarks" / "cost_model.md").read_text()
    assert f"`LUT_PER_UNIT = {LUT_PER_UNIT}`" in written
    assert f"`DEPTH_LINE = {DEPTH_LINE}`" in written


def test_what_has_no_cost() -> None:
    graph = score_graph(autoencoder())
    with pytest.raises(InputError, match=r"^levels must be an integer >= 1, got 0$"):
        estimate_cost(graph, levels=0)
    with pytest.raises(InputError, match=r"^levels must be an integer >= 1, got 2.5$"):
        estimate_cost(graph, levels=2.5)  # type: ignore[arg-type]
    for scores in ("squared_latent_norm", ()):
        with pytest.raises(InputError, match="^scores must be a tuple of at least one name, got "):
            CostMonitor(autoencoder(), scores, levels=4)  # type: ignore[arg-type]
    spec = ArchitectureSpec(input_dim=2, hidden_dims=(), latent_dim=1)
    with pytest.raises((InputError, Refusal)):
        CostMonitor(build_autoencoder("plain", spec), ("squared_latent_norm",), levels=4)
