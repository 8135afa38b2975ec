"""The journal of a scan, and the search: the one importer of Optuna."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hls.scan.measurement import Measurement, Quality
from keras_ae.errors import InputError
from keras_ae.settings.scan import Distribution, Scan

try:
    import optuna
except ImportError as error:
    raise ImportError("optuna is needed for keras-ae scan: pip install 'keras-ae[scan]'") from error

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

_JOURNAL = "journal.log"
#: The only one in the journal.
_STUDY = "scan"
_IDENTITY = "identity"

#: So often in a row TPE may propose what has been, then values are drawn at random.
_N_REPEATED = 10
#: And so often, until the search counts as exhausted.
_N_EXHAUSTED = 200

State = Literal["running", "measured", "refused", "failed", "repeated"]


@dataclass(frozen=True)
class Trial:
    """One set of values of the searched keys, and what became of it."""

    number: int
    values: dict[str, Any]
    state: State
    #: Of what is not measured.
    reason: str = ""
    measurement: Measurement | None = None
    seconds: float = 0.0


@dataclass
class Study:
    """Trials of a scan in its journal, in which nothing that was written is ever changed.

    Values come from Optuna's multi-objective TPE (Ozaki et al., GECCO 2020, 533), after the
    experiment's own and random ones. The random numbers of a trial depend on the scan's seed and
    its number alone, so that a scan that was killed goes on as it would have.
    """

    folder: Path
    scan: Scan
    identity: Mapping[str, Any]
    _study: optuna.Study = field(init=False)
    _running: dict[int, optuna.Trial] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Open the journal, or begin one.

        Raises:
            InputError: it is of a scan with another identity, or damaged.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = self.folder / _JOURNAL
        _mend(path)
        directions: list[Literal["maximize", "minimize"]] = ["maximize"]
        directions += ["minimize" for _ in self.scan.settings.objectives.minimize]
        try:
            storage = JournalStorage(JournalFileBackend(str(path)))
            if _STUDY in optuna.get_all_study_names(storage):
                self._study = optuna.load_study(study_name=_STUDY, storage=storage)
            else:
                self._study = optuna.create_study(
                    storage=storage, study_name=_STUDY, directions=directions
                )
        except (ValueError, KeyError) as error:
            raise InputError(f"{path} must be the journal of a scan: {error}") from error
        # As JSON gives it back.
        identity = json.loads(json.dumps(dict(self.identity)))
        found = self._study.user_attrs.get(_IDENTITY)
        if found is None:
            own = self.scan.values_of_base()
            if own is not None:
                self._study.enqueue_trial(self._encoded(own))
            self._study.set_user_attr(_IDENTITY, identity)
        elif found != identity:
            names = [name for name in identity if found.get(name) != identity[name]]
            raise InputError(
                f"{self.folder} holds a scan with another {', '.join(names)}: "
                "give a new folder with --scan-dir, or another name"
            )

    @property
    def trials(self) -> list[Trial]:
        """All of them, by number."""
        return [
            self._trial(frozen)
            for frozen in self._study.get_trials(deepcopy=False)
            if frozen.state != TrialState.WAITING
        ]

    @property
    def front(self) -> list[Trial]:
        """Trials that no other beats in one objective and equals in the rest, by resources."""
        best = [self._trial(frozen) for frozen in self._study.best_trials]
        return sorted(best, key=lambda trial: (self.values_of(trial)[1:], trial.number))

    def values_of(self, trial: Trial) -> tuple[float, ...]:
        """What is maximized, and what is minimized, of a measured trial."""
        found = trial.measurement
        if found is None:
            raise InputError(f"trial {trial.number} must be measured, but is {trial.state}")
        wanted = self.scan.settings.objectives
        return (found.search.value, *(float(getattr(found, name)) for name in wanted.minimize))

    def next(self) -> Trial | None:
        """A new trial, with values that no other has; None where there seem to be no more."""
        for n_repeated in range(_N_EXHAUSTED):
            known = self._study.get_trials(deepcopy=False)
            waiting = [frozen for frozen in known if frozen.state == TrialState.WAITING]
            number = waiting[0].number if waiting else len(known)
            self._study.sampler = self._sampler(number, at_random=n_repeated >= _N_REPEATED)
            trial = self._draw(self._study.ask())
            others = (frozen for frozen in known if frozen.number != number)
            same = next((t.number for t in others if t.params == trial.params), None)
            if same is None:
                return self._trial(self._frozen(number))
            self._set(number, state="repeated", reason=f"same values as trial {same}")
            # Neither good nor bad: what is worth there is known already.
            self._study.tell(number, state=TrialState.FAIL)
        return None

    def resume(self, trial: Trial) -> Trial:
        """A running trial of a process that has ended, with the values that it may still lack."""
        self._study.sampler = self._sampler(trial.number)
        self._draw(optuna.Trial(self._study, self._frozen(trial.number)._trial_id))
        return self._trial(self._frozen(trial.number))

    def _draw(self, trial: optuna.Trial) -> optuna.Trial:
        """Draw the values that the trial has not."""
        search = self.scan.settings.search
        # However the YAML orders them.
        for name in sorted(search):
            _suggest(trial, name, search[name])
        self._running[trial.number] = trial
        return trial

    def tell(self, trial: Trial, result: Mapping[str, Any]) -> Trial:
        """Write down what `run_trial` gave."""
        (state,) = {"measured", "refused", "failed"} & set(result)
        content = result[state]
        self._set(trial.number, state=state, seconds=result.get("seconds", 0.0))
        if state == "measured":
            self._set(trial.number, measured=content)
            values = self.values_of(self._trial(self._frozen(trial.number)))
            self._study.tell(trial.number, list(values))
        else:
            self._set(trial.number, reason=content)
            # Pruned trials tell the search where not to look.
            pruned = state == "refused"
            self._study.tell(trial.number, state=TrialState.PRUNED if pruned else TrialState.FAIL)
        return self._trial(self._frozen(trial.number))

    def _set(self, number: int, **attributes: Any) -> None:
        for name, value in attributes.items():
            self._running[number].set_user_attr(name, value)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _trial(self, frozen: FrozenTrial) -> Trial:
        attributes = frozen.user_attrs
        state: State = "running" if not frozen.state.is_finished() else attributes["state"]
        measured = attributes.get("measured")
        return Trial(
            frozen.number,
            self._decoded(frozen.params),
            state,
            attributes.get("reason", ""),
            _measurement(measured) if measured else None,
            attributes.get("seconds", 0.0),
        )

    def _sampler(self, number: int, at_random: bool = False) -> optuna.samplers.BaseSampler:
        seed = int(np.random.SeedSequence((self.scan.settings.seed, number)).generate_state(1)[0])
        if at_random:
            return optuna.samplers.RandomSampler(seed)
        # One key by itself, it proposes the same values again and again.
        return optuna.samplers.TPESampler(
            seed=seed,
            multivariate=True,
            # Away from what others are at work on.
            constant_liar=True,
        )

    def _encoded(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As Optuna has them: a choice, which may be a list or a section, is its JSON."""
        search = self.scan.settings.search
        return {
            name: value if search[name].choices is None else json.dumps(value, default=str)
            for name, value in values.items()
        }

    def _decoded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        search = self.scan.settings.search
        decoded = {}
        for name in search:
            if name in params:
                value, distribution = params[name], search[name]
                choices = dict(zip(distribution.texts, distribution.choices or (), strict=True))
                decoded[name] = choices.get(value, value)
        return decoded


def _suggest(trial: optuna.Trial, name: str, drawn: Distribution) -> None:
    """Draw a value, unless the trial has one."""
    if drawn.low is None or drawn.high is None:
        trial.suggest_categorical(name, drawn.texts)
    elif drawn.is_integer:
        low, high, step = int(drawn.low), int(drawn.high), int(drawn.step or 1)
        trial.suggest_int(name, low, high, step=step, log=drawn.log)
    else:
        trial.suggest_float(name, drawn.low, drawn.high, step=drawn.step, log=drawn.log)


def _measurement(content: Mapping[str, Any]) -> Measurement:
    names = ("search", "test", "float_search", "float_test", "signals")
    qualities = {name: Quality(**content[name]) for name in names if content.get(name)}
    return Measurement(**{**content, **qualities})


def _mend(path: Path) -> None:
    """Remove what a killed process leaves: half a line at the end, and its lock.

    Optuna would append to the half line, and could not read the journal any more. No other process
    writes to it, as this one has locked the scan.
    """
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.is_file():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            with path.open("r+b") as file:
                file.truncate(len(whole))
