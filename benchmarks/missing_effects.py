"""What the simulation leaves out, each as a toy: isolation, trigger turn-on, fake leptons.

    python benchmarks/missing_effects.py --n-events 2000

The same collisions of every process are seen by the detector under other assumptions, mixed in the
proportions of the sample, and scored by a mixture of Gaussians that has learned the shipped sample.
Writes benchmarks/missing_effects.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from markdown_table import table
from scipy.stats import norm
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from keras_ae.data.l1 import (
    ELECTRON,
    JET,
    LEPTONS,
    TRIGGER_LEPTON_PT_GEV,
    read_l1_events,
)
from keras_ae.data.source import resolve_path
from keras_ae.files import write_text
from keras_ae.generator import detector
from keras_ae.generator.collisions import final_state, start_pythia
from keras_ae.generator.minimum_bias import make_library, overlay_interactions
from keras_ae.generator.processes import BACKGROUND_PERCENT, PROCESSES, SIGNALS
from keras_ae.generator.streams import open_collisions

_N_COMPONENTS = 30
#: Of a trigger's lepton, relative; and its efficiency far above the threshold.
_TURN_ON_RESOLUTION = 0.1
_PLATEAU = 0.95
_FPR = 1e-2
#: Limits of the relative isolation; the first is that of the sample.
_ISOLATIONS = (detector.MAX_RELATIVE_ISOLATION, 0.15, np.inf)
#: Probability that a jet is taken for an electron.
_FAKE_RATES = (1e-5, 1e-4)

#: Objects (events, 19, 4) and weights (events,) of a process.
Seen = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Collided:
    """Collisions of a process as the detector sees them, and how many were simulated for them."""

    #: Objects (events, 19, 4) by limit of the isolation, not only of those that pass the trigger.
    objects: Mapping[float, np.ndarray]
    n_simulated: int


def collide(name: str, n_events: int, library: ak.Array, seed: int) -> Collided:
    """As many as give `n_events` that pass the trigger; leptons of more than 20 GeV each."""
    rng = np.random.default_rng(seed)
    seen: dict[float, list[np.ndarray]] = {limit: [] for limit in _ISOLATIONS}
    n_simulated = n_passed = 0
    for number, batch in enumerate(open_collisions(PROCESSES[name], seed, full=False)):
        n_simulated += batch.n_simulated
        if len(batch.particles):
            # Seen at once: what is overlaid on all of them would not fit into memory.
            particles = overlay_interactions(batch.particles, library, rng)
            for limit in _ISOLATIONS:
                with isolation(limit):
                    # The same noise each time.
                    noise = np.random.default_rng((seed, number))
                    seen[limit].append(detector.simulate_detector(particles, noise))
            n_passed += int(detector.pass_trigger(seen[_ISOLATIONS[0]][-1]).sum())
        if n_passed >= n_events:
            found = {limit: np.concatenate(parts) for limit, parts in seen.items()}
            return Collided(found, n_simulated)
    raise AssertionError("collisions never end")


@contextmanager
def isolation(limit: float) -> Any:
    """Another limit of the relative isolation."""
    before = detector.MAX_RELATIVE_ISOLATION
    detector.MAX_RELATIVE_ISOLATION = limit
    try:
        yield
    finally:
        detector.MAX_RELATIVE_ISOLATION = before


def leptons_of(objects: np.ndarray) -> np.ndarray:
    """Their pT (events, 8)."""
    return np.concatenate([objects[:, kind.slots, 0] for kind in LEPTONS], axis=1)


def sharply(objects: np.ndarray) -> Seen:
    """Those that pass the trigger as it is simulated."""
    kept = objects[detector.pass_trigger(objects)]
    return kept, np.ones(len(kept))


def with_turn_on(objects: np.ndarray) -> Seen:
    """All, weighted by the probability that at least one lepton passes a smeared threshold."""
    pt = leptons_of(objects)
    distance = (pt - TRIGGER_LEPTON_PT_GEV) / np.maximum(_TURN_ON_RESOLUTION * pt, 1e-9)
    passing = np.where(pt > 0, _PLATEAU * norm.cdf(distance), 0.0)
    return objects, 1 - np.prod(1 - passing, axis=1)


def fakes(n_events: int, library: ak.Array, seed: int) -> tuple[np.ndarray, float]:
    """Multijet events in which one jet is taken for an electron; such jets for each collision."""
    rng = np.random.default_rng(seed)
    qcd = PROCESSES["qcd"].settings
    pythia = start_pythia((*qcd, "PartonLevel:MPI = off"), seed)
    found: list[np.ndarray] = []
    n_simulated = n_jets = 0
    while n_jets < n_events:
        particles = overlay_interactions(final_state(pythia.nextBatch(250)), library, rng)
        objects = detector.simulate_detector(particles, rng)
        n_simulated += len(objects)
        jets = objects[:, JET.slots]
        hard = (jets[:, :, 0] > TRIGGER_LEPTON_PT_GEV) & (np.abs(jets[:, :, 1]) < ELECTRON.max_eta)
        for event, place in np.argwhere(hard):
            found.append(_with_fake(objects[event], place))
        n_jets += int(hard.sum())
    return np.stack(found), n_jets / n_simulated


def _with_fake(objects: np.ndarray, place: int) -> np.ndarray:
    """The same event, its jet at `place` among the electrons."""
    changed = objects.copy()
    jets, electrons = changed[JET.slots], changed[ELECTRON.slots]
    fake = jets[place].copy()
    fake[3] = ELECTRON.class_id
    changed[JET.slots] = np.concatenate([np.delete(jets, place, axis=0), np.zeros((1, 4))])
    together = np.concatenate([electrons, fake[np.newaxis]])
    changed[ELECTRON.slots] = together[np.argsort(-together[:, 0], kind="stable")][
        : ELECTRON.n_slots
    ]
    return changed


class Score:
    """Negative log-density of log(1 + pT), learned from a part of the shipped background."""

    def __init__(self, n_events: int = 20_000) -> None:
        objects = read_l1_events(resolve_path("package:l1/background.h5"), n_events).objects
        self._scaler = StandardScaler().fit(np.log1p(objects[:, :, 0]))
        self._mixture = GaussianMixture(_N_COMPONENTS, reg_covar=1e-3, random_state=1)
        self._mixture.fit(self._scaler.transform(np.log1p(objects[:, :, 0])))

    def __call__(self, objects: np.ndarray) -> np.ndarray:
        log_pt = self._scaler.transform(np.log1p(objects[:, :, 0]))
        return -self._mixture.score_samples(log_pt)


def efficiencies(score: Score, seen: Mapping[str, Seen]) -> dict[str, float]:
    """TPR of each signal at _FPR of the background, mixed as in the sample."""
    values, weights = [], []
    for name, percent in BACKGROUND_PERCENT.items():
        objects, weight = seen[name]
        values.append(score(objects))
        weights.append(weight / weight.sum() * percent)
    order = np.argsort(-np.concatenate(values))
    ordered, passed = np.concatenate(values)[order], np.concatenate(weights)[order].cumsum()
    threshold = ordered[np.searchsorted(passed, _FPR * passed[-1])]
    return {
        name: float(np.average(score(seen[name][0]) > threshold, weights=seen[name][1]))
        for name in SIGNALS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-events", type=int, default=2000, help="Of each process.")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seed = 1000 * arguments.seed
    library = make_library(seed)
    collided = {
        name: collide(name, arguments.n_events, library, seed + number)
        for number, name in enumerate(PROCESSES)
    }
    score = Score()

    def seen_by(assumption: Any, limit: float) -> dict[str, Seen]:
        return {name: assumption(each.objects[limit]) for name, each in collided.items()}

    nominal_limit, tight, none = _ISOLATIONS
    found = {
        f"as simulated: isolation < {nominal_limit}, threshold sharp": seen_by(
            sharply, nominal_limit
        ),
        f"isolation < {tight}": seen_by(sharply, tight),
        "no isolation": seen_by(sharply, none),
        f"turn-on, resolution {_TURN_ON_RESOLUTION:.0%}, plateau {_PLATEAU:.0%}": seen_by(
            with_turn_on, nominal_limit
        ),
    }
    nominal = next(iter(found.values()))
    faked, per_collision = fakes(arguments.n_events, library, seed + 99)
    half = (
        np.concatenate([nominal["qcd"][0], faked]),
        np.concatenate(
            [nominal["qcd"][1] / nominal["qcd"][1].sum(), np.full(len(faked), 1 / len(faked))]
        ),
    )
    mixed = {"half of the multijets with a faked lepton": {**nominal, "qcd": half}}
    accepted = {
        name: {process: weight.sum() for process, (_, weight) in seen.items()}
        for name, seen in found.items()
    }
    first = next(iter(accepted.values()))
    rows = []
    for name, seen in (found | mixed).items():
        ratios = (
            [f"{accepted[name][process] / first[process]:.2f}" for process in PROCESSES]
            if name in accepted
            else ["1"] * len(PROCESSES)
        )
        tprs = (f"{100 * tpr:.1f}" for tpr in efficiencies(score, seen).values())
        rows.append((name, *ratios, *tprs))
    acceptance = len(nominal["qcd"][0]) / collided["qcd"].n_simulated
    shares = ", ".join(
        f"{rate * per_collision / acceptance:.2g} times as many for {rate:g}"
        for rate in _FAKE_RATES
    )
    text = [
        "# What the simulation leaves out",
        "",
        f"`python benchmarks/missing_effects.py --n-events {arguments.n_events} --seed "
        f"{arguments.seed}`: accepted events of each process beside those as simulated, and TPR in "
        f"% at FPR {_FPR:g} of a mixture of {_N_COMPONENTS} Gaussians of log(1 + pT) that has "
        f"learned the shipped sample; proportions of background processes as in the sample. "
        f"{arguments.n_events} events of each process, the same collisions in each row.",
        "",
        *table(("", *PROCESSES, *(f"TPR {name}" for name in SIGNALS)), rows),
        "",
        f"Of a multijet collision, {per_collision:.3g} jets could be taken for an electron above "
        f"{TRIGGER_LEPTON_PT_GEV:g} GeV. With the probability of a jet to be faked, faked leptons "
        f"would be, beside those of b and c quarks: {shares}.",
        "",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
