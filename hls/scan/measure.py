"""One point of a scan: train, quantize, build the trigger graph; what it is worth and costs."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from hls.cost.model import require_size
from hls.graph.refusal import require_none
from hls.rtl.write import plan_rtl
from hls.scan.measurement import Measurement, Qualities, Quality, Score, Scores
from hls.scan.without_signals import WITHOUT_SIGNALS
from hls.stages.check import check
from hls.stages.events import hardware_values
from hls.stages.firmware import trigger_graph
from hls.stages.table import function_of
from keras_ae.data.dataset import Dataset, Sample, halves
from keras_ae.errors import InputError
from keras_ae.files import locked, remove_unfinished
from keras_ae.metrics import (
    MIN_BACKGROUND_EVENTS,
    NONE_SHARED,
    Parents,
    ScoresBySample,
    of_pair,
    roc_auc,
    tpr_at_fpr,
)
from keras_ae.run_contents import load_data, load_model, network_inputs, sample_scores
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.scan import Objectives, check_objectives
from keras_ae.stages import stages_up_to
from keras_ae.training import quantize


def measure(folder: Path, shared: Path, experiment: Experiment, wanted: Objectives) -> Measurement:
    """Train, quantize and measure an experiment.

    Args:
        folder: of its run.
        shared: where float models are, see `take_float_stages`.
        experiment: with firmware.
        wanted: the quality.

    Raises:
        InputError: an experiment that cannot be trained or put into firmware, or a score that is
            too coarse for the false-positive rate.
    """
    settings = experiment.require_firmware(experiment.name)
    # Before the training, not after it.
    require_none(check(experiment, experiment.name))
    check_objectives(experiment, wanted, experiment.name)
    with locked(folder.with_suffix(".lock"), wait=True), warnings.catch_warnings():
        # Which formats are too narrow for the weights is what the search is to find out.
        warnings.simplefilter("ignore", UserWarning)
        run = _open(folder, experiment)
        take_float_stages(run, shared)
        quantize(run, progress=False)
        data = load_data(run)
        graph = trigger_graph(run, data.validation)
        # Before it is traced, which would take hours.
        require_size(graph, settings)
        design = plan_rtl(graph, settings.levels_per_stage)
        precision = "float" if experiment.student is None else "student"
        trained = load_model(run, precision)

        def in_firmware(sample: Sample) -> np.ndarray:
            values = hardware_values(run, sample, graph.interface)
            return graph.evaluate(*graph.with_threshold(values)).score

        def in_float(sample: Sample) -> np.ndarray:
            scores = sample_scores(trained, network_inputs(run, precision, sample))
            return scores[experiment.deciding_score]

        scores = in_firmware, in_float
        if wanted.of_signals:
            qualities = _by_signals(run, data, scores, wanted)
        else:
            qualities = WITHOUT_SIGNALS[wanted.maximize](run, data, scores)
        signals, counted = None, _counted(run, data)
        # Beside the background.
        if not wanted.of_signals and len(counted) > 1:
            by_sample = {name: in_firmware(sample) for name, sample in counted.items()}
            signals = quality(by_sample, Objectives(), data.parents)
        return Measurement(
            *qualities,
            lut=design.estimated_lut,
            register_bits=design.register_bits,
            latency_cycles=design.latency_cycles,
            signals=signals,
        )


def _counted(run: Run, data: Dataset) -> dict[str, Sample]:
    """Background of the test and signals, but for those that look like background."""
    left_out = run.experiment.report.background_like
    return {name: sample for name, sample in data.tested.items() if name not in left_out}


def _by_signals(run: Run, data: Dataset, scores: Scores, wanted: Objectives) -> Qualities:
    """Of the score in firmware for the search and for the test, and likewise in float."""

    def found(score: Score, events: Mapping[str, Sample]) -> Quality:
        parents = {name: sample.parents for name, sample in events.items()}
        return quality({name: score(x) for name, x in events.items()}, wanted, parents)

    left_out = () if wanted.signal else run.experiment.report.background_like
    (in_firmware, in_float), (search, test) = scores, samples(data, run.experiment.seed, left_out)
    return (
        found(in_firmware, search),
        found(in_firmware, test),
        found(in_float, search),
        found(in_float, test),
    )


def samples(
    data: Dataset, seed: int, left_out: Collection[str] = ()
) -> tuple[dict[str, Sample], dict[str, Sample]]:
    """Background and signals by which a search chooses, and those that say what it has found.

    Without signals that are left out.

    Chosen on the events that it is reported on, the best of many trials looks better than it is.
    """
    counted = {name: sample for name, sample in data.signals.items() if name not in left_out}
    pairs = {name: halves(sample, seed) for name, sample in counted.items()}
    return (
        {"background": data.validation} | {name: pair[0] for name, pair in pairs.items()},
        {"background": data.test} | {name: pair[1] for name, pair in pairs.items()},
    )


def quality(scores: ScoresBySample, wanted: Objectives, parents: Parents = NONE_SHARED) -> Quality:
    """AUC or TPR, of one signal or as the mean of all; `parents` of the events by sample.

    The error of a mean is the mean of the errors: that is what it were if the signals, which share
    a background, moved together, and it is not larger.

    Raises:
        InputError: fewer than 10 background events above the threshold of a TPR.
    """
    background = scores["background"]
    estimates = []
    for name, values in scores.items():
        if name == "background" or wanted.signal not in (None, name):
            continue
        if wanted.fpr is None:
            estimates.append(roc_auc(background, values, of_pair(parents, name)))
            continue
        found = tpr_at_fpr(background, values, wanted.fpr, of_pair(parents, name))
        if found is None:
            raise InputError(
                f"score must leave at least {MIN_BACKGROUND_EVENTS} background events above the "
                f"threshold at FPR {wanted.fpr:g}, but is too coarse or the sample too small"
            )
        estimates.append(found)
    return Quality(
        float(np.mean([found.value for found in estimates])),
        float(np.mean([found.error for found in estimates])),
    )


def take_float_stages(run: Run, shared: Path) -> None:
    """Finish the stages before `quantize`, each of which is done once for all runs that share it.

    The first process trains, in a run below `shared` that is named by the digest of the stage's
    inputs; others wait for it, and copy.
    """
    shared.mkdir(exist_ok=True)
    *stages, _ = stages_up_to("quantize", run.experiment)
    owner, done = None, ""
    for stage in stages:
        folder = shared / run.digest(stage)[:16]
        with locked(folder.with_suffix(".lock"), wait=True):
            before, owner = owner, _open(folder, run.experiment)
            if before is not None:
                owner.take_over(before, done)
            function_of(stage, run.settings)(owner, progress=False)
            run.take_over(owner, stage)
        done = stage


def _open(folder: Path, experiment: Experiment) -> Run:
    """A run's directory, also where a killed process has only begun to make it."""
    remove_unfinished(folder)
    return create_run(folder, experiment)
