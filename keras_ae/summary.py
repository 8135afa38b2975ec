"""What a run found, as text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from keras_ae.files import read_json
from keras_ae.metrics import over_signals
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
        lines += _table_of_adopted(run.settings, metrics, levels)
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
        lines += [f"warning: {warning}" for warning in validation.get("warnings", ())]
        lines.append(
            f"events checked: {validation['events']}   "
            f"mismatching bits: {validation['mismatching_bits']}"
            + ("   no proof: files were changed" if validation.get("changed_files") else "")
        )
    return "\n".join([*lines, f"run directory: {run.folder}"])


def _table(experiment: Experiment, methods: Any, levels: Any) -> list[str]:
    """AUC in float, fixed point before (PTQ) and after fine-tuning (QAT), firmware; baselines.

    With a student, the float model is its teacher, and `lost` is the AUC that the teacher has more.
    """
    score, deciding = experiment.trigger.score, experiment.deciding_score
    left_out = experiment.report.background_like

    def with_all(method: Any) -> Any:
        return {**method, **over_signals(method, left_out)}

    teacher = with_all(methods[experiment.learned_method])
    stages = {
        name: with_all(methods[f"{method}/{deciding}"])
        for name, method in (
            ("student", "student"),
            ("PTQ", "post_training"),
            ("QAT", "quantized"),
        )
        if f"{method}/{deciding}" in methods
    }
    last = stages["QAT"]
    if levels:
        last = stages["firmware"] = with_all(levels["firmware"]["separation"])
    baselines = {
        name: with_all(methods[key])
        for name, key in (
            ("PCA", "baseline/pca"),
            ("untrained", f"untrained/{score}"),
            ("count", "baseline/n_objects"),
            ("mass", "baseline/jet_mass"),
        )
        if key in methods
    }
    rows = [
        {"signal": signal, "AUC float": _with_error(quality)}
        | {name: f"{method[signal]['auc']:.3f}" for name, method in stages.items()}
        | ({"lost": f"{quality['auc'] - last[signal]['auc']:.3f}"} if experiment.student else {})
        | {f"TPR@FPR={TABLE_FPR:g}": _percent(last[signal]["tpr"][f"{TABLE_FPR:g}"])}
        | {name: f"{method[signal]['auc']:.3f}" for name, method in baselines.items()}
        for signal, quality in teacher.items()
    ]
    several = experiment.student is not None and bool(experiment.student.teachers)
    learned = f", learned from {'several teachers' if several else score}"
    learned = learned if experiment.student else ""
    return ["", f"score: {deciding}{learned}{_without(left_out)}", *aligned(rows)]


def aligned(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A head and a line for each row; the first column begins at the left."""
    first, *others = rows[0]
    widths = {title: max(len(title), *(len(row[title]) for row in rows)) + 2 for title in rows[0]}
    widths[first] = max(16, widths[first] - 2)
    return [
        f"{row[first]:<{widths[first]}}"
        + "".join(f"{row[title]:>{widths[title]}}" for title in others)
        for row in ({title: title for title in rows[0]}, *rows)
    ]


def _with_error(quality: Mapping[str, Any]) -> str:
    """An AUC; of several signals together there is no error."""
    error = quality.get("auc_error")
    return f"{quality['auc']:.3f}" + ("" if error is None else f" ± {error:.3f}")


def _table_of_adopted(settings: Adoption, metrics: Any, levels: Any) -> list[str]:
    """AUC and TPR by signal, in float if that is known, and in firmware."""
    score, left_out = settings.deciding_score, settings.report.background_like
    if not metrics or not metrics["methods"][f"quantized/{score}"]:
        return []
    found = {"quantized": metrics["methods"][f"quantized/{score}"]}
    if levels:
        found = {level: parts["separation"] for level, parts in levels.items()}
    found = {level: {**of, **over_signals(of, left_out)} for level, of in found.items()}
    *_, last = found.values()
    rows = [
        {"signal": signal}
        | {f"AUC {level}": f"{of[signal]['auc']:.3f}" for level, of in found.items()}
        | {f"TPR@FPR={TABLE_FPR:g}": _percent(last[signal]["tpr"][f"{TABLE_FPR:g}"])}
        for signal in last
    ]
    return ["", f"score: {score}{_without(left_out)}", *aligned(rows)]


def _without(left_out: Collection[str]) -> str:
    return f"; mean and worst without {', '.join(left_out)}" if left_out else ""


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
