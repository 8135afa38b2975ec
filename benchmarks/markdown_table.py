"""Tables in Markdown, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Its lines."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def quality_cell(quality: Mapping[str, Any], fprs: Iterable[str]) -> str:
    """AUC, and TPR in % at each FPR; a dash where events are too few."""
    tprs = (quality["tpr"][fpr] for fpr in fprs)
    shown = " / ".join("–" if tpr is None else f"{100 * tpr:.3g}" for tpr in tprs)
    return f"{quality['auc']:.3f}; {shown}"
