"""What a scan may choose by that needs no signal: agreement, likelihood, stability."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy.stats import spearmanr

from hls.scan.measurement import Qualities, Quality, Score, Scores
from keras_ae.data.dataset import Dataset, Sample, halves
from keras_ae.metrics import effective_number, threshold_at_fpr
from keras_ae.rates import instability
from keras_ae.run_contents import load_model, network_inputs
from keras_ae.runs import Run
from keras_ae.teaching import made_up, teacher_scores

#: Parts of the background that events are made up of while training.
_PARTS_OF_TRAINING = 2
#: Of the latent of each event, for a likelihood.
_N_SAMPLES = 64


def by_agreement(run: Run, data: Dataset, scores: Scores) -> Qualities:
    """Agreement of the score with what the model has learned."""
    in_firmware, in_float = scores
    learned = in_float if run.experiment.student is None else partial(teacher_scores, run)

    # As many events of the test as of validation, and each once: teachers may be slow.
    n_events = min(len(data.test), len(data.validation))
    parts = enumerate((data.validation, data.test.take(np.arange(n_events))))
    search, test = (unlabelled(run, sample, number) for number, sample in parts)
    targets = [[learned(sample) for sample in events] for events in (search, test)]

    def found(score: Score, events: Sequence[Sample], target: Sequence[np.ndarray]) -> Quality:
        pairs = zip(events, target, strict=True)
        return agreement([(score(sample), aim, sample.parents) for sample, aim in pairs])

    return (
        found(in_firmware, search, targets[0]),
        found(in_firmware, test, targets[1]),
        found(in_float, search, targets[0]),
        found(in_float, test, targets[1]),
    )


def unlabelled(run: Run, sample: Sample, number: int) -> list[Sample]:
    """A part of the background, and what a student's exposure makes of it; not what it learned."""
    student = run.experiment.student
    found = [sample]
    if student is not None and student.exposure is not None:
        found.append(made_up(run, student.exposure, sample, _PARTS_OF_TRAINING + number))
    return found


def agreement(pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Quality:
    """Mean of the rank correlations (Spearman) of two scores, (events,) each, on samples.

    Each with the parents of the events. The error of each is (1 - r^2) sqrt((1 + r^2 / 2) / (n -
    3)) after Bonett & Wright, Psychometrika 65 (2000) 23, with the effective number n of parents;
    that of the mean is their mean: made-up events move with the background that they are made of.
    """
    values, errors = [], []
    for first, second, parents in pairs:
        # A score that is the same for all events agrees with none.
        differ = np.ptp(first) > 0 and np.ptp(second) > 0
        values.append(float(spearmanr(first, second).statistic) if differ else 0.0)
        square, n_events = values[-1] ** 2, max(_n_parents(parents) - 3, 1)
        errors.append((1 - square) * math.sqrt((1 + square / 2) / n_events))
    return Quality(float(np.mean(values)), float(np.mean(errors)))


def by_likelihood(run: Run, data: Dataset, scores: Scores) -> Qualities:
    """Mean log-likelihood of background in nats, by importance sampling.

    Of the quantized model in Keras, as firmware has none, and of the float model.
    """

    def found(precision: str, sample: Sample) -> Quality:
        inputs = network_inputs(run, precision, sample)
        x, *condition = inputs if isinstance(inputs, tuple) else (inputs,)
        values = load_model(run, precision).log_likelihood(x, _N_SAMPLES, *condition)
        return Quality(
            float(values.mean()), float(values.std() / _n_parents(sample.parents) ** 0.5)
        )

    models, parts = ("quantized", "float"), (data.validation, data.test)
    first, second, third, fourth = (found(model, part) for model in models for part in parts)
    return first, second, third, fourth


def by_stability(run: Run, data: Dataset, scores: Scores) -> Qualities:
    """How well the threshold of one half of the background holds on the other, see `stability`."""
    fpr, seed = run.settings.trigger.fpr, run.settings.seed
    parts = (data.validation, data.test)
    first, second, third, fourth = (
        stability(score, halves(part, seed), fpr) for score in scores for part in parts
    )
    return first, second, third, fourth


def stability(score: Score, parts: tuple[Sample, Sample], fpr: float) -> Quality:
    """-|log(p / FPR)|, the mean of both directions; 0 is best.

    p is what passes in one half of the threshold that the other sets; where nothing does, half an
    event.
    """
    values, errors = [], []
    found = [(score(part), _n_parents(part.parents)) for part in parts]
    for (here, _), (there, n_parents) in (found, found[::-1]):
        fired = there > threshold_at_fpr(here, fpr)
        rate = max(float(fired.mean()), 0.5 / len(fired))
        values.append(-(instability(rate, fpr) or 0.0))
        # The threshold's own and that of what passes it.
        errors.append(math.sqrt(2 * (1 - rate) / (rate * n_parents)))
    # Both directions tell the same.
    return Quality(float(np.mean(values)), float(np.mean(errors)))


def _n_parents(parents: np.ndarray) -> float:
    """The effective number of independent events."""
    return effective_number(np.unique(parents, return_counts=True)[1])


#: By what is maximized.
WITHOUT_SIGNALS: dict[str, Callable[[Run, Dataset, Scores], Qualities]] = {
    "agreement": by_agreement,
    "likelihood": by_likelihood,
    "stability": by_stability,
}
