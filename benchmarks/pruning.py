"""What pruning saves in firmware and costs in physics, on the network of l1_vae_latent.yaml.

python benchmarks/pruning.py > benchmarks/pruning.md

One float training; then the float weights rounded (PTQ), fine-tuned (QAT), and fine-tuned with
pruning. Adders are those of da4ml's shift-and-add logic for the integer kernels in firmware, and
LUTs its estimate of them: one for each bit of an adder. Neither is a vendor's synthesis.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
from da4ml.cmvm import solve
from da4ml.cmvm.types import QInterval

from hls.graph.build import build_score_graph, set_threshold
from hls.graph.layers.kernel_layers import KernelLayer
from hls.graph.trigger_graph import TriggerGraph
from hls.stages.events import hardware_values, scaler_of, wires_in_firmware
from keras_ae.evaluation import evaluate, evaluated_models
from keras_ae.files import read_json
from keras_ae.run_contents import load_data
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.training import quantize, train

CONFIG = Path(__file__).parents[1] / "configs" / "l1_vae_latent.yaml"
#: Long enough for the weights that are left to make up for the others.
FINE_TUNING = {"epochs": 24, "learning_rate": 1e-3}
SPARSITIES = (0.0, 0.5, 0.75)
N_PRUNING_EPOCHS = 8
FPR = "0.01"


def trigger_graph(run: Run, model: keras.Model) -> TriggerGraph:
    """As the stage `convert` builds it."""
    trigger, wires = run.experiment.trigger, wires_in_firmware(run.experiment)
    graph = build_score_graph(model, trigger.score, scaler_of(run), wires)
    background = hardware_values(run, load_data(run).validation, graph.interface)
    return set_threshold(graph, background, trigger.fpr)


def resources(graph: TriggerGraph) -> tuple[float, int, int]:
    """Of the dense layers in firmware: share of zero weights, adders, estimated LUTs."""
    zeros, n_adders, n_luts = [], 0, 0.0
    for node in graph.nodes:
        if not isinstance(node.layer, KernelLayer):
            continue
        weights = node.layer.weights
        grid = graph.grids[node.inputs[0]]
        intervals = [QInterval(*ends) for ends in zip(grid.low, grid.high, grid.step, strict=True)]
        # An adder costs its bits; no search over decompositions, which takes minutes.
        solution = solve(
            weights.kernel.astype(np.float32),
            qintervals=intervals,
            adder_size=1,
            search_all_decompose_dc=False,
        )
        n_adders += sum(op.opcode in (0, 1) for stage in solution.solutions for op in stage.ops)
        n_luts += solution.cost
        zeros.append(weights.kernel.ravel() == 0)
    return float(np.concatenate(zeros).mean()), n_adders, round(n_luts)


def row(run: Run, title: str, method: str) -> str:
    """Markdown: one method of an evaluated run."""
    zero, n_adders, n_luts = resources(trigger_graph(run, evaluated_models(run)[method]))
    methods = read_json(run.metrics_path)["methods"]
    cells = (
        f"{quality['auc']:.3f} ± {quality['auc_error']:.3f} / {100 * quality['tpr'][FPR]:.1f} %"
        for quality in methods[f"{method}/{run.experiment.trigger.score}"].values()
    )
    return f"| {title} | {100 * zero:.0f} % | {n_adders} | {n_luts} | {' | '.join(cells)} |"


def main() -> None:
    experiment = load_experiment(CONFIG)
    signals = " | ".join(experiment.data.signals)
    print(
        f"{CONFIG.name}, AUC / TPR at FPR {FPR}; fine-tuning for {FINE_TUNING['epochs']} epochs at "
        f"learning rate {FINE_TUNING['learning_rate']:g}, pruning in the first "
        f"{N_PRUNING_EPOCHS} of them. Adders and LUTs: da4ml's, of the encoder's kernels.\n"
    )
    print(f"| | zero weights | adders | LUTs | {signals} |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        trained = create_run(Path(temporary) / "trained", experiment)
        train(trained)
        for sparsity in SPARSITIES:
            content = experiment.model_dump(mode="json")
            content["quantization"] |= FINE_TUNING
            if sparsity:
                pruning = {"sparsity": sparsity, "n_epochs": N_PRUNING_EPOCHS}
                content["quantization"]["pruning"] = pruning
            folder = Path(temporary) / f"{sparsity:g}"
            shutil.copytree(trained.folder, folder)
            run = create_run(folder, Experiment.model_validate(content))
            quantize(run)
            evaluate(run)
            if not sparsity:
                print(row(run, "PTQ", "post_training"))
            title = f"QAT, {100 * sparsity:.0f} % pruned" if sparsity else "QAT"
            print(row(run, title, "quantized"), flush=True)
            print(title, file=sys.stderr)


if __name__ == "__main__":
    main()
