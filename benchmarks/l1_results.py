"""The README's tables of results on trigger events, from finished runs.

`make results` makes the runs and writes benchmarks/l1_results.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from l1_densities import density_scores

from hls.report.spread import deployed_separation
from keras_ae.files import read_json
from keras_ae.metrics import separation
from keras_ae.run_contents import load_data
from keras_ae.runs import Run, open_run

BASELINES = {
    "PCA": "pca",
    "PCA, standardized inputs": "pca_standardized",
    "count of objects": "n_objects",
    "count of leptons": "n_leptons",
    "HT": "ht",
    "missing ET": "met",
    "leading pT": "leading_pt",
}
FPRS = ("0.01", "0.001", "0.0001")

#: AUC and TPR of one score, by signal, as `metrics.separation` gives them.
Qualities = Mapping[str, Any]


def baselines(run: Run) -> dict[str, Qualities]:
    """Scores that need no network, on the events of a run."""
    methods = read_json(run.metrics_path)["methods"]
    data = load_data(run)
    scores = density_scores(data, run.experiment.wires, run.experiment.seed)
    return {name: methods[f"baseline/{key}"] for name, key in BASELINES.items()} | {
        name: separation(samples, data.parents) for name, samples in scores.items()
    }


def title(run: Run) -> str:
    """Name of a row."""
    suffix = "" if run.experiment.firmware is not None else " (no firmware)"
    return f"`{run.experiment.name}`{suffix}"


def auc_table(runs: list[Run], others: Mapping[str, Qualities]) -> list[str]:
    """AUC by signal: baselines, and float / fixed point / untrained of each run."""
    signals = list(next(iter(others.values())))
    lines = _head("", "score", *signals)
    for name, qualities in others.items():
        cells = (f"{q['auc']:.3f} ± {q['auc_error']:.3f}" for q in qualities.values())
        lines.append(_line(name, "", *cells))
    for run in runs:
        methods = read_json(run.metrics_path)["methods"]
        score, fixed = run.experiment.trigger.score, deployed_separation(run)
        cells = (
            f"{quality['auc']:.3f} / {fixed[signal]['auc']:.3f} / "
            f"{methods[f'untrained/{score}'][signal]['auc']:.3f}"
            for signal, quality in methods[run.experiment.learned_method].items()
        )
        lines.append(_line(title(run), run.experiment.deciding_score, *cells))
    return lines


def tpr_table(runs: list[Run], others: Mapping[str, Qualities]) -> list[str]:
    """TPR in % by signal, at each of FPRS, with 95 % intervals."""
    signals = list(next(iter(others.values())))
    lines = _head("", *signals)
    rows = others | {title(run): deployed_separation(run) for run in runs}
    for name, qualities in rows.items():
        lines.append(_line(name, *(_tprs(qualities[signal]) for signal in signals)))
    return lines


def _tprs(quality: Mapping[str, Any]) -> str:
    cells = []
    for fpr in FPRS:
        value, interval = quality["tpr"][fpr], quality["tpr_interval"][fpr]
        cells.append(
            "–"
            if value is None
            else f"{100 * value:.3g} ({100 * interval[0]:.2g}–{100 * interval[1]:.2g})"
        )
    return " / ".join(cells)


def _head(*cells: str) -> list[str]:
    return [_line(*cells), "|---" * len(cells) + "|"]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    found = [open_run(Path(folder)) for folder in sys.argv[1:]]
    reference = next(run for run in found if run.experiment.name == "l1_vae")
    rest = baselines(reference)
    print("\n".join([*auc_table(found, rest), "", *tpr_table(found, rest)]))
