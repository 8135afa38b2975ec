"""What a trigger graph is, said in words: for those who take its firmware over."""

from __future__ import annotations

from dataclasses import dataclass

from hls.graph.trigger_graph import TriggerGraph
from keras_ae.front_end.front_end import FrontEnd


@dataclass(frozen=True)
class Origin:
    """Where a project comes from: what its trigger graph does not say.

    `model` is named in words; `target_fpr` is the fraction of background that may pass, at
    `input_rate_khz` if that is known; `front_end` is what its wires carry.
    """

    model: str
    target_fpr: float
    input_rate_khz: float | None = None
    front_end: FrontEnd | None = None


def decision_facts(
    graph: TriggerGraph,
    origin: Origin | None,
    bench: str = "tb_data",
) -> list[tuple[str, str]]:
    """What decides, in pairs of a name and a value; `bench` has the events of a test bench."""
    scores = [f"`{name}`" for name in graph.score_names]
    threshold = _limit(graph, graph.decision.name, bench)
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
        *(
            (f"threshold of `{name}`", _limit(graph, name, bench))
            for name in graph.thresholds
            if name != graph.decision.name
        ),
    ]


def _limit(graph: TriggerGraph, name: str, bench: str) -> str:
    """The threshold of a bit: a number, or an input and what a test bench has there."""
    limit, (_, *inputs) = repr(graph.thresholds[name]), graph.node(name).inputs
    return f"the input `{inputs[0]}`; in `{bench}` it is {limit}" if inputs else limit


def table_row(*cells: str) -> str:
    """Of a table in Markdown."""
    return f"| {' | '.join(cells)} |"
