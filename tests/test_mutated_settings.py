"""Wrong YAML of every kind at every key: one line, never a traceback."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hls import cli
from keras_ae.errors import InputError
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.yaml_files import validate_settings

CONFIGS = Path(__file__).parents[1] / "configs"
ODD: tuple[Any, ...] = (
    *([], ["plain"], {}, {"a": 1}, None, "", -1, 10**400, True, "x", [[1]], {1: 2}),
    *(float("inf"), float("nan")),
)


def keys(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything in it, from the first section to the last number."""
    if isinstance(content, dict | list):
        entries = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in entries:
            yield (*above, key)
            yield from keys(value, (*above, key))


@pytest.mark.parametrize("name", ["l1_trigger", "l1_embedding", "jets_conv_vae", "own_regions"])
def test_one_line_each(name: str) -> None:
    content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    n_refused = 0
    for path, odd in itertools.product(keys(content), ODD):
        mutated = copy.deepcopy(content)
        place = mutated
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = odd
        try:
            validate_settings(Experiment, mutated, "experiment")
        except InputError as error:
            assert "\n" not in str(error), (path, odd, error)
            n_refused += 1
    assert n_refused > 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: " + "9" * 5000, "must be YAML: Exceeds the limit"),
        ("[" * 3000, "must be nested at most 50 deep, got more"),
        ("a: " + "[" * 60 + "]" * 60, "must be nested at most 50 deep, got more"),
        (
            "\n".join(
                ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
                + [f"a{n}: &a{n} [{', '.join(10 * [f'*a{n - 1}'])}]" for n in range(1, 9)]
            ),
            "must have at most 100000 entries, got more",
        ),
        ("? [1, 2]\n: 3", "must be YAML: found unhashable key, in line 1"),
        ("name: \x00", "must be YAML: unacceptable character"),
    ],
    ids=["number", "unclosed", "deep", "aliases", "key", "character"],
)
def test_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_experiment(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = yaml.safe_load((CONFIGS / "l1_ae.yaml").read_text(encoding="utf-8"))
    content["objective"] = {"kind": ["plain"]}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        cli.main(["check", str(tmp_path / "e.yaml")])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "objective.kind must be one of plain, " in line and line.endswith("got ['plain']")
