"""The stages of a run: their order, what decides each, and what each writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_ae.errors import InputError
from keras_ae.run_files import RunFiles

if TYPE_CHECKING:
    # The table itself needs none of the settings: the command line reads it for its help.
    from keras_ae.settings.adoption import RunSettings


@dataclass(frozen=True)
class Stage:
    """One stage.

    Args:
        name: also of its command.
        before: the stage that it builds on.
        inputs: sections of the experiment, or keys in them, that decide it beside that stage.
        outputs: files and folders that it writes; some only for some data.
        section: of the experiment; where that is null the stage is left out.
        on_demand: only its own command does it, not `keras-ae run`.
    """

    name: str
    before: str | None
    inputs: tuple[str, ...]
    outputs: Callable[[RunFiles], tuple[Path, ...]]
    section: str | None = None
    on_demand: bool = False

    @property
    def included(self) -> dict[str, Any]:
        """`inputs`, as pydantic asks for what it is to dump."""
        found: dict[str, Any] = {}
        for section, *keys in (name.split(".") for name in self.inputs):
            known = found.setdefault(section, {} if keys else True)
            if keys:
                known.update(dict.fromkeys(keys, True))
        return found

    def is_left_out(self, experiment: RunSettings) -> bool:
        """Whether a run of the experiment goes without it."""
        return self.section is not None and getattr(experiment, self.section, None) is None


def _trained(precision: str) -> Callable[[RunFiles], tuple[Path, ...]]:
    return lambda run: (run.model_path(precision), run.history_path(precision))


#: By name, in the order in which they are done.
STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "adopt",
            None,
            ("network", "seed", "data", "front_end", "inputs"),
            lambda run: (
                run.model_path("quantized"),
                run.model_path("float"),
                run.inputs_path("float"),
                run.audit_path,
                run.fields_folder,
            ),
            section="network",
        ),
        Stage(
            "embed",
            "adopt",
            (
                *("seed", "data", "front_end", "inputs"),
                *("embedding.architecture", "embedding.objective", "embedding.training"),
            ),
            lambda run: (
                run.audit_path,
                run.fields_folder,
                run.inputs_path("float"),
                *_trained("embedding")(run),
            ),
            section="embedding",
        ),
        Stage(
            "train",
            "embed",
            (
                *("seed", "data", "front_end", "inputs", "condition"),
                *("architecture", "objective", "training"),
            ),
            lambda run: (
                run.audit_path,
                run.fields_folder,
                run.inputs_path("float"),
                *_trained("float")(run),
            ),
            section="objective",
        ),
        Stage(
            "distill",
            "train",
            ("student", "trigger.score"),
            lambda run: (
                run.inputs_path("student"),
                run.teachers_folder,
                *_trained("student")(run),
            ),
            section="student",
        ),
        Stage(
            "quantize",
            "distill",
            ("precision", "quantization", "embedding.quantization"),
            _trained("quantized"),
            section="precision",
        ),
        Stage(
            "evaluate",
            "quantize",
            ("trigger",),
            lambda run: (run.metrics_path, run.plots_folder / "roc.png"),
        ),
        Stage(
            "convert",
            "quantize",
            ("trigger", "firmware"),
            lambda run: (run.trigger_graph_path, run.trigger_path, run.firmware_folder),
            section="firmware",
        ),
        Stage(
            "rtl",
            "convert",
            ("firmware",),
            lambda run: (run.rtl_folder,),
            section="firmware",
            on_demand=True,
        ),
    )
}

#: The stage whose results `validate` proves, and the vendor's tool synthesizes.
PROVED = "convert"


def stage_named(name: str) -> Stage:
    """The stage of a name.

    Raises:
        InputError: there is none.
    """
    if name not in STAGES:
        raise InputError(f"stage must be one of {', '.join(STAGES)}, got {name!r}")
    return STAGES[name]


def stages_up_to(name: str, experiment: RunSettings) -> tuple[str, ...]:
    """What a stage builds on, from the first, and itself; without what is left out.

    Raises:
        InputError: there is no such stage.
    """
    found, before = [name], stage_named(name).before
    while before is not None:
        if not STAGES[before].is_left_out(experiment):
            found.insert(0, before)
        before = STAGES[before].before
    return tuple(found)


def stages_of(experiment: RunSettings) -> tuple[str, ...]:
    """What `keras-ae run` does, in order."""
    return tuple(
        name
        for name, stage in STAGES.items()
        if not stage.on_demand and not stage.is_left_out(experiment)
    )
