"""CONTRIBUTING's new layer and new score: one listing each, and they pass the contract."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import test_layer_contract as contract

from hls.graph.keras_form import exact_layer
from hls.graph.layer import KERAS_LAYERS, LAYERS

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
KINDS = ("Maximum", "WeightedSquaredNorm")


def listing(language: str, holds: str) -> str:
    (found,) = (
        text for text in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL) if holds in text
    )
    return found


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The listings as files, imported; forgotten afterwards."""
    folder = tmp_path_factory.mktemp("listings")
    header = listing("cpp", "weighted_squared_norm")
    (folder / "weighted_squared_norm.h").write_text(header, encoding="utf-8")
    names = {f"listing_{kind.lower()}": kind for kind in KINDS}
    for name, kind in names.items():
        path = folder / f"{name}.py"
        path.write_text(listing("python", f"class {kind}("), encoding="utf-8")
        spec = spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
    yield
    for name, kind in names.items():
        del LAYERS[kind], sys.modules[name]
    del KERAS_LAYERS["keras.layers.Maximum"]


@pytest.mark.parametrize("kind", KINDS)
def test_they_pass_the_contract(kind: str, tmp_path: Path) -> None:
    for case in contract.cases_of([kind]):
        contract.check_reference(case)
        contract.check_stored(case, tmp_path)
        contract.check_back_from_keras(case)
        contract.check_liveness(case)
        contract.check_cost(case)


@pytest.mark.parametrize(
    "io_type", ["io_parallel", pytest.param("io_stream", marks=pytest.mark.slow)]
)
def test_in_c_simulation(io_type: str, tmp_path: Path) -> None:
    contract.check_c_simulation(contract.cases_of(KINDS), io_type, tmp_path)


@pytest.mark.slow
def test_in_rtl(tmp_path: Path) -> None:
    contract.check_rtl(contract.cases_of(KINDS), tmp_path)


def test_keras_layers_become_it() -> None:
    import keras

    x, y = keras.Input((4,)), keras.Input((4,))
    layer = keras.layers.Maximum(name="both")
    layer([x, y])
    assert type(exact_layer(layer)) is LAYERS["Maximum"] and exact_layer(layer).name == "both"
