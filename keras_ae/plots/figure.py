"""Writing figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from keras_ae.files import whole_file, write_text

#: What matplotlib's own formulas begin with, those of powers of ten.
_OF_TICKS = "\\mathdefault"


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix; the same one gives the same SVG file."""
    if path.suffix == ".svg":
        write_text(path, _svg_file(figure))
        return
    with whole_file(path) as temporary, _own_text(figure):
        figure.savefig(temporary, dpi=150)


def svg(figure: Figure) -> str:
    """A figure as an element of an HTML page; the same figure gives the same text."""
    return element_of(_svg_file(figure))


def element_of(text: str) -> str:
    """Of an SVG file, what can stand in an HTML page."""
    return text[text.index("<svg") :]


def _svg_file(figure: Figure) -> str:
    text = StringIO()
    with _own_text(figure), rc_context({"svg.hashsalt": "keras-ae", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", dpi=110, metadata={"Date": None})
    return text.getvalue()


@contextmanager
def _own_text(figure: Figure) -> Iterator[None]:
    """While it is written: no TeX, whatever the user's matplotlib is set to, and names as they are.

    A name between two dollars would be read as a formula, which it need not be.
    """
    for text in figure.findobj(Text):
        text.set_usetex(False)
        if "$" in text.get_text() and _OF_TICKS not in text.get_text():
            text.set_parse_math(False)
    with rc_context({"text.usetex": False}):
        yield
