"""What a scan may choose by that needs no signal: agreement, likelihood, stability."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata
from test_scan_measure import FORMATS, rows_of, write_tiny

from hls import cli
from hls.scan import without_signals as without
from hls.stages.events import hardware_values
from hls.stages.firmware import trigger_graph
from keras_ae.data.dataset import Sample
from keras_ae.metrics import effective_number
from keras_ae.run_contents import load_data, load_model, network_inputs
from keras_ae.runs import Run, open_run
from keras_ae.teaching import teacher_scores


def scan_once(config: Path, folder: Path) -> tuple[dict[str, str], Run]:
    """The row of the only trial of a scan on the command line, and its run."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["scan", str(config), "--scan-dir", str(folder)])
    assert not caught.value.code
    (row,) = rows_of(folder)
    return row, open_run(folder / "trials" / "0000")


def test_agreement_is_the_mean_rank_correlation() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 300))
    expected = [
        np.corrcoef(rankdata(a), rankdata(b))[0, 1]
        for a, b in ((first, first**3), (first, second + first))
    ]
    parents = np.arange(300)
    found = without.agreement([(first, first**3, parents), (first, second + first, parents)])
    assert expected[0] == pytest.approx(1)
    assert found.value == pytest.approx(np.mean(expected))
    # A score that is the same for all events agrees with none.
    assert without.agreement([(np.ones(5), np.arange(5), parents[:5])]).value == 0
    # Events that share a parent count as one.
    alone, pairs = (
        without.agreement([(first, second + first, shared)]) for shared in (parents, parents // 3)
    )
    assert pairs.error / alone.error == pytest.approx(np.sqrt(297 / 97))
    # Made-up events move with the background that they are made of.
    twice = without.agreement(2 * [(first, second + first, parents)])
    assert twice.error == pytest.approx(alone.error)


def test_error_of_an_agreement_is_what_other_events_change() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 500, 300))
    found = [
        without.agreement([(a, a + b, np.arange(300))]) for a, b in zip(first, second, strict=True)
    ]
    spread = np.std([each.value for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.1)


def test_stability_is_how_far_a_threshold_is_off_on_other_events() -> None:
    values = [np.arange(100.0), np.arange(100.0) + 10]
    parts: list[Any] = [SimpleNamespace(x=x, parents=np.arange(100)) for x in values]

    def score(sample: Any) -> np.ndarray:
        return np.asarray(sample.x)

    # Above 79 are 30 of the second, above 89 are 10 of the first.
    found = without.stability(score, (parts[0], parts[1]), 0.2)
    assert found.value == pytest.approx(-(np.log(30 / 20) + np.log(20 / 10)) / 2)
    same = without.stability(score, (parts[0], parts[0]), 0.2)
    assert same.value == 0
    # Where nothing passes, half an event.
    parts[1] = SimpleNamespace(x=values[0] - 1000, parents=np.arange(100))
    none = without.stability(score, (parts[0], parts[1]), 0.2)
    assert none.value == pytest.approx(-(np.log(0.2 * 200) + np.log(1 / 0.2)) / 2)


def test_error_of_a_stability_is_what_other_events_change() -> None:
    rng = np.random.default_rng(3)

    def direction() -> Any:
        parts = [SimpleNamespace(x=x, parents=np.arange(2000)) for x in rng.random((2, 2000))]
        return without.stability(lambda sample: sample.x, (parts[0], parts[1]), 0.1)  # type: ignore

    found = [direction() for _ in range(500)]
    # Not less: both directions tell nearly the same.
    size = np.sqrt(np.mean([each.value**2 for each in found]))
    assert size < np.mean([each.error for each in found]) < 1.2 * size


def test_likelihood_is_that_of_the_models_on_background(finished_run: Path) -> None:
    run = open_run(finished_run)
    data = load_data(run)
    data = replace(data, test=data.test.take(np.arange(200)))
    found = without.by_likelihood(run, data, (len, len))  # type: ignore[arg-type]
    values = load_model(run, "quantized").log_likelihood(
        network_inputs(run, "quantized", data.test), 64
    )
    assert found[1].value == pytest.approx(values.mean())
    n_parents = effective_number(np.unique(data.test.parents, return_counts=True)[1])
    assert found[1].error == pytest.approx(values.std() / np.sqrt(n_parents))
    in_float = load_model(run, "float").log_likelihood(
        network_inputs(run, "float", data.validation), 64
    )
    assert found[2].value == pytest.approx(in_float.mean())


@pytest.mark.filterwarnings("ignore:score:UserWarning")
@pytest.mark.slow
def test_choosing_without_signals(
    experiment_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A student that learns with made-up events; the signals are looked at afterwards."""
    exposure = {"share": 0.5, "steps": [{"kind": "scaled"}]}
    student = {
        "architecture": {"input_dim": 57, "hidden_dims": [4]},
        "training": {"epochs": 2},
        "exposure": exposure,
    }
    config = write_tiny(
        tmp_path,
        experiment_content | {"student": student},
        fixed={f"precision.{name}": text for name, text in FORMATS.items()},
        objectives={"maximize": "agreement"},
        n_trials=1,
    )
    row, run = scan_once(config, tmp_path / "scan")
    assert -1 <= float(row["agreement"]) <= 1 and -1 <= float(row["agreement_test"]) <= 1
    assert 0 < float(row["auc_of_signals"]) < 1
    out = capsys.readouterr().out
    assert "signals: AUC" in out and "half" not in out
    data = load_data(run)
    seen = without.unlabelled(run, data.validation, 0)
    # By hand, of firmware and teacher on both samples.
    graph = trigger_graph(run, data.validation)
    pairs = [
        (
            graph.evaluate(*hardware_values(run, sample, graph.interface)).score,
            teacher_scores(run, sample),
            sample.parents,
        )
        for sample in seen
    ]
    assert len(seen) == 2 and len(seen[1]) == len(data.validation)
    assert float(row["agreement"]) == pytest.approx(without.agreement(pairs).value)


@pytest.mark.filterwarnings("ignore:score:UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["likelihood", "stability"])
def test_choosing_without_teachers(
    experiment_content: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wanted: str,
) -> None:
    config = write_tiny(
        tmp_path, experiment_content, objectives={"maximize": wanted}, fixed={}, n_trials=1
    )
    row, run = scan_once(config, tmp_path / "scan")
    data = load_data(run)
    graph = trigger_graph(run, data.validation)

    def in_firmware(sample: Sample) -> np.ndarray:
        return graph.evaluate(*hardware_values(run, sample, graph.interface)).score

    qualities = without.WITHOUT_SIGNALS[wanted](run, data, (in_firmware, in_firmware))
    found = [float(row[name]) for name in (wanted, f"{wanted}_test")]
    assert found == pytest.approx([qualities[0].value, qualities[1].value], rel=1e-4)
    assert "signals: AUC" in capsys.readouterr().out
