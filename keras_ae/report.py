"""What a run found, as text."""

from __future__ import annotations

from typing import Any

from keras_ae.runs import Run, read_json

#: The rate at which the table quotes the TPR.
TABLE_FPR = 1e-3


def summary(run: Run) -> str:
    """Table of AUC by signal, if the run was evaluated, and the result of the validation."""
    validation = read_json(run.validation_path)
    trigger = read_json(run.trigger_path, "score", "threshold", "target_fpr")
    tabulate = (
        run.experiment.data.signals and run.is_finished("evaluate") and run.metrics_path.exists()
    )
    lines = _table(run, validation, trigger["score"]) if tabulate else []
    lines += [
        f"threshold {trigger['threshold']:g} for FPR {trigger['target_fpr']:g}; measured on the "
        f"test background: {validation['firmware']['trigger_rate']['background']:.2g}",
        f"events checked: {validation['events']}   "
        f"mismatching bits: {validation['mismatching_bits']}",
        f"run directory: {run.folder}",
    ]
    return "\n".join(lines)


def _table(run: Run, validation: Any, score: str) -> list[str]:
    """AUC in float, quantized and in firmware by signal, beside baselines."""
    methods = read_json(run.metrics_path, "methods")["methods"]
    lines = [
        "",
        f"score: {score}",
        f"{'signal':<16}{'AUC float':>16}{'quantized':>11}{'firmware':>10}"
        f"{f'TPR@FPR={TABLE_FPR:g}':>16}{'PCA':>8}{'untrained':>11}{'count':>8}",
    ]
    for signal, quality in methods[f"float/{score}"].items():
        firmware = validation["firmware"]["separation"][signal]
        lines.append(
            f"{signal:<16}"
            f"{quality['auc']:>8.3f} ± {quality['auc_error']:.3f}"
            f"{validation['quantized']['separation'][signal]['auc']:>11.3f}"
            f"{firmware['auc']:>10.3f}"
            f"{_percent(firmware['tpr'][f'{TABLE_FPR:g}']):>16}"
            f"{methods['baseline/pca'][signal]['auc']:>8.3f}"
            f"{methods[f'untrained/{score}'][signal]['auc']:>11.3f}"
            f"{methods['baseline/n_objects'][signal]['auc']:>8.3f}"
        )
    return lines


def _percent(value: Any) -> str:
    return "too few events" if value is None else f"{100 * value:.2f} %"
