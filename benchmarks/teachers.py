"""Which density makes the best teacher, chosen without signals.

    python benchmarks/teachers.py > benchmarks/teachers.md

Each kind of teacher of configs/l1_trigger.yaml and of nearest neighbours, and every mean of several
kinds, by how well it tells made-up events from the background that they are made of, on events that
none has learned: the AUC, for each step of an exposure alone, and as the mean of the steps also the
TPR at the rates of a trigger. Then what the signals say. One seed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from exposure import CONFIG, FPRS, N_PROBED, probes, signal_cells
from markdown_table import table

from keras_ae.data.dataset import Sample
from keras_ae.metrics import roc_auc, separation
from keras_ae.run_contents import load_data
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.scan import with_values
from keras_ae.teaching import mean_of, scores_by_member
from keras_ae.training import distill, train

#: By the number that their members begin with.
KINDS = ("VAEs, −ELBO", "mixture", "neighbours")
TEACHERS: list[dict[str, Any]] = [
    {"kind": "autoencoder", "n_seeds": 2},
    {"kind": "gaussian_mixture", "n_components": 30},
    {"kind": "nearest_neighbours"},
]

#: Scores (events,) by member, of a sample.
Scores = Mapping[str, np.ndarray]


def taught(folder: Path) -> Run:
    """A run with all teachers; its student learns for an epoch, and is not looked at."""
    changes = {"student.teachers": TEACHERS, "student.training.epochs": 1}
    run = create_run(folder, with_values(load_experiment(CONFIG), changes, "teachers"))
    train(run, progress=False)
    distill(run, progress=False)
    return run


def ensembles() -> Iterator[tuple[int, ...]]:
    """All choices of kinds."""
    numbers = range(len(KINDS))
    return chain.from_iterable(combinations(numbers, n) for n in range(1, len(KINDS) + 1))


def score(run: Run, scores: Scores, kinds: tuple[int, ...]) -> np.ndarray:
    """The mean over the kinds, each of which counts once, (events,)."""
    means = [
        mean_of(run, {name: s for name, s in scores.items() if name.startswith(f"{kind}_")})
        for kind in kinds
    ]
    return np.mean(means, axis=0)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = taught(Path(folder) / "run")
        data = load_data(run)
        made_up = probes(run, data.test.take(np.arange(N_PROBED)))

        def scored(samples: Mapping[str, Sample]) -> dict[str, Scores]:
            return {name: scores_by_member(run, sample) for name, sample in samples.items()}

        probed, tested = scored(made_up), scored(data.tested)
        rows = []
        for kinds in ensembles():
            found = {name: score(run, scores, kinds) for name, scores in probed.items()}
            background = found.pop("background")
            aucs = [roc_auc(background, values).value for values in found.values()]
            signals = separation(
                {name: score(run, scores, kinds) for name, scores in tested.items()}, data.parents
            )
            passed = [
                np.mean([np.mean(values > limit) for values in found.values()])
                for limit in (np.quantile(background, 1 - float(fpr)) for fpr in FPRS)
            ]
            cells = [f"{auc:.3f}" for auc in (*aucs, np.mean(aucs))]
            cells.append(" / ".join(f"{100 * share:.3g}" for share in passed))
            rows.append([" + ".join(KINDS[kind] for kind in kinds), *cells, *signal_cells(signals)])
    steps = [name for name in made_up if name != "background"]
    print("Made by benchmarks/teachers.py: AUC of events made up by each step, against the")
    print(
        f"{N_PROBED:,} background events of the test that they are made of; the mean of these, and"
    )
    rates = " / ".join(FPRS)
    print(f"that of TPR in % at FPR {rates}; then mean AUC of the signals, and of each AUC and")
    print("the same TPR.\n")
    head = ["teacher", *steps, "mean", "mean TPR", "mean AUC of signals", *data.signals]
    print("\n".join(table(head, rows)))


if __name__ == "__main__":
    main()
