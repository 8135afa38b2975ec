"""Scores -> ROC: the stage `evaluate` of a run, beside baselines that need no training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_ae import plots
from keras_ae.data.dataset import L1Dataset
from keras_ae.data.l1 import JET, LEPTONS, N_OBJECTS
from keras_ae.data.scaling import FEATURES, L1Scaler
from keras_ae.linear import PCA
from keras_ae.metrics import roc_auc, tpr_at_fpr
from keras_ae.precision import Float
from keras_ae.runs import Run, read_json, write_json
from keras_ae.training import build_model, load_data, load_model

TARGET_FPRS = (1e-2, 1e-3, 1e-4, 1e-5)

#: Score of one method on background ("background") and on each signal.
ScoresBySample = Mapping[str, np.ndarray]


def evaluate(run: Run) -> bool:
    """Stage `evaluate`: AUC and TPR of every score and baseline, as JSON and as figures."""
    inputs = {
        "quantize": run.digest_of("quantize"),
        "score": run.experiment.trigger.score,
    }

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

    return run.stage("evaluate", inputs, (run.metrics_path, run.plots_folder / "roc.png"), work)


def score_samples(run: Run, data: L1Dataset) -> dict[str, dict[str, np.ndarray]]:
    """Every method's score by sample: {"float/kl_divergence": {"background": ..., ...}, ...}."""
    experiment = run.experiment
    scaler = L1Scaler.load(run.scaler_path)
    integers = {"background": data.test, **data.signals}
    inputs = {name: scaler.transform(sample) for name, sample in integers.items()}
    models = {precision: load_model(run, precision) for precision in ("float", "quantized")}
    models["untrained"] = build_model(experiment, Float())
    scores: dict[str, dict[str, np.ndarray]] = {
        f"{model_name}/{score}": {}
        for model_name, model in models.items()
        for score in model.scores(inputs["background"][:1])
    }
    for sample, x in inputs.items():
        for model_name, model in models.items():
            for score, values in model.scores(x).items():
                scores[f"{model_name}/{score}"][sample] = values

    pca = PCA(experiment.architecture.latent_dim).fit(scaler.transform(data.train))
    likelihood = models["float"].likelihood
    scores["baseline/pca"] = {
        sample: np.asarray(likelihood.squared_error(x, pca.reconstruct(x).astype(np.float32))).sum(
            1
        )
        for sample, x in inputs.items()
    }
    return scores | _counting_baselines(integers)


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


def separation(scores: ScoresBySample) -> dict[str, dict[str, Any]]:
    """AUC and TPR at each of `TARGET_FPRS` by signal; a TPR that the sample cannot give is None."""
    background = scores["background"]
    table: dict[str, dict[str, Any]] = {}
    for signal, values in scores.items():
        if signal == "background":
            continue
        auc = roc_auc(background, values)
        tpr = {f"{fpr:g}": tpr_at_fpr(background, values, fpr) for fpr in TARGET_FPRS}
        table[signal] = {
            "auc": auc.value,
            "auc_error": auc.error,
            "tpr": {fpr: estimate and estimate.value for fpr, estimate in tpr.items()},
            "tpr_error": {fpr: estimate and estimate.error for fpr, estimate in tpr.items()},
        }
    return table


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
