"""The fidelity report as one self-contained HTML page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from hls.report.fidelity import Fidelity
from hls.report.implementations import table
from keras_ae import __version__, plots
from keras_ae.files import read_json, write_text
from keras_ae.metrics import TARGET_FPRS
from keras_ae.runs import Run
from keras_ae.settings.adoption import Adoption
from keras_ae.settings.firmware import FirmwareSettings

_LABELS = {
    "teacher": "teacher",
    "float": "float",
    "post_training": "PTQ",
    "quantized": "QAT",
    "firmware": "firmware",
}
#: Of implementations, which grows with each tool that has seen the firmware.
_SECTION = re.compile(r'<section id="implementations">.*?</section>', re.DOTALL)


def render_page(
    run: Run, settings: FirmwareSettings, report: Mapping[str, Any], fidelity: Fidelity
) -> str:
    """The page of a validated run.

    Args:
        run: of which the experiment is shown.
        settings: what its firmware is made for.
        report: content of `validation.json`.
        fidelity: of which the figures are drawn.
    """
    trigger = read_json(
        run.trigger_path,
        *("score", "score_format", "threshold", "target_fpr", "input_rate_khz", "working_points"),
    )
    rated = [level for level, found in report["levels"].items() if found["trigger_rate"]]
    signals = [name for name in fidelity.scores["firmware"] if name != "background"]
    layers = fidelity.layers
    is_adopted = isinstance(run.settings, Adoption)
    # How a network that came trained was quantized, nobody says.
    labels = {**_LABELS, "quantized": "quantized"} if is_adopted else _LABELS
    fields = [
        _labelled(plots.element_of(path.read_text(encoding="utf-8")), path.stem)
        for path in sorted(run.fields_folder.glob("*.svg"))
    ]
    figures = {}
    if "float" in fidelity.scores:
        figures["scatter"] = plots.score_scatter(
            fidelity.scores["float"], fidelity.scores["firmware"], trigger["threshold"]
        )
    if layers:
        figures["layers"] = plots.layer_error_bars(
            [e.layer for e in layers], [e.largest for e in layers], [e.rms for e in layers]
        )
    if signals:
        figures["roc"] = plots.roc_overlay(
            {labels[level]: scores for level, scores in fidelity.scores.items()}
        )

    def figure(name: str, caption: str) -> Markup:
        return _labelled(plots.svg(figures[name]), caption)

    return _template("fidelity.html").render(
        name=run.settings.name,
        model=run.settings.deployed,
        settings=settings,
        version=__version__,
        trigger=trigger,
        report=report,
        signals=signals,
        rated=rated,
        fprs=_measurable_rates(report),
        labels=labels,
        figures=figures,
        figure=figure,
        is_adopted=is_adopted,
        audit=read_json(run.audit_path) if run.audit_path.exists() else None,
        fields=fields,
    )


def _labelled(drawn: str, caption: str) -> Markup:
    """An SVG element with a caption, which also says to those who do not see what it shows."""
    caption = escape(caption)
    drawn = drawn.replace("<svg", f'<svg role="img" aria-label="{caption}"', 1)
    return Markup(f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>")


def update_page(path: Path, rows: list[dict[str, Any]]) -> None:
    """Put a table of implementations, see there, into a page that was written before."""
    if path.is_file():
        head, *body = table(rows)
        section = _template("implementations.html").render(head=head, rows=body)
        text = path.read_text(encoding="utf-8")
        write_text(path, _SECTION.sub(lambda _: section, text))


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(name)


def _measurable_rates(report: Mapping[str, Any]) -> list[str]:
    """The false-positive rates for which there is background enough."""
    found = [
        quality["tpr"]
        for level in report["levels"].values()
        for quality in level["separation"].values()
    ]
    rates = [f"{fpr:g}" for fpr in TARGET_FPRS]
    return [rate for rate in rates if any(tpr[rate] is not None for tpr in found)]
