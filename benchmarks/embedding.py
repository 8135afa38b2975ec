"""What an embedding is worth in firmware: alone, under an autoencoder, as what a density is one of.

    make embedding

which runs configs/l1_embedding.yaml with five seeds, and then calls

    python benchmarks/embedding.py build/embedding runs/l1_embedding runs/l1_embedding_seed_* \\
        > benchmarks/embedding.md

The norm of the embedding alone is that of the same quantized networks. Beside them, each trained
with as many seeds in the first folder: the student of configs/l1_trigger.yaml taught by a mixture
of Gaussians of the embedding, and an autoencoder of all pT, with no embedding.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from physics_per_lut import signal_table

from hls.stages.firmware import validate
from hls.stages.rtl import simulate_rtl, synthesize_rtl, write_rtl
from hls.stages.table import function_of
from keras_ae.errors import ProofError
from keras_ae.files import remove_unfinished
from keras_ae.runs import Run, create_run, open_run
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.settings.scan import with_values
from keras_ae.stages import stages_of

CONFIGS = Path(__file__).parents[1] / "configs"
TEACHERS = [{"kind": "gaussian_mixture", "n_components": 30, "sees": "embedding"}]
#: What a student that is taught by a density has of the trigger's.
OF_STUDENT = ("student", "precision", "quantization")


def embedding_alone(experiment: Experiment) -> Experiment:
    """The norm of the embedding decides."""
    return with_values(experiment, {"trigger.score": "squared_embedding_norm"}, "alone")


def taught_student(experiment: Experiment) -> Experiment:
    """The trigger's student learns a density of the embedding."""
    trigger = load_experiment(CONFIGS / "l1_trigger.yaml").model_dump(mode="json")
    changes = {name: trigger[name] for name in OF_STUDENT} | {"student.teachers": TEACHERS}
    return with_values(experiment, changes, "student")


def autoencoder_of_inputs(experiment: Experiment) -> Experiment:
    """It sees pT as the trigger's student does, and reconstructs them."""
    trigger = load_experiment(CONFIGS / "l1_trigger.yaml").model_dump(mode="json")
    changes = {
        "embedding": None,
        "inputs": trigger["student"]["inputs"],
        "architecture": {"input_dim": 19, "hidden_dims": [8], "latent_dim": 3},
        "precision": trigger["precision"] | {"reconstruction": trigger["precision"]["latent"]},
    }
    return with_values(experiment, changes, "inputs")


#: By the name of their folders: title, experiment, and whether its networks are those of the runs.
VARIANTS: dict[str, tuple[str, Callable[[Experiment], Experiment], bool]] = {
    "alone": ("embedding alone, its norm", embedding_alone, True),
    "student": ("student of a density of the embedding", taught_student, False),
    "inputs": ("autoencoder of all pT, 19-8-3-8-19", autoencoder_of_inputs, False),
}


def proved(folder: Path, experiment: Experiment, trained: Run | None = None) -> Run:
    """Firmware and RTL of an experiment, proved and synthesized; of networks that may be given."""
    remove_unfinished(folder)
    run = create_run(folder, experiment)
    if trained is not None:
        run.take_over(trained, "quantize")
    for stage in stages_of(experiment):
        function_of(stage, experiment)(run)
    write_rtl(run, report=_silent)
    for n_wrong in (validate(run).mismatching_bits, simulate_rtl(run).mismatching_bits):
        if n_wrong:
            raise ProofError(f"{folder} must have no wrong bit, got {n_wrong}")
    synthesize_rtl(run, place=False)
    keras.backend.clear_session()
    return run


def _silent(line: str) -> None:
    """Standard output is the table."""


def main(folder: Path, trained: Sequence[Run]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[str, list[Run]] = {"autoencoder of the embedding": list(trained)}
    for name, (title, changed, is_trained) in VARIANTS.items():
        groups[title] = [
            proved(
                folder / f"{name}_{run.experiment.seed}",
                changed(run.experiment),
                run if is_trained else None,
            )
            for run in trained
        ]
    print("Made by benchmarks/embedding.py: firmware, mean and deviation of the seeds; LUT by")
    print("yosys for UltraScale+; TPR at FPR 0.01 / 0.001 / 0.0001.\n")
    print("\n".join(signal_table(groups)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [open_run(Path(name)) for name in sys.argv[2:]])
