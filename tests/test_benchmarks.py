"""Benchmarks are run by hand: here, that what they import is there."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_imports(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    if path.stem == "pythae_fit":
        pytest.importorskip("pythae", reason="pythae has an environment of its own")
    importlib.import_module(path.stem)
