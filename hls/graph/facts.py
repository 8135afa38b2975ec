"""What a trigger graph is, said in words: for those who take its firmware over."""

from __future__ import annotations

from dataclasses import dataclass

from hls.graph.layers.scale_objects import ScaleObjects
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.data.l1 import OBJECT_CLASSES
from keras_ae.data.scaling import FEATURES, HardwareUnits
from keras_ae.front_end.front_end import FrontEnd


@dataclass(frozen=True)
class Origin:
    """Where a project comes from: what its trigger graph does not say.

    `model` is named in words; `target_fpr` is the fraction of background that may pass, at
    `input_rate_khz` if that is known; `units` are those of trigger objects, None for other data;
    `front_end` is what the wires carry.
    """

    model: str
    target_fpr: float
    input_rate_khz: float | None = None
    units: HardwareUnits | None = None
    front_end: FrontEnd | None = None


def decision_facts(
    graph: TriggerGraph,
    origin: Origin | None,
    bench: str = "tb_data",
) -> list[tuple[str, str]]:
    """What decides, in pairs of a name and a value; `bench` has the events of a test bench."""
    scores = [f"`{name}`" for name in graph.score_names]
    threshold = f"{graph.threshold!r}"
    if graph.decision.from_input:
        threshold = f"the input `threshold`; in `{bench}` it is {threshold}"
    if origin:
        threshold += f", above which is a fraction of at most {origin.target_fpr:g} of background"
        if origin.input_rate_khz:
            rate = origin.target_fpr * origin.input_rate_khz
            threshold += f", {rate:g} kHz of {origin.input_rate_khz:g} kHz"
    facts = [("model", origin.model)] if origin else []
    return [
        *facts,
        ("score that decides", scores[0]),
        *([("further scores", ", ".join(scores[1:]))] if scores[1:] else []),
        ("threshold", threshold),
    ]


def table_row(*cells: str) -> str:
    """Of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def order_of_values(graph: TriggerGraph, units: HardwareUnits | None) -> list[str]:
    """Lines that say which value of an input is what."""
    lines = []
    if any(isinstance(layer, ScaleObjects) for layer in graph.layers):
        lines += _order_of_objects(units)
    for port in graph.interface.inputs:
        if port.shape is not None and len(port.shape) == 3:  # height, width, channels
            shape = " x ".join(map(str, port.shape))
            lines.append(
                f"An image of {shape} (height, width, channels): row by row, pixel by pixel."
            )
    return lines or ["As in the model's input."]


def names_of_objects() -> list[str]:
    """Of each number of the input `objects`, such as `jet 1 pt`."""
    places = [
        kind.name if kind.n_slots == 1 else f"{kind.name} {number}"
        for kind in OBJECT_CLASSES
        for number in range(1, kind.n_slots + 1)
    ]
    return [f"{place} {feature}" for place in places for feature in FEATURES]


def _order_of_objects(units: HardwareUnits | None) -> list[str]:
    n_features = len(FEATURES)
    lines = [
        "`objects` are integers, object by object. Within a class they are ordered by pT; an empty",
        "place is zero in all its numbers.",
        "",
        "| values | object | each |",
        "|---|---|---|",
    ]
    for kind in OBJECT_CLASSES:
        first, end = kind.slots.start * n_features, kind.slots.stop * n_features
        names = kind.name if kind.n_slots == 1 else f"{kind.name} 1 to {kind.n_slots}"
        lines.append(table_row(f"{first} to {end - 1}", names, ", ".join(FEATURES)))
    if units:
        lines += [
            "",
            f"1 is {units.pt_lsb_gev:g} GeV in pt, {units.eta_lsb:g} in eta and "
            f"{units.phi_lsb:g} in phi.",
        ]
    return lines
