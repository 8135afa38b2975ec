"""Benchmarks are run by hand: here, that what they import is there."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from keras_ae.settings.scan import load_scan

FOLDER = Path(__file__).parents[1] / "benchmarks"
#: Benchmarks of other packages, which `make test` does not install: their docstrings say how.
OTHER_PACKAGES = {"pythae_fit": "pythae", "alkaid_tracer": "alkaid", "tracers": "alkaid"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_imports(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    if path.stem in OTHER_PACKAGES:
        pytest.importorskip(OTHER_PACKAGES[path.stem], reason="installed by hand")
    importlib.import_module(path.stem)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("scan_*.csv")), ids=lambda path: path.stem)
def test_the_log_of_a_search_is_of_its_config(path: Path) -> None:
    config = FOLDER.parent / "configs" / "scans" / f"{path.stem.removeprefix('scan_')}.yaml"
    settings = load_scan(config).settings
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == settings.n_trials
    assert {key for key in rows[0] if "." in key} == set(settings.search)
    for row in rows:
        for key, distribution in settings.search.items():
            assert distribution.holds(_value(row[key])), (row["trial"], key, row[key])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text or None
