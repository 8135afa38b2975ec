"""A random search of the recipe of configs/l1_embedding.yaml, judged without signals.

    python benchmarks/embedding_search.py > benchmarks/embedding_search.md

Trials in float: augmentations, weights of the terms, learning rate and scales of angles are drawn;
what is maximized is the AUC of events made up of background of the validation against these. What
the signals of the test say stands beside it. Below, the recipe of the config with
several seeds: how far trials differ by chance.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from exposure import CONFIG as OF_TRIGGER
from exposure import FPRS, of_signals, signal_cells
from markdown_table import table

from keras_ae.data.dataset import Sample
from keras_ae.embedding import embed
from keras_ae.metrics import roc_auc
from keras_ae.run_contents import load_data, load_model, network_inputs
from keras_ae.runs import create_run
from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.scan import with_values
from keras_ae.teaching import made_up
from keras_ae.training import train

CONFIG = Path(__file__).parents[1] / "configs" / "l1_embedding.yaml"
N_TRIALS, SEEDS = 20, (2, 3, 4, 5, 6)
#: Another number than those of the parts that anything learns from.
_PART = 99


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """Changes of the config, by dotted key."""

    def one_of(*choices: float) -> Any:
        return rng.choice(choices).item()

    steps: list[dict[str, Any]] = [
        {"kind": "rotated"},
        {"kind": "smeared", "relative": one_of(0.1, 0.2, 0.3, 0.4)},
    ]
    removed = one_of(0.0, 0.05, 0.1)
    if removed:
        steps.append({"kind": "removed", "rate": removed})
    if rng.random() < 0.6:
        steps.append({"kind": "scaled", "deviation": one_of(0.1, 0.2, 0.3)})
    objective = "embedding.objective"
    return {
        f"{objective}.augmentations": steps,
        f"{objective}.invariance_weight": one_of(1.0, 2.0, 5.0),
        f"{objective}.covariance_weight": one_of(2.0, 5.0, 10.0, 25.0),
        "embedding.training.learning_rate": one_of(1e-3, 3e-3),
        "inputs.scale": scales(int(one_of(6, 7, 9))),
    }


def scales(shift: int) -> dict[str, Any]:
    """Those of the config, but with angles by other powers of two."""
    of_config = load_experiment(CONFIG).model_dump(mode="json")["inputs"]["scale"]
    return of_config | {"*.eta": {"shift": shift}, "*.phi": {"shift": shift + 1}}


def recipe(changes: Mapping[str, Any]) -> list[str]:
    """Cells of a trial."""
    steps, *numbers, scale = changes.values()
    named = (
        " ".join([step["kind"], *(f"{value:g}" for key, value in step.items() if key != "kind")])
        for step in steps
    )
    return [", ".join(named), *(f"{number:g}" for number in numbers), str(scale["*.eta"]["shift"])]


def measured(changes: Mapping[str, Any]) -> list[str]:
    """Cells: AUC of made-up events, mean AUC of the signals, each signal."""
    student = load_experiment(OF_TRIGGER).student
    assert student is not None and student.exposure is not None
    with tempfile.TemporaryDirectory() as folder:
        experiment = with_values(load_experiment(CONFIG), changes, "trial")
        run = create_run(Path(folder) / "run", experiment)
        embed(run, progress=False)
        train(run, progress=False)
        data, model = load_data(run), load_model(run, "float")
        background = data.validation
        outliers = made_up(run, student.exposure, background, _PART)

        def scores(sample: Sample) -> np.ndarray:
            return np.asarray(model.score(network_inputs(run, "float", sample), "squared_error"))

        auc = roc_auc(scores(background), scores(outliers)).value
        keras.backend.clear_session()
        return [f"{auc:.3f}", *signal_cells(of_signals(data, scores))]


def main() -> None:
    signals = load_experiment(CONFIG).data.model_dump()["signals"]
    print("Made by benchmarks/embedding_search.py: autoencoders of embeddings in float. AUC of")
    print("what is made up of background of the validation against that; then, of the test, mean")
    print(f"AUC of the signals, and of each AUC; TPR in % at FPR {' / '.join(FPRS)}.\n")
    rng = np.random.default_rng(11)
    rows = []
    for number in range(N_TRIALS):
        changes = drawn(rng)
        rows.append([f"trial {number}", *recipe(changes), *measured(changes)])
        print(rows[-1], file=sys.stderr, flush=True)
    for seed in SEEDS:
        rows.append([f"the config, seed {seed}", *5 * ["as there"], *measured({"seed": seed})])
        print(rows[-1], file=sys.stderr, flush=True)
    head = ["", "augmentations", "invariance", "covariance", "learning rate", "shift of η"]
    print("\n".join(table([*head, "AUC of made-up", "mean AUC of signals", *signals], rows)))


if __name__ == "__main__":
    main()
