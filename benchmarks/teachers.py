"""Which density makes the best teacher, chosen without signals.

    python benchmarks/teachers.py > benchmarks/teachers.md

Autoencoders, a mixture of Gaussians, nearest neighbours, and a mixture of a frozen embedding, each
of the logarithms of all pT and of pT itself, and every mean of two of these. They are judged by how
well they tell made-up events from the background of the validation that these are made of. What
decides is the geometric mean of their TPR at the rates of the trigger, `choice`: of two densities
the better has more at both. What the signals say stands beside it, of the test. One seed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from exposure import CONFIG, FPRS, probes, signal_cells
from markdown_table import table

from keras_ae.data.dataset import Sample, load_dataset
from keras_ae.embedding import embed
from keras_ae.metrics import roc_auc, separation, threshold_at_fpr
from keras_ae.run_contents import load_data
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.scan import with_values
from keras_ae.teaching import mean_of, scores_by_member
from keras_ae.training import distill, train

#: By title: the teacher, and whether it is one of an embedding.
KINDS: dict[str, tuple[dict[str, Any], bool]] = {
    "VAEs, −ELBO": ({"kind": "autoencoder", "n_seeds": 2}, False),
    "mixture": ({"kind": "gaussian_mixture", "n_components": 30}, False),
    "neighbours": ({"kind": "nearest_neighbours"}, False),
    "mixture of an embedding": (
        {"kind": "gaussian_mixture", "n_components": 30, "sees": "embedding"},
        True,
    ),
}
#: What is changed of configs/l1_trigger.yaml for what its networks and densities see.
VIEWS: dict[str, dict[str, Any]] = {
    "log pT": {},
    "pT": {"inputs": load_experiment(CONFIG).model_dump(mode="json")["student"]["inputs"]},
}
#: The first recipe of configs/l1_embedding.yaml, before its search, without angles; the autoencoder
#: behind it is not looked at.
EMBEDDING = {
    "embedding": {
        "architecture": {"input_dim": 19, "hidden_dims": [29], "latent_dim": 10},
        "objective": {
            "kind": "vicreg",
            "invariance_weight": 5.0,
            "covariance_weight": 2.0,
            "projector_dims": [],
            "n_pairs": 4,
            "augmentations": [
                {"kind": "smeared", "relative": 0.1},
                {"kind": "scaled", "deviation": 0.2},
            ],
        },
        "training": {
            "epochs": 20,
            "batch_size": 1024,
            "learning_rate": 1e-3,
            "learning_rate_schedule": "cosine",
        },
    },
    "architecture": {"input_dim": 10, "hidden_dims": [9, 6], "latent_dim": 4},
    "objective": {"kind": "plain"},
    "training": {"epochs": 1},
    "trigger.score": "squared_error",
}

#: Scores (events,) of one kind, by sample.
Scores = Mapping[str, np.ndarray]


def taught(folder: Path, changes: Mapping[str, Any], teachers: list[dict[str, Any]]) -> Run:
    """A run with teachers; its student learns for an epoch, and is not looked at."""
    of_student = {
        "student.teachers": teachers,
        "student.training.epochs": 1,
        "student.n_init": 1,
    }
    experiment = with_values(load_experiment(CONFIG), {**changes, **of_student}, "teachers")
    run = create_run(folder, experiment)
    if experiment.embedding is not None:
        embed(run, progress=False)
    train(run, progress=False)
    distill(run, progress=False)
    keras.backend.clear_session()
    return run


def scores_of_kinds(run: Run, sample: Sample) -> Iterator[np.ndarray]:
    """The mean of the members of each teacher, standardized."""
    found = scores_by_member(run, sample)
    for number in range(len(run.experiment.student.teachers)):  # type: ignore[union-attr]
        members = {name: s for name, s in found.items() if name.startswith(f"{number}_")}
        yield mean_of(run, members)


def of_view(folder: Path, view: Mapping[str, Any]) -> tuple[dict[str, Scores], ...]:
    """By kind, scores of background and of what is made of it, and of test and signals."""
    probed: dict[str, dict[str, np.ndarray]] = {}
    tested: dict[str, dict[str, np.ndarray]] = {}
    for is_of_embedding, changes in ((False, {}), (True, EMBEDDING)):
        kinds = {title: t for title, (t, of) in KINDS.items() if of == is_of_embedding}
        run = taught(folder / str(is_of_embedding), {**view, **changes}, list(kinds.values()))
        data = load_data(run)
        for found, samples in ((probed, probes(run, data.validation)), (tested, data.tested)):
            for name, sample in samples.items():
                for title, scores in zip(kinds, scores_of_kinds(run, sample), strict=True):
                    found.setdefault(title, {})[name] = scores
    return probed, tested


def ensembles() -> Iterator[tuple[str, ...]]:
    """Each kind, and all pairs."""
    return chain.from_iterable(combinations(KINDS, n) for n in (1, 2))


def mean(scores: Mapping[str, Scores], kinds: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Of several kinds, by sample."""
    samples = scores[kinds[0]]
    return {name: np.mean([scores[kind][name] for kind in kinds], axis=0) for name in samples}


def main() -> None:
    experiment = load_experiment(CONFIG)
    data = load_dataset(experiment.data, experiment.wires, experiment.seed)
    rows, steps = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, (view, changes) in enumerate(VIEWS.items()):
            probed, tested = of_view(Path(folder) / str(number), changes)
            for kinds in ensembles():
                found = mean(probed, kinds)
                background = found.pop("background")
                steps = list(found)
                aucs = [roc_auc(background, values).value for values in found.values()]
                limits = [threshold_at_fpr(background, float(fpr)) for fpr in FPRS]
                passed = [
                    100 * np.mean([np.mean(values > limit) for values in found.values()])
                    for limit in limits
                ]
                choice = f"{np.sqrt(np.prod(passed)):.1f}"
                tprs = " / ".join(f"{share:.3g}" for share in passed)
                cells = [*(f"{auc:.3f}" for auc in (*aucs, np.mean(aucs))), tprs, choice]
                signals = signal_cells(separation(mean(tested, kinds), data.parents))
                rows.append([view, " + ".join(kinds), *cells, *signals])
    print("Made by benchmarks/teachers.py: AUC of events made up by each step, against the")
    print(f"{len(data.validation):,} background events of the validation that they are made of;")
    print(f"mean; mean TPR in % at FPR {' / '.join(FPRS)}, and `choice`, their geometric mean;")
    print("then, of the test, mean AUC of the signals, and of each AUC and the same TPR.\n")
    head = ["of", "teacher", *steps, "mean", "mean TPR", "choice", "mean AUC of signals"]
    print("\n".join(table([*head, *data.signals], rows)))


if __name__ == "__main__":
    main()
