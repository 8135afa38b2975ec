"""What the student of a run learns: the score of one teacher, or the mean of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Memory

from keras_ae.arrays import check_finite
from keras_ae.data.dataset import Sample
from keras_ae.errors import InputError
from keras_ae.exposure import Exposure
from keras_ae.files import read_json, write_json
from keras_ae.models.autoencoder import Arrays
from keras_ae.run_contents import (
    load_keras_model,
    load_model,
    network_inputs,
    sample_scores,
)
from keras_ae.runs import Run
from keras_ae.settings.teachers import (
    NEGATIVE_LOG_LIKELIHOOD,
    AutoencoderTeacher,
    DensityTeacher,
    Teacher,
)
from keras_ae.teachers import DENSITIES, Density


@dataclass(frozen=True)
class Member:
    """A teacher of several: its name, and its scores (events,) of what the float model sees."""

    name: str
    scores: Callable[[Arrays], np.ndarray]


def teachers_of(run: Run) -> tuple[Teacher, ...]:
    """As the student of a run names them; none where it learns from the autoencoder alone."""
    student = run.experiment.student
    return () if student is None else student.teachers


def n_autoencoders(run: Run) -> int:
    """How often the autoencoder of a run is trained."""
    kinds = teachers_of(run)
    return max((t.n_seeds for t in kinds if isinstance(t, AutoencoderTeacher)), default=1)


def autoencoder_path(run: Run, number: int) -> Path:
    """Of another seed, `number` >= 1."""
    return run.teachers_folder / f"autoencoder_{number}.keras"


def density_path(run: Run, number: int) -> Path:
    """Of the teacher at `number`."""
    return run.teachers_folder / f"density_{number}.npz"


def targets_path(run: Run) -> Path:
    """Of what the student learns of each event, made up or not, of training and validation."""
    return run.teachers_folder / "targets.npz"


def members_of(run: Run) -> Iterator[Member]:
    """All teachers, each seed of an autoencoder by itself, as they were fitted.

    What a density has said of events is kept: several stages ask for the same.
    """
    kept = Memory(run.teacher_scores_folder, verbose=0).cache(_scores, ignore=["density"])
    digest = run.digest("distill")
    for number, teacher in enumerate(teachers_of(run)):
        if isinstance(teacher, AutoencoderTeacher):
            yield from _autoencoders(run, number, teacher)
            continue
        density = DENSITIES[type(teacher)].load(density_path(run, number))

        def scores(
            x: Arrays, number: int = number, density: Density = density, teacher: Any = teacher
        ) -> np.ndarray:
            return np.asarray(kept(digest, number, seen_by(run, teacher, x), density))

        yield Member(f"{number}_{teacher.kind}", scores)


def _scores(digest: str, number: int, x: np.ndarray, density: Density) -> np.ndarray:
    """Of the density at `number` among the teachers of a stage with this digest."""
    return density.scores(x)


def _autoencoders(run: Run, number: int, teacher: AutoencoderTeacher) -> Iterator[Member]:
    for seed in range(teacher.n_seeds):
        path = autoencoder_path(run, seed) if seed else run.model_path("float")
        model = load_keras_model(path)
        score = teacher.score or run.experiment.trigger.score

        def scores(x: Arrays, model: Any = model, score: str = score) -> np.ndarray:
            if score != NEGATIVE_LOG_LIKELIHOOD:
                return sample_scores(model, x)[score]
            first, *condition = x if isinstance(x, tuple) else (x,)
            return -model.log_likelihood(first, teacher.n_samples, *condition)

        yield Member(f"{number}_{teacher.kind}_{seed}", scores)


def seen_by(run: Run, teacher: DensityTeacher, inputs: Arrays) -> np.ndarray:
    """What a density is one of, (events, features), of network inputs."""
    if teacher.sees == "inputs":
        return flat(inputs)
    x = inputs[0] if isinstance(inputs, tuple) else inputs
    return np.asarray(load_model(run, "float").embed(x))


def flat(inputs: Arrays) -> np.ndarray:
    """Network inputs as (events, features), with a condition at the end."""
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def standardize(run: Run, train: Sample) -> None:
    """Take mean and deviation of each teacher's scores from the background of the training."""
    inputs = network_inputs(run, "float", train)
    moments = {}
    for member in members_of(run):
        scores = member.scores(inputs).astype(np.float64)
        check_finite(scores, f"scores of the teacher {member.name}")
        if np.ptp(scores) == 0:
            raise InputError(
                f"scores of the teacher {member.name} must differ between events, got "
                f"{scores[0]:g} in all {len(scores)} events"
            )
        moments[member.name] = [float(scores.mean()), float(scores.std())]
    write_json(run.teachers_folder / "moments.json", moments)


def teacher_scores(run: Run, sample: Sample) -> np.ndarray:
    """What the student learns of a sample: (events,)."""
    if teachers_of(run):
        return mean_of(run, scores_by_member(run, sample))
    inputs = network_inputs(run, "float", sample)
    return sample_scores(load_model(run, "float"), inputs)[run.experiment.trigger.score]


def learned_scores(run: Run, sample: Sample) -> np.ndarray:
    """What the outputs of a student learn of a sample: (events,), or of several (events, scores).

    The first column is that of `teacher_scores`, the others are the autoencoder's.
    """
    settings = run.experiment.student
    if settings is None or not settings.further_scores:
        return teacher_scores(run, sample)
    found = sample_scores(load_model(run, "float"), network_inputs(run, "float", sample))
    # Once, where the autoencoder is the teacher as well.
    several = bool(settings.teachers)
    deciding = teacher_scores(run, sample) if several else found[run.experiment.trigger.score]
    return np.stack([deciding, *(found[name] for name in settings.further_scores)], axis=1)


def scores_by_member(run: Run, sample: Sample) -> dict[str, np.ndarray]:
    """Of each of several teachers, (events,)."""
    inputs = network_inputs(run, "float", sample)
    return {member.name: member.scores(inputs) for member in members_of(run)}


def mean_of(run: Run, scores: dict[str, np.ndarray]) -> np.ndarray:
    """The mean of the teachers' scores, each with mean 0 and deviation 1 on the training."""
    moments = read_json(run.teachers_folder / "moments.json", *scores)
    standardized = [
        (values - moments[name][0]) / moments[name][1] for name, values in scores.items()
    ]
    return np.mean(standardized, axis=0)


def made_up(run: Run, exposure: Exposure, background: Sample, part: int) -> Sample:
    """Outliers made of background, as many as `exposure` asks for, each with its event's parent.

    Args:
        run: whose front end the events are of; with its seed and that of the exposure, `part`
            decides which they are.
        exposure: what is done to events.
        background: that they are made of.
        part: a number for each part of the data, so that all are different.
    """
    experiment, wires = run.experiment, run.experiment.wires
    x = background.x.reshape(len(background), wires.n_values)
    events, origin = exposure.make(wires, x, (experiment.seed, part))
    # Where the data have a condition that no network is told, nobody looks at it.
    condition = np.zeros((len(events), background.condition.shape[1]))
    if experiment.counts is not None:
        condition = experiment.counts.of(wires, events)
    x = events.reshape(-1, *background.x.shape[1:])
    return Sample(x, condition, background.parents[origin])
