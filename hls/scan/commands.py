"""The command `keras-ae scan`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--scan-dir", type=click.Path(path_type=Path), help="Default: scans/NAME.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Work on so many trials at once, on this machine. Default: n_processes of CONFIG.",
)
@click.option("--dask", metavar="ADDRESS", help="Work on a Dask cluster, tcp://HOST:PORT.")
def scan(config: Path, scan_dir: Path | None, processes: int | None, dask: str | None) -> None:
    """Search what CONFIG asks for: physics against resources, in many experiments.

    Every trial trains, quantizes, and estimates the RTL. The same command continues a scan that was
    interrupted or killed.
    """
    from keras_ae.data.fingerprint import require_absolute_paths
    from keras_ae.errors import InputError
    from keras_ae.settings.scan import load_scan

    if dask is not None and processes is not None:
        raise click.UsageError("one of --processes and --dask must be given, got both.")
    loaded = load_scan(config)
    if dask is not None:
        require_absolute_paths(loaded.base.data)
    from hls.scan.results import front_table, results_of
    from hls.scan.run import check_scan, run_scan
    from hls.scan.workers import dask_workers, local_workers

    check_scan(loaded, str(config))
    folder = scan_dir or Path("scans") / loaded.settings.name
    if dask is not None:
        # Workers have a working directory of their own.
        folder = folder.absolute()
        workers = dask_workers(dask)
    else:
        workers = local_workers(processes or loaded.settings.n_processes)
    with workers as at_hand:
        study = run_scan(loaded, folder, at_hand, click.echo)
    states = [trial.state for trial in study.trials]
    if "measured" not in states:
        why = next((t.reason for t in study.trials if t.state in ("refused", "failed")), "none ran")
        raise InputError(f"{config}: one trial at least must give a result, got none: {why}")
    click.echo(front_table(study))
    counts = ", ".join(f"{states.count(s)} {s}" for s in ("measured", "refused", "failed"))
    click.echo(f"trials: {counts}")
    click.echo(f"results: {', '.join(map(str, results_of(folder)))}")
