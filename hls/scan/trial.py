"""One trial in a worker: imports TensorFlow there, and says what became of it."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keras_ae.errors import InputError
from keras_ae.files import write_text
from keras_ae.loading import load_tensorflow
from keras_ae.settings.experiment import Experiment
from keras_ae.settings.scan import Objectives

#: Keras has one global state in a process; a Dask worker may have several threads.
_ONE_AT_A_TIME = threading.Lock()


def trial_folder(scan_folder: Path, number: int) -> Path:
    """Of a trial's run."""
    return scan_folder / "trials" / f"{number:04d}"


def run_trial(
    scan_folder: Path, number: int, experiment: Experiment, wanted: Objectives
) -> dict[str, Any]:
    """Measure one trial of a scan.

    Returns:
        `measured` (a `Measurement`), `refused` (why the experiment cannot be) or `failed` (what
        went wrong, with its traceback in NUMBER.error.txt); and `seconds`.

    Raises:
        OSError, ImportError: what no other trial would be spared either.
    """
    if not scan_folder.is_dir():
        raise FileNotFoundError(
            f"scan folder not found: {scan_folder}, which all workers must see under this name"
        )
    start = time.monotonic()
    with _ONE_AT_A_TIME:
        result = _measured(scan_folder, number, experiment, wanted)
    return {**result, "seconds": time.monotonic() - start}


def _measured(
    scan_folder: Path, number: int, experiment: Experiment, wanted: Objectives
) -> dict[str, Any]:
    load_tensorflow()
    import keras

    from hls.scan.measure import measure

    folder = trial_folder(scan_folder, number)
    folder.parent.mkdir(exist_ok=True)
    try:
        return {"measured": asdict(measure(folder, scan_folder / "float", experiment, wanted))}
    except InputError as error:
        return {"refused": " ".join(str(error).split())}
    except (OSError, ImportError):
        raise
    except Exception as error:
        # One odd design does not end a night's scan.
        write_text(folder.with_suffix(".error.txt"), traceback.format_exc())
        return {"failed": " ".join(f"{type(error).__name__}: {error}".split())}
    finally:
        keras.backend.clear_session()
