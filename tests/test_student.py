"""The student: its target and loss against formulas, what it learns against least squares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ae.errors import InputError
from keras_ae.fitting import fit as fitting
from keras_ae.models import Student, build_student
from keras_ae.networks import build_encoder
from keras_ae.precision import FixedPoint, Float
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.learning import FocusSettings, TrainingSettings

RNG = np.random.default_rng(1)
X = RNG.normal(size=(400, 6)).astype("float32")
#: The logarithm is linear in x, but for noise that does not depend on it.
SCORES = np.exp(X @ [0.5, -1.0, 0.0, 2.0, 0.3, 0.1] - 4 + 0.1 * RNG.normal(size=400))
SCORES = SCORES.astype("float32")
DENSE = ArchitectureSpec(input_dim=6, hidden_dims=(5,), latent_dim=1)
LINEAR = DENSE.model_copy(update={"hidden_dims": ()})
SETTINGS = TrainingSettings(epochs=5, batch_size=64, learning_rate=0.02)


def make_student(spec: ArchitectureSpec = DENSE, precision: object = None) -> Student:
    student = build_student(spec, precision, seed=1)
    student.adapt(SCORES)
    return student


def standardized(scores: np.ndarray) -> np.ndarray:
    logarithms = np.log(scores.astype(float))
    return (logarithms - np.log(SCORES.astype(float)).mean()) / np.log(SCORES.astype(float)).std()


def test_target_is_the_standardized_logarithm() -> None:
    student = make_student()
    target = np.asarray(student.target(SCORES))
    np.testing.assert_allclose(target, standardized(SCORES), rtol=1e-4, atol=1e-5)
    assert target.mean() == pytest.approx(0, abs=1e-5)
    assert target.std() == pytest.approx(1, rel=1e-5)
    # What is lower than anything seen, and zero, counts as the lowest score seen.
    low = np.asarray(student.target(np.array([0, SCORES.min() / 2, SCORES.max() * 2])))
    np.testing.assert_allclose(low[:2], target.min(), rtol=1e-6)
    assert low[2] > target.max()


def test_zeros_among_the_scores_do_not_decide_the_scale() -> None:
    student = build_student(DENSE)
    student.adapt(np.array([0.0, 1.0, np.e**2, 0.0], "float32"))
    # Logarithms 0, 0, 2, 0: mean 1/2, standard deviation sqrt(3)/2.
    found = np.asarray(student.target(np.array([0.0, 1.0, np.e**2])))
    np.testing.assert_allclose(found, np.array([-0.5, -0.5, 1.5]) / np.sqrt(0.75), rtol=1e-5)


@pytest.mark.slow
def test_it_learns_what_least_squares_finds() -> None:
    student = make_student(LINEAR)
    student.compile(optimizer=keras.optimizers.SGD(0.2))
    student.fit(X, SCORES, batch_size=400, epochs=120, verbose=0)
    ones = np.ones((400, 1))
    expected, *_ = np.linalg.lstsq(np.hstack([X, ones]), standardized(SCORES), rcond=None)
    kernel, bias = student.encoder.get_layer("latent_mean").get_weights()
    np.testing.assert_allclose(np.append(kernel, bias), expected, atol=2e-3)
    # Higher for what the teacher holds for more anomalous.
    found = student.score(X, "student_score")
    assert np.corrcoef(found, standardized(SCORES))[0, 1] > 0.99


def test_signed_scores_are_shifted() -> None:
    """As far below the lowest as the median is above it, before the logarithm."""
    scores = np.array([-4.0, -2.0, 0.0, 6.0, 100.0], np.float32)
    student = build_student(DENSE)
    student.adapt(scores)
    logarithms = np.log(scores + 8.0)
    expected = (logarithms - logarithms.mean()) / logarithms.std()
    np.testing.assert_allclose(student.target(scores), expected, rtol=1e-5)
    # Monotone, and finite for what is lower than all of the training.
    found = np.asarray(student.target(np.array([-1e9, -8.0, -4.0, 1e9], np.float32)))
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()


def test_loss_is_the_mean_squared_error() -> None:
    student = make_student()
    student.compile()
    errors = (student.score(X, "student_score").astype(float) - standardized(SCORES)) ** 2
    found = student.evaluate(X, SCORES, batch_size=150, verbose=0)
    assert found == pytest.approx(errors.mean(), rel=1e-4)


def test_predict_and_call_give_the_score() -> None:
    student = make_student()
    student.compile()
    by_hand = np.asarray(student.encoder(X))[:, 0]
    for found in (student.predict(X, verbose=0), np.asarray(student(X))):
        # A batch of another size may add in another order.
        np.testing.assert_allclose(found, by_hand, rtol=1e-6, atol=1e-6)
    assert list(student.scores(X)) == ["student_score"]


def test_saved_as_a_whole(tmp_path: Path) -> None:
    student = make_student()
    student.compile(optimizer=keras.optimizers.Adam(0.01))
    student.fit(X, SCORES, epochs=2, verbose=0, shuffle=False)
    student.save(tmp_path / "student.keras")
    loaded = keras.models.load_model(tmp_path / "student.keras")
    for model in (student, loaded):
        # The state of the optimizer counts, too.
        model.fit(X, SCORES, epochs=1, verbose=0, shuffle=False)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), student.predict(X, verbose=0))
    np.testing.assert_array_equal(loaded.target(SCORES), student.target(SCORES))


def test_weights_depend_on_the_seed_alone() -> None:
    keras.utils.set_random_seed(7)
    first, other = build_student(DENSE, seed=1), build_student(DENSE, seed=2)
    second = build_student(DENSE, seed=1)
    for a, b, c in zip(*(m.encoder.get_weights() for m in (first, second, other)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.ndim == 1 or (a != c).any()


def test_in_fixed_point_it_keeps_weights_and_target() -> None:
    student, quantized = make_student(), build_student(DENSE, FixedPoint())
    quantized.copy_from(student)
    np.testing.assert_array_equal(quantized.target(SCORES), student.target(SCORES))
    step = FixedPoint().latent.step
    scores = quantized.score(FixedPoint().input.quantize(X), "student_score")
    np.testing.assert_array_equal(scores, np.round(scores / step) * step)
    assert np.abs(scores - student.score(X, "student_score")).mean() < 0.1


def test_condition_reaches_it() -> None:
    condition = np.eye(2, dtype="float32")[np.arange(400) % 2]
    student = build_student(LINEAR.model_copy(update={"condition_dim": 2}))
    scores = np.exp(condition[:, 0] + 0.01 * X[:, 0])
    student.adapt(scores)
    student.compile(optimizer=keras.optimizers.Adam(0.05))
    student.fit((X, condition), scores, epochs=100, verbose=0, batch_size=400)
    found = student.score(X, "student_score", condition)
    assert np.abs(found - np.asarray(student.target(scores))).max() < 0.2


def test_images() -> None:
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 4, 1), filters=(2,), latent_dim=1
    )
    student = build_student(spec)
    assert student.score(np.zeros((3, 4, 4, 1)), "student_score").shape == (3,)


@pytest.mark.parametrize("epochs_before", [1, 3])
def test_interrupted_distillation_ends_at_the_same_weights(
    tmp_path: Path, interrupted_fit: Callable[..., None], epochs_before: int
) -> None:
    weights, histories = [], []
    for folder in (tmp_path / "whole", tmp_path / "interrupted"):
        arguments = X[:300], X[300:], SETTINGS
        options = {
            "seed": 1,
            "checkpoint": folder,
            "progress": False,
            "targets": (SCORES[:300], SCORES[300:]),
        }
        if folder.name == "interrupted":
            interrupted_fit(epochs_before, make_student(), *arguments, **options)
        student = make_student()
        histories.append(fitting.fit(student, *arguments, **options))
        weights.append(student.get_weights())
    assert histories[0] == histories[1]
    assert len(histories[0]["val_loss"]) == SETTINGS.epochs
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_scores_are_another_training(tmp_path: Path) -> None:
    def history(scores: np.ndarray) -> dict[str, list[float]]:
        targets = scores[:300], scores[300:]
        return fitting.fit(
            make_student(),
            X[:300],
            X[300:],
            SETTINGS,
            1,
            tmp_path,
            progress=False,
            targets=targets,
        )

    assert history(SCORES) == history(SCORES)
    assert history(SCORES)["loss"] != history(2 * SCORES)["loss"]


def test_further_outputs_learn_scores_of_their_own(tmp_path: Path) -> None:
    other = 3 - X[:, 0] ** 3
    both = np.stack([SCORES, other], axis=1)
    student = build_student(DENSE, seed=1, further_scores=["kl_divergence"])
    student.adapt(both)
    alone = build_student(DENSE, seed=1)
    for number, scores in enumerate(both.T):
        alone.adapt(scores)
        target = np.asarray(student.target(both))[:, number]
        np.testing.assert_array_equal(target, alone.target(scores))
    student.compile(optimizer=keras.optimizers.Adam(0.01))
    student.fit(X, both, epochs=2, verbose=0)
    found = student.scores(X)
    assert list(found) == ["student_score", "student_kl_divergence"]
    kernel, bias = student.encoder.get_layer("student_kl_divergence").get_weights()
    hidden = keras.Model(
        student.encoder.inputs, student.encoder.get_layer("encoder_relu_1").output
    ).predict(X, verbose=0)
    np.testing.assert_allclose(
        found["student_kl_divergence"], (hidden @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5
    )
    errors = [
        (found[name] - np.asarray(student.target(both))[:, n]) ** 2
        for n, name in enumerate(student.score_names)
    ]
    loss = student.evaluate(X, both, batch_size=400, verbose=0)
    assert loss == pytest.approx(np.mean(errors), rel=1e-4)
    student.save(tmp_path / "student.keras")
    loaded = keras.models.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), student.predict(X, verbose=0))


class TestRefusals:
    def test_scores_of_further_outputs(self) -> None:
        student = build_student(DENSE, further_scores=["kl_divergence"])
        message = r"scores of the teacher must be an array of numbers \(events, 2\), got \(400,\)"
        with pytest.raises(InputError, match=message):
            student.adapt(SCORES)
        with pytest.raises(InputError, match="student must have .* each of its 2 scores"):
            Student(build_encoder(DENSE, Float()), ["kl_divergence"])

    def test_encoder_of_several_dimensions(self) -> None:
        spec = DENSE.model_copy(update={"latent_dim": 2})
        with pytest.raises(InputError, match="latent_dim of a student must be 1, got 2"):
            build_student(spec)
        with pytest.raises(
            InputError, match=r"encoder of a student must .*\(None, 1\) for .*, got .*2\)"
        ):
            Student(build_encoder(spec, Float()))

    def test_before_adapt(self) -> None:
        student = build_student(DENSE)
        student.compile()
        for call in (student.fit, student.evaluate):
            with pytest.raises(InputError, match="must be adapted to scores first, got none"):
                call(X, SCORES)

    @pytest.mark.parametrize(
        ("scores", "message"),
        [
            (None, r"must be an array of numbers \(events,\), got NoneType"),
            (SCORES[:, None], r"must be an array of numbers \(events,\), got \(400, 1\)"),
            (SCORES[:0], "must hold at least one event, got 0"),
            (np.array([1.0, np.nan]), "must be finite, got NaN or infinity in 1 events"),
            (np.array([0.0, 2.0, 2.0]), "two different values at least, .* got 1 in 3"),
            (np.array([-2.0, -2.0]), "two different values at least, .* got 0 in 2"),
        ],
    )
    def test_scores(self, scores: np.ndarray | None, message: str) -> None:
        with pytest.raises(InputError, match=f"scores of the teacher:? {message}|{message}"):
            build_student(DENSE).adapt(scores)  # type: ignore[arg-type]

    def test_arrays_of_fit(self) -> None:
        student = make_student()
        student.compile()
        with pytest.raises(InputError, match="y must have as many events as x, 400, got 399"):
            student.fit(X, SCORES[:-1])
        with pytest.raises(InputError, match=r"x must have shape \(events, 6\), got \(400, 5\)"):
            student.fit(X[:, :5], SCORES)
        with pytest.raises(InputError, match=r"y of x must be an array of numbers .*, got None"):
            student.fit(X)
        with pytest.raises(InputError, match=r"x must be an array \(events, \(6,\)\), got None"):
            student.fit()
        with pytest.raises(InputError, match="y of validation data must be an array of numbers"):
            student.fit(X, SCORES, validation_data=(X,))
        with pytest.raises(InputError, match="y must have as many events as validation data"):
            student.fit(X, SCORES, validation_data=(X, SCORES[1:]))

    def test_another_loss(self) -> None:
        with pytest.raises(InputError, match="loss of Student must be None: .*, got 'mae'"):
            make_student().compile(loss="mae")

    def test_unknown_score(self) -> None:
        message = "score of Student must be one of student_score, got 'reconstruction_error'"
        with pytest.raises(InputError, match=message):
            make_student().score(X, "reconstruction_error")


@pytest.mark.parametrize("further", [(), ("other",)])
def test_events_at_the_thresholds_count_more(tmp_path: Path, further: tuple[str, ...]) -> None:
    """Against the formula in NumPy, also after saving and in fixed point."""
    student = build_student(DENSE, seed=1, further_scores=further, focus=5.0)
    thresholds = np.quantile(SCORES, [0.99, 0.9]).tolist()
    scores = np.stack([SCORES] + [SCORES[::-1]] * len(further), axis=1)
    scores = scores if further else SCORES
    student.adapt(scores, thresholds)
    target, (high, low) = standardized(SCORES), standardized(np.array(thresholds))
    away = np.clip(low - target, 0, None) + np.clip(target - high, 0, None)
    weights = 1 + 4 * np.exp(-((away / 0.5) ** 2))
    weights /= weights.mean()
    errors = (np.asarray(student(X)).astype(float) - np.asarray(student.target(scores))) ** 2
    expected = (weights * errors.reshape(len(X), -1).mean(axis=1)).mean()
    student.save(tmp_path / "student.keras")
    loaded = keras.models.load_model(tmp_path / "student.keras")
    copied = build_student(DENSE, seed=2, further_scores=further, focus=5.0)
    copied.copy_from(student)
    for model in (student, loaded, copied):
        model.compile()
        assert model.evaluate(X, scores, batch_size=400, verbose=0) == pytest.approx(
            expected, rel=1e-4
        )


def test_a_focus_needs_thresholds() -> None:
    with pytest.raises(InputError, match="focus must be >= 1, got 0.5"):
        build_student(DENSE, focus=0.5)
    with pytest.raises(InputError, match="thresholds must be given .* focus of 3, got none"):
        build_student(DENSE, focus=3.0).adapt(SCORES)


@pytest.mark.parametrize(
    ("focus", "message"),
    [
        ({"target_fprs": [0.0, 0.1]}, "target_fprs must be one rate within"),
        ({"target_fprs": []}, "target_fprs must be one rate within"),
        ({"weight": 1.0}, "greater than 1"),
    ],
)
def test_refused_focus(focus: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FocusSettings.model_validate(focus)


def test_a_focus_beyond_the_events() -> None:
    FocusSettings().check_events(1000)
    with pytest.raises(InputError, match="target_fprs must be at least 1/999, .*, got 0.001"):
        FocusSettings().check_events(999)
