"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hls import cli
from keras_ae.front_end.input_view import ScaledView
from keras_ae.front_end.presets import load_front_end

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", [b for b in BLOCKS if "create_run" not in b])
def test_block_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})


def yaml_block(first: str) -> dict[str, Any]:
    """The block that begins so."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (found,) = (yaml.safe_load(block) for block in blocks if block.startswith(first))
    return found


@pytest.mark.slow
def test_events_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    content = yaml_block("name: mine")
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(4, 20))
    for name, n_events, scale in (("mine", 6000, 1.0), ("ttbar", 400, 3.0)):
        x = scale * rng.normal(size=(n_events, 4)) @ mixing + 0.2 * rng.normal(size=(n_events, 20))
        np.savez(tmp_path / f"{name}.npz", x)
    # As it stands, but for an hour that a test has not.
    short = {"training": {"epochs": 2}, "quantization": {"epochs": 2}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**content, **short}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for command in ("inspect", "run"):
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "mine.yaml"])
        assert not ended.value.code
    text = capsys.readouterr().out
    assert "nothing is odd in what" in text and "mismatching bits: 0" in text
    assert (tmp_path / "runs" / "mine" / "firmware" / "inputs.h").is_file()


def test_inputs_of_ones_own() -> None:
    view = ScaledView.model_validate(yaml_block("inputs:")["inputs"])
    wires = load_front_end("cms_ugt_run3")
    inputs = view.fit(wires, np.zeros((0, wires.n_values)))
    assert inputs.n_inputs == 2 + 12 * 5


def test_output_shown_has_the_form_of_the_real_one() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    shown = re.search(r"```\n(score:.*?)```", text, re.DOTALL)
    assert shown
    source = (ROOT / "keras_ae" / "summary.py").read_text("utf-8")
    for phrase in (
        "AUC float",
        "measured on the test background",
        "events checked: ",
        "run direct",
    ):
        assert phrase in shown[1]
        assert phrase.split("the test")[0].strip() in source


def test_run_block_names_what_exists() -> None:
    # The chain itself is run by test_cli; here only its imports and attributes.
    (block,) = (b for b in BLOCKS if "create_run" in b)
    namespace: dict[str, object] = {}
    exec("\n".join(line for line in block.splitlines() if "import" in line), namespace)
    for module, names in (("training", "train quantize"), ("firmware", "convert validate")):
        for name in names.split():
            assert f"{module}.{name}(run)" in block
            assert callable(getattr(namespace[module], name))


def test_objects_of_ones_own() -> None:
    wires = load_front_end(yaml_block("front_end:")["front_end"])
    assert wires.names[:4] == ("met.pt", "jet.pt[0]", "jet.phi[0]", "jet.pt[1]")
    assert wires.n_values == 1 + 4 * 2
