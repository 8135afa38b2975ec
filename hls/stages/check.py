"""What keeps an experiment or a run from becoming firmware, and what its RTL would take."""

from __future__ import annotations

from hls.cost.model import CostEstimate, estimate_cost
from hls.cpp.linter import check_model
from hls.graph.build import build_score_graph
from hls.graph.refusal import Refusal
from hls.stages.events import scaler_of, units_of
from keras_ae.data.scaling import N_FEATURES, L1Scaler
from keras_ae.data.sources import L1Data
from keras_ae.experiment_models import build_fixed_point_model
from keras_ae.models import ScoringModel
from keras_ae.run_contents import load_model
from keras_ae.runs import Run
from keras_ae.settings.experiment import Experiment


def check(
    experiment: Experiment, subject: str = "experiment", run: Run | None = None
) -> list[Refusal]:
    """What keeps an experiment from becoming firmware; empty if nothing does.

    Of its quantized model, or of an untrained one as long as `run` has none. `subject` is what a
    fault of the settings is named after.

    Raises:
        InputError: settings that no firmware can have, or `firmware: null`.
    """
    settings = experiment.require_firmware(subject)
    model, scaler = _model_and_scaler(experiment, run)
    scores = (experiment.deciding_score, *settings.scores)
    return check_model(model, scores, settings, scaler, units_of(experiment))


def estimate_rtl(
    experiment: Experiment, subject: str = "experiment", run: Run | None = None
) -> CostEstimate:
    """What the RTL of an experiment takes, by the cost model, without its comparison.

    Of its quantized model, or of an untrained one, in which nothing is pruned, as in `check`, which
    must have found nothing.
    """
    settings = experiment.require_firmware(subject)
    model, scaler = _model_and_scaler(experiment, run)
    scores = (experiment.deciding_score, *settings.scores)
    units, error = units_of(experiment), settings.table_error
    graph = build_score_graph(model, scores, scaler, units, error)
    return estimate_cost(graph, settings.levels_per_stage)


def _model_and_scaler(
    experiment: Experiment, run: Run | None
) -> tuple[ScoringModel, L1Scaler | None]:
    """A quantized model, untrained as long as `run` has none."""
    if run and run.is_finished("quantize"):
        return load_model(run, "quantized"), scaler_of(run)
    # Any will do: behind it stands the network's input format.
    some = L1Scaler((0,) * N_FEATURES, (0,) * N_FEATURES)
    scaler = some if isinstance(experiment.data, L1Data) else None
    return build_fixed_point_model(experiment), scaler
