"""Leave one digit out: AUC of the ten anomalies, autoencoders beside PCA and untrained networks.

python benchmarks/digits_results.py > benchmarks/digits_results.md
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keras_ae.data.dataset import Dataset, load_dataset
from keras_ae.data.digit_source import DigitsData
from keras_ae.metrics import roc_auc
from keras_ae.models import Autoencoder, build_autoencoder
from keras_ae.settings.architecture import ArchitectureSpec

LATENT_DIM, SEED = 8, 1
EPOCHS = 150
SPEC = ArchitectureSpec(input_dim=64, hidden_dims=(64,), latent_dim=LATENT_DIM)
LINEAR = ArchitectureSpec(input_dim=64, hidden_dims=(), latent_dim=LATENT_DIM)


def auc(model: Autoencoder, data: Dataset) -> float:
    """AUC of the reconstruction error."""
    (signal,) = data.signals.values()
    background, anomalies = (
        model.score(part.x.reshape(-1, 64), "squared_error") for part in (data.test, signal)
    )
    return roc_auc(background, anomalies).value


def trained(kind: str, data: Dataset, **options: object) -> Autoencoder:
    """With Adam, to the same epochs for all."""
    spec = LINEAR if kind == "pca" else SPEC
    keras.utils.set_random_seed(SEED)  # of Keras' shuffling
    model = build_autoencoder(kind, spec, seed=SEED, variance=0.05, **options)
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    x = data.train.x.reshape(-1, 64)
    model.fit(x, batch_size=64, epochs=EPOCHS, verbose=0)
    return model


def main() -> None:
    noise = {"corruption": {"kind": "gaussian", "stddev": 0.2}}
    rows: dict[str, list[float]] = {"PCA": [], "plain": [], "denoising": [], "untrained": []}
    for digit in range(10):
        source = DigitsData(
            kind="digits", anomaly=digit, train_fraction=0.79, validation_fraction=0.01
        )
        data = load_dataset(source, None, SEED)
        rows["PCA"].append(auc(trained("pca", data), data))
        rows["plain"].append(auc(trained("plain", data), data))
        rows["denoising"].append(auc(trained("denoising", data, **noise), data))
        rows["untrained"].append(auc(build_autoencoder("plain", SPEC, seed=SEED), data))
    print(
        f"AUC of the squared error, one digit left out as the anomaly, {LATENT_DIM} latent "
        f"dimensions, 64-64-{LATENT_DIM} networks, {EPOCHS} epochs, 20 % of the background for the "
        "test, one seed.\n"
    )
    print(f"| model | {' | '.join(map(str, range(10)))} | mean |")
    print("|---" * 12 + "|")
    for name, values in rows.items():
        cells = " | ".join(f"{value:.3f}" for value in values)
        print(f"| {name} | {cells} | **{np.mean(values):.3f}** |")


if __name__ == "__main__":
    main()
