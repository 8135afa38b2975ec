"""A table of fidelity, from the `validation.json` of validated runs.

`make results` makes the runs and writes benchmarks/fidelity_results.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keras_ae.runs import Run, open_run, read_json

#: Where the table quotes the TPR.
FPR = "0.01"
LEVELS = ("float", "post_training", "quantized", "firmware")


def rows(run: Run) -> list[str]:
    """A row a signal: AUC of each level, TPR in float and in firmware."""
    report = read_json(run.validation_path, "levels", "events", "mismatching_bits")
    levels = {name: report["levels"][name]["separation"] for name in LEVELS}
    found = []
    for signal in levels["firmware"]:
        qualities = {name: levels[name][signal] for name in LEVELS}
        aucs = (f"{quality['auc']:.4f}" for quality in qualities.values())
        error = 1.96 * qualities["firmware"]["auc_error"]
        tpr = (f"{100 * qualities[name]['tpr'][FPR]:.2f}" for name in ("float", "firmware"))
        error_of_tpr = 196 * qualities["firmware"]["tpr_error"][FPR]
        found.append(
            f"| `{run.experiment.name}` | {signal} | {' | '.join(aucs)} ± {error:.4f} | "
            f"{' / '.join(tpr)} ± {error_of_tpr:.2f} % | {report['mismatching_bits']} in "
            f"{report['events']:,} |"
        )
    return found


if __name__ == "__main__":
    print(
        "| | signal | AUC float | post-training | quantization-aware | firmware | "
        f"TPR at FPR {FPR}, float / firmware | mismatching bits |"
    )
    print("|---" * 8 + "|")
    for folder in sys.argv[1:]:
        print("\n".join(rows(open_run(Path(folder)))))
