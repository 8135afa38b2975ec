"""What a scan found: every trial as a table, the front as a figure and as experiments."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from hls.scan.measurement import Measurement
from hls.scan.study import Study, Trial
from hls.scan.trial import trial_folder
from keras_ae import plots
from keras_ae.files import whole_folder, write_text
from keras_ae.settings.experiment import dump_experiment
from keras_ae.settings.scan import Objectives

#: Resources in words.
_RESOURCES = {
    "lut": "estimated LUT",
    "register_bits": "register bits",
    "latency_cycles": "latency in cycles",
}


def _chosen_on(wanted: Objectives) -> str:
    """On which events a search has chosen."""
    if not wanted.of_signals:
        return f"validation background{_made_up(wanted)}"
    return "validation background and the half of the signals that chose it"


def _tested_on(wanted: Objectives) -> str:
    """On which events nothing was chosen."""
    if not wanted.of_signals:
        return f"test background{_made_up(wanted)}"
    return "test background and the other half"


def _made_up(wanted: Objectives) -> str:
    return " and what is made up of it" if wanted.maximize == "agreement" else ""


def write_tables(study: Study) -> None:
    """Write trials.csv and pareto/NUMBER.yaml into the scan's folder."""
    write_text(study.folder / "trials.csv", _csv(study))
    with whole_folder(study.folder / "pareto") as temporary:
        for trial in study.front:
            write_text(temporary / f"{trial.number:04d}.yaml", experiment_yaml(study, trial))


def write_figures(study: Study) -> None:
    """Write pareto.png and pareto.svg into the scan's folder, where there is a front."""
    front = study.front
    if not front:
        return
    measured = [trial for trial in study.trials if trial.measurement is not None]
    found = [trial.measurement for trial in measured if trial.measurement is not None]
    wanted = study.scan.settings.objectives
    figure = plots.pareto_front(
        [study.values_of(trial)[1] for trial in measured],
        [m.search.value for m in found],
        [m.search.error for m in found],
        [trial.number for trial in measured],
        {trial.number for trial in front},
        reference=max(m.float_search.value for m in found),
        axes_labels=(_RESOURCES[wanted.minimize[0]], wanted.quality),
    )
    for suffix in ("png", "svg"):
        plots.save(figure, study.folder / f"pareto.{suffix}")


def experiment_yaml(study: Study, trial: Trial) -> str:
    """The whole experiment of a measured trial, headed by what it gave."""
    found = trial.measurement
    if found is None:
        raise ValueError(f"trial {trial.number} is not measured")
    path = study.folder / "pareto" / f"{trial.number:04d}.yaml"
    wanted = study.scan.settings.objectives
    chosen_on, tested_on = _chosen_on(wanted), _tested_on(wanted)
    header = [
        f"Trial {trial.number} of the scan {study.scan.settings.name}, on its Pareto front.",
        "",
        f"Command:  keras-ae run {path}",
        f"          with --run-dir {trial_folder(study.folder, trial.number)}, where it is trained",
        f"Values:   {_values(trial.values)}",
        f"Result:   {wanted.quality} {found.search.value:.4f} ± {found.search.error:.4f}",
        f"          on {chosen_on};",
        f"          {found.test.value:.4f} ± {found.test.error:.4f} on {tested_on};",
        f"          float model {found.float_search.value:.4f} on the first of these, "
        f"{found.float_test.value:.4f} on the second;",
        f"          estimated LUT {found.lut:,.0f}, register bits {found.register_bits:,}, "
        f"latency {found.latency_cycles} cycles",
        *([f"          {_signals(found).rstrip()}"] if found.signals is not None else []),
    ]
    comment = "\n".join(f"# {line}".rstrip() for line in header)
    return f"{comment}\n\n{dump_experiment(study.scan.experiment(trial.number, trial.values))}"


def one_line(study: Study, trial: Trial) -> str:
    """What became of a trial."""
    values = _values(trial.values)
    found = trial.measurement
    if found is None:
        return f"trial {trial.number:4d}  {trial.state}: {trial.reason}   {values}"
    return (
        f"trial {trial.number:4d}  {study.scan.settings.objectives.maximize} "
        f"{found.search.value:.4f} ± {found.search.error:.4f}  LUT {found.lut:9,.0f}  "
        f"{found.latency_cycles:3d} cycles  {trial.seconds:4.0f} s   {values}"
    )


def front_table(study: Study) -> str:
    """The front, from the smallest; with the quality on events that nothing was chosen by."""
    wanted = study.scan.settings.objectives
    lines = [
        f"Pareto front: {wanted.quality}, on {_chosen_on(wanted)}",
        f"test: on {_tested_on(wanted)}",
        f"{'trial':>5}  {wanted.maximize + ' ± error':>15}  {'float':>6}  {'test ± error':>15}  "
        f"{'float':>6}  "
        f"{'LUT':>9}  {'reg. bits':>9}  {'cycles':>6}  values",
    ]
    for trial in study.front:
        found = trial.measurement
        if found is not None:
            lines.append(
                f"{trial.number:5d}  {found.search.value:6.4f} ± {found.search.error:.4f}  "
                f"{found.float_search.value:6.4f}  "
                f"{found.test.value:6.4f} ± {found.test.error:.4f}  "
                f"{found.float_test.value:6.4f}  {found.lut:9,.0f}  {found.register_bits:9,}  "
                f"{found.latency_cycles:6d}  {_signals(found)}{_values(trial.values)}"
            )
    return "\n".join(lines)


def _signals(found: Measurement) -> str:
    """What the signals say, by which nothing was chosen."""
    if found.signals is None:
        return ""
    return f"signals: AUC {found.signals.value:.4f} ± {found.signals.error:.4f}  "


def _csv(study: Study) -> str:
    names = list(study.scan.settings.search)
    on_front = {trial.number for trial in study.front}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    quality = study.scan.settings.objectives.maximize
    columns = [
        *(
            f"{quality}{kind}"
            for kind in ("", "_error", "_float", "_test", "_test_error", "_test_float")
        ),
        *_RESOURCES,
        "auc_of_signals",
    ]
    writer.writerow(["trial", "state", "on_front", *columns, "seconds", *names, "reason"])
    for trial in study.trials:
        found = trial.measurement
        measured: list[Any] = [""] * len(columns)
        if found is not None:
            measured = [
                *(found.search.value, found.search.error, found.float_search.value),
                *(found.test.value, found.test.error, found.float_test.value),
                *(found.lut, found.register_bits, found.latency_cycles),
                "" if found.signals is None else found.signals.value,
            ]
        values = [_text(trial.values[name]) if name in trial.values else "" for name in names]
        writer.writerow(
            [
                *(trial.number, trial.state, int(trial.number in on_front), *measured),
                *(f"{trial.seconds:.1f}", *values, trial.reason),
            ]
        )
    return text.getvalue()


def _values(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def results_of(folder: Path) -> tuple[Path, ...]:
    """What `write_tables` and `write_figures` have written."""
    names = ("trials.csv", "pareto.png", "pareto.svg", "pareto")
    return tuple(folder / name for name in names if (folder / name).exists())
