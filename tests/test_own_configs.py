"""The configs of a user's own data: from files to proved firmware, on a part of the events."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest
import yaml
from conftest import made_once
from test_cli import run_cli

from hls import cli
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.source import resolve_path
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


@pytest.fixture
def public_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """configs/adc2021.yaml, and in the working directory its files: floats in the public layout."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "adc2021.yaml").read_text("utf-8"))
    public = {"background": content["data"]["background"], **content["data"]["signals"]}
    shipped = yaml.safe_load((ROOT / "configs" / "l1_trigger.yaml").read_text("utf-8"))["data"]
    sources = {"background": shipped["background"], **shipped["signals"]}
    for name, path in public.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        n_events = 40_000 if name == "background" else 3000
        with h5py.File(tmp_path / path, "w") as file:
            objects = read_l1_events(resolve_path(sources[name]), n_events).objects
            file.create_dataset("Particles", data=objects.astype("float32"))
    monkeypatch.chdir(tmp_path)
    return content


def test_public_files_are_read(
    public_files: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_cli(capsys, "inspect", ROOT / "configs" / "adc2021.yaml")
    assert code == 0, err
    assert "nothing is odd" in out
    (line,) = (line for line in out.splitlines() if line.startswith("background"))
    assert "40000" in line


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*weights of layer .* saturate in:UserWarning")
def test_public_files_to_firmware(
    public_files: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public_files["data"] |= {"train_fraction": 0.3, "validation_fraction": 0.3}
    public_files["training"]["epochs"] = public_files["student"]["training"]["epochs"] = 3
    public_files["quantization"]["epochs"] = 2
    config = tmp_path / "adc2021.yaml"
    config.write_text(yaml.safe_dump(public_files, sort_keys=False), encoding="utf-8")
    code, out, err = run_cli(capsys, "run", config, "--run-dir", tmp_path / "run")
    assert code == 0, err
    assert "mismatching bits: 0" in out
