"""The README's table of results, from finished runs.

`make results` makes the runs and writes benchmarks/l1_results.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keras_ae.runs import Run, open_run, read_json

BASELINES = {
    "PCA": "baseline/pca",
    "PCA, standardized inputs": "baseline/pca_standardized",
    "count of objects": "baseline/n_objects",
    "count of leptons": "baseline/n_leptons",
}


def table(runs: list[Run]) -> list[str]:
    """Markdown: AUC ± error of each method by signal; the baselines are those of the first run."""
    first = read_json(runs[0].metrics_path)["methods"]
    signals = list(first["baseline/pca"])
    lines = [
        f"| method | {' | '.join(signals)} |",
        "|---" * (len(signals) + 1) + "|",
    ]
    lines += [row(name, first[key]) for name, key in BASELINES.items()]
    for run in runs:
        name, score = run.experiment.name, run.experiment.trigger.score
        methods = read_json(run.metrics_path)["methods"]
        firmware = read_json(run.validation_path)["firmware"]["separation"]
        lines += [
            row(f"`{name}` untrained, {score}", methods[f"untrained/{score}"]),
            row(f"**`{name}` float, {score}**", methods[f"float/{score}"]),
            row(f"**`{name}` firmware, {score}**", firmware),
        ]
    return lines


def row(name: str, separation: dict[str, dict[str, float]]) -> str:
    cells = (
        f"{quality['auc']:.3f} ± {quality['auc_error']:.3f}" for quality in separation.values()
    )
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(table([open_run(Path(folder)) for folder in sys.argv[1:]])))
