"""Multijet events by the present recipe, and by hadronizing each parton-level event 50 times.

    python benchmarks/generator.py --seconds 120 --n-events 4000

Rates are of one core, measured in turns in the same run, without the time of starting Pythia;
effective rates are of events that do not share a parent. The events of the present recipe are
compared with those of the shipped sample, which the other recipe made: every field and the masses
by two-sample tests, and everything at once by a classifier. Writes benchmarks/generator.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ks_2samp, kstwo
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from keras_ae.data.l1 import ELECTRON, JET, MET, MUON, read_l1_events
from keras_ae.data.source import resolve_path
from keras_ae.files import write_text
from keras_ae.generator.collisions import (
    LEPTON_IDS,
    LEPTON_PRESELECTION_PT_GEV,
    CollisionBatch,
    Collisions,
    make_overlay_library,
    overlay,
)
from keras_ae.generator.detector import pass_trigger, simulate_detector
from keras_ae.generator.heavy_flavour import HeavyFlavourCollisions, Repetitions
from keras_ae.generator.processes import PROCESSES
from keras_ae.metrics import effective_number, roc_auc

_QCD = PROCESSES["qcd"]
_SETTINGS = (*_QCD.settings, "PartonLevel:MPI = off")
#: Of a two-sample test.
_FEWEST = 30
_KINDS = {"met": MET, "electron": ELECTRON, "muon": MUON, "jet": JET}


class HadronizedAnew(HeavyFlavourCollisions):
    """The recipe of before: each parton-level event hadronized and decayed 50 times by Pythia."""

    def __init__(self, seed: int, n_hadronizations: int = 50) -> None:
        super().__init__(_SETTINGS, seed, Repetitions(n_hadronizations, 1, 1))
        for pdg_id in self._heavy:
            self._pythia.particleData.mayDecay(pdg_id, True)

    def _decay(self, n_partons: int) -> list[np.ndarray]:
        event = self._pythia.event
        # From the end: decay products come last.
        for index in range(event.size() - 1, 0, -1):
            particle = event[index]
            if particle.statusAbs() < 91:
                return []
            if particle.idAbs() in LEPTON_IDS and particle.pT() > LEPTON_PRESELECTION_PT_GEV:
                # Nothing heavy is held back, so that these are all.
                return [self._others()]
        return []


class Recipe:
    """Events of a recipe, and how long they took."""

    def __init__(self, name: str, collisions: Collisions, library: Any, seed: int) -> None:
        self.name = name
        self._library = library
        self._batches: Iterator[CollisionBatch] = iter(collisions)
        self._rng = np.random.default_rng(seed)
        self.objects: list[np.ndarray] = []
        self.parents: list[np.ndarray] = []
        self.seconds = 0.0
        self.n_simulated = 0

    def go_on(self, seconds: float) -> None:
        """For so long at least, on this core."""
        start = time.process_time()
        while time.process_time() - start < seconds:
            batch = next(self._batches)
            particles = overlay(batch.particles, self._library, self._rng)
            seen = simulate_detector(particles, self._rng)
            passed = pass_trigger(seen)
            self.objects.append(seen[passed])
            self.parents.append(batch.parents[passed])
            self.n_simulated += batch.n_simulated
        self.seconds += time.process_time() - start

    def forget(self) -> None:
        """What was made while starting, libraries included."""
        self.objects, self.parents, self.seconds, self.n_simulated = [], [], 0.0, 0

    @property
    def n_accepted(self) -> int:
        return sum(map(len, self.objects))

    @property
    def effective(self) -> float:
        """Number of events that do not share a parent, as far as errors go."""
        parents = np.concatenate(self.parents)
        return effective_number(np.unique(parents, return_counts=True)[1])

    def row(self) -> list[str]:
        rate = self.n_accepted / self.seconds
        return [
            self.name,
            f"{self.n_accepted}",
            f"{self.n_accepted / self.n_simulated:.3g} ± "
            f"{self.n_accepted / self.n_simulated / np.sqrt(self.effective):.1g}",
            f"{rate:.2f}",
            f"{self.effective / self.seconds:.2f}",
            f"{self.n_accepted / self.effective:.2f}",
        ]


def numbers_of(objects: np.ndarray) -> dict[str, np.ndarray]:
    """What is compared of events (events, 19, 4), each (events,); NaN where there is none."""
    found = {}
    for name, kind in _KINDS.items():
        slots = objects[:, kind.slots]
        filled = slots[:, :, 0] > 0
        for place in range(min(kind.n_slots, 3)):
            for column, label in enumerate(("pt", "eta", "phi")):
                if not (name == "met" and label == "eta"):
                    values = slots[:, place, column].astype(float)
                    found[f"{name}[{place}].{label}"] = np.where(filled[:, place], values, np.nan)
        if kind.n_slots > 1:
            found[f"number of {name}s"] = filled.sum(axis=1).astype(float)
    lepton = objects[:, ELECTRON.first_slot : MUON.first_slot + MUON.n_slots]
    hardest = lepton[np.arange(len(lepton)), lepton[:, :, 0].argmax(axis=1)]
    met, jet = objects[:, MET.first_slot], objects[:, JET.first_slot]
    found["transverse mass"] = np.sqrt(
        2 * hardest[:, 0] * met[:, 0] * (1 - np.cos(hardest[:, 2] - met[:, 2]))
    )
    mass = np.sqrt(
        2 * hardest[:, 0] * jet[:, 0]
        * (np.cosh(hardest[:, 1] - jet[:, 1]) - np.cos(hardest[:, 2] - jet[:, 2]))
    )  # fmt: skip
    found["mass of lepton and jet"] = np.where(jet[:, 0] > 0, mass, np.nan)
    found["HT"] = objects[:, JET.slots, 0].sum(axis=1)
    return found


def two_sample_test(
    new: np.ndarray, old: np.ndarray, new_parents: np.ndarray, old_parents: np.ndarray
) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance, and its p-value for the effective numbers of events."""
    sizes = []
    for values, parents in ((new, new_parents), (old, old_parents)):
        kept = parents[~np.isnan(values)]
        sizes.append(effective_number(np.unique(kept, return_counts=True)[1]))
    distance = float(ks_2samp(new[~np.isnan(new)], old[~np.isnan(old)]).statistic)
    n = sizes[0] * sizes[1] / sum(sizes)
    return distance, float(kstwo.sf(distance, max(round(n), 1)))


def classifier_auc(
    new: np.ndarray, old: np.ndarray, new_parents: np.ndarray, old_parents: np.ndarray
) -> Any:
    """Of boosted trees that tell the recipes apart, on events of other parents than they know."""
    x = np.concatenate([new, old])
    y = np.repeat([1, 0], [len(new), len(old)])
    groups = np.concatenate([new_parents - new_parents.max() - 1, old_parents])
    model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.05, random_state=1)
    scores = cross_val_predict(
        model, x, y, groups=groups, cv=GroupKFold(5), method="predict_proba"
    )[:, 1]
    return roc_auc(scores[y == 0], scores[y == 1], (old_parents, new_parents))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="Of each recipe, for the rates.")
    parser.add_argument("--n-events", type=int, default=20_000, help="Of the present recipe.")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seed = 1000 * arguments.seed
    library = make_overlay_library(seed + 3)
    collisions = HeavyFlavourCollisions(_SETTINGS, seed + 1, Repetitions())
    now = Recipe("present", collisions, library, seed)
    before = Recipe("50 hadronizations", HadronizedAnew(seed + 2), library, seed)
    for recipe in (now, before):
        recipe.go_on(1)
        recipe.forget()
    turns = 4
    for _ in range(turns):
        for recipe in (now, before):
            recipe.go_on(arguments.seconds / turns)
    rows = [recipe.row() for recipe in (before, now)]
    ratio = (now.effective / now.seconds) / (before.effective / before.seconds)
    while now.n_accepted < arguments.n_events:
        now.go_on(1)

    shipped = read_l1_events(resolve_path("package:l1/background.h5"))
    chosen = shipped.process == shipped.process_names.index("qcd")
    old, old_parents = shipped.objects[chosen], shipped.parents[chosen]
    _, old_parents = np.unique(old_parents, return_inverse=True)
    new, new_parents = np.concatenate(now.objects), np.concatenate(now.parents)
    tests = []
    of_old = numbers_of(old)
    for name, values in numbers_of(new).items():
        if min(np.sum(~np.isnan(values)), np.sum(~np.isnan(of_old[name]))) < _FEWEST:
            continue
        distance, p = two_sample_test(values, of_old[name], new_parents, old_parents)
        tests.append((name, distance, p))
    flat = [objects[:, :, :3].reshape(len(objects), -1) for objects in (new, old)]
    auc = classifier_auc(*flat, new_parents, old_parents)
    smallest = min(p for _, _, p in tests)

    def line(cells: Any) -> str:
        return "| " + " | ".join(cells) + " |"

    head = ("recipe", "accepted", "acceptance", "accepted/s", "effective/s", "events for one")
    text = [
        "# Two recipes for multijet events",
        "",
        f"`python benchmarks/generator.py --seconds {arguments.seconds:g} --n-events "
        f"{arguments.n_events} --seed {arguments.seed}`, one core, both recipes in turns. "
        "Effective: (Σn)²/Σn² of the parents.",
        "",
        line(head),
        line("---" for _ in head),
        *(line(row) for row in rows),
        "",
        f"Effective events for the same time: {ratio:.1f} times as many.",
        "",
        f"## {len(new)} events of the present recipe beside {len(old)} of the shipped sample",
        "",
        f"Boosted trees tell them apart with AUC {auc.value:.3f} ± {auc.error:.3f} on events of "
        f"other parents. Of {len(tests)} two-sample tests, the smallest p-value is {smallest:.2g}; "
        f"by chance it is below {1 - 0.95 ** (1 / len(tests)):.2g} in 5 % of cases.",
        "",
        line(("", "distance", "p")),
        line(("---",) * 3),
        *(line((name, f"{distance:.3f}", f"{p:.2f}")) for name, distance, p in tests),
        "",
    ]
    path = Path(__file__).with_suffix(".md")
    write_text(path, "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
