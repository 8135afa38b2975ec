"""The stage `evaluate`: methods against scores computed by hand, and what the summary says."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ae.evaluation import evaluate, evaluated_models, score_samples
from keras_ae.files import read_json
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.metrics import roc_auc
from keras_ae.models import Autoencoder
from keras_ae.run_contents import load_data, load_model, network_inputs
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import Experiment
from keras_ae.summary import summary
from keras_ae.training import quantize, train


@pytest.fixture(scope="module")
def evaluated(small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    content = copy.deepcopy(small_experiment)
    content["trigger"]["score"] = "squared_latent_norm"
    # Coarse, so that rounding the weights shows.
    content["precision"] |= {"weight": "fixed<6,3>", "bias": "fixed<6,3>"}
    run = create_run(tmp_path_factory.mktemp("evaluated"), Experiment.model_validate(content))
    train(run, progress=False)
    quantize(run, progress=False)
    evaluate(run)
    return run


def latent_by_hand(model: Autoencoder, x: np.ndarray, experiment: Experiment) -> np.ndarray:
    """The latent mean of a float model with every number rounded as the experiment says."""

    def weights(layer: str) -> tuple[np.ndarray, ...]:
        return tuple(
            FixedPointFormat.parse("fixed<6,3>").quantize(np.asarray(part))
            for part in model.encoder.get_layer(layer).get_weights()
        )

    hidden = experiment.precision.input.quantize(x)
    for layer in ("encoder_dense_1", "encoder_dense_2"):
        kernel, bias = weights(layer)
        # Saturation at zero is the ReLU.
        hidden = experiment.precision.activation.quantize(hidden @ kernel + bias)
    kernel, bias = weights("latent_mean")
    return experiment.precision.latent.quantize(hidden @ kernel + bias)


def test_post_training_quantization_is_the_float_weights_rounded(evaluated: Run) -> None:
    data, model = load_data(evaluated), load_model(evaluated, "float")
    inputs = {
        precision: {
            name: network_inputs(evaluated, precision, sample)
            for name, sample in data.tested.items()
        }
        for precision in ("float", "quantized")
    }
    scores = score_samples(evaluated, data, inputs, evaluated_models(evaluated))
    aucs = {}
    methods = read_json(evaluated.metrics_path)["methods"]
    by_hand = {
        name: (latent_by_hand(model, x, evaluated.experiment) ** 2).sum(axis=1)
        for name, x in inputs["float"].items()
    }
    for name, expected in by_hand.items():
        found = scores["post_training/squared_latent_norm"][name]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        if name != "background":
            aucs[name] = methods["post_training/squared_latent_norm"][name]["auc"]
            assert aucs[name] == pytest.approx(
                roc_auc(by_hand["background"], expected).value, abs=1e-6
            )
    # It is neither the float model nor the fine-tuned one.
    for other in ("float", "quantized"):
        assert aucs != {n: q["auc"] for n, q in methods[f"{other}/squared_latent_norm"].items()}


def test_summary_shows_it_beside_fine_tuning(evaluated: Run) -> None:
    lines = summary(evaluated).splitlines()
    header = next(line for line in lines if line.startswith("signal"))
    assert header.split()[:5] == ["signal", "AUC", "float", "PTQ", "QAT"]
    methods = read_json(evaluated.metrics_path)["methods"]
    line = next(line for line in lines if line.startswith("A -> 4l"))
    expected = [
        f"{methods[f'{name}/squared_latent_norm']['A -> 4l']['auc']:.3f}"
        for name in ("post_training", "quantized")
    ]
    assert line.split("±")[1].split()[1:3] == expected


@pytest.mark.slow
def test_saturated_weights_are_said_once(small_experiment: dict[str, Any], tmp_path: Path) -> None:
    content = copy.deepcopy(small_experiment)
    content["precision"]["weight"] = "fixed<8,0>"
    run = create_run(tmp_path / "run", Experiment.model_validate(content))
    train(run, progress=False)
    with pytest.warns(UserWarning, match="saturate in fixed<8,0>"):
        quantize(run, progress=False)
    # A warning would be an error here.
    evaluate(run)
