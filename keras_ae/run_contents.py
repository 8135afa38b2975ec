"""What a run holds, for those who use it: its events, its models, and what a model sees."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ae.audit.audit import Audit
from keras_ae.audit.report import AuditReport
from keras_ae.data.dataset import Dataset, Sample
from keras_ae.errors import InputError
from keras_ae.events import load_events
from keras_ae.files import whole_folder, write_json
from keras_ae.front_end.float_inputs import FloatInputs
from keras_ae.front_end.input_view import load_inputs
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.models import ScoringModel
from keras_ae.models.autoencoder import Arrays
from keras_ae.plots.fields import save_field_figures
from keras_ae.run_files import RunFiles
from keras_ae.runs import Run
from keras_ae.settings.experiment import Experiment


def load_model(run: Run, precision: str) -> Any:
    """The `float`, `student` or `quantized` model of a run; with a student, that is quantized."""
    # With what compiled a network that came trained, nothing is done.
    return load_keras_model(run.model_path(precision), isinstance(run.settings, Experiment))


def load_keras_model(path: Path, compiled: bool = True) -> keras.Model:
    """Read a .keras file, as it was compiled or not.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged, of another layout, or has classes that are not known.
    """
    if not path.is_file():
        raise FileNotFoundError(f"model not found: {path}")
    if not zipfile.is_zipfile(path) or path.suffix != ".keras":
        raise InputError(
            f"{path} must be a .keras file, by model.save('NAME.keras') of Keras 3, got another"
        )
    try:
        return keras.models.load_model(path, compile=compiled)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} must be a model of known classes, Keras', QKeras' or registered ones that are "
            f"imported, got: {str(error)[:400]}"
        ) from error


def load_data(run: Run) -> Dataset:
    """The run's events, as the trigger's wires carry them."""
    return load_events(run.settings)


def keep_audit(run: RunFiles, audit: Audit) -> AuditReport:
    """Write what an audit has found beside a run, and a figure of each field; returns the first."""
    report = audit.report()
    write_json(run.audit_path, report.as_dict())
    with whole_folder(run.fields_folder) as folder:
        save_field_figures(audit, folder, ".svg")
    return report


def fitted_inputs(run: Run, precision: str) -> ScaledInputs | FloatInputs:
    """What the `float`, `student` or `quantized` model of a run makes of hardware values.

    With a student, that is quantized.
    """
    of_student = precision != "float" and run.experiment.student is not None
    return load_inputs(run.inputs_path("student" if of_student else "float"))


def network_inputs(run: Run, precision: str, sample: Sample) -> Arrays:
    """What the `float`, `student` or `quantized` model of a run sees of a sample.

    A pair with a condition. The quantized model is trained and scored on inputs in its own format:
    they are what the firmware reconstructs and compares with.
    """
    experiment = run.experiment
    x = fitted_inputs(run, precision).transform(sample.x)
    of_teacher = precision == "float"
    spec = experiment.first_architecture if of_teacher else experiment.deployed_architecture
    arrays = [x.reshape(-1, *spec.input_shape)]
    if experiment.architecture.condition_dim:
        arrays.append(sample.condition)
    if precision == "quantized":
        arrays = [experiment.precision.input.quantize(array) for array in arrays]
    arrays = [array.astype(np.float32) for array in arrays]
    return (arrays[0], arrays[1]) if len(arrays) > 1 else arrays[0]


def tested_inputs(run: Run, data: Dataset) -> dict[str, dict[str, Any]]:
    """Network inputs of the test background and of the signals, by precision and sample."""
    student = [] if run.experiment.student is None else ["student"]
    return {
        precision: {
            name: network_inputs(run, precision, sample) for name, sample in data.tested.items()
        }
        for precision in ("float", *student, "quantized")
    }


def sample_scores(model: ScoringModel, inputs: Arrays) -> dict[str, np.ndarray]:
    """Every score of `network_inputs`, each (events,)."""
    return model.scores(*inputs) if isinstance(inputs, tuple) else model.scores(inputs)
