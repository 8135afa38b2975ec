"""The linter: each rule that a model must keep to become an HLS project that can be synthesized."""

from __future__ import annotations

from collections.abc import Mapping

from hls.cpp.rules import check_graph
from hls.graph.assembly import InputFormats, Networks, check_networks
from hls.graph.build import build_score_graph
from hls.graph.layer_graph import LayerGraph
from hls.graph.refusal import Refusal
from hls.graph.score_nodes import Scores
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.settings.firmware import FirmwareSettings


def check_model(
    model: Networks,
    scores: Scores,
    settings: FirmwareSettings,
    scaler: ScaledInputs | None = None,
    input_formats: InputFormats = None,
    roles: Mapping[str, str] | None = None,
) -> list[Refusal]:
    """What keeps a model, trained or not, from becoming firmware; empty if nothing does.

    Args:
        model, scores: as in `build_trigger_graph`.
        settings: what the firmware is made for.
        scaler, input_formats, roles: as in `build_trigger_graph`.

    Raises:
        InputError: a score that there is no firmware for.
    """
    return checked_graph(model, scores, settings, scaler, input_formats, roles)[0]


def checked_graph(
    model: Networks,
    scores: Scores,
    settings: FirmwareSettings,
    scaler: ScaledInputs | None = None,
    input_formats: InputFormats = None,
    roles: Mapping[str, str] | None = None,
) -> tuple[list[Refusal], LayerGraph | None]:
    """What `check_model` says, and the graph of the scores where there is one."""
    found = check_networks(model)
    if found:
        return found, None
    try:
        graph = build_score_graph(model, scores, scaler, input_formats, settings.table_error, roles)
    except Refusal as refusal:
        return [refusal], None
    return check_graph(graph, settings), graph
