"""Digests of what every config makes: a change that only moves code leaves the table as it was.

python benchmarks/digests.py configs/*.yaml > before.md

Floating-point numbers depend on processor, versions and number of threads: compare tables of one
machine. `--epochs` cuts every training short, and RTL is written up to `--max-rtl-lut` (by the
cost model), so that the table takes half an hour on two cores; without, it takes hours.

Columns: weights of each model; every score of every sample by float, student and quantized model,
and by the exact reference; threshold; C++, its weights and its test bench; Verilog and VHDL;
interface files. "-": the config has none.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

from hls.graph.trigger_graph import TriggerGraph
from hls.stages.events import hardware_values
from hls.stages.firmware import convert
from hls.stages.rtl import write_rtl
from keras_ae.errors import InputError
from keras_ae.evaluation import evaluate
from keras_ae.files import read_json
from keras_ae.run_contents import (
    load_data,
    load_keras_model,
    load_model,
    network_inputs,
    sample_scores,
)
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import Experiment, load_experiment
from keras_ae.training import distill, quantize, train

COLUMNS = (
    *("float", "student", "quantized", "scores", "exact", "threshold"),
    *("C++", "RTL", "interfaces"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--epochs", type=int, help="of every training, at most")
    parser.add_argument("--max-rtl-lut", type=int, help="larger designs are not written as RTL")
    options = parser.parse_args()
    print(f"Made by benchmarks/digests.py {' '.join(sys.argv[1:])}\n")
    print(f"| config | {' | '.join(COLUMNS)} |")
    print(f"|---|{'---|' * len(COLUMNS)}")
    for path in options.configs:
        keras.backend.clear_session()
        experiment = _shortened(load_experiment(path), options.epochs, options.max_rtl_lut)
        with tempfile.TemporaryDirectory() as folder:
            found = digests(create_run(Path(folder) / "run", experiment))
        cells = [found.get(column, "-") for column in COLUMNS]
        print(f"| `{path.stem}` | {' | '.join(cells)} |", flush=True)


def digests(run: Run) -> dict[str, str]:
    """By column, of a new run."""
    found = {}
    train(run, progress=False)
    levels = ["float"]
    if run.experiment.student is not None:
        distill(run, progress=False)
        levels.append("student")
    quantize(run, progress=False)
    evaluate(run)
    levels.append("quantized")
    for level in levels:
        found[level] = _of_weights(run.model_path(level))
    found["scores"] = _digest(_scores(run, levels))
    if run.experiment.firmware is None:
        return found
    convert(run)
    found["exact"] = _digest(_exact_scores(run))
    found["threshold"] = repr(read_json(run.trigger_path, "threshold")["threshold"])
    project = run.firmware_folder
    found["C++"] = _of_files(project, ["firmware/**/*", "tb_data/*", "*.cpp", "*.tcl"])
    interfaces = [*project.glob("interface.json"), *project.glob("README.md")]
    try:
        write_rtl(run, report=lambda line: None)
        found["RTL"] = _of_files(run.rtl_folder, ["verilog/*", "vhdl/*", "bench/*", "design.json"])
        interfaces += [run.rtl_folder / "interface.json", run.rtl_folder / "README.md"]
    except InputError as error:
        found["RTL"] = "too large" if "max_rtl_lut" in str(error) else "refused"
    found["interfaces"] = _digest(path.read_bytes() for path in interfaces)
    return found


def _shortened(experiment: Experiment, epochs: int | None, max_lut: int | None) -> Experiment:
    content = experiment.model_dump(mode="json")
    sections = [content["training"], content["quantization"]]
    sections += [content["student"]["training"]] if content["student"] else []
    for section in sections if epochs else []:
        # One epoch at least trains what is left after pruning.
        pruning = section.get("pruning") or {"n_epochs": 0}
        section["epochs"] = min(section["epochs"], max(epochs, pruning["n_epochs"] + 1))
    if max_lut and content["firmware"] is not None:
        content["firmware"]["max_rtl_lut"] = max_lut
    return Experiment.model_validate(content)


def _scores(run: Run, levels: list[str]) -> Iterator[bytes]:
    data = load_data(run)
    samples = {"train": data.train, "validation": data.validation, **data.tested}
    for level in levels:
        model = load_model(run, level)
        for sample in samples.values():
            inputs = network_inputs(run, "quantized" if level == "quantized" else "float", sample)
            for name, scores in sample_scores(model, inputs).items():
                yield name.encode() + np.ascontiguousarray(scores).tobytes()


def _exact_scores(run: Run) -> Iterator[bytes]:
    data, graph = load_data(run), TriggerGraph.load(run.trigger_graph_path)
    for sample in (data.train, data.validation, *data.tested.values()):
        output = graph.evaluate(
            *graph.with_threshold(hardware_values(run, sample, graph.interface))
        )
        for name, scores in output.scores.items():
            yield name.encode() + scores.tobytes()
        yield output.trigger.tobytes()


def _of_weights(path: Path) -> str:
    """Of the arrays in a .keras file, which also holds the time of writing."""
    model = load_keras_model(path)
    return _digest(np.asarray(variable).tobytes() for variable in model.variables)


def _of_files(folder: Path, patterns: list[str]) -> str:
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return _digest(str(p.relative_to(folder)).encode() + p.read_bytes() for p in sorted(paths))


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    main()
