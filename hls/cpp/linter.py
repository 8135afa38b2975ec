"""The linter: each rule that a model must keep to become an HLS project that can be synthesized."""

from __future__ import annotations

from collections.abc import Sequence

from hls.cpp.rules import check_graph
from hls.graph.build import build_score_graph
from hls.graph.layer_graph import LayerGraph
from hls.graph.network_rules import check_networks
from hls.graph.refusal import Refusal
from keras_ae.data.scaling import L1Scaler
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import ScoringModel
from keras_ae.settings.firmware import FirmwareSettings


def check_model(
    model: ScoringModel,
    scores: Sequence[str],
    settings: FirmwareSettings,
    scaler: L1Scaler | None = None,
    units: FixedPointFormat | None = None,
) -> list[Refusal]:
    """What keeps a model, trained or not, from becoming firmware; empty if nothing does.

    Args:
        model: in fixed point.
        scores: the first decides.
        settings: what the firmware is made for.
        scaler, units: as in `build_trigger_graph`.

    Raises:
        InputError: a score that there is no firmware for.
    """
    return checked_graph(model, scores, settings, scaler, units)[0]


def checked_graph(
    model: ScoringModel,
    scores: Sequence[str],
    settings: FirmwareSettings,
    scaler: L1Scaler | None = None,
    units: FixedPointFormat | None = None,
) -> tuple[list[Refusal], LayerGraph | None]:
    """What `check_model` says, and the graph of the scores where there is one."""
    found = check_networks(model)
    if found:
        return found, None
    try:
        graph = build_score_graph(model, scores, scaler, units, settings.table_error)
    except Refusal as refusal:
        return [refusal], None
    return check_graph(graph, settings), graph
