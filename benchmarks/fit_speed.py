"""Events per second of `fit`, the 57-32-16-3 VAE at batch 1024: ours, Keras' own on arrays, pythae.

    python benchmarks/fit_speed.py [--pythae-python PYTHON] > benchmarks/fit_speed.md

All in alternating rounds, so that what else the machine does hits all alike. First epochs, with
their tracing, are not timed. Ours writes its checkpoint and validates after each epoch, Keras' does
neither; pythae evaluates nothing, and is given fewer events, as it takes so much longer for each.
It runs in an environment of its own (pip install torch pythae), whose Python is given.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from keras_ae.fitting.batches import MAX_STEPS_PER_EXECUTION
from keras_ae.fitting.fit import fit
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.learning import TrainingSettings

N_EVENTS, BATCH_SIZE, N_EPOCHS = 400_000, 1024, 3
N_PYTHAE_EVENTS = 50_000
X = np.random.default_rng(1).normal(size=(N_EVENTS, 57)).astype("float32")


def make_model() -> Autoencoder:
    return build_autoencoder("variational", ArchitectureSpec(input_dim=57))


class Clock(keras.callbacks.Callback):
    """Time from the end of the first epoch to that of the last."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 0:
            self.start = time.perf_counter()
        self.stop = time.perf_counter()

    @property
    def rate(self) -> float:
        return N_EPOCHS * N_EVENTS / (self.stop - self.start)


def keras_rate(steps_per_execution: int = 1) -> float:
    """(a) Keras' fit on an array."""
    model, clock = make_model(), Clock()
    model.compile(optimizer="adam", steps_per_execution=steps_per_execution)
    keras.Model.fit(
        model, X, batch_size=BATCH_SIZE, epochs=1 + N_EPOCHS, callbacks=[clock], verbose=0
    )
    return clock.rate


def our_rate() -> float:
    """keras_ae.fitting.fit.fit, with its checkpoint after each epoch and a small validation."""
    settings = TrainingSettings(epochs=1 + N_EPOCHS, batch_size=BATCH_SIZE)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            make_model(),
            X,
            X[:BATCH_SIZE],
            settings,
            seed=1,
            checkpoint=Path(folder) / "checkpoint",
            progress=False,
            callbacks=[clock],
        )
    return clock.rate


class Pythae:
    """(b) pythae's trainer in another process, which waits while others run."""

    def __init__(self, python: str, n_threads: int) -> None:
        script = Path(__file__).with_name("pythae_fit.py")
        arguments = map(str, (N_PYTHAE_EVENTS, BATCH_SIZE, 1, n_threads))
        self._process = subprocess.Popen(
            [python, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._read("ready").split()[1]

    def __call__(self) -> float:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._read(""))

    def _read(self, start: str) -> str:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith(start) and (start or line[0].isdigit()):
                return line
        raise RuntimeError("pythae ended without a result: is it installed in its environment?")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pythae-python", help="Python of an environment with pythae.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    n_threads = len(os.sched_getaffinity(0))
    candidates: dict[str, Callable[[], float]] = {
        "`keras_ae.fitting.fit.fit`": our_rate,
        "(a) `keras.Model.fit` on the array, same model": keras_rate,
        f"(a) with `steps_per_execution={MAX_STEPS_PER_EXECUTION}`": lambda: keras_rate(
            MAX_STEPS_PER_EXECUTION
        ),
    }
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    if options.pythae_python:
        pythae = Pythae(options.pythae_python, n_threads)
        candidates["(b) pythae's VAE and BaseTrainer"] = pythae
        versions += f", PyTorch {pythae.version}"
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(options.rounds):
        for name, measure in candidates.items():
            rates[name].append(measure())
    ours = np.array(next(iter(rates.values())))
    print(
        f"VAE 57-32-16-3, batch {BATCH_SIZE}, {N_EVENTS} events, {N_EPOCHS} epochs after the "
        f"first ({N_PYTHAE_EVENTS} events\nand 1 epoch for pythae), {n_threads} threads on the CPU,"
        f" one process each; {versions}.\n"
        f"Median of {options.rounds} alternating rounds, lowest and highest in brackets.\n"
    )
    print("| fit | events/s | ours is faster by |\n|---|---|---|")
    for name, values in rates.items():
        ratio = np.median(ours / np.array(values))
        spread = f"{np.median(values):,.0f} ({min(values):,.0f} – {max(values):,.0f})"
        print(f"| {name} | {spread} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
