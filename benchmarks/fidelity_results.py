"""A table of fidelity, from the `validation.json` of validated runs; 95% intervals in brackets.

`make results` makes the runs and writes benchmarks/fidelity_results.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keras_ae.files import read_json
from keras_ae.runs import Run, open_run

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
        low, high = qualities["firmware"]["auc_interval"]
        tpr = (f"{100 * qualities[name]['tpr'][FPR]:.2f}" for name in ("float", "firmware"))
        tpr_low, tpr_high = qualities["firmware"]["tpr_interval"][FPR]
        found.append(
            f"| `{run.experiment.name}` | {signal} | {' | '.join(aucs)} ({low:.4f}–{high:.4f}) | "
            f"{' / '.join(tpr)} ({100 * tpr_low:.2f}–{100 * tpr_high:.2f}) | "
            f"{report['mismatching_bits']} in {report['events']:,} |"
        )
    return found


if __name__ == "__main__":
    print(
        "| | signal | AUC float | PTQ | QAT | firmware | "
        f"TPR in % at FPR {FPR}, float / firmware | mismatching bits |"
    )
    print("|---" * 8 + "|")
    for opened in (open_run(Path(folder)) for folder in sys.argv[1:]):
        # Others have no firmware.
        if opened.validation_path.exists():
            print("\n".join(rows(opened)))
