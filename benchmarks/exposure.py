"""What each kind of made-up events does for the student of configs/l1_trigger.yaml.

    python benchmarks/exposure.py > benchmarks/exposure.md

One student in float for each exposure, of the same teachers: rank correlation with the mean of
the teachers on background of the validation and on each kind of events made up of it, AUC and TPR
of the signals of the test. One seed and one start of each.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from markdown_table import quality_cell, table
from scipy.stats import spearmanr

from hls.scan.measure import take_float_stages
from keras_ae.data.dataset import Dataset, Sample
from keras_ae.exposure import Exposure
from keras_ae.metrics import separation
from keras_ae.run_contents import load_data, load_model, network_inputs, sample_scores
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.objectives import STUDENT_SCORE
from keras_ae.settings.scan import with_values
from keras_ae.teaching import made_up, teacher_scores

CONFIG = Path(__file__).parents[1] / "configs" / "l1_trigger.yaml"
SHARE = 0.7
#: Each by itself, as its defaults are; of a scaling, the deviation of the config.
STEPS: dict[str, dict[str, Any]] = {
    "exchanged": {"kind": "exchanged"},
    "merged": {"kind": "merged"},
    "added": {"kind": "added"},
    "removed": {"kind": "removed"},
    "scaled": {"kind": "scaled", "deviation": 0.5},
    "uniform": {"kind": "uniform"},
}
FPRS = ("0.01", "0.001")


def student_of(folder: Path, changes: dict[str, Any], name: str) -> Run:
    """A run with a student of one start; the autoencoder is trained once for all."""
    changes = {"student.n_init": 1} | changes
    experiment = with_values(load_experiment(CONFIG), changes, name)
    run = create_run(folder / name.replace(" ", "_"), experiment)
    take_float_stages(run, folder / "float")
    keras.backend.clear_session()
    return run


def probes(run: Run, background: Sample) -> dict[str, Sample]:
    """Background, and what each step makes of it."""
    found = {"background": background}
    for number, (name, step) in enumerate(STEPS.items()):
        exposure = Exposure.model_validate({"share": 0.5, "steps": [step]})
        found[name] = made_up(run, exposure, background, 100 + number)
    return found


def row(run: Run, name: str, probed: Sequence[tuple[Sample, np.ndarray]]) -> list[str]:
    """Of one exposure; `probed` are samples and what the teachers say of them."""
    scores = scores_of_student(run)
    cells = [name]
    for sample, taught in probed:
        cells.append(f"{spearmanr(scores(sample), taught).statistic:.3f}")
    return cells + signal_cells(of_signals(load_data(run), scores))


def scores_of_student(run: Run) -> Callable[[Sample], np.ndarray]:
    """What the student in float says of samples, (events,)."""
    student = load_model(run, "student")

    def scores(sample: Sample) -> np.ndarray:
        return sample_scores(student, network_inputs(run, "student", sample))[STUDENT_SCORE]

    return scores


def of_signals(data: Dataset, scores: Callable[[Sample], np.ndarray]) -> dict[str, dict[str, Any]]:
    """AUC and TPR of a score, of each signal."""
    return separation({name: scores(x) for name, x in data.tested.items()}, data.parents)


def signal_cells(found: dict[str, dict[str, Any]]) -> list[str]:
    """Mean AUC, then AUC and TPR in % of each signal."""
    mean = np.mean([quality["auc"] for quality in found.values()])
    return [f"{mean:.3f}", *(quality_cell(quality, FPRS) for quality in found.values())]


def rows(folder: Path) -> Sequence[list[str]]:
    """Without exposure, with each step alone, with those of the config, and with all."""
    of_config = load_experiment(CONFIG).model_dump(mode="json")["student"]["exposure"]
    variants: dict[str, dict[str, Any] | None] = {"none": None}
    variants |= {name: {"share": SHARE, "steps": [step]} for name, step in STEPS.items()}
    variants["that of the config"] = of_config
    halves = [{**step, "probability": 0.5} for step in STEPS.values()]
    variants["all, each with 0.5"] = {"share": SHARE, "steps": halves}
    runs = {
        name: student_of(folder, {"student.exposure": of}, name) for name, of in variants.items()
    }
    # All have the same teachers, which are slow.
    first = runs["none"]
    samples = probes(first, load_data(first).validation).values()
    probed = [(sample, teacher_scores(first, sample)) for sample in samples]
    return [row(run, name, probed) for name, run in runs.items()]


def main() -> None:
    signals = load_experiment(CONFIG).data.model_dump()["signals"]
    print("Made by benchmarks/exposure.py: students in float of the same teachers; a share of")
    print(f"{SHARE} is made up. Rank correlation with the teachers on background events of the")
    print("validation and on what is made of them; then, of the test, AUC and TPR in % at FPR")
    print(f"{' / '.join(FPRS)}.\n")
    head = ["exposure", "background", *STEPS, "mean AUC", *signals]
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(table(head, rows(Path(folder)))))


if __name__ == "__main__":
    main()
