"""What keeps an experiment or a run from becoming firmware, and what its RTL would take."""

from __future__ import annotations

from typing import cast

import numpy as np

from hls.cost.model import CostEstimate, estimate_cost
from hls.cpp.linter import checked_graph
from hls.graph.layer_graph import LayerGraph
from hls.graph.refusal import Refusal
from hls.stages.adopted import check as check_adopted
from hls.stages.adopted import settings_in
from hls.stages.events import scaler_of, wires_in_firmware
from keras_ae.errors import InputError
from keras_ae.experiment_models import build_fixed_point_model
from keras_ae.front_end.input_view import ScaledView
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.models import ScoringModel
from keras_ae.run_contents import load_model
from keras_ae.runs import Run
from keras_ae.settings.adoption import Adoption, RunSettings
from keras_ae.settings.experiment import Experiment


def check(
    experiment: RunSettings, subject: str = "experiment", run: Run | None = None
) -> list[Refusal]:
    """What keeps an experiment from becoming firmware; empty if nothing does.

    Of its quantized model, or of an untrained one as long as `run` has none. `subject` is what a
    fault of the settings is named after.

    Raises:
        InputError: settings that no firmware can have, or `firmware: null`.
    """
    return _checked_graph(experiment, subject, run)[0]


def check_and_estimate(
    experiment: RunSettings, subject: str = "experiment", run: Run | None = None
) -> tuple[list[Refusal], CostEstimate | None]:
    """What `check` says; and where nothing is in the way, what the RTL takes by the cost model.

    Without the comparison with the threshold. An untrained model is not pruned, either.
    """
    refusals, graph = _checked_graph(experiment, subject, run)
    if refusals or graph is None:
        return refusals, None
    settings = experiment.require_firmware(subject)
    return refusals, estimate_cost(graph, settings.levels_per_stage)


def _checked_graph(
    experiment: RunSettings, subject: str, run: Run | None
) -> tuple[list[Refusal], LayerGraph | None]:
    if isinstance(experiment, Adoption):
        return _of_adopted(run)
    settings = experiment.require_firmware(subject)
    model, scaler = _model_and_scaler(experiment, run)
    scores, wires = experiment.firmware_scores, wires_in_firmware(experiment)
    return checked_graph(model, scores, settings, scaler, wires)


def _of_adopted(run: Run | None) -> tuple[list[Refusal], LayerGraph | None]:
    if run is None:
        raise InputError(
            "what is checked must be an experiment or a run, got settings of a network that comes "
            "trained: 'keras-ae adopt MODEL CONFIG' checks it"
        )
    return check_adopted(settings_in(run), load_model(run, "quantized"))


def _model_and_scaler(
    experiment: Experiment, run: Run | None
) -> tuple[ScoringModel, ScaledInputs | None]:
    """A quantized model, untrained as long as `run` has none."""
    if run and run.is_quantized:
        return load_model(run, "quantized"), scaler_of(run)
    wires, view = experiment.wires, cast(ScaledView, experiment.deployed_inputs)
    if view.is_fitted:
        # Any will do: behind it stands the network's input format.
        view = view.model_copy(update={"scale": "none"})
    scaler = view.fit(wires, np.zeros((0, wires.n_values))) if wires.is_hardware else None
    return build_fixed_point_model(experiment), None if scaler and scaler.is_identity else scaler
