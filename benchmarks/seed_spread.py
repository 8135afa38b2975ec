"""How much a config's AUC and size change with the seed of its weights, batches and data split.

python benchmarks/seed_spread.py configs/l1_encoder_*bit.yaml > benchmarks/seed_spread.md

Each seed trains float model and quantized model anew. AUC is the mean of all signals, of the exact
reference and of the float model on the same test events, as `keras-ae scan` measures them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from hls.scan.measure import measure
from hls.scan.measurement import Measurement
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.settings.scan import Objectives

SEEDS = (1, 2, 3, 4, 5)


def main(configs: list[str]) -> None:
    print(f"Made by benchmarks/seed_spread.py: mean and standard deviation of seeds {SEEDS}.\n")
    print_table({Path(config).stem: load_experiment(Path(config)) for config in configs})


def print_table(experiments: dict[str, Experiment]) -> None:
    """A row for each, as soon as all its seeds are measured."""
    print("| | AUC in firmware | AUC of float | difference | LUT by da4ml |")
    print("|---|---|---|---|---|")
    for name, experiment in experiments.items():
        found = [measured(experiment, seed) for seed in SEEDS]
        firmware = np.array([m.test.value for m in found])
        of_float = np.array([m.float_test.value for m in found])
        cells = [_spread(v, ".3f") for v in (firmware, of_float)]
        cells += [_spread(firmware - of_float, "+.3f")]
        cells += [_spread(np.array([m.lut for m in found]), ",.0f")]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def measured(experiment: Experiment, seed: int) -> Measurement:
    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        seeded = experiment.model_copy(update={"seed": seed})
        return measure(place / "run", place / "float", seeded, Objectives())


def _spread(values: np.ndarray, form: str) -> str:
    return f"{values.mean():{form}} ± {values.std(ddof=1):{form.lstrip('+')}}"


if __name__ == "__main__":
    main(sys.argv[1:])
