"""What a run found, as text."""

from __future__ import annotations

from typing import Any

from keras_ae.files import read_json
from keras_ae.runs import Run
from keras_ae.settings.adoption import Adoption
from keras_ae.settings.experiment import Experiment

#: The rate at which the table quotes the TPR.
TABLE_FPR = 1e-3


def summary(run: Run) -> str:
    """Table of AUC by signal, if the run was evaluated, and the result of the validation."""
    proved = run.validation_path.exists() and run.is_finished("convert")
    validation = read_json(run.validation_path) if proved else None
    # Missing where validation ended behind its verdict.
    levels = (validation or {}).get("levels")
    evaluated = run.is_finished("evaluate") and run.metrics_path.exists()
    metrics = read_json(run.metrics_path, "methods") if evaluated else None
    lines = []
    if isinstance(run.settings, Adoption):
        lines += _table_of_adopted(run.settings.deciding_score, metrics, levels)
    elif metrics and metrics["methods"][f"float/{run.experiment.trigger.score}"]:
        lines += _table(run.experiment, metrics["methods"], levels)
    if metrics and "weights_zero" in metrics:
        before, after = (metrics["weights_zero"][n] for n in ("post_training", "quantized"))
        lines.append(
            f"weights that are zero: {100 * after['total']:.1f} % "
            f"(PTQ {100 * before['total']:.1f} %)"
        )
    if metrics and "clustering" in metrics:
        clustering = metrics["clustering"]
        lines.append(
            f"{clustering['n_clusters']} clusters of the code, adjusted Rand index "
            f"{clustering['adjusted_rand_index']:.3f}"
        )
    if levels:
        lines += _working_points(
            read_json(
                run.trigger_path,
                *("score", "threshold", "target_fpr", "input_rate_khz", "working_points"),
            ),
            read_json(run.validation_path, "decisions")["decisions"],
        )
    if validation:
        lines.append(
            f"events checked: {validation['events']}   "
            f"mismatching bits: {validation['mismatching_bits']}"
        )
    return "\n".join([*lines, f"run directory: {run.folder}"])


def _table(experiment: Experiment, methods: Any, levels: Any) -> list[str]:
    """AUC in float, fixed point before (PTQ) and after fine-tuning (QAT), firmware; baselines.

    With a student, the float model is its teacher, and `lost` is the AUC that the teacher has more.
    """
    score, deciding = experiment.trigger.score, experiment.deciding_score
    teacher = methods[experiment.learned_method]
    last = methods[f"quantized/{deciding}"]
    stages = {
        name: methods[f"{method}/{deciding}"]
        for name, method in (
            ("student", "student"),
            ("PTQ", "post_training"),
            ("QAT", "quantized"),
        )
        if f"{method}/{deciding}" in methods
    }
    if levels:
        last = stages["firmware"] = levels["firmware"]["separation"]
    baselines = {
        name: methods[key]
        for name, key in (
            ("PCA", "baseline/pca"),
            ("untrained", f"untrained/{score}"),
            ("count", "baseline/n_objects"),
            ("mass", "baseline/jet_mass"),
        )
        if key in methods
    }
    tpr = f"TPR@FPR={TABLE_FPR:g}"
    rows = [
        {"AUC float": f"{quality['auc']:.3f} ± {quality['auc_error']:.3f}"}
        | {name: f"{method[signal]['auc']:.3f}" for name, method in stages.items()}
        | ({"lost": f"{quality['auc'] - last[signal]['auc']:.3f}"} if experiment.student else {})
        | {tpr: _percent(last[signal]["tpr"][f"{TABLE_FPR:g}"])}
        | {name: f"{method[signal]['auc']:.3f}" for name, method in baselines.items()}
        for signal, quality in teacher.items()
    ]
    widths = {title: max(len(title), *(len(row[title]) for row in rows)) + 2 for title in rows[0]}
    several = experiment.student is not None and bool(experiment.student.teachers)
    learned = f", learned from {'several teachers' if several else score}"
    learned = learned if experiment.student else ""
    return [
        "",
        f"score: {deciding}{learned}",
        f"{'signal':<16}" + "".join(f"{title:>{width}}" for title, width in widths.items()),
        *(
            f"{signal:<16}" + "".join(f"{row[title]:>{width}}" for title, width in widths.items())
            for signal, row in zip(teacher, rows, strict=True)
        ),
    ]


def _table_of_adopted(score: str, metrics: Any, levels: Any) -> list[str]:
    """AUC and TPR by signal, in float if that is known, and in firmware."""
    if not metrics or not metrics["methods"][f"quantized/{score}"]:
        return []
    found = {"quantized": metrics["methods"][f"quantized/{score}"]}
    if levels:
        found = {level: parts["separation"] for level, parts in levels.items()}
    *_, last = found.values()
    title = f"TPR@FPR={TABLE_FPR:g}"
    return [
        "",
        f"score: {score}",
        f"{'signal':<16}" + "".join(f"{'AUC ' + level:>16}" for level in found) + f"{title:>16}",
        *(
            f"{signal:<16}"
            + "".join(f"{level[signal]['auc']:>16.3f}" for level in found.values())
            + f"{_percent(last[signal]['tpr'][f'{TABLE_FPR:g}']):>16}"
            for signal in last
        ),
    ]


def _working_points(trigger: Any, decisions: Any) -> list[str]:
    """Of each threshold what it is for, and what passes it; of further ones signals, too."""
    first = {"threshold": trigger["threshold"], "target_fpr": trigger["target_fpr"]}
    lines = []
    for name, point in {"": first, **trigger["working_points"]}.items():
        passed = decisions[f"trigger_{name}" if name else "trigger"]["samples"]
        background = passed["background"]["rate"]["value"]
        signals = [
            f"{sample} {100 * found['rate']['value']:.3g} %"
            for sample, found in passed.items()
            if name and sample != "background"
        ]
        lines.append(
            f"threshold{name and f' {name}'} {point['threshold']:g} for FPR "
            f"{point['target_fpr']:g}; measured on the test background: {background:.2g}"
            + _in_khz(background, point["target_fpr"], trigger["input_rate_khz"])
            + "".join(f"; {signal}" for signal in signals)
        )
    return lines


def _in_khz(rate: float, target: float, input_rate: float | None) -> str:
    if input_rate is None:
        return ""
    return f"; {rate * input_rate:.3g} kHz of {input_rate:g}, for {target * input_rate:.3g}"


def _percent(value: Any) -> str:
    return "too few events" if value is None else f"{100 * value:.2f} %"
