"""Scores -> ROC: the stage `evaluate` of a run, beside baselines that need no training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_ae import plots
from keras_ae.data.dataset import L1Dataset
from keras_ae.data.l1 import JET, LEPTONS, N_OBJECTS
from keras_ae.data.scaling import FEATURES
from keras_ae.likelihoods import Gaussian
from keras_ae.linear import PCA
from keras_ae.metrics import ScoresBySample, separation
from keras_ae.precision import Float
from keras_ae.runs import Run, read_json, write_json
from keras_ae.training import build_model, load_data, load_model, network_inputs


def evaluate(run: Run) -> bool:
    """Stage `evaluate`: AUC and TPR of every score and baseline, as JSON and as figures."""

    def work() -> None:
        data = load_data(run)
        scores = score_samples(run, data)
        write_json(
            run.metrics_path,
            {
                "test_background_events": len(data.test),
                "methods": {name: separation(samples) for name, samples in scores.items()},
            },
        )
        _write_plots(run, scores)

    return run.stage("evaluate", (run.metrics_path, run.plots_folder / "roc.png"), work)


def score_samples(run: Run, data: L1Dataset) -> dict[str, dict[str, np.ndarray]]:
    """Every method's score by sample: {"float/kl_divergence": {"background": ..., ...}, ...}."""
    integers = {"background": data.test, **data.signals}
    inputs, quantized_inputs = (
        {sample: network_inputs(run, precision, x) for sample, x in integers.items()}
        for precision in ("float", "quantized")
    )
    model = load_model(run, "float")
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, scored, samples in (
        ("float", model, inputs),
        ("quantized", load_model(run, "quantized"), quantized_inputs),
        ("untrained", build_model(run.experiment, Float()), inputs),
    ):
        for sample, x in samples.items():
            for score, values in scored.scores(x).items():
                scores.setdefault(f"{name}/{score}", {})[sample] = values
    train = network_inputs(run, "float", data.train)
    likelihood = model.likelihood
    return scores | _pca_baselines(run, likelihood, train, inputs) | _counting_baselines(integers)


def _pca_baselines(
    run: Run, likelihood: Gaussian, train: np.ndarray, inputs: ScoresBySample
) -> dict[str, dict[str, np.ndarray]]:
    """Reconstruction error of PCA on the network's inputs, as they are and standardized."""
    scores = {}
    for name, scale in (("pca", 1.0), ("pca_standardized", np.maximum(train.std(axis=0), 1e-6))):
        pca = PCA(run.experiment.architecture.latent_dim).fit(train / scale)
        scores[f"baseline/{name}"] = {
            sample: (
                np.asarray(likelihood.weight(x)) * (x / scale - pca.reconstruct(x / scale)) ** 2
            ).sum(axis=1)
            for sample, x in inputs.items()
        }
    return scores


def _counting_baselines(integers: ScoresBySample) -> dict[str, dict[str, np.ndarray]]:
    filled = {
        sample: x.reshape(-1, N_OBJECTS, len(FEATURES))[:, :, 0] > 0
        for sample, x in integers.items()
    }
    slots = {
        "baseline/n_objects": [kind.slots for kind in (*LEPTONS, JET)],
        "baseline/n_leptons": [kind.slots for kind in LEPTONS],
    }
    return {
        name: {sample: sum(f[:, s].sum(1) for s in chosen) for sample, f in filled.items()}
        for name, chosen in slots.items()
    }


def _write_plots(run: Run, scores: Mapping[str, ScoresBySample]) -> None:
    for precision in ("float", "quantized"):
        history = read_json(run.history_path(precision))
        plots.save(plots.training_curves(history), run.plots_folder / f"training_{precision}.png")
    score = run.experiment.trigger.score
    plots.save(plots.roc_curves(scores[f"quantized/{score}"], score), run.plots_folder / "roc.png")
    plots.save(
        plots.score_distributions(scores[f"quantized/{score}"], score),
        run.plots_folder / "scores.png",
    )
