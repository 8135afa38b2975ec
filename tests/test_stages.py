"""The stage table: order, what is left out, and a function for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hls import cli
from hls.stages.table import _FUNCTIONS, function_of
from keras_ae.run_files import RunFiles
from keras_ae.settings.experiment import Experiment
from keras_ae.stages import STAGES, stages_of, stages_up_to

STUDENT = Path(__file__).parents[1] / "configs" / "l1_student.yaml"


def test_a_stage_builds_on_one_before_it() -> None:
    names = list(STAGES)
    for stage in STAGES.values():
        assert stage.before is None or names.index(stage.before) < names.index(stage.name)


def test_each_has_a_function_and_a_command(experiment_content: dict[str, Any]) -> None:
    experiment = Experiment.model_validate(experiment_content)
    assert set(_FUNCTIONS) == set(STAGES) <= set(cli.cli.commands)
    for name in STAGES:
        assert callable(function_of(name, experiment))


def test_no_two_write_the_same_file(tmp_path: Path) -> None:
    # The first one, which is train, embed or adopt, writes what is odd in the events and what the
    # network sees of them.
    stages = [stage for name, stage in STAGES.items() if name not in ("adopt", "embed")]
    written = [path for stage in stages for path in stage.outputs(RunFiles(tmp_path))]
    assert len(written) == len(set(written))


def test_sections_are_the_experiment_s(experiment_content: dict[str, Any]) -> None:
    experiment = Experiment.model_validate(experiment_content)
    for stage in STAGES.values():
        if stage.is_left_out(experiment):
            continue
        dumped = experiment.model_dump(include=stage.included)
        assert set(dumped) == {name.split(".")[0] for name in stage.inputs}
    (score,) = experiment.model_dump(include=STAGES["distill"].included)["trigger"]
    assert score == "score"


@pytest.mark.parametrize(
    ("student", "firmware", "done", "before_quantize"),
    [
        (False, True, "train quantize evaluate convert", "train"),
        (False, False, "train quantize evaluate", "train"),
        (True, True, "train distill quantize evaluate convert", "train distill"),
    ],
)
def test_what_a_run_goes_through(
    experiment_content: dict[str, Any],
    student: bool,
    firmware: bool,
    done: str,
    before_quantize: str,
) -> None:
    if student:
        experiment_content = yaml.safe_load(STUDENT.read_text(encoding="utf-8"))
    if not firmware:
        experiment_content["firmware"] = None
    experiment = Experiment.model_validate(experiment_content)
    assert " ".join(stages_of(experiment)) == done
    assert " ".join(stages_up_to("quantize", experiment)) == f"{before_quantize} quantize"
    if firmware:
        assert stages_up_to("rtl", experiment)[-2:] == ("convert", "rtl")
