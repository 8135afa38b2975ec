"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", [b for b in BLOCKS if "create_run" not in b])
def test_block_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})


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
