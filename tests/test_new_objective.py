"""CONTRIBUTING's new objective: one file of fewer than 60 lines, and it passes the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_contract

from keras_ae.experiment_models import build_model
from keras_ae.models import registry
from keras_ae.precision import Float
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.objectives import OBJECTIVES

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
(SOURCE,) = (
    text for text in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "Objective" in text
)


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    """The file of CONTRIBUTING, executed; forgotten afterwards."""
    namespace: dict[str, Any] = {"__name__": "toy_objective"}
    # Not with the annotations of this file.
    exec(compile(SOURCE, "CONTRIBUTING.md", "exec", dont_inherit=True), namespace)
    yield
    registry.MODELS.pop(OBJECTIVES.pop("orthogonal"))


def test_it_is_short() -> None:
    assert len(SOURCE.splitlines()) < 60


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param("undercomplete", marks=pytest.mark.slow),
        "deep",
        pytest.param("convolutional", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_it_passes_the_contract(architecture: str, precision: str, tmp_path: Path) -> None:
    shape = "image" if architecture == "convolutional" else "features"
    test_contract.check_contract("orthogonal", architecture, precision, shape, tmp_path)


def test_it_can_be_named_in_yaml(experiment_content: dict[str, Any]) -> None:
    experiment_content["objective"] = {"kind": "orthogonal", "weight": 0.5}
    model = build_model(Experiment.model_validate(experiment_content), Float())
    assert type(model).__name__ == "OrthogonalAutoencoder"
    assert model.weight == 0.5
