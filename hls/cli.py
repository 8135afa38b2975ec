"""The command `keras-ae`: reads arguments, calls one function a stage, prints what came of it.

TensorFlow and all that needs it are imported inside the commands, so that `--help` and mistakes
answer at once.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from hls.scan.commands import scan
from hls.stages.table import function_of
from keras_ae import __version__
from keras_ae.errors import InputError, ProofError
from keras_ae.generator.commands import generate, generate_jets
from keras_ae.loading import load_tensorflow, set_environment
from keras_ae.stages import PROVED, stages_of, stages_up_to

if TYPE_CHECKING:
    from keras_ae.runs import Run
    from keras_ae.settings.adoption import RunSettings

_n_events = click.option(
    "--n-events",
    type=click.IntRange(min=1),
    help="Validate so many at least, by more stress events. Default: 20,000 stress events.",
)
_run_folder = click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="keras-ae")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def cli() -> None:
    """Autoencoders for anomaly detection in hardware triggers.

    From unlabelled events to FPGA firmware, and the proof that the firmware is the quantized
    Keras model, bit for bit.
    """


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), help="Default: runs/NAME.")
@_n_events
@click.option(
    "--n-seeds",
    type=click.IntRange(min=2),
    help="Train it so often, with this seed and the next ones, and show what the seed changes.",
)
def run(config: Path, run_dir: Path | None, n_events: int | None, n_seeds: int | None) -> None:
    """Embed, train, distill, quantize, evaluate, convert and validate the experiment CONFIG.

    A stage that was finished with the same inputs is skipped. An experiment with `firmware: null`
    ends with its evaluation; one without an embedding has none to train first, one without a
    student none to distill. With --n-seeds, the runs of the other seeds are RUN-DIR_seed_NUMBER.
    """
    first = _create_run(config, run_dir)
    # All of them, so that none is refused when the first are done.
    others = _runs_of_other_seeds(first, n_seeds) if n_seeds is not None else []
    _do_run(first, n_events)
    for other in others:
        click.echo(f"\n{other.folder}")
        _do_run(other, n_events)
    if others:
        from hls.report.spread import spread_table

        click.echo(f"\n{spread_table([first, *others])}")


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), help="Default: runs/NAME.")
@_n_events
def adopt(model: Path, config: Path, run_dir: Path | None, n_events: int | None) -> None:
    """Make a run of MODEL, a quantized Keras model that came trained; evaluate, convert, validate.

    CONFIG names its data, the roles of its tensors, the score, trigger and firmware. Commands that
    take a RUN, such as 'rtl', take this one, too.
    """
    from keras_ae.runs import create_run
    from keras_ae.settings.adoption import load_adoption

    load_tensorflow()
    from hls.stages.adopted import check_adoption, with_model

    settings = with_model(load_adoption(config), model)
    # Before anything is written.
    check_adoption(settings)
    adopted = create_run(run_dir or Path("runs") / settings.name, settings)
    for stage in stages_of(settings):
        _do_stage(adopted, stage)
    _validate(adopted, n_events=n_events)


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), help="Default: runs/NAME.")
def embed(config: Path, run_dir: Path | None) -> None:
    """Train the embedding of the experiment CONFIG; makes the run directory."""
    _do_stage(_create_run(config, run_dir), "embed")


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), help="Default: runs/NAME.")
def train(config: Path, run_dir: Path | None) -> None:
    """Train embedding and float model of the experiment CONFIG; makes the run directory."""
    run = _create_run(config, run_dir)
    for stage in stages_up_to("train", run.settings):
        _do_stage(run, stage)


@cli.command()
@_run_folder
def distill(run_folder: Path) -> None:
    """Teach the student of RUN what its teachers say, or its float model where it has none."""
    _do_stage(_open_run(run_folder), "distill")


@cli.command()
@_run_folder
def quantize(run_folder: Path) -> None:
    """Fine-tune the model of RUN, or its student, in fixed point."""
    _do_stage(_open_run(run_folder), "quantize")


@cli.command()
@_run_folder
def evaluate(run_folder: Path) -> None:
    """Measure AUC and TPR of every score of RUN, beside baselines."""
    _do_stage(_open_run(run_folder), "evaluate")


@cli.command()
@_run_folder
@click.option("--synthesize", is_flag=True, help="Then run the vendor's tool, if it is on PATH.")
def convert(run_folder: Path, synthesize: bool) -> None:
    """Write the HLS project of RUN, with score and trigger decision inside.

    With --synthesize, resources and timing that the vendor's tool reports go to synthesis.json; the
    command 'synthesize' is for RTL.
    """
    opened = _open_run(run_folder)
    _do_stage(opened, "convert")
    if synthesize:
        _synthesize(opened)


@cli.command()
@click.argument("path", metavar="CONFIG|RUN", type=click.Path(path_type=Path))
def check(path: Path) -> None:
    """Say what keeps an experiment from becoming exact firmware: layer, rule, value, remedy.

    Exit code 1 if something does. `run`, `train` and `convert` check, too.
    """
    from keras_ae.settings.experiment import load_experiment

    opened = _open_run(path) if path.is_dir() else None
    experiment = opened.settings if opened else load_experiment(path)
    if opened is None:
        _audit(experiment)
    load_tensorflow()
    from hls.compiled import find_compiler
    from hls.stages.check import check_and_estimate

    find_compiler()
    refusals, cost = check_and_estimate(experiment, str(path), opened)
    for refusal in refusals:
        click.echo(refusal)
    if cost is None:
        sys.exit(1)
    click.echo("nothing keeps it from becoming firmware")
    untrained = "" if opened and opened.is_quantized else ", untrained and not pruned"
    click.echo(
        f"RTL by the cost model: {cost.lut:,.0f} LUT, {cost.latency_cycles} cycles{untrained}"
    )
    limit = experiment.require_firmware(str(path)).max_rtl_lut
    if cost.lut > limit:
        click.echo(f"warning: 'keras-ae rtl' refuses more than firmware.max_rtl_lut, {limit:,} LUT")


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for a figure of each field; made if it is not there.",
)
def inspect(config: Path, figures: Path | None) -> None:
    """Show what the events of CONFIG are, field by field, and what is odd in them.

    CONFIG is an experiment, or the settings of a network that comes trained. `filled` is the mean
    number of slots of an event that hold something, `without` the share of events that have none.
    Exit code 1 where something is wrong in the events, which `run` refuses.
    """
    from keras_ae.events import audited_events
    from keras_ae.settings.adoption import load_run_settings

    settings = load_run_settings(config)
    _, audit = audited_events(settings)
    if audit is None:
        raise InputError(
            f"{config}: front_end must be given for an audit of data.kind '{settings.data.kind}', "
            "got none"
        )
    report = audit.report()
    for line in report.table():
        click.echo(line)
    if not report.findings:
        click.echo("nothing is odd in what the network depends on")
    if figures is not None:
        from keras_ae.plots.fields import save_field_figures

        save_field_figures(audit, figures)
        click.echo(f"figures: {figures}")
    sys.exit(1 if report.errors else 0)


@cli.command()
@_run_folder
@click.option(
    "--events",
    "event_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="More events to compare, in a file like that of the background; can be repeated.",
)
@_n_events
@click.option(
    "--as-is", is_flag=True, help="Compile files that were changed, too; that is no proof."
)
def validate(
    run_folder: Path, event_files: tuple[Path, ...], n_events: int | None, as_is: bool
) -> None:
    """Compare the HLS project of RUN with the quantized model, every event, every bit.

    Exit code 1 unless every file is as 'convert' wrote it, and all bits are equal.
    """
    _validate(_open_run(run_folder), event_files, n_events, as_is)


@cli.command()
@_run_folder
@click.option(
    "--n-events",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="Stress events fill up to this number in all; they are 20,000 at least.",
)
@click.option("--as-is", is_flag=True, help="Simulate the RTL as it lies on disk, changed or not.")
def rtl(run_folder: Path, n_events: int, as_is: bool) -> None:
    """Write Verilog and VHDL of RUN, and simulate every event cycle by cycle.

    Exit code 1 unless all bits are equal, and each result comes in the stated cycle.
    """
    opened = _open_run(run_folder)
    _start_stage("rtl")
    from hls.report.verdicts import how_rtl_differs, shortened, what_was_simulated
    from hls.stages.rtl import simulate_rtl

    changed = [] if as_is else opened.changed_contents("rtl")
    if changed:
        click.echo(f"   changed, written again (--as-is keeps it): {shortened(changed)}")
    if not as_is and not function_of("rtl", opened.settings)(opened, report=click.echo):
        click.echo("   already done, inputs unchanged")
    click.echo(f"RTL: {opened.rtl_folder}; simulating all events of the data, and stress events")
    report = simulate_rtl(opened, n_events)
    click.echo(what_was_simulated(report))
    _show_implementations(opened)
    if not report.is_proved:
        _fail(how_rtl_differs(report, opened))


@cli.command()
@_run_folder
@click.option("--no-place", is_flag=True, help="Count cells only: no place and route.")
def synthesize(run_folder: Path, no_place: bool) -> None:
    """Resources and clock of the RTL of RUN by yosys and nextpnr, and vendors' tools on PATH.

    yosys maps to AMD's families; nextpnr places and routes in an ECP5, an open family, whose clock
    says nothing of AMD's. Into resources.json and the fidelity report. The HLS project is
    synthesized by 'convert --synthesize'.
    """
    opened = _open_run(run_folder)
    _start_stage("synthesize")
    from hls.stages.rtl import synthesize_rtl

    tools = "yosys" if no_place else "yosys, nextpnr"
    click.echo(f"   {tools}: minutes; some more when they are run for the first time")
    synthesize_rtl(opened, place=not no_place)
    _show_implementations(opened)


cli.add_command(scan)
cli.add_command(generate)
cli.add_command(generate_jets)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every mistake of the user's is one line and exit code 2."""
    set_environment()
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # Before or behind the command.
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = cli.main(arguments, prog_name="keras-ae", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"error: {_one_line(error)}", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command continues", err=True)
        code = 130
    except (InputError, ProofError, OSError, ImportError) as error:
        if debug:
            traceback.print_exc()
        click.echo(f"error: {_one_line(error)}", err=True)
        code = 1 if isinstance(error, ProofError) else 2
    sys.exit(code)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, click.ClickException):
        return f"{error.format_message()} See keras-ae --help."
    return " ".join(str(error).split())


def _fail(verdict: str) -> NoReturn:
    """End with what does not hold."""
    click.echo(f"error: {_one_line(ProofError(verdict))}", err=True)
    sys.exit(1)


def _audit(settings: RunSettings) -> None:
    """Read all events; raise InputError for what is wrong in them, and say what is odd."""
    from keras_ae.events import audited_events, check_against_events

    data, audit = audited_events(settings)
    check_against_events(settings, data)
    if audit is not None:
        report = audit.report()
        report.require()
        for finding in report.warnings:
            click.echo(f"warning: {finding}", err=True)


def _create_run(config: Path, run_dir: Path | None) -> Run:
    from keras_ae.runs import create_run
    from keras_ae.settings.experiment import dump_experiment, load_experiment

    experiment = load_experiment(config)
    folder = run_dir or Path("runs") / experiment.name
    # A fault leaves no half-made run behind, and a run that is there as it was.
    if not folder.exists():
        _audit(experiment)
    written = folder / "experiment.yaml"
    known = written.is_file() and written.read_text("utf-8") == dump_experiment(experiment)
    if experiment.firmware is not None and not known:
        load_tensorflow()
        from hls.graph.refusal import require_none
        from hls.stages.check import check as find_refusals

        # Before hours of training, not after them.
        require_none(find_refusals(experiment, str(config)))
    return create_run(folder, experiment)


def _do_run(run: Run, n_events: int | None) -> None:
    from keras_ae.summary import summary

    stages = stages_of(run.settings)
    if PROVED in stages:
        from hls.compiled import find_compiler

        # Now, not after the training.
        find_compiler()
    for stage in stages:
        _do_stage(run, stage)
    if PROVED in stages:
        _validate(run, n_events=n_events)
    else:
        click.echo(summary(run))


def _runs_of_other_seeds(first: Run, n_seeds: int) -> list[Run]:
    """Of the experiment of a run, with its next seeds."""
    from keras_ae.runs import create_run

    experiment, folder = first.experiment, first.folder
    return [
        create_run(
            folder.with_name(f"{folder.name}_seed_{seed}"),
            experiment.model_copy(update={"seed": seed % 2**32}),
        )
        for seed in range(experiment.seed + 1, experiment.seed + n_seeds)
    ]


def _open_run(folder: Path) -> Run:
    from keras_ae.runs import open_run

    return open_run(folder)


def _start_stage(stage: str) -> None:
    click.echo(f"── {stage}")
    load_tensorflow()


def _do_stage(run: Run, stage: str) -> None:
    _start_stage(stage)
    if not function_of(stage, run.settings)(run):
        click.echo("   already done, inputs unchanged")


def _synthesize(run: Run) -> None:
    from hls.cpp.backends import BACKENDS
    from hls.stages.firmware import synthesize as work

    report = work(run)
    if report is not None:
        click.echo(report)
        return
    settings = run.settings.require_firmware(str(run.folder))
    names = " or ".join(tool.program for tool in BACKENDS[settings.backend].tools)
    click.echo(f"no vendor tool on PATH, nothing was synthesized: looked for {names}")


def _show_implementations(run: Run) -> None:
    from hls.report.implementations import as_text, implementations

    settings = run.settings.require_firmware(str(run.folder))
    click.echo(as_text(implementations(run, settings)))


def _validate(
    run: Run,
    event_files: Sequence[Path] = (),
    n_events: int | None = None,
    as_is: bool = False,
) -> None:
    _start_stage("validate")
    from hls.report.verdicts import what_differs
    from hls.stages.firmware import validate as work
    from keras_ae.summary import summary

    validation = work(run, event_files, n_events or 0, as_is)
    click.echo(summary(run))
    click.echo(f"fidelity report: {run.fidelity_page_path}")
    if not validation.is_proved:
        _fail(what_differs(validation, run))


if __name__ == "__main__":
    main()
