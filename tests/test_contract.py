"""What every variant must do: objective x architecture x precision x shape of the data.

A new objective enters by its registration; see CONTRIBUTING.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ae.errors import InputError
from keras_ae.fixed_point import KINDS
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.precision import FixedPoint, Float
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.objectives import OBJECTIVES
from keras_ae.weights import copy_weights

N_EVENTS = 96
SHAPES = {"features": (12,), "image": (8, 8, 1)}
ARCHITECTURES = {
    "undercomplete": {"hidden_dims": (), "latent_dim": 3, "latent_activation": "relu"},
    "deep": {"hidden_dims": (8, 6), "latent_dim": 2},
    "overcomplete": {"hidden_dims": (), "latent_dim": 16, "latent_activation": "relu"},
    "linear": {"hidden_dims": (), "latent_dim": 3},
    "normalized": {"hidden_dims": (8,), "latent_dim": 2, "batch_norm": True},
    "convolutional": {"filters": (3, 2), "hidden_dims": (6,), "latent_dim": 2},
    "transpose": {"filters": (3,), "latent_dim": 2, "upsampling": "transpose"},
}
LINEAR_OBJECTIVES = ("linear", "pca", "oja")
WIDE = dict.fromkeys(KINDS, "fixed<30,8>") | {"activation": "ufixed<30,8>"}


#: Of these, the normal suite tests every architecture; of the others, one.
THOROUGH = ("plain", "linear", "variational")


def combinations() -> list[Any]:
    """Every combination that makes sense; slow are those that take after others."""
    found = []
    for objective in OBJECTIVES:
        linear = objective in LINEAR_OBJECTIVES
        for architecture in ARCHITECTURES:
            shape = "image" if architecture in ("convolutional", "transpose") else "features"
            # Without a regularizer an over-complete code can copy the input.
            copies = architecture == "overcomplete" and objective == "plain"
            if linear != (architecture == "linear") or copies:
                continue
            # In fixed point there is no normalization, see test_batch_norm.
            precisions = ("float",) if architecture == "normalized" else ("float", "fixed")
            for precision in precisions:
                usual = architecture == "linear" or (architecture, precision) == ("deep", "float")
                if objective in THOROUGH:
                    usual |= precision == "float" or architecture == "deep"
                marks = () if usual else pytest.mark.slow
                found.append(pytest.param(objective, architecture, precision, shape, marks=marks))
    return found


def make_spec(objective: str, architecture: str, shape: str) -> Any:
    options = dict(ARCHITECTURES[architecture])
    if objective == "conditional_variational":
        options["condition_dim"] = 2
    if shape == "image":
        return ConvolutionalSpec(kind="convolutional", image_shape=SHAPES[shape], **options)
    return ArchitectureSpec(input_dim=SHAPES[shape][0], **options)


def make_model(objective: str, architecture: str, precision: Any, shape: str) -> Autoencoder:
    model = build_autoencoder(
        objective, make_spec(objective, architecture, shape), precision, seed=3
    )
    optimizer = keras.optimizers.SGD(1e-2) if objective == "oja" else keras.optimizers.Adam(1e-2)
    model.compile(optimizer=optimizer)
    return model


def make_data(objective: str, shape: str) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    x = rng.random((N_EVENTS, *SHAPES[shape])).astype("float32")
    if objective == "conditional_variational":
        return x, rng.random((N_EVENTS, 2)).astype("float32")
    return (x,)


def keras_inputs(data: tuple[np.ndarray, ...]) -> Any:
    return data if len(data) > 1 else data[0]


@pytest.mark.parametrize(("objective", "architecture", "precision", "shape"), combinations())
def test_contract(
    objective: str, architecture: str, precision: str, shape: str, tmp_path: Path
) -> None:
    check_contract(objective, architecture, precision, shape, tmp_path)


def check_contract(
    objective: str, architecture: str, precision: str, shape: str, tmp_path: Path
) -> None:
    """One build, one fit and one load serve all checks: tracing is what takes the time."""
    data = make_data(objective, shape)
    inputs = keras_inputs(data)
    factory = Float() if precision == "float" else FixedPoint()
    model = make_model(objective, architecture, factory, shape)
    untrained = [np.array(w) for w in model.get_weights()]

    # It learns, and shows every term in training and validation.
    before = model.evaluate(inputs, batch_size=32, return_dict=True, verbose=0)
    history = model.fit(
        inputs, batch_size=32, epochs=6, validation_data=(inputs,), verbose=0
    ).history
    after = model.evaluate(inputs, batch_size=32, return_dict=True, verbose=0)
    assert after["loss"] < before["loss"]
    terms = {"loss", *model.term_names}
    assert set(history) == terms | {f"val_{name}" for name in terms}

    # The loss is the mean of what each event gives, in batches of the same size.
    by_event = model.losses_by_event(*data, batch_size=32)
    assert by_event.shape == (N_EVENTS,)
    assert after["loss"] == pytest.approx(by_event.mean(), rel=1e-4)

    # Shapes; deterministic, whatever the batches; Keras' own predict is the reconstruction.
    latent_dim = make_spec(objective, architecture, shape).latent_dim
    condition = data[1:]
    code = model.encode(*data)
    assert code.shape == (N_EVENTS, latent_dim)
    reconstruction = model.reconstruct(*data)
    assert reconstruction.shape == data[0].shape
    np.testing.assert_array_equal(model.decode(code, *condition), reconstruction)
    # In fixed point, a sum in another order may round to the neighbouring step.
    tolerance = 1e-5 if precision == "float" else 2e-2
    predicted = model.predict(inputs, batch_size=48, verbose=0)
    np.testing.assert_allclose(predicted, reconstruction, atol=tolerance)

    # Scores: the names that settings promise; contributions add up; some are known sums.
    scores = model.scores(*data)
    assert tuple(scores) == OBJECTIVES[objective].scores
    for values in scores.values():
        assert values.shape == (N_EVENTS,)
    last = list(scores)[-1]
    np.testing.assert_array_equal(model.score(data[0], last, *condition), scores[last])
    for name in ("reconstruction_error", "latent_norm", last):
        parts = model.score_contributions(data[0], name, *condition).reshape(N_EVENTS, -1)
        np.testing.assert_allclose(parts.sum(axis=1), scores[name], rtol=1e-3, atol=1e-4)
    flat = (data[0] - reconstruction).reshape(N_EVENTS, -1)
    np.testing.assert_allclose(scores["squared_error"], (flat**2).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(scores["absolute_error"], abs(flat).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(
        scores["latent_norm"], np.linalg.norm(code, axis=1), rtol=1e-4, atol=1e-6
    )

    check_saving(model, data, tmp_path)

    # The same seed gives the same weights.
    twin = make_model(objective, architecture, factory, shape)
    for ours, theirs in zip(untrained, twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    if precision == "fixed":
        # Fine-tuned from float: the same layers; with many bits, the same function.
        float_model = make_model(objective, architecture, Float(), shape)
        wide = make_model(objective, architecture, FixedPoint(**WIDE), shape)
        for source, target in (
            (float_model.encoder, wide.encoder),
            (float_model.decoder, wide.decoder),
        ):
            assert [layer.name for layer in source.layers] == [la.name for la in target.layers]
            copy_weights(source, target)
        np.testing.assert_allclose(
            wide.reconstruct(*data), float_model.reconstruct(*data), atol=1e-4
        )
        # And every output lies on the grid of its format.
        steps = code / FixedPoint().latent.step
        np.testing.assert_array_equal(steps, np.round(steps))


def check_saving(model: Autoencoder, data: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    """Saved and loaded: the same bits, and training goes on as if nothing had happened."""
    scores = model.scores(*data)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, values in loaded.scores(*data).items():
        np.testing.assert_array_equal(values, scores[name])
    for twin in (model, loaded):
        twin.fit(keras_inputs(data), batch_size=32, epochs=1, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("objective", "options"),
    [
        ("plain", {"learn_variance": True}),
        ("plain", {"likelihood": "masked_gaussian", "variance": 0.1}),
        ("plain", {"likelihood": "bernoulli"}),
        ("sparse", {"penalty": "kl", "target_activation": 0.2, "weight": 0.5}),
        ("contractive", {"weight": 0.5}),
        ("denoising", {"corruption": {"kind": "masking", "rate": 0.3}}),
        ("denoising", {"corruption": {"kind": "salt_and_pepper", "high": 3.0}}),
        ("denoising", {"corruption": {"kind": "object_dropout", "rate": 0.4}}),
        ("variational", {"beta": 3.0, "n_samples": 3}),
        ("variational", {"schedule": {"kind": "linear", "n_epochs": 3}}),
        ("variational", {"schedule": {"kind": "cyclical", "n_epochs": 3, "ramp": 0.7}}),
        ("importance_weighted", {"n_samples": 7}),
    ],
)
def test_options_survive_saving(objective: str, options: dict[str, Any], tmp_path: Path) -> None:
    activation = "sigmoid" if options.get("penalty") == "kl" else "linear"
    spec = ArchitectureSpec(
        input_dim=12, hidden_dims=(6,), latent_dim=2, latent_activation=activation
    )
    model = build_autoencoder(objective, spec, seed=3, steps_per_epoch=3, **options)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    data = make_data(objective, "features")
    model.fit(*data, batch_size=32, epochs=1, verbose=0)
    check_saving(model, data, tmp_path)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_bad_input(objective: str) -> None:
    architecture = "linear" if objective in LINEAR_OBJECTIVES else "deep"
    model = make_model(objective, architecture, Float(), "features")
    data = make_data(objective, "features")
    x, condition = data[0], data[1:]
    before = model.get_weights()

    def fit(x: np.ndarray, *condition: np.ndarray) -> None:
        model.fit((x, *condition) if condition else x, epochs=1, verbose=0)

    bad = x.copy()
    bad[5, 2] = np.nan
    with pytest.raises(InputError, match="x: every value must be finite, got NaN .* event 5"):
        fit(bad, *condition)
    with pytest.raises(InputError, match="x: every value must be finite"):
        model.score(bad, "reconstruction", *condition)
    with pytest.raises(InputError, match=r"x must have shape \(events, 12\), got \(96, 11\)"):
        fit(x[:, :11], *condition)
    with pytest.raises(InputError, match=r"x must have shape \(events, 12\)"):
        model.encode(x[0], *condition)
    with pytest.raises(InputError, match="x must hold at least one event, got 0"):
        fit(x[:0], *(c[:0] for c in condition))
    with pytest.raises(InputError, match="score of .* must be one of reconstruction_error, .*'no'"):
        model.score(x, "no", *condition)
    with pytest.raises(InputError, match="score of .* must be one of"):
        model.score_contributions(x, "no", *condition)
    with pytest.raises(InputError, match="latent must have shape"):
        model.decode(np.zeros((2, 7)), *(c[:2] for c in condition))
    if condition:
        with pytest.raises(InputError, match=r"must have shape \(events, 2\), got none"):
            model.encode(x)
        with pytest.raises(InputError, match=r"must have shape \(events, 2\), got none"):
            fit(x)
        with pytest.raises(InputError, match=r"condition must have shape \(events, 2\), got"):
            model.encode(x, np.zeros((96, 3)))
        with pytest.raises(InputError, match="condition must have as many events as x, 96, got 4"):
            model.encode(x, condition[0][:4])
    else:
        with pytest.raises(InputError, match="condition of .* must be None, got an array"):
            model.encode(x, np.zeros((96, 2)))
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# PCA is solved in closed form: nothing can diverge.
@pytest.mark.parametrize("objective", [kind for kind in OBJECTIVES if kind != "pca"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_ends_training(objective: str) -> None:
    architecture = "linear" if objective in LINEAR_OBJECTIVES else "deep"
    model = make_model(objective, architecture, Float(), "features")
    model.optimizer.learning_rate.assign(1e25)
    terms = "|".join(model.term_names)
    with pytest.raises(InputError, match=rf"({terms}) must be finite, got (nan|inf) in epoch"):
        model.fit(keras_inputs(make_data(objective, "features")), epochs=9, verbose=0)
