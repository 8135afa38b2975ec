"""CONTRIBUTING's new source: one file of fewer than 40 lines, and it passes the contract."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_source_contract as contract
from source_files import read_all

from keras_ae.data.source import SOURCES
from keras_ae.errors import InputError
from keras_ae.front_end.presets import load_front_end

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
(SOURCE,) = (
    text for text in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "FileSource" in text
)


def _example() -> contract.Example:
    front_end = load_front_end({"features": 2})
    values = np.random.default_rng(1).normal(size=(contract.N_EVENTS, 2))

    def write(path: Path, values: np.ndarray) -> Path:
        np.savetxt(path, values, "%.17g")
        return path

    return contract.Example({"kind": "text"}, front_end, values, write, ".txt")


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    """The file of CONTRIBUTING, executed; forgotten afterwards."""
    namespace: dict[str, Any] = {"__name__": "toy_source"}
    # Not with the annotations of this file.
    exec(compile(SOURCE, "CONTRIBUTING.md", "exec", dont_inherit=True), namespace)
    contract.EXAMPLES["text"] = _example
    yield
    del SOURCES["text"], contract.EXAMPLES["text"]


def test_it_is_short() -> None:
    assert len(SOURCE.splitlines()) < 40


@pytest.mark.parametrize(
    "name", [name for name in dir(contract.TestEverySource) if name.startswith("test_")]
)
def test_it_passes_the_contract(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = getattr(contract.TestEverySource(), name)
    given = {"kind": "text", "tmp_path": tmp_path, "monkeypatch": monkeypatch}
    test(**{argument: given[argument] for argument in inspect.signature(test).parameters})


def test_events_of_another_size(tmp_path: Path) -> None:
    example = contract.written("text", tmp_path)
    message = r"^data.background: .* must give 3 numbers an event, .* got events of shape \(2,\)$"
    with pytest.raises(InputError, match=message):
        read_all(example.content, load_front_end({"features": 3}))
