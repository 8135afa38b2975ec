"""Cost models of RTL against yosys: many designs of random shape, format, sparsity and score.

python benchmarks/cost_model.py sharing
python benchmarks/cost_model.py measure --processes 2
python benchmarks/cost_model.py report > benchmarks/cost_model.md

`sharing` fits the constants of `hls.graph.shift_add` to da4ml's solutions of random matrices.
`measure` appends a line to cost_model.csv for each design as soon as yosys has counted its cells;
started again it goes on with the designs that are not there. `report` fits the constants of
`hls.cost.model` and judges the fits by cross-validation. `features` counts the logic of the designs
again, after a change of `hls.cost.features`.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

# One core for each process.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
from da4ml.trace import FixedVariableArray, HWConfig
from scipy.optimize import least_squares

from hls.cost.features import count_logic
from hls.cost.model import LUT_PER_UNIT, latency_cycles
from hls.graph.build import build_trigger_graph
from hls.graph.shift_add import signed_digits
from hls.graph.trigger_graph import TriggerGraph
from hls.rtl.write import write_rtl_project
from hls.synthesis import yosys
from keras_ae.errors import InputError
from keras_ae.fitting.pruning import Pruning
from keras_ae.front_end.presets import load_front_end
from keras_ae.front_end.scaled_inputs import ScaledInput, ScaledInputs
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.learning import PruningSettings

CSV = Path(__file__).with_suffix(".csv")
N_DESIGNS = 120
FRONT_END = load_front_end("adc2021")
N_FEATURES = FRONT_END.n_values
FAMILY = "xcup"
_N_FOLDS, _N_MATRICES = 10, 400
#: LUT of designs that are taken for small, and for big.
_SMALL, _BIG = 1500, 2000
#: Features in the report, beside those that the LUT are fitted to.
_OTHERS = ("ebops", "rounding_bits", "depth", "levels", "milliseconds")
#: Columns of the table, beside those of `Design` and the features.
_MEASURED = (
    "latency_cycles",
    "estimated_lut",
    "register_bits",
    "yosys_lut",
    "yosys_ff",
    "yosys_carry",
    "plan_seconds",
    "yosys_seconds",
)
_N_EVENTS, _N_EPOCHS, _N_PRUNING_EPOCHS = 2000, 5, 3
_SCORES = ("squared_latent_norm", "reconstruction_error", "kl_divergence")
#: Designs of fewer LUT by da4ml's estimate are skipped: their score is a constant, or nearly so.
_LEAST = 250
#: From which seed on: the size in LUT, as `_rough_size` guesses it, and by da4ml's estimate the
#: largest that is not skipped. Synthesis takes a minute for 2000 LUT, so that most are smaller.
_BATCHES = ((64, (250, 900), 1800), (40, (250, 2000), 1800), (0, (250, 2000), 4000))
#: Seeds of a few large ones, that size and no limit.
_LARGE, _LARGE_SIZE = (7, 9, 32), (3000, 8000)


@dataclass(frozen=True)
class Design:
    """What is drawn, from the seed alone. Widths are in bits; `filters` of 0 is a dense network."""

    seed: int
    input_dim: int
    filters: int
    kernel_size: int
    hidden_dims: str
    latent_dim: int
    score: str
    scaled: bool
    input_bits: int
    weight_bits: int
    weight_integer: int
    activation_bits: int
    latent_bits: int
    sparsity: float
    levels: int

    @classmethod
    def draw(cls, seed: int) -> Design:
        """Of log-uniform size, so that small designs are as many as large ones."""
        rng = np.random.default_rng(seed)
        size = _LARGE_SIZE if seed in (7, 32) else _batch(seed)[1]
        target = np.exp(rng.uniform(*np.log(size)))
        while True:
            design = cls._draw(seed, rng)
            if 0.8 < design._rough_size() / target < 1.25:
                return design

    @classmethod
    def _draw(cls, seed: int, rng: np.random.Generator) -> Design:
        convolutional = seed % 10 == 3
        input_dim = int(rng.choice([16, 32, 64] if convolutional else [4, 6, 9, 16, 24, 40, 57]))
        widths = sorted(rng.integers(2, 33, 1 if convolutional else rng.integers(1, 4)))[::-1]
        score = str(rng.choice(_SCORES, p=[0.6, 0.2, 0.2]))
        return cls(
            seed=seed,
            input_dim=input_dim,
            filters=int(rng.integers(1, 5)) if convolutional else 0,
            kernel_size=int(rng.integers(2, 4)) if convolutional else 0,
            hidden_dims="-".join(str(width) for width in widths),
            latent_dim=int(rng.integers(1, 5)),
            score=score,
            scaled=bool(input_dim == N_FEATURES and rng.integers(2)),
            input_bits=int(rng.integers(4, 11)),
            weight_bits=int(rng.integers(3, 9)),
            weight_integer=int(rng.integers(1, 3)),
            activation_bits=int(rng.integers(4, 11)),
            # Of the table of exp that the divergence needs.
            latent_bits=int(rng.integers(5, 8 if score == "kl_divergence" else 11)),
            sparsity=round(float(rng.uniform(0, 0.9)), 2),
            levels=int(rng.integers(2, 9)),
        )

    @property
    def spec(self) -> ArchitectureSpec | ConvolutionalSpec:
        """Of the network."""
        hidden = tuple(int(width) for width in self.hidden_dims.split("-"))
        if not self.filters:
            return ArchitectureSpec(
                input_dim=self.input_dim, hidden_dims=hidden, latent_dim=self.latent_dim
            )
        shape = {16: (4, 4, 1), 32: (4, 4, 2), 64: (8, 8, 1)}[self.input_dim]
        return ConvolutionalSpec(
            kind="convolutional",
            image_shape=shape,
            filters=(self.filters,),
            kernel_size=self.kernel_size,
            hidden_dims=hidden,
            latent_dim=self.latent_dim,
        )

    @property
    def precision(self) -> FixedPoint:
        """Of the network."""
        return FixedPoint(
            input=f"fixed<{self.input_bits},3>",
            weight=f"fixed<{self.weight_bits},{self.weight_integer}>",
            bias="fixed<8,2>",
            activation=f"ufixed<{self.activation_bits},3>",
            latent=f"fixed<{self.latent_bits},3>",
            reconstruction=f"fixed<{self.input_bits},3>",
        )

    def _rough_size(self) -> float:
        """A bit for each signed digit of a weight that is not zero, half of it shared."""
        spec = self.spec
        dims = [self.input_dim, *spec.hidden_dims, self.latent_dim]
        n_weights = 0
        if isinstance(spec, ConvolutionalSpec):
            dims[0] = self.input_dim // spec.image_shape[2] // 4 * self.filters
            n_weights += self.input_dim * self.kernel_size**2 * self.filters
        n_weights += sum(a * b for a, b in itertools.pairwise(dims))
        if self.score == "reconstruction_error":
            n_weights *= 2
        bits = (self.input_bits + self.activation_bits) / 2
        return float(n_weights * (1 - self.sparsity) * self.weight_bits / 3 * (bits + 2) / 2)


def _batch(seed: int) -> tuple[int, tuple[int, int], int]:
    """The one that a seed belongs to."""
    return next(batch for batch in _BATCHES if seed >= batch[0])


def build_graph(design: Design) -> TriggerGraph:
    """The trigger graph of the design, trained for a few epochs on correlated normal numbers."""
    rng = np.random.default_rng(design.seed)
    objective = "variational" if design.score == "kl_divergence" else "plain"
    precision, spec = design.precision, design.spec
    model = build_autoencoder(objective, spec, precision, seed=design.seed)
    factors = rng.normal(size=(_N_EVENTS, 4)) @ rng.normal(size=(4, design.input_dim)) / 2
    x = factors + 0.3 * rng.normal(size=(_N_EVENTS, design.input_dim))
    scaler = units = None
    if design.scaled:
        # As they are fitted: offsets of pT alone, which also says whether a slot is empty.
        offset = rng.integers(0, 40, N_FEATURES) * (np.arange(N_FEATURES) % 3 == 0)
        shift = rng.integers(3, 7, N_FEATURES)
        scaler = ScaledInputs(
            N_FEATURES,
            tuple(
                ScaledInput(column, float(moved), int(by), column if moved else None)
                for column, (moved, by) in enumerate(zip(offset, shift, strict=True))
            ),
        )
        units = FRONT_END.port_format
        hardware = units.quantize(x * 2.0**shift + offset)
        x = (hardware - offset) * 2.0**-shift
    else:
        hardware = x = precision.input.quantize(x)
    x, hardware = (part.reshape(-1, *spec.input_shape) for part in (x, hardware))
    callbacks = []
    if design.sparsity:
        settings = PruningSettings(sparsity=design.sparsity, n_epochs=_N_PRUNING_EPOCHS)
        callbacks.append(Pruning(model, settings))
    keras.utils.set_random_seed(design.seed)
    model.compile(optimizer=keras.optimizers.Adam(4e-3), jit_compile=False)
    x = x.astype(np.float32)
    model.fit(x, batch_size=100, epochs=_N_EPOCHS, callbacks=callbacks, verbose=0)
    return build_trigger_graph(model, (design.score,), (hardware,), 0.01, scaler, units)


def measure(design: Design) -> dict[str, Any] | str:
    """A row of the table, or why there is none."""
    keras.backend.clear_session()
    graph = load_graph(design)
    with tempfile.TemporaryDirectory() as temporary:
        start = time.perf_counter()
        settings = FirmwareSettings(levels_per_stage=design.levels)
        nothing = [np.zeros((1, *graph.grids[name].shape)) for name in graph.input_names]
        try:
            rtl = write_rtl_project(graph, Path(temporary) / "rtl", settings, nothing)
        except InputError as error:
            return f"seed {design.seed}: skipped, {error}"
        middle = time.perf_counter()
        most = np.inf if design.seed in _LARGE else _batch(design.seed)[2]
        if not _LEAST <= rtl.estimated_lut <= most:
            return f"seed {design.seed}: skipped, {rtl.estimated_lut:.0f} LUT by da4ml's estimate"
        cells = yosys.count_cells(Path(temporary) / "rtl", FAMILY)
    return {
        **asdict(design),
        **{
            name: getattr(rtl, name)
            for name in ("latency_cycles", "estimated_lut", "register_bits")
        },
        **{f"yosys_{name}": getattr(cells, name) for name in ("lut", "ff", "carry")},
        "plan_seconds": round(middle - start, 2),
        "yosys_seconds": round(time.perf_counter() - middle, 1),
        **features(graph),
    }


def load_graph(design: Design) -> TriggerGraph:
    """Kept in build/, since training takes longer than all models of cost."""
    path = CSV.parents[1] / "build" / "cost_model" / f"{design.seed}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        build_graph(design).save(path)
    return TriggerGraph.load(path)


def features(graph: TriggerGraph) -> dict[str, float]:
    """What the fast model sees of a graph, and in how many milliseconds."""
    start = time.process_time()
    logic, signals = count_logic(graph)
    milliseconds = 1000 * (time.process_time() - start)
    depth = max(float(signals[name].depth.max()) for name in graph.output_names)
    counted = {name: round(value, 1) for name, value in asdict(logic).items()}
    return {**counted, "depth": round(depth, 2), "milliseconds": round(milliseconds, 1)}


def read_rows() -> list[dict[str, str]]:
    """Of all designs that were measured."""
    if not CSV.is_file():
        return []
    with CSV.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(rows: list[dict[str, Any]], mode: str) -> None:
    """With a header where there is none."""
    header = mode == "w" or not CSV.is_file()
    with CSV.open(mode, encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)


def measure_all(n_designs: int, n_processes: int) -> None:
    """Append the rows that are missing."""
    done = {int(row["seed"]) for row in read_rows()}
    designs = [Design.draw(seed) for seed in range(n_designs) if seed not in done]
    # Spawned: TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(n_processes, maxtasksperchild=60) as pool:
        for row in pool.imap_unordered(measure, designs):
            print(row, file=sys.stderr, flush=True)
            if isinstance(row, dict):
                write_rows([row], "a")


def count_again() -> None:
    """The features of every row, by the present code."""
    rows = sorted(read_rows(), key=lambda row: int(row["seed"]))
    kept = {*(field.name for field in fields(Design)), *_MEASURED}
    graphs = (load_graph(Design.draw(int(row["seed"]))) for row in rows)
    new = [
        {name: value for name, value in row.items() if name in kept} | features(graph)
        for row, graph in zip(rows, graphs, strict=True)
    ]
    write_rows(new, "w")


def sharing() -> None:
    """Fit what da4ml shares, and the levels that it takes, to random matrices."""
    rng = np.random.default_rng(0)
    found: list[tuple[float, ...]] = []
    while len(found) < _N_MATRICES:
        n_inputs, n_outputs = (int(np.exp(rng.uniform(*ends))) for ends in ((0.7, 4), (0, 3.5)))
        width, bits = int(rng.integers(2, 10)), int(rng.integers(4, 11))
        weights = rng.normal(size=(n_inputs, n_outputs))
        weights[np.abs(weights) < np.quantile(np.abs(weights), rng.uniform(0, 0.9))] = 0
        largest = 2.0 ** (width - 1)
        units = np.clip(np.rint(weights * largest / rng.uniform(1.5, 4)), -largest, largest - 1)
        digits = signed_digits(units)
        n_terms = digits.sum(axis=0)
        tree = float(np.maximum(n_terms - 1, 0).sum() * (bits + 2))
        if tree < 50 or n_terms.sum() > 1200:
            continue
        cost, depth = solve_matrix(units, bits)
        n_used = np.count_nonzero(n_terms)
        per_weight = n_terms.sum() / (n_used * n_inputs)
        levels = np.log2(n_terms.max())
        widest = np.log2(np.abs(units).max()) + 1
        found.append((cost / tree, per_weight, n_used, widest, depth - np.ceil(levels), levels))
    ratio, *sizes, extra, levels = np.array(found).T
    matrix = np.log(np.stack([np.full(len(ratio), np.e), *sizes], axis=1))
    solution = least_squares(lambda x: matrix @ x - np.log(ratio), np.zeros(4), loss="soft_l1")
    error = np.abs(np.exp(matrix @ solution.x) / ratio - 1)
    factor, *exponents = solution.x
    print("SHARING =", (round(float(np.exp(factor)), 3), *(round(float(e), 3) for e in exponents)))
    print("EXTRA_LEVELS =", round(float(extra.sum() / levels.sum()), 3))
    print(f"error of the bits: median {np.median(error):.3f}, 90 % {np.quantile(error, 0.9):.3f}")


def solve_matrix(units: np.ndarray, bits: int) -> tuple[float, float]:
    """Bits of the adders of da4ml's solution for signed inputs of `bits`, and its depth."""
    form = [np.full(len(units), number) for number in (1, bits - 1, 0)]
    inputs = FixedVariableArray.from_kif(*form, hwconf=HWConfig(1, -1, -1))
    results = (inputs @ units).ravel()
    adders, rest = {}, list(results)
    while rest:
        variable = rest.pop()
        if variable.id not in adders:
            adders[variable.id] = variable.cost
            rest += variable._from
    return float(sum(adders.values())), float(max(variable.latency for variable in results))


def report() -> None:
    """Markdown: constants, errors, latency."""
    rows = read_rows()
    table = {
        name: np.array([float(row[name]) for row in rows])
        for name in (*_MEASURED[:5], *LUT_PER_UNIT, *_OTHERS)
    }
    lut, raw = table["yosys_lut"], table["estimated_lut"]
    fast = np.stack([table[name] for name in LUT_PER_UNIT], axis=1)
    n_convolutional = sum(row["filters"] != "0" for row in rows)
    few, median, most = (int(value) for value in np.quantile(lut, (0, 0.5, 1)))
    print(
        f"{len(rows)} designs, {n_convolutional} of them convolutional, of {few} to {most} LUT, "
        f"median {median}: LUT of UltraScale+ by yosys, after synthesis. Fits minimize the "
        f"logarithm of estimate / yosys, with a loss that is linear for outliers; errors are of "
        f"{_N_FOLDS}-fold cross-validation. Designs below {_LEAST} LUT by da4ml's cost were "
        f"skipped, and most of those above {_BATCHES[0][2]}. Neither yosys' counts nor these are "
        "a vendor's.\n"
    )
    print("| error of LUT, \\|estimate / yosys - 1\\| | median | 90 % quantile | largest |")
    print("|---|---|---|---|")
    predictions = {
        "`estimate_cost`, milliseconds": cross_validated(fast, lut),
        "EBOPs times a factor": cross_validated(table["ebops"][:, None], lut),
        "da4ml's cost as it is, seconds": raw,
        "da4ml's cost times a factor": cross_validated(raw[:, None], lut),
    }
    for name, predicted in predictions.items():
        error = np.abs(predicted / lut - 1)
        numbers = (np.median(error), np.quantile(error, 0.9), error.max())
        print(f"| {name} | {' | '.join(f'{100 * number:.1f} %' for number in numbers)} |")
    print("\n| `estimate_cost`, of | designs | median | 90 % quantile |\n|---|---|---|---|")
    error = np.abs(predictions["`estimate_cost`, milliseconds"] / lut - 1)
    groups = {score: [row["score"] == score for row in rows] for score in _SCORES}
    groups["convolutional"] = [row["filters"] != "0" for row in rows]
    groups["up to 500 LUT"], groups["over 1500 LUT"] = lut <= 500, lut > 1500
    for name, group in groups.items():
        part = error[np.array(group)]
        middle, high = np.median(part), np.quantile(part, 0.9)
        print(f"| {name} | {len(part)} | {100 * middle:.1f} % | {100 * high:.1f} % |")
    pipelines = np.stack([table[name] for name in ("depth", "levels", "latency_cycles")], axis=1)
    folds = _folds(len(rows))
    off = np.concatenate(
        [
            _cycles_off(pipelines[folds == fold], fit_depth(pipelines[folds != fold]))
            for fold in range(_N_FOLDS)
        ]
    )
    print(
        f"\nLatency in cycles is exact for {100 * np.mean(off == 0):.0f} % of the designs and off "
        f"by one at most for {100 * np.mean(np.abs(off) <= 1):.0f} %; by {np.abs(off).max():.0f} "
        f"at most, and {off.mean():+.2f} in the mean. `estimate_cost` took "
        f"{np.median(table['milliseconds']):.0f} ms in the median, "
        f"{np.quantile(table['milliseconds'], 0.9):.0f} ms in the 90 % quantile.\n"
    )
    units = dict(zip(LUT_PER_UNIT, fit(fast, lut).round(3).tolist(), strict=True))
    print(f"Fitted to all designs: `LUT_PER_UNIT = {units}`,")
    print(f"`DEPTH_LINE = {fit_depth(pipelines)}`.\n")
    small, large = lut < _SMALL, lut > _BIG
    ratio = fast[large] @ fit(fast[small], lut[small]) / lut[large]
    print(
        f"Fitted to the {small.sum()} designs below {_SMALL} LUT alone, `estimate_cost` is off by "
        f"{100 * np.median(np.abs(ratio - 1)):.1f} % in the median for the {large.sum()} above "
        f"{_BIG}, {100 * np.abs(ratio - 1).max():.0f} % at most."
    )
    worst = rows[int(np.argmax(error))]
    print(
        f"The largest error is that of seed {worst['seed']}, pruned to {worst['sparsity']}, of "
        f"which {worst['yosys_lut']} LUT are left after synthesis."
    )


def fit(matrix: np.ndarray, lut: np.ndarray) -> np.ndarray:
    """Factors, none negative, of the columns."""
    solution = least_squares(
        lambda factors: np.log(np.maximum(matrix @ factors, 1) / lut),
        np.full(matrix.shape[1], 0.5),
        bounds=(0, np.inf),
        loss="soft_l1",
        f_scale=0.1,
    )
    return np.asarray(solution.x)


def cross_validated(matrix: np.ndarray, lut: np.ndarray) -> np.ndarray:
    """Each design's LUT by a fit to the others."""
    folds = _folds(len(lut))
    predicted = np.zeros(len(lut))
    for fold in range(_N_FOLDS):
        inside = folds == fold
        predicted[inside] = matrix[inside] @ fit(matrix[~inside], lut[~inside])
    return predicted


def fit_depth(pipelines: np.ndarray) -> tuple[float, float]:
    """Factor and offset of the depth for (depth, levels, cycles) of pipelines, on a grid."""
    lines = [(factor / 100, offset / 4) for factor in range(100, 130) for offset in range(-6, 7)]
    return min(lines, key=lambda line: float((_cycles_off(pipelines, line) ** 2).mean()))


def _cycles_off(pipelines: np.ndarray, line: tuple[float, float]) -> np.ndarray:
    found = [latency_cycles(depth, levels, line) for depth, levels, _ in pipelines]
    return np.array(found) - pipelines[:, 2]


def _folds(n: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(n) % _N_FOLDS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["sharing", "measure", "features", "report"])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--designs", type=int, default=N_DESIGNS)
    options = parser.parse_args()
    if options.command == "measure":
        measure_all(options.designs, options.processes)
    else:
        {"sharing": sharing, "features": count_again, "report": report}[options.command]()


if __name__ == "__main__":
    main()
