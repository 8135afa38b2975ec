"""Writing figures."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from keras_ae.files import whole_file


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
