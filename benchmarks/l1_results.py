"""The README's table of results on trigger events, from finished runs.

`make results` makes the runs and writes benchmarks/l1_results.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keras_ae.files import read_json
from keras_ae.runs import Run, open_run

BASELINES = {
    "PCA": "baseline/pca",
    "PCA, standardized inputs": "baseline/pca_standardized",
    "count of objects": "baseline/n_objects",
    "count of leptons": "baseline/n_leptons",
}


def table(runs: list[Run], baseline_run: Run) -> list[str]:
    """Markdown: AUC by signal, float / fixed point / untrained; baselines are those of one run."""
    methods = read_json(baseline_run.metrics_path)["methods"]
    signals = list(methods["baseline/pca"])
    lines = [f"| | score | {' | '.join(signals)} |", "|---" * (len(signals) + 2) + "|"]
    for name, key in BASELINES.items():
        cells = (f"{q['auc']:.3f} ± {q['auc_error']:.3f}" for q in methods[key].values())
        lines.append(f"| {name} | | {' | '.join(cells)} |")
    return lines + [row(run) for run in runs]


def row(run: Run) -> str:
    """One run; the second number is firmware's, where there is firmware."""
    score = run.experiment.trigger.score
    deciding = run.experiment.deciding_score
    methods = read_json(run.metrics_path)["methods"]
    fixed = methods[f"quantized/{deciding}"]
    if run.validation_path.exists():
        fixed = read_json(run.validation_path)["levels"]["firmware"]["separation"]
    cells = (
        f"{quality['auc']:.3f} / {fixed[signal]['auc']:.3f} / "
        f"{methods[f'untrained/{score}'][signal]['auc']:.3f}"
        for signal, quality in methods[f"float/{score}"].items()
    )
    name = run.experiment.name + ("" if run.experiment.firmware is not None else " (no firmware)")
    return f"| `{name}` | {deciding} | {' | '.join(cells)} |"


if __name__ == "__main__":
    found = [open_run(Path(folder)) for folder in sys.argv[1:]]
    reference = next(run for run in found if run.experiment.name == "l1_vae")
    print("\n".join(table(found, reference)))
