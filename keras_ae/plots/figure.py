"""Writing figures."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from keras_ae.files import whole_file, write_text


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix; the same one gives the same SVG file."""
    if path.suffix == ".svg":
        write_text(path, _svg_file(figure))
        return
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)


def svg(figure: Figure) -> str:
    """A figure as an element of an HTML page; the same figure gives the same text."""
    return element_of(_svg_file(figure))


def element_of(text: str) -> str:
    """Of an SVG file, what can stand in an HTML page."""
    return text[text.index("<svg") :]


def _svg_file(figure: Figure) -> str:
    text = StringIO()
    with rc_context({"svg.hashsalt": "keras-ae", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", dpi=110, metadata={"Date": None})
    return text.getvalue()
