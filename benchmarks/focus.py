"""What a focus on the thresholds does for the student of configs/l1_trigger.yaml.

    python benchmarks/focus.py > benchmarks/focus.md

One student in float for each weight, of the same teachers. Without signals: rank correlation with
the teachers on background of the validation, and how much of what the teachers pass at a rate the
student passes at the same rate, of background and of events made up of it. Then what the signals
say. One seed and one start of each.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from exposure import CONFIG, FPRS, of_signals, scores_of_student, signal_cells, student_of
from markdown_table import table
from scipy.stats import spearmanr

from keras_ae.metrics import threshold_at_fpr
from keras_ae.run_contents import load_data
from keras_ae.settings.experiment import load_experiment
from keras_ae.teaching import made_up, teacher_scores

WEIGHTS = (1, 2, 5, 10, 30)
#: Another number than those of the parts that a student learns from.
_PART = 99


def main() -> None:
    of_config = load_experiment(CONFIG)
    signals = of_config.data.model_dump()["signals"]
    fprs = list(map(float, FPRS))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for weight in WEIGHTS:
            focus = {"target_fprs": fprs, "weight": weight} if weight > 1 else None
            run = student_of(Path(folder), {"student.focus": focus}, f"weight {weight}")
            data, scores = load_data(run), scores_of_student(run)
            background = data.validation
            outliers = made_up(run, of_config.student.exposure, background, _PART)
            pairs = [
                (teacher_scores(run, sample), scores(sample)) for sample in (background, outliers)
            ]
            cells = [str(weight), f"{spearmanr(*pairs[0]).statistic:.3f}"]
            for fpr in fprs:
                limits = [threshold_at_fpr(scores, fpr) for scores in pairs[0]]
                for pair in pairs:
                    taught, passed = (s > limit for s, limit in zip(pair, limits, strict=True))
                    cells.append(f"{100 * (taught & passed).sum() / taught.sum():.0f}")
            rows.append([*cells, *signal_cells(of_signals(data, scores))])
    print("Made by benchmarks/focus.py: students in float. Rank correlation with the teachers on")
    print("background events of the validation; of what the teachers pass at an FPR, of these and")
    print(
        "of what is made up of them, what the student passes, in %; then, of the test, mean AUC of"
    )
    print(f"the signals, and of each AUC and TPR in % at FPR {' / '.join(FPRS)}.\n")
    shares = [f"{of} at {fpr}" for fpr in FPRS for of in ("background", "made up")]
    head = ["weight", "rank correlation", *shares, "mean AUC", *signals]
    print("\n".join(table(head, rows)))


if __name__ == "__main__":
    main()
