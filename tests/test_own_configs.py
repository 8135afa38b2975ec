"""The configs of a user's own data: from files to proved firmware, on a part of the events."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import made_once

from hls import cli
from keras_ae.files import read_json

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make examples` writes, below a folder of its own."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location(
        "example_events", ROOT / "benchmarks" / "example_events.py"
    )
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def make(folder: Path) -> None:
        module.write_examples(folder / "build" / "examples")

    return made_once(tmp_path_factory, "examples", make)


@pytest.mark.slow
# So short a training leaves weights where they were.
@pytest.mark.filterwarnings("ignore:.*weights of layer .* saturate in:UserWarning")
@pytest.mark.parametrize("name", ["own_table", "own_nanoaod", "own_regions"])
def test_from_files_to_firmware(
    name: str, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
    content["training"] = {"epochs": 3}
    content["quantization"] = {"epochs": 1}
    config = tmp_path / f"{name}.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    # Their paths are taken from the working directory.
    monkeypatch.chdir(examples)
    for command in (["inspect", str(config)], ["run", str(config), "--run-dir", tmp_path / "run"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(list(map(str, command)))
        assert not ended.value.code
    report = read_json(tmp_path / "run" / "validation.json")
    assert report["mismatching_bits"] == 0 and report["events"] == 65_000
