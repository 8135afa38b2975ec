"""Events per second of pythae's VAE in PyTorch, printed as one number; see fit_speed.py.

Runs in an environment of its own with pythae: prints the rate of each round asked for on stdin.
"""

import itertools
import logging
import sys
import tempfile
import time

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

HIDDEN_DIMS = (32, 16)


def layers(*widths):
    """Dense layers with ReLU."""
    pairs = itertools.pairwise(widths)
    return nn.Sequential(*(part for n, m in pairs for part in (nn.Linear(n, m), nn.ReLU())))


class Encoder(BaseEncoder):
    """57-32-16-3, mean and log-variance."""

    def __init__(self, config):
        super().__init__()
        self.hidden = layers(config.input_dim[0], *HIDDEN_DIMS)
        self.mean = nn.Linear(HIDDEN_DIMS[-1], config.latent_dim)
        self.log_var = nn.Linear(HIDDEN_DIMS[-1], config.latent_dim)

    def forward(self, x):
        hidden = self.hidden(x)
        return ModelOutput(embedding=self.mean(hidden), log_covariance=self.log_var(hidden))


class Decoder(BaseDecoder):
    """3-16-32-57."""

    def __init__(self, config):
        super().__init__()
        self.hidden = layers(config.latent_dim, *HIDDEN_DIMS[::-1])
        self.output = nn.Linear(HIDDEN_DIMS[0], config.input_dim[0])

    def forward(self, z):
        return ModelOutput(reconstruction=self.output(self.hidden(z)))


def main():
    n_events, batch_size, n_epochs, n_threads = map(int, sys.argv[1:])
    torch.set_num_threads(n_threads)
    logging.disable(logging.CRITICAL)
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(n_events, 57)).astype("float32"))
    config = VAEConfig(input_dim=(57,), latent_dim=3, reconstruction_loss="mse")

    def seconds(epochs):
        with tempfile.TemporaryDirectory() as folder:
            trainer = BaseTrainer(
                model=VAE(config, Encoder(config), Decoder(config)),
                train_dataset=BaseDataset(x, torch.zeros(n_events)),
                training_config=BaseTrainerConfig(
                    output_dir=folder,
                    num_epochs=epochs,
                    per_device_train_batch_size=batch_size,
                    learning_rate=1e-3,
                    no_cuda=True,
                ),
            )
            start = time.perf_counter()
            trainer.train()
            return time.perf_counter() - start

    seconds(1)
    print("ready", torch.__version__, flush=True)
    for _ in sys.stdin:
        print(n_epochs * n_events / seconds(n_epochs), flush=True)


if __name__ == "__main__":
    main()
