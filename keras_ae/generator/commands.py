"""The commands that generate events; `hls.cli` adds them to its own."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--n-background", default=10_000, show_default=True, help="Background events.")
@click.option("--n-signal", default=1_000, show_default=True, help="Events of each signal.")
@click.option("--seed", default=1, show_default=True, help="Of the whole production.")
@click.option("--n-workers", type=int, help="Processes. Default: one for each core.")
@click.option("--full", is_flag=True, help="Simulate multiparton interactions instead of overlay.")
@click.option(
    "--n-hadronizations",
    default=4,
    show_default=True,
    help="Of each parton-level multijet event.",
)
@click.option(
    "--n-decays",
    default=32,
    show_default=True,
    help="Of the heavy hadrons of each of those.",
)
@click.option(
    "--pile-up",
    default="0",
    show_default=True,
    metavar="MEAN|CSV",
    help="Other collisions in a crossing: mean number, or a CSV file of mean number and weight.",
)
def generate(
    folder: Path,
    n_background: int,
    n_signal: int,
    seed: int,
    n_workers: int | None,
    full: bool,
    n_hadronizations: int,
    n_decays: int,
    pile_up: str,
) -> None:
    """Generate L1 trigger events with Pythia 8 and FastJet into FOLDER, in the ADC2021 layout.

    Needs the extra `physics`. Events are made in whole chunks of 200 to 2,000 of one process, which
    stay in FOLDER/chunks: an interrupted generation, or one for more events, continues from them.
    """
    from keras_ae.generator.pile_up import read_pile_up
    from keras_ae.generator.production import SimulationSettings, generate_sample

    settings = SimulationSettings(
        full=full,
        n_hadronizations=n_hadronizations,
        n_decays=n_decays,
        pile_up=read_pile_up(pile_up),
        seed=seed,
    )
    for path in generate_sample(folder, n_background, n_signal, settings, n_workers).values():
        click.echo(path)


@click.command("generate-jets")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--n-jets", default=8_000, show_default=True, help="QCD jets, and as many top jets.")
@click.option("--seed", default=1, show_default=True, help="Of the whole production.")
@click.option("--n-workers", type=int, help="Processes. Default: one for each core.")
@click.option("--full", is_flag=True, help="Simulate multiparton interactions.")
def generate_jets(folder: Path, n_jets: int, seed: int, n_workers: int | None, full: bool) -> None:
    """Generate images of QCD and top jets with Pythia 8 and FastJet into FOLDER.

    Needs the extra `physics`. Jets are made in whole chunks of 1,000, which stay in FOLDER/chunks:
    an interrupted generation, or one for more jets, continues from them.
    """
    from keras_ae.generator.jets import JetSettings, generate_jet_sample

    settings = JetSettings(full=full, seed=seed)
    for path in generate_jet_sample(folder, n_jets, settings, n_workers).values():
        click.echo(path)
