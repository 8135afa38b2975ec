"""A scan: the YAML file that says which keys of an experiment vary, and what is wanted of it.

Knows no TensorFlow, and no optimizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Field, model_validator

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.section import Section, check_each_once
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.yaml_files import load_mapping, sections_in, validate_settings

#: Trials that differ in these would not be compared on the same events.
_KEPT = ("name", "seed", "data")

#: In words, what needs no signal.
_WITHOUT_SIGNALS = {
    "agreement": "rank correlation with the score that is learned",
    "likelihood": "mean log-likelihood of background in nats",
    "stability": "-|log(rate / FPR)| of a threshold from other background",
}

#: What is estimated of a trial's RTL.
Resource = Literal["lut", "register_bits", "latency_cycles"]


class Distribution(Section):
    """Of one key: `choices` of any kind, or numbers from `low` to `high`, both included.

    Numbers are integers where both ends are. `log` draws their logarithm, `step` leaves gaps.
    Keys in `also` get the same value.
    """

    choices: Annotated[tuple[Any, ...], Field(strict=False, min_length=1)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: int | float | None = Field(None, gt=0)
    also: tuple[str, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _check_kind(self) -> Distribution:
        given = {"low", "high", "log", "step"} & self.model_fields_set
        if self.choices is not None:
            if given:
                raise InputError(f"choices must stand without {', '.join(sorted(given))}")
            return self
        if self.low is None or self.high is None:
            raise InputError("choices, or low and high, must be given")
        if self.low > self.high:
            raise InputError(f"low must be <= high, got {self.low:g} and {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise InputError(
                "log must have low > 0 and no step, got low "
                f"{self.low:g} and step {'none' if self.step is None else f'{self.step:g}'}"
            )
        if self.step is not None:
            n_steps = (self.high - self.low) / self.step
            if abs(n_steps - round(n_steps)) > 1e-9:
                raise InputError(
                    f"step must divide high - low, {self.high - self.low:g}, got {self.step:g}"
                )
            if self.is_integer and not isinstance(self.step, int):
                raise InputError(f"step of integers must be one, got {self.step!r}")
        return self

    @property
    def is_integer(self) -> bool:
        """Whether numbers are drawn that are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def texts(self) -> tuple[str, ...]:
        """The choices as JSON: names for what may be a list or a section."""
        return tuple(json.dumps(choice, default=str) for choice in self.choices or ())

    def holds(self, value: Any) -> bool:
        """Whether it could give this value."""
        if self.choices is not None:
            return json.dumps(value, default=str) in self.texts
        if not isinstance(value, int if self.is_integer else float):
            return False
        low, high = self.low or 0, self.high or 0
        steps = (value - low) / (self.step or (1 if self.is_integer else value - low or 1))
        return bool(low <= value <= high and abs(steps - round(steps)) < 1e-9)


class Objectives(Section):
    """What a scan maximizes and what it minimizes.

    The quality is that of the score which the firmware gives, on one `signal` or as the mean of
    those that `report` counts: `auc`, or `tpr` at the false-positive rate `fpr`. What needs no
    signal: `agreement`, the rank correlation of that score with the one that the model has learned,
    a student's teachers' or its own in float, on background and, where a student has an exposure,
    on made-up events, the mean of both; `likelihood`, the mean log-likelihood of background;
    `stability`, -|log(p / FPR)| of what passes a threshold from another half of the background.
    Resources are da4ml's estimates.
    """

    maximize: Literal["auc", "tpr", "agreement", "likelihood", "stability"] = "auc"
    fpr: float | None = Field(None, gt=0, lt=1)
    signal: str | None = None
    minimize: tuple[Resource, ...] = Field(("lut",), strict=False, min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Objectives:
        if (self.maximize == "tpr") != (self.fpr is not None):
            raise InputError(
                "fpr must be given to maximize tpr, and only then, got "
                f"{'none' if self.fpr is None else f'{self.fpr:g}'} for {self.maximize}"
            )
        if not self.of_signals and self.signal is not None:
            raise InputError(
                f"signal must be null to maximize {self.maximize}, which needs none, got "
                f"{self.signal!r}"
            )
        check_each_once("minimize", self.minimize)
        return self

    @property
    def of_signals(self) -> bool:
        """Whether signals have a part in the choice."""
        return self.maximize in ("auc", "tpr")

    @property
    def quality(self) -> str:
        """What is maximized, in words."""
        if not self.of_signals:
            return _WITHOUT_SIGNALS[self.maximize]
        rate = "AUC" if self.fpr is None else f"TPR at FPR {self.fpr:g}"
        return f"mean {rate} of the signals" if self.signal is None else f"{rate} of {self.signal}"


class ScanSettings(Section):
    """The YAML of a scan.

    `experiment` is a YAML beside which, with the values `fixed`, everything else stays; its path is
    taken from the folder of this one. Keys of `fixed` and `search` are dotted; `width` and
    `integer` are keys of a format. `n_trials` counts those with values of their own.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    experiment: str
    fixed: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, Distribution] = Field(min_length=1)
    objectives: Objectives = Objectives()
    n_trials: int = Field(50, ge=1)
    n_processes: int = Field(1, ge=1)
    seed: int = Field(1, ge=0, lt=2**32)


@dataclass(frozen=True)
class Scan:
    """A scan's settings, and the experiment that they start from."""

    settings: ScanSettings
    base: Experiment

    def experiment(self, number: int, values: Mapping[str, Any]) -> Experiment:
        """Of the trial `number` with these values of the searched keys.

        Raises:
            InputError: the experiment does not hold together; with the dotted path.
        """
        shared = {
            also: value for key, value in values.items() for also in self.settings.search[key].also
        }
        name = {"name": f"{self.settings.name}_{number:04d}"}
        return with_values(self.base, {**values, **shared, **name}, f"trial {number}")

    def values_of_base(self) -> dict[str, Any] | None:
        """The base's own values of the searched keys; None where the search does not hold them."""
        content = self.base.model_dump(mode="json")
        values = {}
        for key, distribution in self.settings.search.items():
            found = [_get(content, name.split(".")) for name in (key, *distribution.also)]
            if not distribution.holds(found[0]) or found != found[:1] * len(found):
                return None
            values[key] = found[0]
        return values


def check_objectives(experiment: Experiment, wanted: Objectives, subject: str) -> None:
    """Raise InputError for what an experiment has not."""
    has_likelihood = experiment.student is None and experiment.objective.variational
    if wanted.maximize == "likelihood" and not has_likelihood:
        found = experiment.objective.kind if experiment.student is None else "a student"
        raise InputError(
            f"{subject}: objectives.maximize 'likelihood' must be of an autoencoder whose encoder "
            f"gives a distribution, and no student, got {found}"
        )


def load_scan(path: Path) -> Scan:
    """Read a scan's YAML and its experiment.

    Raises:
        FileNotFoundError: one of the two files is missing.
        InputError: not YAML, or a fault in one of them; with the dotted path.
    """
    subject = str(path)
    settings = validate_settings(ScanSettings, load_mapping(path, "scan"), subject)
    base = load_experiment(path.parent / settings.experiment)
    searched = [name for key, of in settings.search.items() for name in (key, *of.also)]
    for section, keys in (("fixed", list(settings.fixed)), ("search", searched)):
        for key in keys:
            if section == "search" and key.split(".")[0] in _KEPT:
                raise InputError(
                    f"{subject}: search must leave {', '.join(_KEPT)} as they are, so that trials "
                    f"are compared on the same events, got {key}"
                )
            _check_key(base, key, f"{subject}: {section}")
    everything = [*settings.fixed, *searched]
    for number, key in enumerate(everything):
        for other in everything[number + 1 :]:
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise InputError(f"{subject}: fixed and search must set {key} once, got {other}")
    fixed = with_values(base, settings.fixed, f"{subject}: fixed")
    content = fixed.model_dump(mode="json")
    for key, of in settings.search.items():
        is_integer = type(_get(content, key.split("."))) is int
        words = [choice for choice in of.choices or () if isinstance(choice, str)]
        if is_integer and words:
            raise InputError(f"{subject}: search.{key}: choices must be integers, got {words[0]!r}")
        if is_integer and of.choices is None and not of.is_integer:
            raise InputError(
                f"{subject}: search.{key}: low and high must be integers, got {of.low:g} and "
                f"{of.high:g}"
            )
    return Scan(settings, fixed)


def with_values(experiment: Experiment, values: Mapping[str, Any], subject: str) -> Experiment:
    """The experiment with other values of dotted keys.

    Raises:
        InputError: it does not hold together; named after `subject`.
    """
    content = experiment.model_dump(mode="json")
    if experiment.firmware is not None:
        # What was not given depends on what is: another backend has parts of its own.
        given = experiment.firmware.model_dump(mode="json", exclude_unset=True)
        content["firmware"] = given
    for key, value in values.items():
        *sections, last = key.split(".")
        node = content
        for number, section in enumerate(sections):
            child = node.get(section)
            if child is None and sections[:2] == ["precision", "layers"] and number == 3:
                # A layer has what all have, but for what is said of it.
                child = content["precision"].get(section)
            if isinstance(child, str) and number == len(sections) - 1:
                try:
                    node[section] = str(replace(FixedPointFormat.parse(child), **{last: value}))
                except InputError as error:
                    raise InputError(f"{subject}: {'.'.join(sections)}: {error}") from error
                break
            if child is None:
                child = node[section] = {}
            node = child
        else:
            node[last] = value
    return validate_settings(Experiment, content, subject)


def _check_key(experiment: Experiment, key: str, subject: str) -> None:
    """Raise InputError unless an experiment like this one can have the dotted key."""
    value: Any = experiment
    annotation: Any = Experiment
    parts = key.split(".")
    for number, part in enumerate(parts):
        path = ".".join(parts[: number + 1])
        if isinstance(value, tuple) or get_origin(annotation) is tuple:
            whole = ".".join(parts[:number])
            raise InputError(f"{subject}: {whole} is a list, which is set as a whole, got {key}")
        if FixedPointFormat in (type(value), annotation, *get_args(annotation)):
            known = dict.fromkeys(("width", "integer"))
        else:
            if isinstance(value, Mapping):
                # Any name, such as a layer's.
                (annotation,) = get_args(annotation)[1:]
                value = value.get(part)
                continue
            # Where there is none yet, any that there may be.
            kinds = [type(value)] if isinstance(value, BaseModel) else sections_in(annotation)
            known = {
                name: field.annotation
                for kind in kinds
                for name, field in kind.model_fields.items()
            }
        if not known:
            raise InputError(f"{subject}: {'.'.join(parts[:number])} has no keys, got {key}")
        if part not in known:
            raise InputError(f"{subject}: unknown key {path}; choices: {', '.join(known)}")
        annotation, value = known[part], getattr(value, part, None)


def _get(content: Any, parts: list[str]) -> Any:
    """What stands at a dotted key of an experiment's content; None if nothing does."""
    for part in parts:
        if isinstance(content, str):
            return getattr(FixedPointFormat.parse(content), part)
        content = content.get(part) if isinstance(content, dict) else None
    return content
