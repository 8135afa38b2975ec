"""What a run found, as text."""

from __future__ import annotations

from typing import Any

from keras_ae.runs import Run, read_json

#: The rate at which the table quotes the TPR.
TABLE_FPR = 1e-3


def summary(run: Run) -> str:
    """Table of AUC by signal, if the run was evaluated, and the result of the validation."""
    validation = read_json(run.validation_path) if run.validation_path.exists() else None
    evaluated = run.is_finished("evaluate") and run.metrics_path.exists()
    metrics = read_json(run.metrics_path, "methods") if evaluated else None
    lines = []
    if metrics and metrics["methods"][f"float/{run.experiment.trigger.score}"]:
        lines += _table(run.experiment.trigger.score, metrics["methods"], validation)
    if metrics and "clustering" in metrics:
        clustering = metrics["clustering"]
        lines.append(
            f"{clustering['n_clusters']} clusters of the code, adjusted Rand index "
            f"{clustering['adjusted_rand_index']:.3f}"
        )
    if validation:
        trigger = read_json(run.trigger_path, "score", "threshold", "target_fpr")
        lines += [
            f"threshold {trigger['threshold']:g} for FPR {trigger['target_fpr']:g}; measured on "
            f"the test background: {validation['firmware']['trigger_rate']['background']:.2g}",
            f"events checked: {validation['events']}   "
            f"mismatching bits: {validation['mismatching_bits']}",
        ]
    return "\n".join([*lines, f"run directory: {run.folder}"])


def _table(score: str, methods: Any, validation: Any) -> list[str]:
    """AUC in float, in fixed point before (PTQ) and after fine-tuning, in firmware; baselines."""
    baselines = {
        "PCA": "baseline/pca",
        "untrained": f"untrained/{score}",
        "count": "baseline/n_objects",
        "mass": "baseline/jet_mass",
    }
    baselines = {name: key for name, key in baselines.items() if key in methods}
    firmware = validation["firmware"]["separation"] if validation else None
    lines = [
        "",
        f"score: {score}",
        f"{'signal':<16}{'AUC float':>16}{'PTQ':>8}{'quantized':>11}"
        + (f"{'firmware':>10}" if firmware else "")
        + f"{f'TPR@FPR={TABLE_FPR:g}':>16}"
        + "".join(f"{name:>11}" for name in baselines),
    ]
    for signal, quality in methods[f"float/{score}"].items():
        best = firmware[signal] if firmware else methods[f"quantized/{score}"][signal]
        lines.append(
            f"{signal:<16}{quality['auc']:>8.3f} ± {quality['auc_error']:.3f}"
            f"{methods[f'post_training/{score}'][signal]['auc']:>8.3f}"
            f"{methods[f'quantized/{score}'][signal]['auc']:>11.3f}"
            + (f"{best['auc']:>10.3f}" if firmware else "")
            + f"{_percent(best['tpr'][f'{TABLE_FPR:g}']):>16}"
            + "".join(f"{methods[key][signal]['auc']:>11.3f}" for key in baselines.values())
        )
    return lines


def _percent(value: Any) -> str:
    return "too few events" if value is None else f"{100 * value:.2f} %"
