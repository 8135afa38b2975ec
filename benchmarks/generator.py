"""Multijet events by the present recipe, and by hadronizing each parton-level event 50 times.

    git archive 28e7d11 keras_ae/data/samples/l1 | tar -x -C /tmp --strip-components 3
    python benchmarks/generator.py --before /tmp/l1 --seconds 120

Rates are of one core, measured in turns in the same run, without the time of starting Pythia;
effective rates are of events that do not share a parent. The events of the shipped sample are
compared, process by process, with those of the sample before, which the other recipe made: every
field and the masses by two-sample tests, and everything at once by a classifier. Writes
benchmarks/generator.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from markdown_table import table
from scipy.stats import ks_2samp, kstwo
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from keras_ae.data.l1 import ELECTRON, JET, MET, MUON, L1Events, read_l1_events, write_l1_events
from keras_ae.data.source import resolve_path
from keras_ae.files import write_text
from keras_ae.generator.collisions import (
    LEPTON_IDS,
    LEPTON_PRESELECTION_PT_GEV,
    CollisionBatch,
    Collisions,
)
from keras_ae.generator.detector import pass_trigger, simulate_detector
from keras_ae.generator.heavy_flavour import HeavyFlavourCollisions, Repetitions
from keras_ae.generator.minimum_bias import make_library, overlay_interactions
from keras_ae.generator.processes import BACKGROUND_PERCENT, PROCESSES
from keras_ae.metrics import effective_number, roc_auc

_QCD = PROCESSES["qcd"]
_SETTINGS = (*_QCD.settings, "PartonLevel:MPI = off")
#: Of a two-sample test.
_FEWEST = 30
#: Of the classifier, of each sample.
_MOST = 30_000
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
            particles = overlay_interactions(batch.particles, self._library, self._rng)
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


def of_process(folder: Path, name: str) -> tuple[L1Events, np.ndarray]:
    """Events of a sample, as the shipped one holds them, and their parents from 0 on."""
    path = folder / ("background.h5" if name in BACKGROUND_PERCENT else f"{name}.h5")
    found = read_l1_events(path)
    found = found.take(found.process == found.process_names.index(name))
    with TemporaryDirectory() as temporary:
        rounded = Path(temporary) / "rounded.h5"
        write_l1_events(rounded, found)
        found = read_l1_events(rounded)
    return found, np.unique(found.parents, return_inverse=True)[1]


def acceptance(events: L1Events, name: str, parents: np.ndarray) -> str:
    """Of a process, with the error of its parents."""
    value = float(events.provenance[name]["acceptance"])
    effective = effective_number(np.bincount(parents))
    return f"{value:.3g} ± {value / np.sqrt(effective):.1g}"


def compare(name: str, before: Path, now: Path) -> tuple[list[str], list[tuple[str, float, float]]]:
    """A process in both samples: a row of the table, and its two-sample tests."""
    old, old_parents = of_process(before, name)
    new, new_parents = of_process(now, name)
    accepted = [acceptance(*each) for each in ((old, name, old_parents), (new, name, new_parents))]
    tests = []
    of_old, of_new = numbers_of(old.objects), numbers_of(new.objects)
    for number, values in of_new.items():
        if min(np.sum(~np.isnan(values)), np.sum(~np.isnan(of_old[number]))) >= _FEWEST:
            test = two_sample_test(values, of_old[number], new_parents, old_parents)
            tests.append((number, *test))
    smallest = min(p for _, _, p in tests)
    chance = 1 - (1 - smallest) ** len(tests)
    kept = slice(_MOST)
    flat = [events.objects[kept, :, :3].reshape(-1, 57) for events in (new, old)]
    auc = classifier_auc(*flat, new_parents[kept], old_parents[kept])
    row = [
        name,
        f"{len(old):,}",
        f"{len(new):,}",
        *accepted,
        f"{auc.value:.3f} ± {auc.error:.3f}",
        f"{smallest:.2g} of {len(tests)} ({100 * chance:.0f} %)",
    ]
    return row, tests


def rates(seconds: float, seed: int) -> tuple[list[list[str]], float]:
    """A row for each recipe, and the ratio of their effective rates."""
    library = make_library(seed + 3)
    collisions = HeavyFlavourCollisions(_SETTINGS, seed + 1, Repetitions())
    now = Recipe("present", collisions, library, seed)
    before = Recipe("50 hadronizations", HadronizedAnew(seed + 2), library, seed)
    for recipe in (now, before):
        recipe.go_on(1)
        recipe.forget()
    turns = 4
    for _ in range(turns):
        for recipe in (now, before):
            recipe.go_on(seconds / turns)
    ratio = (now.effective / now.seconds) / (before.effective / before.seconds)
    return [recipe.row() for recipe in (before, now)], ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="Folder of the other sample.")
    parser.add_argument("--seconds", type=float, default=120, help="Of each recipe, for the rates.")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows, ratio = rates(arguments.seconds, 1000 * arguments.seed)
    now = resolve_path("package:l1/background.h5").parent
    found = {name: compare(name, arguments.before, now) for name in PROCESSES}
    text = [
        "# Two recipes for multijet events",
        "",
        f"`python benchmarks/generator.py --before FOLDER --seconds {arguments.seconds:g} --seed "
        f"{arguments.seed}`, one core, both recipes in turns. Effective: (Σn)²/Σn² of the parents.",
        "",
        *table(
            ("recipe", "accepted", "acceptance", "accepted/s", "effective/s", "events for one"),
            rows,
        ),
        "",
        f"Effective events for the same time: {ratio:.1f} times as many.",
        "",
        "# The shipped sample beside the one before",
        "",
        "AUC: of boosted trees that tell both apart, on events of other parents than they know; at "
        f"most {_MOST:,} events of each. Smallest p-value: of two-sample tests of every field, and "
        "in brackets how often as small a one comes by chance.",
        "",
        *table(
            (
                *("process", "events before", "now", "acceptance before", "now"),
                *("AUC", "smallest p-value"),
            ),
            (row for row, _ in found.values()),
        ),
        "",
        "# Multijets, number by number",
        "",
        *table(
            ("", "distance", "p"),
            ((name, f"{distance:.3f}", f"{p:.2f}") for name, distance, p in found["qcd"][1]),
        ),
        "",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
