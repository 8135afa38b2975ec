"""Each objective computes what its mathematics says: numpy, scipy, finite differences."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from keras_ae.errors import InputError
from keras_ae.likelihoods import Gaussian
from keras_ae.models import (
    Autoencoder,
    ContractiveAutoencoder,
    ImportanceWeightedAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
    build_autoencoder,
)
from keras_ae.models.interpolation import spherical
from keras_ae.networks import build_decoder, build_encoder
from keras_ae.precision import Float
from keras_ae.schedules import Linear
from keras_ae.settings.architecture import ArchitectureSpec

DENSE = ArchitectureSpec(input_dim=6, hidden_dims=(5,), latent_dim=2)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(64, 6)).astype("float32")


def evaluate(model: Autoencoder, x: np.ndarray) -> dict[str, float]:
    if not model.compiled:
        model.compile(optimizer="adam")
    return model.evaluate(x, batch_size=len(x), return_dict=True, verbose=0)


def fitted_weights(model: Autoencoder, x: np.ndarray) -> list[np.ndarray]:
    model.compile(optimizer="adam")
    model.fit(x, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


class TestSparse:
    def test_l1_is_the_laplace_prior(self, x: np.ndarray) -> None:
        model = build_autoencoder("sparse", DENSE, weight=0.7)
        code = model.encode(x).astype(float)
        # -log p(h) of Laplace(scale 1/weight), without its constant
        expected = 0.7 * np.abs(code).sum(axis=1).mean()
        shown = evaluate(model, x)
        assert 0.7 * shown["sparsity"] == pytest.approx(expected, rel=1e-5)
        assert shown["loss"] == pytest.approx(shown["reconstruction"] + expected, rel=1e-5)

    def test_kl_against_numpy(self, x: np.ndarray) -> None:
        spec = DENSE.model_copy(update={"latent_activation": "sigmoid"})
        model = build_autoencoder("sparse", spec, penalty="kl", target_activation=0.1)
        active = model.encode(x).astype(float).mean(axis=0)
        expected = (0.1 * np.log(0.1 / active) + 0.9 * np.log(0.9 / (1 - active))).sum()
        assert evaluate(model, x)["sparsity"] == pytest.approx(expected, rel=1e-5)

    def test_kl_is_zero_at_the_target(self) -> None:
        spec = DENSE.model_copy(update={"latent_activation": "sigmoid"})
        model = build_autoencoder("sparse", spec, penalty="kl", target_activation=0.5)
        layer = model.encoder.get_layer("latent_mean")
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
        assert evaluate(model, np.ones((4, 6), "float32"))["sparsity"] == pytest.approx(0, abs=1e-6)

    def test_kl_needs_a_sigmoid(self) -> None:
        plain = build_autoencoder("plain", DENSE)
        with pytest.raises(InputError, match="encoder for the penalty 'kl' must end in a sigmoid"):
            SparseAutoencoder(plain.encoder, plain.decoder, penalty="kl")
        with pytest.raises(InputError, match="architecture.latent_activation must be 'sigmoid'"):
            build_autoencoder("sparse", DENSE, penalty="kl")

    def test_the_penalty_makes_codes_sparse(self, x: np.ndarray) -> None:
        spec = DENSE.model_copy(update={"latent_activation": "relu", "latent_dim": 8})
        mean_activation = []
        for weight in (0.0, 1.0):
            model = build_autoencoder("sparse", spec, weight=weight)
            model.compile(optimizer=keras.optimizers.Adam(0.01))
            model.fit(x, epochs=40, verbose=0)
            mean_activation.append(np.abs(model.encode(x)).mean())
        assert mean_activation[1] < 0.5 * mean_activation[0]


class TestDenoising:
    def test_without_noise_it_is_the_plain_autoencoder(self, x: np.ndarray) -> None:
        none = build_autoencoder("denoising", DENSE, corruption={"kind": "gaussian", "stddev": 0.0})
        plain = build_autoencoder("plain", DENSE)
        for expected, found in zip(fitted_weights(plain, x), fitted_weights(none, x), strict=True):
            np.testing.assert_array_equal(found, expected)

    def test_the_target_is_clean_and_only_training_corrupts(self, x: np.ndarray) -> None:
        model = build_autoencoder(
            "denoising", DENSE, corruption={"kind": "gaussian", "stddev": 5.0}
        )
        seen = []
        model.corruption = lambda x, seed: seen.append(x) or tf.zeros_like(x)
        forward = model._forward(tf.constant(x), None, True)
        np.testing.assert_array_equal(np.asarray(forward.x), x)
        zero_code = model.encode(np.zeros_like(x))
        np.testing.assert_allclose(np.asarray(forward.latent), zero_code, atol=1e-6)
        assert len(seen) == 1
        evaluate(model, x)
        model.reconstruct(x)
        assert len(seen) == 1


class TestContractive:
    @pytest.mark.parametrize("activation", ["linear", "relu", "sigmoid"])
    @pytest.mark.parametrize("hidden_dims", [(), (5,)])
    def test_penalty_equals_the_numerical_jacobian(
        self, x: np.ndarray, activation: str, hidden_dims: tuple[int, ...]
    ) -> None:
        spec = ArchitectureSpec(
            input_dim=6, hidden_dims=hidden_dims, latent_dim=2, latent_activation=activation
        )
        model = build_autoencoder("contractive", spec)
        assert isinstance(model, ContractiveAutoencoder)
        step = 1e-3
        norm_squared = np.zeros(len(x))
        at_kink = np.zeros(len(x), bool)
        for feature in range(6):
            shift = step * np.eye(6, dtype="float32")[feature]
            low, centre, high = (model.encode(x + s).astype(float) for s in (-shift, 0, shift))
            slopes = (high - low) / (2 * step)
            norm_squared += (slopes**2).sum(axis=1)
            if activation != "sigmoid":
                # Where the finite difference crosses a kink of a ReLU it says nothing.
                at_kink |= (np.abs(high + low - 2 * centre) > 1e-6).any(axis=1)
        terms = model.terms(model._forward(tf.constant(x), None, False), False)
        contraction = np.asarray(terms["contraction"])
        assert at_kink.mean() < 0.2
        np.testing.assert_allclose(contraction[~at_kink], norm_squared[~at_kink], rtol=2e-2)
        assert (model._single_layer is not None) == (hidden_dims == ())
        exact = np.asarray(model.squared_jacobian_norm(tf.constant(x)))
        np.testing.assert_allclose(contraction, exact, rtol=1e-4)

    @pytest.mark.parametrize(
        "layers",
        [
            # In either, one dense layer with weights is not all.
            [keras.layers.Activation("relu"), keras.layers.Dense(2)],
            [keras.layers.Dense(2, activation="sigmoid"), keras.layers.Activation("sigmoid")],
        ],
        ids=["before", "twice"],
    )
    def test_closed_form_only_for_one_activation_behind(
        self, x: np.ndarray, layers: list[keras.Layer]
    ) -> None:
        inputs = keras.Input((6,))
        encoder = keras.Sequential([inputs, *layers])
        model = ContractiveAutoencoder(
            keras.Model(encoder.inputs, encoder.outputs), build_decoder(DENSE, Float())
        )
        terms = model.terms(model._forward(tf.constant(x), None, False), False)
        exact = np.asarray(model.squared_jacobian_norm(tf.constant(x)))
        np.testing.assert_allclose(np.asarray(terms["contraction"]), exact, rtol=1e-4)

    def test_weight_enters_the_loss(self, x: np.ndarray) -> None:
        shown = evaluate(build_autoencoder("contractive", DENSE, weight=0.5), x)
        assert shown["loss"] == pytest.approx(
            shown["reconstruction"] + 0.5 * shown["contraction"], rel=1e-5
        )


def linear_gaussian_vae(variance: float = 0.4) -> VariationalAutoencoder:
    """One linear layer each way: p(x) is a Gaussian, that of probabilistic PCA."""
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=2)
    model = build_autoencoder("variational", spec, variance=variance, seed=2)
    head = model.encoder.get_layer("latent_log_var")
    head.set_weights([np.zeros((6, 2)), np.full(2, -1.0)])
    return model


class TestVariational:
    def test_log_likelihood_is_the_exact_marginal(self, x: np.ndarray) -> None:
        model = linear_gaussian_vae()
        kernel, bias = model.decoder.get_layer("reconstruction").get_weights()
        # Tipping & Bishop, J. R. Statist. Soc. B 61 (1999) 611, eq. 6
        covariance = kernel.T @ kernel + 0.4 * np.eye(6)
        exact = multivariate_normal(bias, covariance).logpdf(x)
        # Any encoder will do; the true posterior needs few samples.
        precision = kernel @ kernel.T / 0.4 + np.eye(2)
        posterior = np.linalg.inv(precision)
        model.encoder.get_layer("latent_mean").set_weights(
            [(posterior @ kernel / 0.4).T, -posterior @ kernel @ bias / 0.4]
        )
        variance = 1.5 * np.diag(posterior)
        model.encoder.get_layer("latent_log_var").set_weights([np.zeros((6, 2)), np.log(variance)])
        found = model.log_likelihood(x, n_samples=20_000)
        np.testing.assert_allclose(found, exact, atol=0.03)

    def test_elbo_is_below_the_bound_which_grows_with_samples(self, x: np.ndarray) -> None:
        model = linear_gaussian_vae()
        elbo = model.elbo(x, n_samples=200).mean()
        bounds = [
            np.mean([model.log_likelihood(x, k, seed=seed).mean() for seed in range(20)])
            for k in (1, 5, 50)
        ]
        assert bounds[0] == pytest.approx(elbo, abs=0.3)
        assert elbo < bounds[1] < bounds[2]

    def test_exactly_n_samples_are_used(self, x: np.ndarray, monkeypatch) -> None:
        model = linear_gaussian_vae()
        drawn = []
        whole = VariationalAutoencoder.sample_latent

        def counting(self, encoded, n_samples, seed):
            drawn.append((n_samples, len(encoded[0])))
            return whole(self, encoded, n_samples, seed)

        monkeypatch.setattr(VariationalAutoencoder, "sample_latent", counting)
        for n_samples in (1, 7, 1000):
            drawn.clear()
            model.log_likelihood(x, n_samples)
            assert sum(n * events for n, events in drawn) == n_samples * len(x)

    def test_elbo_is_the_monte_carlo_mean_of_the_negative_loss(self, x: np.ndarray) -> None:
        model = linear_gaussian_vae()
        losses = [
            float(model._objective(tf.constant(x), None, training=True)[0]) for _ in range(400)
        ]
        error = np.std(losses) / np.sqrt(len(losses))
        assert -model.elbo(x, 2000).mean() == pytest.approx(np.mean(losses), abs=5 * error)

    def test_more_samples_less_variance(self, x: np.ndarray) -> None:
        spreads = []
        for n_samples in (1, 16):
            spec = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=2)
            model = build_autoencoder("variational", spec, variance=0.4, n_samples=n_samples)
            losses = [
                float(model._objective(tf.constant(x), None, training=True)[0]) for _ in range(200)
            ]
            spreads.append(np.std(losses))
        assert spreads[1] == pytest.approx(spreads[0] / 4, rel=0.3)

    def test_importance_weighted_has_no_beta(self) -> None:
        networks = (build_encoder(DENSE, Float(), variational=True), build_decoder(DENSE, Float()))
        for options in ({"beta": 2.0}, {"schedule": Linear(10)}):
            with pytest.raises(InputError, match="beta of an Importance.* must be 1 without a sch"):
                ImportanceWeightedAutoencoder(*networks, **options)

    def test_importance_weighted_loss_of_one_sample_is_the_elbo_s(self, x: np.ndarray) -> None:
        spec = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=2)
        losses = {}
        for n_samples in (1, 5, 50):
            model = build_autoencoder(
                "importance_weighted", spec, variance=0.4, n_samples=n_samples, seed=2
            )
            assert isinstance(model, ImportanceWeightedAutoencoder)
            losses[n_samples] = np.mean(
                [float(model._objective(tf.constant(x), None, True)[0]) for _ in range(200)]
            )
        vae = build_autoencoder("variational", spec, variance=0.4, seed=2)
        assert losses[1] == pytest.approx(-vae.elbo(x, 2000).mean(), rel=0.02)
        assert losses[1] > losses[5] > losses[50]

    def test_schedule_weighs_the_kl_in_training_only(self, x: np.ndarray) -> None:
        model = build_autoencoder(
            "variational",
            DENSE,
            beta=2.0,
            schedule={"kind": "linear", "n_epochs": 2},
            steps_per_epoch=4,
        )
        model.compile(optimizer=keras.optimizers.SGD(0.0))
        # Equal events, so that every batch has the same KL.
        x = np.repeat(x[:1], 64, axis=0)
        shown = [model.fit(x, batch_size=16, epochs=1, verbose=0).history for _ in range(3)]
        # Steps 0-3, 4-7, and the rest: mean factors 1.5/8, 5.5/8, 1.
        for history, factor in zip(shown, (1.5 / 8, 5.5 / 8, 1.0), strict=True):
            weighted = history["loss"][0] - history["reconstruction"][0]
            assert weighted == pytest.approx(2 * factor * history["kl"][0], rel=1e-3)
        validated = evaluate(model, x)
        assert validated["loss"] == pytest.approx(
            validated["reconstruction"] + 2 * validated["kl"], rel=1e-5
        )

    def test_contributions_of_the_elbo(self, x: np.ndarray) -> None:
        model = build_autoencoder("variational", DENSE)
        parts = model.score_contributions(x, "negative_elbo")
        assert parts.shape == (64, 6 + 2)
        mean, log_var = (np.asarray(part, float) for part in model.encoder(x))
        kl = 0.5 * (mean**2 + np.exp(log_var) - log_var - 1)
        np.testing.assert_allclose(parts[:, 6:], kl, rtol=1e-4, atol=1e-6)
        expected = -norm.logpdf(x, model.reconstruct(x))
        np.testing.assert_allclose(parts[:, :6], expected, rtol=1e-4)

    def test_samples_have_the_prior_s_moments(self) -> None:
        model = linear_gaussian_vae()
        kernel, bias = model.decoder.get_layer("reconstruction").get_weights()
        drawn = model.sample(50_000, seed=1)
        np.testing.assert_allclose(drawn.mean(axis=0), bias, atol=0.05)
        np.testing.assert_allclose(np.cov(drawn.T), kernel.T @ kernel, atol=0.08)
        np.testing.assert_array_equal(model.sample(3, seed=1), drawn[:3])

    def test_interpolation_starts_and_ends_at_the_reconstructions(self, x: np.ndarray) -> None:
        model = build_autoencoder("variational", DENSE)
        for kind in ("linear", "spherical"):
            way = model.interpolate(x[0], x[1], 5, kind)
            assert way.shape == (5, 6)
            np.testing.assert_allclose(way[[0, -1]], model.reconstruct(x[:2]), atol=1e-5)

    def test_spherical_way_keeps_the_length(self) -> None:
        a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        way = spherical(a, b, np.linspace(0, 1, 7)[:, None])
        np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1)
        np.testing.assert_allclose(way[3], np.sqrt([0.5, 0.5]))
        np.testing.assert_allclose(spherical(a, 2 * a, np.array([[0.5]])), [[1.5, 0.0]])


class TestConditional:
    def test_the_condition_enters_encoder_and_decoder(self, x: np.ndarray) -> None:
        spec = DENSE.model_copy(update={"condition_dim": 2})
        model = build_autoencoder("conditional_variational", spec)
        zero, one = np.zeros((64, 2)), np.ones((64, 2))
        assert not np.allclose(model.encode(x, zero), model.encode(x, one))
        latent = np.zeros((64, 2))
        assert not np.allclose(model.decode(latent, zero), model.decode(latent, one))
        assert model.sample(3, condition=one[:3], seed=1).shape == (3, 6)
        assert model.interpolate(x[0], x[1], 4, condition=one[0]).shape == (4, 6)
        assert model.log_likelihood(x, 3, zero).shape == (64,)

    def test_it_learns_what_the_condition_says(self) -> None:
        rng = np.random.default_rng(1)
        condition = rng.integers(0, 2, (512, 1)).astype("float32")
        x = np.repeat(4 * condition - 2, 6, axis=1) + 0.1 * rng.normal(size=(512, 6))
        spec = DENSE.model_copy(update={"condition_dim": 1})
        model = build_autoencoder("conditional_variational", spec, variance=1.0)
        model.compile(optimizer=keras.optimizers.Adam(0.01))
        model.fit((x, condition), batch_size=64, epochs=60, verbose=0)
        for value in (0.0, 1.0):
            drawn = model.sample(200, condition=np.full((200, 1), value), seed=1)
            assert drawn.mean() == pytest.approx(4 * value - 2, abs=0.3)


class TestLikelihoods:
    @pytest.mark.slow
    def test_learned_variance_is_the_mean_squared_error(self, x: np.ndarray) -> None:
        model = build_autoencoder("plain", DENSE, variance=3.0, learn_variance=True)
        model.compile(optimizer=keras.optimizers.Adam(0.03))
        model.fit(x, batch_size=64, epochs=300, verbose=0)
        assert isinstance(model.likelihood, Gaussian)
        error = np.mean((x - model.reconstruct(x)) ** 2)
        assert model.likelihood.variance == pytest.approx(error, rel=0.1)

    def test_bernoulli_reconstructs_probabilities(self) -> None:
        x = (np.random.default_rng(1).random((64, 6)) < 0.3).astype("float32")
        model = build_autoencoder("plain", DENSE, likelihood="bernoulli")
        logits = np.asarray(model.decoder(model.encode(x)), float)
        probability = expit(logits)
        np.testing.assert_allclose(model.reconstruct(x), probability, rtol=1e-5)
        np.testing.assert_allclose(model.predict(x, verbose=0), probability, rtol=1e-5)
        entropy = -(x * np.log(probability) + (1 - x) * np.log(1 - probability)).sum(axis=1)
        np.testing.assert_allclose(model.score(x, "reconstruction"), entropy, rtol=1e-5)
        assert evaluate(model, x)["loss"] == pytest.approx(entropy.mean(), rel=1e-5)

    def test_bernoulli_refuses_other_data(self, x: np.ndarray) -> None:
        model = build_autoencoder("plain", DENSE, likelihood="bernoulli")
        model.compile(optimizer="adam")
        with pytest.raises(InputError, match=r"x of a Bernoulli likelihood must lie in \[0, 1\]"):
            model.fit(x, verbose=0)


def test_overcomplete_without_regularizer_warns() -> None:
    spec = ArchitectureSpec(input_dim=6, hidden_dims=(), latent_dim=6)
    with pytest.warns(UserWarning, match="latent_dim 6 >= 6 features: without a regularizer"):
        build_autoencoder("plain", spec)
    for kind in ("sparse", "denoising", "contractive", "variational"):
        build_autoencoder(kind, spec)
