"""What the seed changes: one experiment trained several times, mean and standard deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hls.graph.trigger_graph import TriggerGraph
from hls.rtl.write import plan_rtl
from keras_ae.files import read_json
from keras_ae.metrics import over_signals
from keras_ae.runs import Run
from keras_ae.stages import PROVED, stages_of
from keras_ae.summary import aligned

#: The false-positive rates of the table.
FPRS = ("0.01", "0.001", "0.0001")

#: By signal, of one score: AUC and TPR, as `metrics.separation` gives them.
Separation = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds; of a single seed there is no deviation."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """None where a seed has no value."""
        known = np.array([value for value in values if value is not None], np.float64)
        if len(known) < len(values):
            return None
        return cls(known.mean(), float(known.std(ddof=1)) if len(known) > 1 else None)

    def text(self, form: str, factor: float = 1.0) -> str:
        """`mean ± deviation`, each in the format, after they are multiplied."""
        parts = [value for value in (self.mean, self.deviation) if value is not None]
        return " ± ".join(f"{factor * value:{form}}" for value in parts)


def deployed_separation(run: Run) -> Separation:
    """AUC and TPR by signal of the firmware, or, where there is to be none, the quantized model."""
    if PROVED in stages_of(run.settings):
        return dict(read_json(run.validation_path, "levels")["levels"]["firmware"]["separation"])
    methods = read_json(run.metrics_path, "methods")["methods"]
    return dict(methods[f"quantized/{run.experiment.deciding_score}"])


def learned_separation(run: Run) -> Separation:
    """The same of what the deployed model has learned, in float."""
    return dict(read_json(run.metrics_path, "methods")["methods"][run.experiment.learned_method])


def resources_of(run: Run) -> dict[str, float]:
    """LUT of a run's RTL by da4ml's estimate, and cycles; nothing without firmware."""
    if PROVED not in stages_of(run.settings):
        return {}
    settings = run.experiment.require_firmware(str(run.folder))
    design = plan_rtl(TriggerGraph.load(run.trigger_graph_path), settings.levels_per_stage)
    return {"LUT by da4ml": design.estimated_lut, "cycles": float(design.latency_cycles)}


def spread_table(runs: Sequence[Run]) -> str:
    """AUC of what was learned and of what is deployed, TPR of the latter, and resources.

    Without signals, resources alone.
    """
    before = [_with_all(run, learned_separation(run)) for run in runs]
    after = [_with_all(run, deployed_separation(run)) for run in runs]
    resources = list(map(resources_of, runs))
    seeds = ", ".join(str(run.experiment.seed) for run in runs)
    rows = [
        {
            "signal": signal,
            "AUC float": _auc(before, signal),
            "AUC deployed": _auc(after, signal),
            **{f"TPR@FPR={fpr}": _tpr(after, signal, fpr) for fpr in FPRS},
        }
        for signal in after[0]
    ]
    lines = [f"mean and standard deviation of {len(runs)} runs, seeds {seeds}:"]
    lines += aligned(rows) if rows else []
    for name in resources[0]:
        of_all = Spread.of([found[name] for found in resources])
        lines.append(f"{name}: {of_all.text(',.0f') if of_all else ''}")
    return "\n".join(lines)


def _with_all(run: Run, found: Separation) -> Separation:
    """And the mean and the worst of the signals that count."""
    return {**found, **over_signals(found, run.experiment.report.background_like)}


def _auc(separations: Sequence[Separation], signal: str) -> str:
    spread = Spread.of([found[signal]["auc"] for found in separations])
    return spread.text(".3f") if spread else ""


def _tpr(separations: Sequence[Separation], signal: str, fpr: str) -> str:
    spread = Spread.of([found[signal]["tpr"][fpr] for found in separations])
    return f"{spread.text('.2f', 100)} %" if spread else "too few events"
