"""Networks with names of their own: roles, scores of any tensors, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hls.cpp.convert import convert_trigger_graph
from hls.cpp.linter import check_model
from hls.graph.build import build_score_graph, build_trigger_graph
from hls.graph.keras_layers import HardwareInput
from hls.graph.layer_graph import LayerGraph
from hls.proof.reading import check_reading
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.errors import InputError, ProofError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import Autoencoder
from keras_ae.precision import QActivation, QDense, fixed_point
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.tensor_scores import (
    TensorScore,
    absolute_error,
    gaussian_divergence,
    normalized_norm,
    squared_error,
    squared_norm,
    value,
)

FORMAT = FixedPointFormat(8, 4)


def q(form: str, name: str) -> keras.Layer:
    return QActivation(fixed_point(form), name=name)


def dense(units: int, name: str) -> keras.Layer:
    weights = {f"{kind}_quantizer": fixed_point("fixed<6,2>") for kind in ("kernel", "bias")}
    return QDense(units, name=name, bias_initializer="random_normal", **weights)


def encoder(n_outputs: int = 1) -> keras.Model:
    """5 -> 3, or two of 3, in names of nobody else's."""
    x = keras.Input((5,), name="calo")
    h = q("ufixed<8,4>", "act")(dense(4, "first")(q("fixed<8,4>", "calo_q")(x)))
    outputs = [q("fixed<8,4>", f"end_{i}")(dense(3, f"fc_{i}")(h)) for i in range(n_outputs)]
    return keras.Model(x, outputs if n_outputs > 1 else outputs[0], name="my_encoder")


def whole() -> keras.Model:
    """An autoencoder in one piece that also gives its code away inside: 5 -> 3 -> 5."""
    x = keras.Input((5,), name="calo")
    code = q("fixed<8,4>", "embedding")(dense(3, "down")(q("fixed<8,4>", "calo_q")(x)))
    h = q("ufixed<8,4>", "middle")(dense(2, "narrow")(code))
    again = q("fixed<8,4>", "decoded")(dense(3, "wide")(h))
    y = q("fixed<9,5>", "y")(dense(5, "up")(again))
    return keras.Model(x, y, name="net")


X = stress_events(FORMAT, (5,), 400, seed=1)


def tensor(model: keras.Model, name: str, x: np.ndarray = X) -> np.ndarray:
    """What Keras gives, exactly: these numbers fit into float32."""
    probe = keras.Model(model.inputs, model.get_layer(name).output)
    return np.asarray(probe([x.astype(np.float32)]), np.float64)


def scored(model: Any, scores: Any, **options: Any) -> dict[str, np.ndarray]:
    found = build_score_graph(model, scores, **options).outputs(X)
    return {name: values.ravel() for name, values in found.items()}


def test_an_encoder_alone_is_enough() -> None:
    model = encoder()
    assert check_model(model, "squared_latent_norm", FirmwareSettings()) == []
    found = scored(model, "squared_latent_norm")["squared_latent_norm"]
    np.testing.assert_array_equal(found, (tensor(model, "end_0") ** 2).sum(axis=1))


def test_a_sequential_model() -> None:
    model = keras.Sequential(
        [keras.Input((5,)), q("fixed<8,4>", "a"), dense(3, "b"), q("fixed<8,4>", "c")]
    )
    found = scored(model, squared_norm())["squared_norm"]
    np.testing.assert_array_equal(found, (tensor(model, "c") ** 2).sum(axis=1))


def test_encoder_and_decoder_as_a_pair() -> None:
    z = keras.Input((3,), name="z")
    decoder = keras.Model(z, q("fixed<8,4>", "back")(dense(5, "first")(z)), name="my_decoder")
    code = encoder()
    found = scored((code, decoder), ["squared_error", "squared_latent_norm"])
    same = scored(Autoencoder(code, decoder), ["squared_error", "squared_latent_norm"])
    y = np.asarray(decoder(tensor(code, "end_0").astype(np.float32)), np.float64)
    np.testing.assert_array_equal(found["squared_error"], ((X - y) ** 2).sum(axis=1))
    for name, values in same.items():
        np.testing.assert_array_equal(found[name], values)


def test_mean_and_variance_are_the_outputs_in_their_order() -> None:
    model = encoder(2)
    graph = build_score_graph(model, ["normalized_latent_norm", "kl_divergence"])
    assert graph.node("normalized_latent_norm").inputs[0] == "end_0"
    assert graph.node("kl_divergence_table").inputs == ("end_1",)
    swapped = {"latent_mean": "end_1", "latent_log_var": "end_0"}
    graph = build_score_graph(model, "kl_divergence", roles=swapped)
    assert graph.node("kl_divergence").inputs[0] == "end_1"
    # The tables are off by no more than what is asked for.
    mean, log_var = tensor(model, "end_0"), tensor(model, "end_1")
    exact = 0.5 * (mean**2 + np.expm1(log_var) - log_var).sum(axis=1)
    found = scored(model, gaussian_divergence())["gaussian_divergence"]
    assert np.abs(found - exact).max() <= 0.5 * 3 * 2.0**-6


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_the_decoder_takes_the_mean_that_the_user_names(n_outputs: int) -> None:
    z = keras.Input((3,), name="z")
    decoder = keras.Model(z, q("fixed<8,4>", "back")(dense(5, "out")(z)), name="my_decoder")
    code, roles = encoder(n_outputs), {"latent_mean": "end_1"}
    found = scored((code, decoder), squared_error(), roles=roles)["squared_error"]
    y = np.asarray(decoder(tensor(code, "end_1").astype(np.float32)), np.float64)
    np.testing.assert_array_equal(found, ((X - y) ** 2).sum(axis=1))


def test_the_decoder_takes_the_only_output_whatever_is_called_the_mean() -> None:
    z = keras.Input((3,), name="z")
    decoder = keras.Model(z, q("fixed<8,4>", "back")(dense(5, "out")(z)), name="my_decoder")
    graph = build_score_graph((encoder(), decoder), squared_error(), roles={"latent_mean": "act"})
    assert graph.node("out").inputs == ("end_0",)


def test_one_output_is_not_both_parts_of_the_code() -> None:
    message = "role 'latent_log_var' must be a tensor of the network, got none: name its layer"
    with pytest.raises(InputError, match=message):
        build_score_graph(encoder(2), gaussian_divergence(), roles={"latent_mean": "end_1"})


def test_scores_of_any_two_tensors() -> None:
    model = whole()
    scores = [
        squared_error("embedding", "decoded"),
        absolute_error(name="inner", x="decoded", y="embedding"),
        squared_error(name="outer"),
        squared_norm("middle", name="hidden"),
        squared_error("embedding", "decoded", name="inside", masked=True),
    ]
    found = scored(model, scores)
    z, again = tensor(model, "embedding"), tensor(model, "decoded")
    expected = {
        "squared_error": (z - again) ** 2,
        "inner": np.abs(z - again),
        "outer": (X - tensor(model, "y")) ** 2,
        "hidden": tensor(model, "middle") ** 2,
        "inside": (z - again) ** 2 * (z != 0),
    }
    for name, terms in expected.items():
        np.testing.assert_array_equal(found[name], terms.sum(axis=1))


def test_tensors_that_are_not_rounded() -> None:
    model = whole()
    found = scored(model, squared_error("down", "wide"))["squared_error"]
    terms = (tensor(model, "down") - tensor(model, "wide")) ** 2
    np.testing.assert_array_equal(found, terms.sum(axis=1))


def test_formats_of_a_score() -> None:
    model = whole()
    options = {"term_format": "ufixed<6,5,TRN>", "output_format": "ufixed<8,8,TRN,WRAP>"}
    score = TensorScore.model_validate(
        {"kind": "squared_error", "of": ["embedding", "decoded"], **options}
    )
    found = scored(model, score)["squared_error"]
    terms = (tensor(model, "embedding") - tensor(model, "decoded")) ** 2
    cut = np.minimum(np.floor(terms * 2) / 2, 31.5)
    expected = np.floor(cut.sum(axis=1)) % 256
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 5


def test_a_model_that_ends_in_its_score() -> None:
    x = HardwareInput((5,), "ufixed<8,4>", name="regions").output
    end = q("ufixed<9,5>", "score_out")(dense(1, "last")(x))
    model = keras.Model(x, end)
    events = stress_events(FixedPointFormat(8, 4, False), (5,), 400, seed=1)
    graph = build_trigger_graph(model, "model_output", events, 0.1)
    assert graph.interface.inputs[0].format == "ufixed<8,4>"
    found = graph.evaluate(events)
    expected = tensor(model, "score_out", events).ravel()
    np.testing.assert_array_equal(found.score, expected)
    assert 0 < found.trigger.mean() <= 0.1
    same = build_score_graph(model, value(name="mine"))
    assert same.output_names == ("mine",)


def test_inputs_without_a_quantizer_behind() -> None:
    x, w = keras.Input((2,), name="x"), keras.Input((3,), name="w")
    joined = keras.layers.Concatenate(name="both")([x, w])
    model = keras.Model([x, w], q("fixed<8,4>", "z")(dense(4, "fc")(joined)))
    with pytest.raises(InputError, match="^layer 'x': the format of an input must be known, got"):
        build_score_graph(model, squared_norm())
    formats = {"x": "fixed<6,3>", "w": "ufixed<5,2>"}
    graph = build_score_graph(model, squared_norm(), input_formats=formats)
    assert [port.format for port in graph.interface.inputs] == list(formats.values())
    message = "^input_formats must be of the inputs x, w, got 'v'$"
    with pytest.raises(InputError, match=message):
        build_score_graph(model, squared_norm(), input_formats={"v": "fixed<6,3>"})


@pytest.mark.parametrize(
    ("scores", "roles", "message"),
    [
        ("kl_divergence", {}, "score 'kl_divergence': role 'latent_mean' must be a tensor of the"),
        (
            squared_norm("nowhere"),
            {},
            "score 'squared_norm': tensor must be one of the roles",
        ),
        (
            squared_norm(),
            {"mean": "y"},
            "roles must be of input, condition, embedding, latent_mean, ",
        ),
        (squared_norm(), {"latent_mean": "mu"}, "role 'latent_mean' must be of one of the layers"),
        (squared_error("embedding", "y"), {}, "layer 'squared_error': inputs must have the same"),
        (value("embedding"), {}, "score 'value': tensor 'embedding' must be one number an event"),
        ("student_score", {}, "score of Functional in firmware must be one of reconstruct"),
        ([], {}, "scores must be at least one, of different names, got n"),
        (
            [squared_norm("y"), squared_norm("embedding")],
            {},
            "scores must be at least one, of d",
        ),
    ],
)
def test_mistakes(scores: Any, roles: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        build_score_graph(whole(), scores, roles=roles)
    assert "\n" not in str(caught.value)


def test_two_tensors_for_a_role() -> None:
    message = (
        "^score 'squared_norm': 'latent_mean' must be one tensor, got 3, end_0, end_1, end_2: "
        "name the layer of the one that is meant$"
    )
    with pytest.raises(InputError, match=message):
        build_score_graph(encoder(3), squared_norm())
    found = scored(encoder(3), squared_norm(), roles={"latent_mean": "end_2"})
    assert found["squared_norm"].any()


def test_a_layer_called_like_a_role() -> None:
    x = keras.Input((5,), name="calo")
    code = q("fixed<8,4>", "output")(dense(3, "down")(q("fixed<8,4>", "calo_q")(x)))
    model = keras.Model(x, q("fixed<7,3>", "last")(dense(3, "fc")(code)))
    message = (
        "^score 'squared_norm': 'output' must be one tensor, got role 'output', which is 'last', "
        "and layer 'output': rename the layer, or name it in roles$"
    )
    with pytest.raises(InputError, match=message):
        build_score_graph(model, squared_norm("output"))
    # What is called after the score asks for roles alone, and so does who says which.
    assert scored(model, "squared_latent_norm")["squared_latent_norm"].any()
    found = scored(model, squared_norm("output"), roles={"output": "output"})
    np.testing.assert_array_equal(
        found["squared_norm"], (tensor(model, "output") ** 2).sum(axis=-1)
    )


def test_the_format_that_an_input_states() -> None:
    x = HardwareInput((5,), "fixed<8,4>", name="calo")
    model = keras.Model(x.output, q("fixed<8,4>", "z")(dense(3, "fc")(x.output)))
    build_score_graph(model, squared_norm(), input_formats="fixed<8,4>")
    message = (
        "^layer 'calo': input_formats must be what the HardwareInput states, fixed<8,4>, got "
        "fixed<9,4>; drop it from input_formats$"
    )
    with pytest.raises(InputError, match=message):
        build_score_graph(model, squared_norm(), input_formats="fixed<9,4>")


def test_a_score_that_stands_still() -> None:
    score = squared_norm(output_format=FixedPointFormat(8, 2, signed=False))
    message = (
        r"^score 'squared_norm' must leave background events above its threshold, got 0.\d+ of "
        "them with the largest score that there is, 3.98438, and none above it where 0.1 may be: "
        "give it, or the layers before it, more integer bits$"
    )
    with pytest.warns(UserWarning, match=message):
        build_trigger_graph(encoder(), score, X, 0.1)
    # One that is set later may be any.
    build_trigger_graph(encoder(), score, X, 0.1, threshold_input=True)


def test_a_score_that_is_the_same_for_most() -> None:
    """Its largest value is not the end of its format, but more have it than may pass."""
    x = np.zeros_like(X)
    with pytest.warns(UserWarning, match="none above it where 0.1 may be: .* a finer format"):
        build_trigger_graph(encoder(), squared_norm(), x, 0.1)


def test_background_off_the_grid() -> None:
    message = "^input 'calo' must hold multiples of 0.0625 from -8 to 7.9375 .* got 0.01 in event 3"
    events = X.copy()
    events[3, 0] = 0.01
    with pytest.raises(InputError, match=message):
        build_trigger_graph(encoder(), "squared_latent_norm", events, 0.1)


@pytest.mark.parametrize("model", [3, "model.keras", None, (1, 2)])
def test_what_is_no_model(model: Any) -> None:
    with pytest.raises(InputError, match="a graph must be made of a keras.Model, got"):
        build_score_graph(model, squared_norm())


def test_scores_as_settings() -> None:
    with pytest.raises(ValueError, match="score of kind 'squared_error' must be of 2 tensors, got"):
        TensorScore(kind="squared_error", of=("a",))
    with pytest.raises(ValueError, match="masked must be false for a score of kind 'squared_norm'"):
        squared_norm("a", masked=True)
    assert normalized_norm().of == ("latent_mean", "latent_log_var")


def test_layers_called_like_the_trigger_s_own() -> None:
    x = keras.Input((5,), name="calo")
    h = q("fixed<8,4>", "trigger")(dense(3, "squared_norm")(q("fixed<8,4>", "threshold")(x)))
    model = keras.Model(x, h, name="net")
    graph = build_trigger_graph(model, squared_norm("trigger"), X, 0.1, threshold_input=True)
    assert isinstance(graph, LayerGraph)
    found = graph.evaluate(*graph.with_threshold((X,))).score
    np.testing.assert_array_equal(found, (tensor(model, "trigger") ** 2).sum(axis=1))


def test_the_model_itself_is_asked() -> None:
    model = whole()
    assert check_reading(model, (X,)) == 0

    # A layer that does something else than its class says.
    x = keras.Input((5,), name="calo")
    monkey = q("fixed<8,4>", "odd")
    monkey.call = lambda inputs: inputs * 0  # type: ignore[method-assign]
    odd = keras.Model(x, monkey(dense(3, "fc")(q("fixed<8,4>", "in_q")(x))), name="odd")
    with pytest.raises(ProofError, match="^model 'odd' and its exact form must give the same outp"):
        check_reading(odd, (X,))


@pytest.mark.slow
def test_folders_that_hold_something_else(tmp_path: Path) -> None:
    graph = build_trigger_graph(encoder(), "squared_latent_norm", X, 0.1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("words")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "thesis.tex"):
        with pytest.raises(InputError, match="^folder of a project must be new, empty"):
            convert_trigger_graph(graph, folder, FirmwareSettings(), [X[:10]])
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "words"
    # A path may be text, and a sample one array.
    folder = str(tmp_path / "new")
    convert_trigger_graph(graph, folder, FirmwareSettings(), [X[:10]])  # type: ignore[arg-type]
    assert validate_project(graph, folder, {"x": X}).is_proved  # type: ignore[arg-type, dict-item]
    with pytest.raises(InputError, match="samples must hold at least one event, got none"):
        validate_project(graph, tmp_path / "new", {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": 3}, "scores must be names or such as squared_norm"),
        ({"roles": ["latent_mean"]}, "roles must be a mapping from roles to layers"),
    ],
)
def test_arguments_of_another_kind(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        build_score_graph(encoder(), **{"scores": "squared_latent_norm", **options})
