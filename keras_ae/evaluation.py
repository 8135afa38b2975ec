"""Scores -> ROC: the stage `evaluate` of a run, beside baselines that need no training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_ae import plots
from keras_ae.clustering import adjusted_rand_index, cluster_latent
from keras_ae.data.dataset import Dataset
from keras_ae.experiment_models import build_model
from keras_ae.files import read_json, write_json
from keras_ae.fitting.pruning import weights_zero
from keras_ae.metrics import ScoresBySample, separation
from keras_ae.models import (
    Autoencoder,
    ScoringModel,
    build_autoencoder,
)
from keras_ae.precision import Float
from keras_ae.quantization import quantize_model
from keras_ae.run_contents import (
    load_data,
    load_model,
    network_inputs,
    sample_scores,
    tested_inputs,
)
from keras_ae.runs import Run
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.teaching import mean_of, scores_by_member, teachers_of

#: Events of each sample in figures that show single ones.
_N_SHOWN = 2000

#: Methods of `evaluated_models` that see quantized inputs.
IN_FIXED_POINT = ("post_training", "quantized")

Inputs = Mapping[str, Any]


def evaluate(run: Run) -> bool:
    """Stage `evaluate`: AUC and TPR of every score and baseline, as JSON and as figures."""

    def work() -> None:
        data, models = load_data(run), evaluated_models(run)
        inputs = tested_inputs(run, data)
        scores = score_samples(run, data, inputs, models)
        result = {
            "test_background_events": len(data.test),
            "methods": {
                name: separation(samples, data.parents) for name, samples in scores.items()
            },
            "weights_zero": {name: weights_zero(models[name]) for name in IN_FIXED_POINT},
        }
        model = load_model(run, "float")
        # Of one class alone any clustering is right.
        if data.test.labels is not None and len(np.unique(data.test.labels)) > 1:
            result["clustering"] = _cluster(model, inputs["float"]["background"], data.test.labels)
        result["audit"] = read_json(run.audit_path, "findings")
        write_json(run.metrics_path, result)
        _write_plots(run, scores)
        _write_event_plots(run, model, data, inputs["float"])

    return run.stage("evaluate", work)


def evaluated_models(run: Run) -> dict[str, ScoringModel]:
    """The models of a run by the name of their method.

    `post_training` is the float model in fixed point as it is, without the fine-tuning that
    `quantized` has had: what that must beat. With a student, both are the student.
    """
    models = {"float": load_model(run, "float")}
    if run.experiment.student is not None:
        models["student"] = load_model(run, "student")
    with warnings.catch_warnings():
        # The stage `quantize` has warned of weights that saturate.
        warnings.simplefilter("ignore", UserWarning)
        post_training = quantize_model(models.get("student", models["float"]), run.experiment)
    return models | {
        "post_training": post_training,
        "quantized": load_model(run, "quantized"),
        "untrained": build_model(run.experiment, Float()),
    }


def seen_by(method: str) -> str:
    """Of which precision the inputs of a method of `evaluated_models` are."""
    if method in IN_FIXED_POINT:
        return "quantized"
    return "student" if method == "student" else "float"


def score_samples(
    run: Run, data: Dataset, inputs: Mapping[str, Inputs], models: Mapping[str, ScoringModel]
) -> dict[str, dict[str, np.ndarray]]:
    """Every method's score by sample: {"float/kl_divergence": {"background": ..., ...}, ...}.

    Where a student has several teachers, those of each, and `teacher/mean`, which it learns.
    """
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, model in models.items():
        samples = inputs[seen_by(name)]
        for sample, x in samples.items():
            for score, values in sample_scores(model, x).items():
                scores.setdefault(f"{name}/{score}", {})[sample] = values
    for sample, events in data.tested.items() if teachers_of(run) else ():
        found = scores_by_member(run, events)
        for member, values in {**found, "mean": mean_of(run, found)}.items():
            scores.setdefault(f"teacher/{member}", {})[sample] = values
    for observable in data.test.observables:
        scores[f"baseline/{observable}"] = {
            name: sample.observables[observable] for name, sample in data.tested.items()
        }
    return scores | _pca_baselines(run, data, inputs["float"])


def _pca_baselines(run: Run, data: Dataset, inputs: Inputs) -> dict[str, dict[str, np.ndarray]]:
    """Reconstruction error of PCA on the network's inputs, as they are and standardized.

    Features that the run's likelihood ignores do not count here either.
    """
    spec, objective = run.experiment.architecture, run.experiment.objective
    train = _flat(network_inputs(run, "float", data.train))
    masked = objective.likelihood == "masked_gaussian"
    scores = {}
    for name, scale in (("pca", 1.0), ("pca_standardized", np.maximum(train.std(axis=0), 1e-6))):
        latent_dim = min(spec.latent_dim, *train.shape)
        linear = ArchitectureSpec(input_dim=train.shape[1], hidden_dims=(), latent_dim=latent_dim)
        with warnings.catch_warnings():
            # A baseline of an over-complete network is over-complete.
            warnings.simplefilter("ignore", UserWarning)
            pca = build_autoencoder("pca", linear)
        pca.fit(train / scale)
        error = "masked_squared_error" if masked else "squared_error"
        scores[f"baseline/{name}"] = {
            sample: pca.score(_flat(x) / scale, error) for sample, x in inputs.items()
        }
    return scores


def _flat(inputs: Any) -> np.ndarray:
    """Network inputs without condition, (events, features)."""
    x = inputs[0] if isinstance(inputs, tuple) else inputs
    return x.reshape(len(x), -1)


def _cluster(model: Autoencoder, inputs: Any, labels: np.ndarray) -> dict[str, float]:
    """Agreement of as many clusters of the code as there are labels with the labels."""
    n_labels = len(np.unique(labels))
    codes = model.encode(*inputs) if isinstance(inputs, tuple) else model.encode(inputs)
    clusters = cluster_latent(codes, n_labels, seed=0)
    return {"n_clusters": n_labels, "adjusted_rand_index": adjusted_rand_index(labels, clusters)}


def _write_plots(run: Run, scores: Mapping[str, ScoresBySample]) -> None:
    sections = {"embedding": run.experiment.embedding, "student": run.experiment.student}
    further = [name for name, section in sections.items() if section is not None]
    for precision in (*further, "float", "quantized"):
        history = read_json(run.history_path(precision))
        plots.save(plots.training_curves(history), run.plots_folder / f"training_{precision}.png")
    score = run.experiment.deciding_score
    quantized = scores[f"quantized/{score}"]
    plots.save(plots.score_distributions(quantized, score), run.plots_folder / "scores.png")
    if len(quantized) > 1:
        plots.save(plots.roc_curves(quantized, score), run.plots_folder / "roc.png")


def _write_event_plots(run: Run, model: Autoencoder, data: Dataset, inputs: Inputs) -> None:
    """What applies of: images and their averages, latent map, latent grid, interpolation."""
    shown = {name: _first(x, _N_SHOWN) for name, x in inputs.items()}
    conditions = {name: x[1] if len(x) > 1 else None for name, x in shown.items()}
    codes = {name: model.encode(x[0], conditions[name]) for name, x in shown.items()}
    labels = np.repeat(list(codes), [len(code) for code in codes.values()])
    if data.test.labels is not None and not data.signals and len(data.test.labels):
        labels = data.test.labels[:_N_SHOWN]
    figures = {"latent_map": plots.latent_map(np.concatenate([*codes.values()]), labels)}
    shape = run.experiment.wires.event_shape
    # Not of a network that sees some of the pixels, or an embedding of them.
    sees_all = run.experiment.architecture.input_dim == math.prod(shape)
    if len(shape) == 3 and sees_all and run.experiment.embedding is None:
        pairs = {
            name: (
                x[0].reshape(-1, *shape),
                model.decode(codes[name], conditions[name]).reshape(-1, *shape),
            )
            for name, x in shown.items()
        }
        figures |= {f"images_{name}": plots.reconstructions(*pair) for name, pair in pairs.items()}
        figures["average_images"] = plots.average_images(pairs)
        if run.experiment.objective.variational and not model.condition_dim:
            (x,) = shown["background"]
            strip = model.interpolate(x[0], x[1], n_steps=10)
            figures["interpolation"] = plots.interpolation_strip(strip.reshape(-1, *shape))
            if model.latent_dim == 2:
                figures["latent_grid"] = plots.latent_grid(
                    lambda code: model.decode(code).reshape(-1, *shape)
                )
    for name, figure in figures.items():
        plots.save(figure, run.plots_folder / f"{name.replace(' ', '_')}.png")


def _first(inputs: Any, n: int) -> tuple[np.ndarray, ...]:
    """The first n events of network inputs, without or with condition."""
    return tuple(part[:n] for part in (inputs if isinstance(inputs, tuple) else (inputs,)))
