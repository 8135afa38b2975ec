"""What a penalty on bit operations saves in RTL and costs in physics, for several seeds.

python benchmarks/resource_penalty.py > benchmarks/resource_penalty.md

The network of l1_vae_latent.yaml with weights of 6 bits and inputs of 8, without pruning.
"""

from __future__ import annotations

from pathlib import Path

from seed_spread import SEEDS, print_table

from keras_ae.settings.experiment import load_experiment
from keras_ae.settings.scan import with_values

CONFIG = Path(__file__).parents[1] / "configs" / "l1_vae_latent.yaml"
PENALTIES = (0.0, 1e-5, 3e-5)
VALUES = {
    "precision.weight": "fixed<6,1>",
    "precision.input": "fixed<8,5>",
    "quantization.epochs": 24,
    "quantization.learning_rate": 1e-3,
    "firmware.scores": [],
    "firmware.levels_per_stage": 8,
}


def main() -> None:
    print(
        "Made by benchmarks/resource_penalty.py: l1_vae_latent with "
        + ", ".join(f"{name} {value}" for name, value in VALUES.items())
        + f"; mean and standard deviation of seeds {SEEDS}.\n"
    )
    base = load_experiment(CONFIG)
    print_table(
        {
            f"resource_penalty {penalty:g}": with_values(
                base, {**VALUES, "quantization.resource_penalty": penalty}, CONFIG.name
            )
            for penalty in PENALTIES
        }
    )


if __name__ == "__main__":
    main()
